"""The orchestrator runs and prunes child processes, and leaves none behind when it is stopped."""

from __future__ import annotations

import re
import signal

import pytest

CHILD = "train.py"
ENDLESS = ("--trials", 1000, "--jobs", 3, "--epochs", 1000)


def counts(output: str) -> dict[str, int]:
    """Return how many trials the summary says ended in each state."""
    summary = re.search(r"^(\d+) trials: (.*)$", output, re.M)
    assert summary is not None, output
    states = {state: int(n) for n, state in re.findall(r"(\d+) ([A-Z]+)", summary[2])}
    assert sum(states.values()) == int(summary[1])
    return states


@pytest.mark.slow
def test_subprocess_training(start_example) -> None:
    """Eight trials run to their ends, some of them cut short by the pruner."""
    example = start_example("subprocess_training.py", "--trials", 8, "--jobs", 2, "--epochs", 6)

    status, output, errors = example.finish()

    assert status == 0
    assert re.findall(r"Trial (\d+) (?:finished|pruned)", errors) != []
    assert "Traceback" not in errors
    states = counts(output)
    assert states["COMPLETE"] + states["PRUNED"] == 8
    assert states["COMPLETE"] >= 1
    assert states["PRUNED"] >= 1
    best = re.search(r"^best accuracy ([\d.]+) with \{'units': ", output, re.M)
    assert best is not None
    assert float(best[1]) > 0.8
    assert example.processes(of=CHILD) == []


@pytest.mark.parametrize("group", [True, False])
def test_subprocess_training_interrupted(start_example, group: bool) -> None:
    """Ctrl-C: children terminated, trials failed, a summary printed."""
    example = start_example("subprocess_training.py", *ENDLESS)
    example.wait_for_processes(CHILD, at_least=3)
    example.interrupt(group=group)

    status, output, errors = example.finish()

    assert status == 1
    assert errors.endswith("interrupted: all children have ended\n")
    assert "Traceback" not in errors
    assert example.processes(of=CHILD) == []
    states = counts(output)
    assert states["RUNNING"] == states["WAITING"] == 0
    assert states["FAIL"] == 3


def test_subprocess_training_interrupted_while_pruning(start_example) -> None:
    """Ctrl-C in the midst of trials that start and end leaves nothing behind either."""
    example = start_example(
        *("subprocess_training.py", "--trials", 1000, "--jobs", 3, "--epochs", 3)
    )
    for line in example.process.stderr:
        if re.search(r"Trial \d+ (finished|pruned)", line):
            break
    example.interrupt(group=True)

    status, output, errors = example.finish()

    assert status == 1
    assert errors.endswith("interrupted: all children have ended\n")
    assert example.processes(of=CHILD) == []
    states = counts(output)
    assert states["RUNNING"] == states["WAITING"] == 0
    assert states["COMPLETE"] + states["PRUNED"] >= 1


def test_subprocess_training_interrupted_twice(start_example) -> None:
    """An impatient second Ctrl-C leaves no child and no RUNNING trial either."""
    example = start_example("subprocess_training.py", *ENDLESS)
    example.wait_for_processes(CHILD, at_least=3)
    example.interrupt(group=True)
    example.interrupt(group=True)

    status, output, _ = example.finish()

    assert status != 0
    assert example.processes(of=CHILD) == []
    assert not re.search(r"[1-9]\d* RUNNING", output)


def test_subprocess_training_terminated(start_example) -> None:
    """SIGTERM, as a job scheduler sends it, cleans up like Ctrl-C."""
    example = start_example("subprocess_training.py", *ENDLESS)
    example.wait_for_processes(CHILD, at_least=3)
    example.process.send_signal(signal.SIGTERM)

    status, output, _ = example.finish()

    assert status == 128 + signal.SIGTERM
    assert example.processes(of=CHILD) == []
    assert counts(output)["RUNNING"] == 0


def test_subprocess_training_killed(start_example) -> None:
    """A child ends at its next epoch when its orchestrator was killed, for nobody reads it."""
    example = start_example("subprocess_training.py", *ENDLESS)
    example.wait_for_processes(CHILD, at_least=3)
    example.process.send_signal(signal.SIGKILL)

    example.wait_for_processes(CHILD, at_most=0)
