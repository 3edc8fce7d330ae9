"""What the pruners promise beyond the decisions that they share with Optuna."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from typing import Any

import optuna
import pytest

from ahpo import pruners
from ahpo.history.base_study import BaseStudy
from ahpo.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from ahpo.pruners.base import ArrayPruner, Decision, Progress
from ahpo.trials.frozen import FrozenTrial
from tests.pruners.plain_study import PlainStudy

EVERY: list[BasePruner] = [
    NopPruner(),
    MedianPruner(0),
    PercentilePruner(25.0, 0),
    PatientPruner(None, 0),
    PatientPruner(SuccessiveHalvingPruner(1, 2), 0),
    ThresholdPruner(upper=2.5),
    SuccessiveHalvingPruner(1, 2),
    HyperbandPruner(1, 4, 2),
    WilcoxonPruner(p_threshold=0.5),
]


class Records(BasePruner):
    """A pruner as users write them; it remembers what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[tuple[BaseStudy, FrozenTrial]] = []

    def prune(self, study: Any, trial: Any) -> bool:
        self.asked.append((study, trial))
        return True


class Counting(NopPruner):
    """Count the decisions."""

    n = 0

    def decide(self, view: Any, trial: Progress) -> Decision:
        self.n += 1
        return super().decide(view, trial)


def test_public_names_and_signatures_are_those_of_optuna() -> None:
    """The parameters, their kinds and defaults, and of `prune`."""
    assert sorted(pruners.__all__) == sorted(optuna.pruners.__all__)
    for name in pruners.__all__:
        ours, theirs = getattr(pruners, name), getattr(optuna.pruners, name)
        for got, expected in ((ours, theirs), (ours.prune, theirs.prune)):
            assert [
                (p.name, p.kind, p.default) for p in inspect.signature(got).parameters.values()
            ] == [
                (p.name, p.kind, p.default) for p in inspect.signature(expected).parameters.values()
            ]
        assert issubclass(ours, BasePruner)
    assert issubclass(MedianPruner, PercentilePruner)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PercentilePruner(-1.0), ValueError, "`percentile`.*-1.0"),
        (lambda: PercentilePruner(100.5), ValueError, "`percentile`.*between 0 and 100.*100.5"),
        (lambda: PercentilePruner(math.nan), ValueError, "`percentile`.*nan"),
        (lambda: MedianPruner(-1), ValueError, "`n_startup_trials`.*at least 0.*-1"),
        (lambda: MedianPruner(0, -1), ValueError, "`n_warmup_steps`.*at least 0.*-1"),
        (lambda: MedianPruner(0, 0, 0), ValueError, "`interval_steps`.*at least 1.*0"),
        (lambda: MedianPruner(n_min_trials=0), ValueError, "`n_min_trials`.*at least 1.*0"),
        (lambda: PatientPruner(None, -1), ValueError, "`patience`.*-1"),
        (lambda: PatientPruner(None, 0, -0.5), ValueError, "`min_delta`.*-0.5"),
        (lambda: ThresholdPruner(), TypeError, "`lower` and `upper` are both None"),
        (lambda: ThresholdPruner("a"), TypeError, "`lower`.*float.*'a'"),  # type: ignore[arg-type]
        (lambda: ThresholdPruner(1, [1]), TypeError, r"`upper`.*\[1\]"),  # type: ignore[arg-type]
        (lambda: ThresholdPruner(2.0, 1.0), ValueError, "2.0 is above 1.0"),
        (lambda: ThresholdPruner(1.0, n_warmup_steps=-1), ValueError, "`n_warmup_steps`"),
        (lambda: ThresholdPruner(1.0, interval_steps=0), ValueError, "`interval_steps`"),
        (lambda: SuccessiveHalvingPruner("x"), ValueError, "`min_resource`.*'auto'.*'x'"),
        (lambda: SuccessiveHalvingPruner(0), ValueError, "`min_resource`.*at least 1.*0"),
        (lambda: SuccessiveHalvingPruner(1, 1), ValueError, "`reduction_factor`.*at least 2"),
        (lambda: SuccessiveHalvingPruner(1, 2, -1), ValueError, "`min_early_stopping_rate`.*-1"),
        (lambda: SuccessiveHalvingPruner(1, 2, 0, -1), ValueError, "`bootstrap_count`.*-1"),
        (lambda: SuccessiveHalvingPruner(bootstrap_count=1), ValueError, "must be 0.*'auto'.*1"),
        (lambda: HyperbandPruner(0), ValueError, "`min_resource`.*at least 1.*0"),
        (lambda: HyperbandPruner(1, "x"), ValueError, "`max_resource`.*'auto' or an int.*'x'"),
        (lambda: HyperbandPruner(1, 9.5), ValueError, "`max_resource`.*9.5"),  # type: ignore[arg-type]
        (lambda: HyperbandPruner(1, 0), ValueError, "`max_resource`.*at least 1.*0"),
        (lambda: HyperbandPruner(1, 9, 1), ValueError, "`reduction_factor`.*at least 2.*1"),
        (lambda: HyperbandPruner(bootstrap_count=1), ValueError, "must be 0.*'auto'.*1"),
        (lambda: WilcoxonPruner(p_threshold=1.5), ValueError, "`p_threshold`.*1.5"),
        (lambda: WilcoxonPruner(n_startup_steps=-1), ValueError, "`n_startup_steps`.*-1"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(
    make: Any, error: type[Exception], message: str
) -> None:
    """Which names the argument, its value and what would be right."""
    with pytest.raises(error, match=message) as caught:
        make()
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("pruner", EVERY, ids=lambda pruner: type(pruner).__name__)
def test_a_call_of_prune_decides_and_leaves_its_record_on_the_trial(pruner: ArrayPruner) -> None:
    """What `decide` says, for who calls the documented method himself."""
    study = PlainStudy(study_name="called")
    for level in range(20):
        earlier = study.start()
        for step in range(5):
            study.report(earlier, step, 0.1 * level + 0.01 * step)
            study.decide(pruner, earlier)
        study.finish(earlier, 0.1 * level)
    number = study.start()
    answers = []
    for step in range(5):
        study.report(number, step, 2.1 + 0.3 * step)
        frozen = study.history.frozen(number)
        answers.append(pruner.prune(study, frozen))
        decision = pruner.decide(study.view(), study.open(number))
        assert answers[-1] is decision.prune
        assert frozen.system_attrs == {
            **study.open(number).system_attrs,
            **decision.system_attrs,
        }
    assert answers[-1] is not isinstance(pruner, NopPruner)


@pytest.mark.parametrize("pruner", EVERY, ids=lambda pruner: type(pruner).__name__)
def test_a_trial_without_reports_is_kept(pruner: ArrayPruner) -> None:
    """Also with a history to compare with."""
    study = PlainStudy()
    study.add({0: 1.0})
    assert not study.decide(pruner, study.start())


@pytest.mark.parametrize(
    "pruner", [*EVERY, PatientPruner(Records(), 1)], ids=lambda pruner: type(pruner).__name__
)
def test_pruners_pickle_and_copy(pruner: BasePruner) -> None:
    """With their settings."""
    for clone in (pickle.loads(pickle.dumps(pruner)), copy.copy(pruner), copy.deepcopy(pruner)):
        assert type(clone) is type(pruner)
        assert pickle.dumps(clone) == pickle.dumps(pruner)


def test_a_users_pruner_may_be_wrapped_and_is_asked_in_the_documented_way() -> None:
    """With the study and the trial as they came, and only after the patience is lost."""
    users = Records()
    patient = PatientPruner(users, 1)
    assert not isinstance(patient, ArrayPruner)
    study = PlainStudy()
    number = study.start()
    answers = []
    for step, value in enumerate((1.0, 2.0, 3.0)):
        study.report(number, step, value)
        trial = study.history.frozen(number)
        answers.append(patient.prune(study, trial))
    assert answers == [False, False, True]
    assert users.asked == [(study, trial)]
    assert users.asked[0][0] is study


def test_a_users_pruner_may_ask_one_of_ours() -> None:
    """Rungs reach the trial that the user's pruner was given."""

    class Mine(BasePruner):
        inner = SuccessiveHalvingPruner(1, 2)

        def prune(self, study: Any, trial: Any) -> bool:
            return trial.number > 0 and self.inner.prune(study, trial)

    study = PlainStudy()
    study.add({1: 1.0})
    number = study.start()
    study.report(number, 1, 2.0)
    trial = study.history.frozen(number)
    assert not Mine().prune(study, trial)
    assert trial.system_attrs == {"completed_rung_0": 2.0}


def test_patience_keeps_the_wrapped_pruner_from_being_asked() -> None:
    """A pure one, too."""
    counting = Counting()
    patient = PatientPruner(counting, 2)
    assert isinstance(patient, ArrayPruner)
    study = PlainStudy()
    number = study.start()
    asked = []
    for step, value in enumerate((5.0, 4.0, 3.0, 6.0, 6.0, 6.0)):
        study.report(number, step, value)
        study.decide(patient, number)
        asked.append(counting.n)
    assert asked == [0, 0, 0, 0, 0, 1]


def test_a_users_subclass_of_the_patient_pruner_stays_what_it_is() -> None:
    """Its overrides are called."""

    class Mine(PatientPruner):
        def prune(self, study: Any, trial: Any) -> bool:
            return True

    mine = Mine(None, 3)
    assert type(mine) is Mine
    assert mine.prune(None, None)


def test_patience_passes_on_what_samplers_see() -> None:
    """Hyperband's brackets inside of it."""
    study = PlainStudy(study_name="seen")
    for _ in range(20):
        study.add({0: 1.0})
    hyperband = HyperbandPruner(1, 9, 3)
    patient = PatientPruner(hyperband, 1)
    assert isinstance(patient, ArrayPruner)
    view = study.view()
    assert 0 < patient.visible(view, 3).n < 20
    assert (patient.visible(view, 3).numbers == hyperband.visible(view, 3).numbers).all()
    nothing = PatientPruner(None, 1)
    assert isinstance(nothing, ArrayPruner)
    assert nothing.visible(view, 3) is view


def test_a_diverged_trial_does_not_keep_others_from_being_pruned() -> None:
    """The median of 1, 2 and infinity is 2."""
    study = PlainStudy()
    for value in (1.0, 2.0, math.inf):
        study.add({0: value})
    number = study.start()
    study.report(number, 0, 3.0)
    assert study.decide(MedianPruner(0), number)


def test_a_bound_that_is_nan_prunes_nothing_but_nan() -> None:
    """A comparison with NaN is false."""
    study, pruner = PlainStudy(), ThresholdPruner(math.nan, math.nan)
    number = study.start()
    study.report(number, 0, 1e9)
    assert not study.decide(pruner, number)
    study.report(number, 1, math.nan)
    assert study.decide(pruner, number)


WORSE = {step: 2.0 + step for step in range(10)}
BEST = {step: 1.0 + step for step in range(10)}


@pytest.mark.parametrize(
    ("best", "own", "message"),
    [
        ({}, WORSE, "best trial .0. has no intermediate values"),
        ({**BEST, 3: math.nan}, WORSE, "best trial .0. has reported NaN or an infinite value"),
        (BEST, {**WORSE, 3: math.inf}, "Trial 1 has reported NaN or an infinite value"),
    ],
)
def test_wilcoxon_says_why_it_does_not_prune(
    best: dict[int, float], own: dict[int, float], message: str
) -> None:
    """And keeps the trial."""
    study = PlainStudy()
    study.add(best, 0.0)
    number = study.start()
    for step, value in own.items():
        study.report(number, step, value)
    with pytest.warns(UserWarning, match=message):
        assert not study.decide(WilcoxonPruner(), number)


def test_wilcoxon_leaves_unknown_steps_aside_with_a_warning() -> None:
    """The others decide."""
    study = PlainStudy()
    study.add(BEST, 0.0)
    number = study.start()
    for step, value in {**WORSE, 77: 99.0}.items():
        study.report(number, step, value)
    with pytest.warns(UserWarning, match="steps that the best trial has not"):
        assert study.decide(WilcoxonPruner(), number)


def test_wilcoxon_without_a_best_trial_keeps() -> None:
    """Nothing to compare with, and nothing to warn of."""
    study = PlainStudy()
    number = study.start()
    study.report(number, 0, 1.0)
    assert not study.decide(WilcoxonPruner(), number)


@pytest.mark.parametrize("pruner", EVERY, ids=lambda pruner: type(pruner).__name__)
def test_a_decision_looks_at_no_more_trials_in_a_long_history(pruner: ArrayPruner) -> None:
    """Counted in reads of finished trials and of columns: none, or that of the best one."""
    study = PlainStudy()
    number = study.start()
    for step in range(4):
        study.report(number, step, 2.0 + 0.3 * step)
    study.decide(pruner, number)
    for n in range(30):
        study.add({step: float(n % 3) for step in range(4)}, float(n % 3))
    reads: list[str] = []
    view = study.view()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            reads.append(name)
            return getattr(view, name)

    pruner.decide(Watched(), study.open(number))  # type: ignore[arg-type]
    cheap = {"index", "directions", "cache", "study_name", "best_number", "finished"}
    assert set(reads) <= cheap
    assert reads.count("finished") <= 1
