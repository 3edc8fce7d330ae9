"""Both faces in a notebook: cells run within a loop, and Ctrl-C is an interrupt of the kernel."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

SECONDS = 60  # after which a cell is stuck

PREPARE = """
import asyncio, json, os, time
import ahpo
from ahpo import aio

ahpo.logging.set_verbosity(ahpo.logging.WARNING)

def objective(trial):
    return trial.suggest_float("x", -1, 1) ** 2

async def coroutine(trial):
    await asyncio.sleep(0)
    return trial.suggest_float("x", -1, 1) ** 2

def endless(trial):
    print("running", flush=True)
    while True:
        trial.suggest_float("x", -1, 1)
        time.sleep(0.001)

async def endless_coroutine(trial):
    print("running", flush=True)
    await asyncio.sleep(3600)

def show(study):
    print(json.dumps([trial.state.name for trial in study.trials]))

print(os.getpid())
"""

Cell = Callable[..., Any]


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """Return a function that runs a cell, in a kernel that all tests share.

    It returns what the cell printed last, as JSON, or the name of the error that it raised. With
    ``interrupt``, the kernel is interrupted as soon as the cell has printed something.
    """
    with pytest.MonkeyPatch.context() as patch:
        for directory in ("RUNTIME", "CONFIG", "DATA"):
            patch.setenv(f"JUPYTER_{directory}_DIR", str(tmp_path_factory.mktemp("jupyter")))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        manager, client = start_new_kernel(startup_timeout=SECONDS)

    def run(code: str, interrupt: bool = False) -> Any:
        printed: list[str] = []  # a line may come in pieces

        def show(message: Any) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                if interrupt and not printed:
                    os.kill(kernel, signal.SIGINT)  # as `interrupt_kernel` does, in a loop
                printed.append(message["content"]["text"])

        reply = client.execute_interactive(code, output_hook=show, timeout=SECONDS)["content"]
        if reply["status"] == "error":
            return reply["ename"]
        return json.loads("".join(printed).splitlines()[-1])

    try:
        kernel = run(PREPARE)
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("arguments", ["objective", "objective, n_jobs=4", "coroutine, n_jobs=4"])
def test_the_plain_face_in_a_cell(cell: Cell, arguments: str) -> None:
    """It works in the loop that runs the cell, and needs no await."""
    states = cell(f"""
study = ahpo.create_study()
study.optimize({arguments}, n_trials=8)
assert study.best_value == min(trial.value for trial in study.trials)
show(study)
""")
    assert states == ["COMPLETE"] * 8


def test_the_asynchronous_face_in_a_cell(cell: Cell) -> None:
    """Cells await."""
    states = cell("""
study = await aio.create_study()
await study.optimize(coroutine, n_trials=4, n_jobs=4)
await study.optimize(objective, n_trials=2, n_jobs=2)
async for frozen in study.stream(coroutine, n_trials=2):
    assert frozen.state.name == "COMPLETE"
async with study.trial() as trial:
    trial.tell(await coroutine(trial))
show(study)
""")
    assert states == ["COMPLETE"] * 9


@pytest.mark.parametrize(
    "optimize", ["endless", "endless, n_jobs=2", "endless_coroutine, n_jobs=2"]
)
@pytest.mark.parametrize(
    ("face", "wait", "error"),
    # IPython cancels a cell that awaits.
    [("ahpo", "", "KeyboardInterrupt"), ("aio", "await ", "CancelledError")],
)
def test_an_interrupt_leaves_no_running_trial(
    cell: Cell, face: str, wait: str, error: str, optimize: str
) -> None:
    """The cell is ended, trials that ran have failed, and the study can go on."""
    create = f"study = {wait}{face}.create_study()\n"
    assert cell(f"{create}{wait}study.optimize({optimize})", interrupt=True) == error
    assert set(cell("show(study)")) == {"FAIL"}
    states = cell(f"{wait}study.optimize(objective, n_trials=1)\nshow(study)")
    assert states[-1] == "COMPLETE"
