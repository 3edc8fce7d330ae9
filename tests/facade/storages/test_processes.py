"""One study, several processes: what each does, the others see, in each durable storage."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import ahpo
from ahpo.trial import TrialState
from tests.facade.storages import elsewhere
from tests.facade.storages.places import KINDS, Others, Place
from tests.faults.program import Program


def refreshed(study: Any) -> Any:
    """Return a study that knows of others' work: `refresh` is what the plain face does itself."""
    if not isinstance(study, ahpo.Study):
        study.refresh()
    return study


def test_what_another_process_wrote_is_seen(place: Place, face: Any, others: Others) -> None:
    study = face.create_study(study_name="study", storage=place.named())
    study.optimize(elsewhere.parabola, n_trials=2)

    values = others.run(elsewhere.add_trials, place, 3)

    assert [trial.value for trial in refreshed(study).trials] == values
    assert [trial.number for trial in study.trials] == list(range(5))
    assert study.best_value == min(values)
    assert study.user_attrs["by"] not in (None, os.getpid())
    study.optimize(elsewhere.parabola, n_trials=1)
    assert others.run(elsewhere.values_of, place) == [trial.value for trial in study.trials]


def test_asked_in_one_process_and_told_in_another(place: Place, face: Any, others: Others) -> None:
    study = face.create_study(study_name="study", storage=place.named())
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    refreshed(study).trials  # noqa: B018  (writes what was suggested, before somebody else tells)
    assert others.run(elsewhere.tell, place, trial.number, 1.5) is TrialState.COMPLETE
    refreshed(study)
    assert (study.trials[0].value, study.trials[0].params) == (1.5, {"x": x})
    with pytest.raises(ValueError, match="COMPLETE"):
        study.tell(trial, 2.5)

    number, x = others.run(elsewhere.ask, place)
    assert study.tell(number, x).params == {"x": x}
    assert others.run(elsewhere.values_of, place) == [1.5, x]
    with pytest.raises(ValueError, match="7"):
        study.tell(7, 0.0)


def test_enqueued_from_another_process_while_optimize_runs(
    place: Place, face: Any, others: Others
) -> None:
    study = face.create_study(study_name="study", storage=place.named())

    def objective(trial: Any) -> float:
        if trial.number == 0:
            others.run(elsewhere.enqueue, place, 1.25, -2.5)
        return trial.suggest_float("x", -10, 10)

    study.optimize(objective, n_trials=3)

    assert [trial.value for trial in study.trials[1:]] == [1.25, -2.5]
    assert all(trial.user_attrs["by"] != os.getpid() for trial in study.trials[1:])


def test_two_processes_stop_when_there_are_enough_trials(place: Place, others: Others) -> None:
    ahpo.create_study(study_name="study", storage=place.named())
    both = [others.start(elsewhere.run_until, place, 30) for _ in range(2)]
    numbers = [number for process in both for number in process.result(30.0)]

    study = place.load()
    assert sorted(numbers) == [trial.number for trial in study.trials]
    assert numbers and len(set(numbers)) == len(numbers)
    assert all(trial.state is TrialState.COMPLETE for trial in study.trials)
    assert len(study.trials) in (30, 31)  # one more may have run when the last one ended


def test_two_processes_run_each_enqueued_trial_once(place: Place, others: Others) -> None:
    study = ahpo.create_study(study_name="study", storage=place.named())
    values = [float(n) / 4 for n in range(20)]
    study.add_trials(
        [
            ahpo.trial.create_trial(
                state=TrialState.WAITING, system_attrs={"fixed_params": {"x": x}}
            )
            for x in values
        ]
    )
    both = [others.start(elsewhere.run_until, place, 20) for _ in range(2)]
    ran = [number for process in both for number in process.result(30.0)]

    assert sorted(ran)[:20] == list(range(20)) and len(set(ran)) == len(ran)
    assert [trial.params["x"] for trial in study.trials[:20]] == values


GRID = {"x": [0, 1, 2, 3], "y": [4, 5, 6]}
POINTS = [(x, y) for x in GRID["x"] for y in GRID["y"]]


def test_two_processes_share_a_grid(place: Place, others: Others) -> None:
    """Each point is run once; only where both start the last one at once, it may be run twice."""
    study = ahpo.create_study(study_name="study", storage=place.named())
    both = [others.start(elsewhere.evaluate_grid, place, GRID) for _ in range(2)]
    points = [point for process in both for point in process.result(30.0)]

    ran = [tuple(trial.params.values()) for trial in study.trials]
    assert sorted(ran) == sorted(points)
    assert sorted(ran[:12]) == POINTS
    assert len(ran) <= 13


def test_a_point_that_another_process_evaluates_is_left_to_it(
    place: Place, face: Any, others: Others
) -> None:
    sampler = ahpo.samplers.GridSampler(GRID, seed=1)
    study = face.create_study(study_name="study", storage=place.named(), sampler=sampler)
    trial = study.ask()
    mine = (trial.suggest_int("x", 0, 9), trial.suggest_int("y", 0, 9))

    points = others.run(elsewhere.evaluate_grid, place, GRID)

    assert sorted([mine, *points]) == POINTS
    study.tell(trial, 1.0)
    assert len(refreshed(study).trials) == 12


_KILLED = """
import os, pickle, signal, sys, ahpo
from tests.facade.storages.places import Place
kind, address, what = sys.argv[1:]
ahpo.logging.set_verbosity(ahpo.logging.ERROR)
study = Place(kind, address).load()

def objective(trial):
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("a", 1)
    trial.report(0.5, 3)
    if what == "checkpoint":
        trial.should_prune()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.5

def kill(study, trial):
    os.kill(os.getpid(), signal.SIGKILL)

if what == "attribute":
    study.set_user_attr("a", 1)
    kill(study, None)
study.optimize(objective, callbacks=[kill])
"""


_LOSSES = [("sqlite", "attribute"), ("journal", "checkpoint"), *((kind, "end") for kind in KINDS)]


@pytest.mark.parametrize(("kind", "what"), _LOSSES)
def test_a_killed_process_loses_nothing_that_was_acknowledged(
    place_of: Callable[[str], Place], kind: str, what: str
) -> None:
    place = place_of(kind)
    study = ahpo.create_study(study_name="study", storage=place.named())
    with Program(_KILLED, place.kind, place.address, what) as program:
        assert program.wait() in (137, -9)

    if what == "attribute":
        assert study.user_attrs == {"a": 1}
        return
    (trial,) = study.trials
    assert trial.state is (TrialState.COMPLETE if what == "end" else TrialState.RUNNING)
    assert (trial.user_attrs, trial.intermediate_values) == ({"a": 1}, {3: 0.5})
    assert trial.params and trial.value == (1.5 if what == "end" else None)
