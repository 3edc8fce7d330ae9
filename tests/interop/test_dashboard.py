"""optuna-dashboard shows a study of ours while it runs."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from ahpo import aio
from tests.faults.program import Program
from tests.interop.browser import Page
from tests.interop.conftest import Place, address_of
from tests.interop.places import their_url
from tests.servers.fixtures import demanded
from tests.servers.places import MissingServer, free_port
from tests.servers.waiting import until

_DASHBOARD = """
import sys
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="optuna-dashboard")
command.load()()
"""


class Dashboard:
    """Be a dashboard that runs as a process of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/{path}", timeout=30) as response:
            return json.load(response)

    def answers(self) -> bool:
        try:
            self.get("studies")
        except URLError:
            return False
        return True

    def states(self, study_id: int) -> list[str]:
        """Return the states of all trials, by number."""
        trials = self.get(f"studies/{study_id}")["trials"]
        assert [trial["number"] for trial in trials] == list(range(len(trials)))
        return [trial["state"] for trial in trials]


@contextmanager
def dashboard_of(place: Place) -> Iterator[Dashboard]:
    """Yield a dashboard of a place, in which there is a study."""
    if find_spec("optuna_dashboard") is None:
        raise MissingServer("there is no optuna-dashboard: install it by pip")
    port, address = free_port(), their_url(place.address)
    with Program(_DASHBOARD, address, "--port", port, "--server", "wsgiref") as program:
        dashboard = Dashboard(port)
        until(lambda: not program.running or dashboard.answers(), "the dashboard")
        assert program.running
        yield dashboard


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page in a browser."""
    with demanded(), Page(tmp_path) as page:
        yield page


class Gate:
    """Let a given number of trials through."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)

    def open(self, n: int) -> None:
        for _ in range(n):
            self._permits.release()

    async def objective(self, trial: aio.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.report(x, 1)
        await trial.should_prune()
        await self._permits.acquire()
        return x


@asynccontextmanager
async def running_study(place: Place, gate: Gate) -> AsyncIterator[aio.Study]:
    """Yield a study of which nine trials run, three at a time, as the gate lets them."""
    async with aio.create_study(storage=place.ours(), study_name="a study of ours") as study:
        run = asyncio.create_task(study.optimize(gate.objective, n_trials=9, n_jobs=3))
        try:
            yield study
        finally:
            gate.open(9)
            await run


async def wait_for_states(dashboard: Dashboard, *states: str) -> None:
    def are_there() -> bool:
        # Whichever of the trials that begin together is the first to pass the gate.
        return sorted(dashboard.states(1)) == sorted(states)

    await asyncio.to_thread(until, are_there, f"{states} in the dashboard")


COMPLETE, RUNNING = "Complete", "Running"


@pytest.mark.asyncio
async def test_dashboard_shows_a_study_while_it_runs(sqlite: Place, page: Page) -> None:
    gate = Gate()
    async with running_study(sqlite, gate) as study:
        with demanded(), dashboard_of(sqlite) as dashboard:
            gate.open(2)
            await wait_for_states(dashboard, *[COMPLETE] * 2, *[RUNNING] * 3)
            await asyncio.to_thread(page.open, f"{dashboard.url}/dashboard/studies/1/trials")
            shown = [f"Trial {number}" for number in range(5)]
            await asyncio.to_thread(page.wait_for, "a study of ours", *shown)
            assert "Trial 5" not in page.text()
            gate.open(4)
            await wait_for_states(dashboard, *[COMPLETE] * 6, *[RUNNING] * 3)
            # It asks for news every ten seconds, as it sees time pass.
            page.hurry(15)
            await asyncio.to_thread(page.wait_for, *shown, *(f"Trial {n}" for n in range(5, 9)))
            (found,) = dashboard.get("studies")["study_summaries"]
            assert found["study_name"] == study.study_name
            first = dashboard.get("studies/1")["trials"][0]
            assert first["values"] == study.trials[0].values
            assert [param["name"] for param in first["params"]] == ["x"]
            assert [report["step"] for report in first["intermediate_values"]] == [1]


@pytest.mark.asyncio
async def test_dashboard_reads_a_study_in_postgresql(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place, gate = Place("postgresql", address_of("postgresql", request, tmp_path)), Gate()
    async with running_study(place, gate):
        with demanded(), dashboard_of(place) as dashboard:
            await wait_for_states(dashboard, *[RUNNING] * 3)
            gate.open(4)
            await wait_for_states(dashboard, *[COMPLETE] * 4, *[RUNNING] * 3)
