"""Successive halving and Hyperband: rungs, brackets, and what samplers see."""

from __future__ import annotations

import math
import pickle
from collections import Counter

import numpy as np
import optuna
import pytest

from ahpo.pruners import HyperbandPruner, SuccessiveHalvingPruner
from ahpo.pruners.hyperband import Allocation, allocate
from ahpo.pruners.rung_index import RungIndex
from ahpo.states import TrialState
from tests.pruners.plain_study import PlainStudy


def test_rungs_are_recorded_on_the_trial() -> None:
    """One for each power of the reduction factor that was reached, with the value there."""
    study, pruner = PlainStudy(), SuccessiveHalvingPruner(1, 2)
    number = study.start()
    for step in range(1, 6):
        study.report(number, step, -float(step))
        assert not study.decide(pruner, number)
    rungs = {"completed_rung_0": -1.0, "completed_rung_1": -2.0, "completed_rung_2": -4.0}
    assert study.open(number).system_attrs == rungs


def test_rungs_that_were_skipped_are_completed_together() -> None:
    """By a first report at a late step."""
    study, pruner = PlainStudy(), SuccessiveHalvingPruner(1, 2)
    number = study.start()
    study.report(number, 5, 0.5)
    assert not study.decide(pruner, number)
    assert study.open(number).system_attrs == {f"completed_rung_{n}": 0.5 for n in range(3)}


def test_a_trial_competes_with_trials_in_any_state() -> None:
    """The rung counts, not how the trial went on."""
    for state in TrialState:
        study, pruner = PlainStudy(), SuccessiveHalvingPruner(1, 2)
        number = study.start({"completed_rung_0": 1.0})
        if state.is_finished():
            study.finish(number, 0.0 if state is TrialState.COMPLETE else None, state)
        worse = study.start()
        study.report(worse, 1, 2.0)
        assert study.decide(pruner, worse)


def test_a_rung_that_is_set_again_counts_once() -> None:
    """With its last value; what is no number is left aside."""
    study = PlainStudy()
    index = study.view().index(RungIndex)
    number = study.start()
    for value in (3.0, 1.0, 2.0):
        study.record(number, {"completed_rung_0": value})
    assert index.standing(9, "completed_rung_0", 1.5, maximize=False) == (1, 0)
    assert index.standing(9, "completed_rung_0", 2.5, maximize=False) == (1, 1)
    assert index.standing(9, "completed_rung_0", 1.5, maximize=True) == (1, 1)
    study.record(number, {"completed_rung_0": math.nan, "completed_rung_1": "x", "other": 1.0})
    for key in ("completed_rung_0", "completed_rung_1", "other"):
        assert index.standing(9, key, 2.5, maximize=False) == (0, 0)


def test_an_index_made_later_has_the_rungs_of_all_trials() -> None:
    """Finished or running."""
    study, pruner = PlainStudy(), SuccessiveHalvingPruner(1, 2)
    for value in (1.0, 2.0, 3.0):
        number = study.start()
        study.report(number, 1, value)
        study.decide(pruner, number)
        if value != 2.0:
            study.finish(number, value)
    resumed = PlainStudy()
    resumed.history = pickle.loads(pickle.dumps(study.history))
    assert resumed.view().index(RungIndex).standing(9, "completed_rung_0", 2.5, False) == (3, 2)


def test_auto_resources_wait_for_a_complete_trial() -> None:
    """Nothing is pruned or recorded before."""
    for pruner in (SuccessiveHalvingPruner(), HyperbandPruner()):
        study = PlainStudy()
        number = study.start()
        study.report(number, 100, math.nan)
        assert not study.decide(pruner, number)
        assert study.open(number).system_attrs == {}
        study.add({step: 0.0 for step in range(300)})
        assert study.decide(pruner, number)


@pytest.mark.parametrize(
    ("arguments", "shares"),
    [
        ((1, 1, 3), (1,)),
        ((1, 9, 3), (9, 5, 3)),
        ((1, 81, 3), (81, 34, 15, 8, 5)),
        ((2, 100, 3), (27, 12, 6, 4)),
        ((1, 1000, 2), (512, 285, 160, 92, 54, 32, 20, 14, 10, 10)),
        ((5, 1, 3), ()),
        ((1, 243, 3), (81, 34, 15, 8, 5)),  # log(243, 3) is rounded to less than 5
        ((1, 125, 5), (125, 34, 10, 4)),
    ],
)
def test_shares_of_the_brackets(arguments: tuple[int, int, int], shares: tuple[int, ...]) -> None:
    """As in the table of the paper, and where rounding bites as in Optuna."""
    assert allocate(*arguments) == shares


def test_brackets_are_those_of_optuna() -> None:
    """A hash of the study's name and the trial's number."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.HyperbandPruner(1, 81, 3)
    study = optuna.create_study(study_name="brackets", pruner=pruner)
    trial = study.ask()
    trial.report(0.0, 0)
    trial.should_prune()
    allocation = Allocation("brackets", allocate(1, 81, 3))
    expected = [
        pruner._get_bracket_id(study, optuna.trial.FrozenTrial(**frozen(number)))
        for number in range(500)
    ]
    assert allocation.brackets(range(500)).tolist() == expected
    assert set(expected) == {0, 1, 2, 3, 4}


def frozen(number: int) -> dict[str, object]:
    """Return arguments of a trial of Optuna."""
    empty: dict[str, object] = {
        name: {}
        for name in "params distributions user_attrs system_attrs intermediate_values".split()
    }
    state = optuna.trial.TrialState.RUNNING
    times = {"datetime_start": None, "datetime_complete": None}
    return {"number": number, "trial_id": number, "state": state, "value": None, **times, **empty}


def test_the_shares_are_the_frequencies() -> None:
    """Of a hash that is as good as random."""
    allocation = Allocation("any", (9, 5, 3))
    counts = Counter(allocation.brackets(range(17_000)).tolist())
    assert all(abs(counts[n] - 1000 * share) < 300 for n, share in enumerate((9, 5, 3)))


def test_samplers_see_the_trials_of_the_bracket_only() -> None:
    """Also as trials are added; all of them as long as there are no brackets."""
    study, pruner = PlainStudy(study_name="seen"), HyperbandPruner(1, 9, 3)
    allocation = Allocation("seen", allocate(1, 9, 3))
    for n in range(40):
        study.add({0: 1.0})
        view = study.view()
        for number in (n, 1000 + n):
            mine = allocation.bracket(number)
            expected = [m for m in range(n + 1) if allocation.bracket(m) == mine]
            assert pruner.visible(view, number).numbers.tolist() == expected
    early = study.view()
    study.add({0: 1.0})
    assert len(pruner.visible(early, 0).numbers) <= 40
    assert pruner.visible(early.select(np.arange(3)), 0).n <= 3
    for blind in (HyperbandPruner(), HyperbandPruner(9, 1)):
        fresh = PlainStudy()
        fresh.add({}, state=TrialState.PRUNED)
        view = fresh.view()
        assert blind.visible(view, 0) is view


def test_trials_of_other_brackets_do_not_compete() -> None:
    """The first of each bracket goes on however bad it is."""
    study, pruner = PlainStudy(study_name="seen"), HyperbandPruner(1, 9, 3)
    allocation = Allocation("seen", allocate(1, 9, 3))
    seen: set[int] = set()
    for n in range(30):
        number = study.start()
        study.report(number, 9, float(n))
        bracket = allocation.bracket(number)
        assert study.decide(pruner, number) is (bracket in seen)
        seen.add(bracket)
    assert seen == {0, 1, 2}
