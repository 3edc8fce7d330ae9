"""The conformance suite for pruners."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ahpo import aio
from ahpo.exceptions import TrialPruned
from ahpo.pruners.base import BasePruner
from ahpo.samplers.random import RandomSampler
from ahpo.states import TrialState
from ahpo.study import Study, load_study
from ahpo.testing.problems import new_study, quietly, told

__all__ = ("PrunerTests",)

# What one trial reports: (step, value) in the order of the reports.
Curve = Sequence[tuple[int, float]]

_values = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-10.0, 10.0, width=16),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
_numbers = st.integers(-3, 3).map(float) | st.floats(-10.0, 10.0, width=16)


def _curves(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[Curve]]:
    plain = st.lists(values, max_size=8).map(lambda curve: list(enumerate(curve)))
    gaps = st.lists(
        st.tuples(st.integers(0, 40), values), max_size=5, unique_by=lambda report: report[0]
    )
    return st.lists(plain | gaps, max_size=9)


# The same test is run for each subclass, which is what Hypothesis warns of.
_inherited = settings(
    deadline=None,
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Log nothing of the trials, and let pruners warn of strange values."""
    with quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


class PrunerTests:
    """Check a pruner, which a subclass gives in ``make``.

    ::

        class TestMyPruner(PrunerTests):
            def make(self):
                return MyPruner()
    """

    #: Whether maximizing the negative of what is minimized gives the same decisions.
    mirrors: ClassVar[bool] = True
    #: Whether some of the trials are pruned that get worse and worse from the first one on.
    prunes_what_gets_worse: ClassVar[bool] = True

    def make(self) -> BasePruner:
        """Return a new pruner."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def quiet(self) -> Iterator[None]:
        """Log nothing of the trials, and let pruners warn of strange values."""
        with _unwarned():
            yield

    def study(self, **options: Any) -> Study:
        """Return a new study with a new pruner."""
        return new_study(RandomSampler(seed=0), pruner=self.make(), **options)

    def run(self, study: Study, curves: Sequence[Curve], sign: float = 1.0) -> list[list[bool]]:
        """Run a trial for each curve, and return the decision after each of its reports."""
        return [self._run_one(study, curve, sign) for curve in curves]

    def _run_one(self, study: Study, curve: Curve, sign: float) -> list[bool]:
        trial = study.ask()
        decisions = []
        for step, value in curve:
            trial.report(sign * value, step)
            decisions.append(self._decide(trial))
            if decisions[-1]:
                study.tell(trial, state=TrialState.PRUNED)
                return decisions
        last = sign * curve[-1][1] if curve else 0.0
        state = TrialState.FAIL if math.isnan(last) else TrialState.COMPLETE
        study.tell(trial, None if state is TrialState.FAIL else last, state=state)
        return decisions

    @staticmethod
    def _decide(trial: Any) -> bool:
        decision = trial.should_prune()
        assert type(decision) is bool
        return decision

    # -- decisions --------------------------------------------------------------------------

    @_inherited
    @given(_curves(_values))
    def test_decisions_are_bool_and_the_same_for_the_same_reports(
        self, curves: list[Curve]
    ) -> None:
        """Whatever was reported: NaN, infinities, any steps in any order, or nothing."""
        with _unwarned():
            assert self.run(self.study(), curves) == self.run(self.study(), curves)

    @_inherited
    @given(_curves(_numbers))
    def test_maximizing_is_minimizing_the_negative(self, curves: list[Curve]) -> None:
        if not self.mirrors:
            pytest.skip("The pruner does not treat the two directions alike.")
        with _unwarned():
            down = self.run(self.study(), curves)
            assert self.run(self.study(direction="maximize"), curves, -1.0) == down

    @_inherited
    @given(_curves(_values))
    def test_documented_method_decides_as_the_trial_does(self, curves: list[Curve]) -> None:
        with _unwarned():
            study = self.study()
            self.run(study, curves)
            trial = study.ask()
            for step, value in curves[-1] if curves else ():
                trial.report(value, step)
                (frozen,) = study.get_trials(states=(TrialState.RUNNING,))
                before = told(study)
                decision = study.pruner.prune(study, frozen)
                assert type(decision) is bool
                assert told(study) == before
                assert decision == self._decide(trial)

    def test_trial_without_a_report_is_not_pruned(self) -> None:
        study = self.study()
        assert not self._decide(study.ask())
        self.run(study, _worse_and_worse(12))
        study.enqueue_trial({})
        for _ in range(3):
            assert not self._decide(study.ask())

    def test_something_is_pruned(self) -> None:
        if not self.prunes_what_gets_worse:
            pytest.skip("The pruner lets trials that get worse go on.")
        decisions = self.run(self.study(), _worse_and_worse(30))
        assert any(decision[-1] for decision in decisions)

    def test_only_nan_is_no_error(self) -> None:
        study = self.study()
        for _ in range(3):
            self.run(study, [[(step, math.nan) for step in range(8)]] * 4)
            self.run(study, _worse_and_worse(4))

    def test_large_steps_are_no_error(self) -> None:
        curves = [[(0, 1.0), (2**31 - 1, 2.0)], [(2**40, 3.0)], [(2**62, 4.0)]] * 4
        self.run(self.study(), curves)

    # -- among other trials -----------------------------------------------------------------

    def test_trials_of_every_state_are_accepted(self) -> None:
        study = self.study()
        for place in range(24):
            trial = study.ask()
            for step in range(place % 5):
                trial.report(float(place * step), step)
                self._decide(trial)
            match place % 6:
                case 0:
                    study.tell(trial, state=TrialState.FAIL)
                case 1:
                    study.tell(trial, state=TrialState.PRUNED)
                case 2 | 3:
                    study.tell(trial, float(place))
            study.enqueue_trial({"x": 0.5})
        running = study.get_trials(states=(TrialState.RUNNING,))
        assert len(running) == 8

    def test_decisions_of_trials_that_run_at_once_are_repeatable(self) -> None:
        def decisions() -> list[list[bool]]:
            study = self.study()
            self.run(study, _worse_and_worse(6))
            running = [study.ask() for _ in range(6)]
            found: list[list[bool]] = [[] for _ in running]
            for step in range(10):
                for place, trial in enumerate(running):
                    if not any(found[place]):
                        trial.report(float(place * step - place), step)
                        found[place].append(self._decide(trial))
            return found

        assert decisions() == decisions()

    def test_other_trials_are_left_as_they_are(self) -> None:
        study = self.study()
        self.run(study, _worse_and_worse(10))
        waits, other = study.ask(), study.ask()
        other.report(1.0, 0)
        before = [repr(trial) for trial in study.trials]
        trial = study.ask()
        for step in range(9):
            trial.report(float(step), step)
            self._decide(trial)
        assert [repr(one) for one in study.trials[: len(before)]] == before
        assert waits.user_attrs == trial.user_attrs == {}
        assert study.user_attrs == {}

    # -- resumed ----------------------------------------------------------------------------

    def test_pickled_study_goes_on_as_if_it_had_not_been(self) -> None:
        curves = _worse_and_worse(40)
        study = self.study()
        self.run(study, curves[:20])
        copy: Study = pickle.loads(pickle.dumps(study))
        assert self.run(copy, curves[20:]) == self.run(study, curves[20:])
        assert told(copy) == told(study)

    def test_new_pruner_goes_on_with_a_study(self) -> None:
        curves = _worse_and_worse(40)
        study, whole = self.study(), self.study()
        self.run(study, curves[:20])
        again = load_study(study_name="study", storage=study._storage, pruner=self.make())
        decisions = self.run(whole, curves)
        assert self.run(again, curves[20:]) == decisions[20:]

    def test_pruner_keeps_nothing_of_a_study(self) -> None:
        """So it may serve several studies in turn, and each is as it would be alone."""
        curves = _worse_and_worse(20)
        pruner = pickle.loads(pickle.dumps(self.make()))
        studies = [new_study(RandomSampler(seed=0), pruner=pruner) for _ in range(2)]
        decisions = [[self.run(study, [curve])[0] for study in studies] for curve in curves]
        alone = self.run(self.study(), curves)
        assert decisions == [[decision] * 2 for decision in alone]

    # -- faces ------------------------------------------------------------------------------

    def test_several_objectives_are_refused_clearly(self) -> None:
        study = self.study(directions=["minimize", "maximize"])
        with pytest.raises(NotImplementedError, match="objective"):
            study.ask().should_prune()

    @pytest.mark.asyncio
    async def test_coroutines_get_the_same_decisions(self) -> None:
        curves = _worse_and_worse(20)
        found: list[list[bool]] = []

        async def objective(trial: Any) -> float:
            decisions: list[bool] = []
            found.append(decisions)
            for step, value in curves[trial.number]:
                trial.report(value, step)
                decision = await trial.should_prune()
                assert type(decision) is bool
                decisions.append(decision)
                if decision:
                    raise TrialPruned
            last: float = curves[trial.number][-1][1]
            return last

        async with aio.create_study(
            study_name="study", sampler=RandomSampler(seed=0), pruner=self.make()
        ) as study:
            await study.optimize(objective, n_trials=len(curves))
        assert found == self.run(self.study(), curves)


def _worse_and_worse(n_trials: int) -> list[Curve]:
    """Return curves of trials each of which is worse than the one before, and gets worse itself.

    Every fifth one is good.
    """
    return [
        [
            (step, math.log1p(step) if place % 5 == 4 else float(place + step * place))
            for step in range(16)
        ]
        for place in range(n_trials)
    ]
