"""The conformance suite for samplers."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ahpo import aio
from ahpo.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ahpo.exceptions import TrialPruned
from ahpo.samplers.base import BaseSampler
from ahpo.states import TrialState
from ahpo.study import Study, load_study
from ahpo.testing.problems import (
    CONDITIONAL,
    FINITE_KINDS,
    INFINITE_KINDS,
    SINGLE_VALUES,
    Problem,
    Space,
    assert_inside,
    distributions_drawn,
    flat,
    negative,
    new_study,
    params_of,
    quietly,
    suggest,
    told,
)

__all__ = ("SamplerTests",)

_PLAIN: Space = {
    "x": FloatDistribution(0.0, 1.0, step=0.05),
    "n": IntDistribution(0, 9),
    "c": FINITE_KINDS["choice"],
}
_SEVERAL = ["minimize", "maximize"]

# The same test is run for each subclass, which is what Hypothesis warns of.
_inherited = settings(
    deadline=None,
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class SamplerTests:
    """Check a sampler, which a subclass gives in ``make``.

    ::

        class TestMySampler(SamplerTests):
            def make(self, seed, space):
                return MySampler(seed=seed)
    """

    #: Whether it samples from ranges of floats without a step, and of very many ints.
    samples_infinite_spaces: ClassVar[bool] = True
    #: Whether the range of a parameter may change from trial to trial.
    allows_dynamic_ranges: ClassVar[bool] = True
    #: Whether the n-th trial is the same whatever other trials there are, so at any `n_jobs`.
    ignores_other_trials: ClassVar[bool] = False
    #: Whether it samples for several objectives; else it has to refuse them with an error.
    allows_several_objectives: ClassVar[bool] = True
    #: Whether a trial depends on the seed, its number and the study only, and not on what the same
    #: object did before. Then a study that is resumed goes on as if it had never stopped.
    is_pure: ClassVar[bool] = True
    #: Whether another seed gives other trials.
    depends_on_seed: ClassVar[bool] = True

    def make(self, seed: int, space: dict[str, BaseDistribution]) -> BaseSampler:
        """Return a new sampler.

        :param space: all parameters that the objective may ask for, for samplers that have to know
        """
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def quiet(self) -> Iterator[None]:
        """Log nothing of the trials."""
        with quietly():
            yield

    def study(self, problem: Problem, seed: int = 0, **options: Any) -> Study:
        """Return a new study with a new sampler."""
        return new_study(self.make(seed, dict(problem.space)), **options)

    def after(self, n_trials: int, problem: Problem, seed: int = 0, **options: Any) -> Study:
        """Return a study in which so many trials were run."""
        study = self.study(problem, seed, **options)
        study.optimize(problem.objective, n_trials=n_trials)
        return study

    def _kinds(self) -> Space:
        return {**FINITE_KINDS, **(INFINITE_KINDS if self.samples_infinite_spaces else {})}

    # -- inside its space -------------------------------------------------------------------

    @pytest.mark.parametrize("kind", [*FINITE_KINDS, *INFINITE_KINDS])
    def test_values_are_inside_the_range_of_each_kind(self, kind: str) -> None:
        if kind not in self._kinds():
            pytest.skip("The sampler is not made for infinitely many values.")
        study = self.after(20, flat({kind: self._kinds()[kind]}))
        assert study.trials  # the objective has checked them

    def test_values_are_inside_the_ranges_of_all_kinds_at_once(self) -> None:
        assert len(self.after(20, flat(self._kinds())).trials) == 20

    @_inherited
    @given(data=st.data(), seed=st.integers(0, 2**32 - 1))
    def test_values_are_inside_any_range(self, data: st.DataObject, seed: int) -> None:
        drawn = distributions_drawn(finite=not self.samples_infinite_spaces)
        kinds = data.draw(st.lists(drawn, min_size=1, max_size=3))
        with quietly():
            self.after(12, flat({f"p{place}": kind for place, kind in enumerate(kinds)}), seed)

    def test_parameters_of_a_single_value_have_it(self) -> None:
        study = self.after(8, flat({**SINGLE_VALUES, "x": _PLAIN["x"]}))
        for trial in study.trials:
            for name, distribution in SINGLE_VALUES.items():
                assert_inside(distribution, trial.params[name])

    def test_all_parameters_may_have_a_single_value(self) -> None:
        study = self.study(flat(SINGLE_VALUES))
        for _ in range(3):
            trial = study.ask()
            study.tell(trial, flat(SINGLE_VALUES).objective(trial))
        assert len({repr(trial.params) for trial in study.trials}) == 1

    def test_objective_without_parameters_is_run(self) -> None:
        assert self.after(1, Problem({}, lambda trial: 1.0)).best_value == 1.0

    def test_parameters_may_depend_on_others(self) -> None:
        study = self.after(30, CONDITIONAL)
        assert len({tuple(trial.params) for trial in study.trials}) > 1

    def test_ranges_may_depend_on_other_parameters(self) -> None:
        if not self.allows_dynamic_ranges:
            pytest.skip("The sampler is not made for ranges that change.")

        def objective(trial: Any) -> float:
            last = trial.suggest_int("last", 1, 9)
            total = 0.0
            for name, kind in (
                ("n", IntDistribution(0, last)),
                ("x", FloatDistribution(-last, 0.0, step=0.5)),
                ("k", IntDistribution(last, 3 * last, log=True)),
            ):
                value = suggest(trial, name, kind)
                assert_inside(kind, value)
                total += value
            return total

        assert len(self.after(30, Problem(_PLAIN, objective)).trials) == 30

    @pytest.mark.filterwarnings("ignore:A choice:UserWarning", "ignore:`search_space`:UserWarning")
    def test_choices_that_have_no_hash_work_in_memory(self) -> None:
        choices: Any = ([1], [2, 3], {"k": 4})
        problem = flat({"c": CategoricalDistribution(choices)})
        study = self.study(problem)
        for _ in range(8):
            trial = study.ask()
            study.tell(trial, problem.objective(trial))
        assert all(trial.params["c"] in choices for trial in study.trials)

    # -- repeatable -------------------------------------------------------------------------

    def _problems(self) -> list[Problem]:
        return [flat(_PLAIN), flat(self._kinds()), CONDITIONAL]

    def test_same_seed_gives_the_same_trials(self) -> None:
        for problem in self._problems():
            assert told(self.after(25, problem)) == told(self.after(25, problem))

    def test_other_seed_gives_other_trials(self) -> None:
        if not self.depends_on_seed:
            pytest.skip("The sampler has no seed.")
        for problem in self._problems():
            assert told(self.after(10, problem, 1)) != told(self.after(10, problem, 2))

    def test_pickled_study_goes_on_as_if_it_had_not_been(self) -> None:
        for problem in self._problems():
            study = self.after(15, problem)
            copy: Study = pickle.loads(pickle.dumps(study))
            for one in (study, copy):
                one.optimize(problem.objective, n_trials=10)
            assert told(copy) == told(study) == told(self.after(25, problem))

    def test_new_sampler_of_the_same_seed_goes_on_with_a_study(self) -> None:
        if not self.is_pure:
            pytest.skip("The sampler depends on what it did before.")
        for problem in self._problems():
            study = self.after(15, problem)
            again = load_study(
                study_name="study",
                storage=study._storage,
                sampler=self.make(0, dict(problem.space)),
            )
            again.optimize(problem.objective, n_trials=10)
            assert told(again) == told(self.after(25, problem))

    def test_sampler_keeps_nothing_of_a_study(self) -> None:
        """So it may serve several studies in turn, and each is as it would be alone."""
        if not self.is_pure:
            pytest.skip("The sampler depends on what it did before.")
        problem = flat(_PLAIN)
        sampler = self.make(0, dict(problem.space))
        first, second = (new_study(sampler) for _ in range(2))
        for _ in range(15):
            for study in (first, second):
                study.optimize(problem.objective, n_trials=1)
        assert told(first) == told(second) == told(self.after(15, problem))

    def test_maximizing_is_minimizing_the_negative(self) -> None:
        for problem in self._problems():
            down = self.after(25, problem)
            up = self.after(25, negative(problem), direction="maximize")
            assert params_of(up) == params_of(down)

    # -- among other trials -----------------------------------------------------------------

    def test_trials_may_be_pending(self) -> None:
        """Some have all their parameters, some a part of them, some none; a few fail later."""
        problem = flat(_PLAIN)
        for seed in range(3):
            twins = [self._with_pending_trials(problem, seed) for _ in range(2)]
            assert told(twins[0]) == told(twins[1])

    def _with_pending_trials(self, problem: Problem, seed: int) -> Study:
        study = self.study(problem, seed)
        pending = []
        for place in range(24):
            trial = study.ask()
            if place % 3 == 0:
                for name in list(problem.space)[: place % 4]:
                    assert_inside(problem.space[name], suggest(trial, name, problem.space[name]))
                pending.append(trial)
            else:
                study.tell(trial, problem.objective(trial))
        for trial in pending[::-1]:
            if trial.number % 2:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, problem.objective(trial))
        return study

    def test_number_of_jobs_does_not_matter(self) -> None:
        if not self.ignores_other_trials:
            pytest.skip("The sampler learns from other trials.")
        for problem in self._problems():
            alone = self.after(30, problem)
            together = self.study(problem)
            together.optimize(problem.objective, n_jobs=4, n_trials=30)
            assert params_of(together) == params_of(alone)

    def test_trials_of_every_end_are_accepted(self) -> None:
        problem = flat(_PLAIN)

        def objective(trial: Any) -> float:
            value = problem.objective(trial)
            trial.report(value, 0)
            match trial.number % 7:
                case 0:
                    raise TrialPruned
                case 1:
                    raise OSError
                case 2:
                    return math.inf
                case 3:
                    return -math.inf
            trial.set_constraint("c", value - 0.2)
            return value

        study = self.study(problem)
        study.optimize(objective, n_trials=40, catch=OSError)
        states = {trial.state for trial in study.trials}
        assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}

    def test_trials_pruned_before_they_reported_are_accepted(self) -> None:
        def objective(trial: Any) -> float:
            flat(_PLAIN).objective(trial)
            raise TrialPruned

        study = self.study(flat(_PLAIN))
        study.optimize(objective, n_trials=20)
        assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 20

    def test_enqueued_parameters_are_used(self) -> None:
        problem = flat(_PLAIN)
        study = self.study(problem)
        wanted = [{"x": 0.5, "n": 3, "c": "b"}, {"c": "a", "n": 9, "x": 0.0}]
        for params in wanted:
            study.enqueue_trial(params)
        study.optimize(problem.objective, n_trials=3)
        assert [trial.params for trial in study.trials[:2]] == wanted
        study.enqueue_trial(wanted[0])
        study.optimize(problem.objective, n_trials=1)
        assert study.trials[3].params == wanted[0]

    def test_several_objectives_are_accepted_or_refused_clearly(self) -> None:
        problem = flat(_PLAIN)

        def objective(trial: Any) -> tuple[float, float]:
            value = problem.objective(trial)
            return value, trial.params["x"]

        study = self.study(problem, directions=_SEVERAL)
        if self.allows_several_objectives:
            study.optimize(objective, n_trials=25)
            assert len(study.trials) == 25
            assert study.best_trials
            return
        with pytest.raises((ValueError, RuntimeError, NotImplementedError), match="objective"):
            study.optimize(objective, n_trials=25)
        assert not study.get_trials(states=(TrialState.RUNNING, TrialState.COMPLETE))

    # -- the documented methods -------------------------------------------------------------

    def test_documented_methods_give_values_inside_the_ranges_and_change_nothing(self) -> None:
        problem = flat(_PLAIN)
        study = self.after(20, problem)
        sampler = study.sampler
        number = study.ask().number
        before = told(study)
        frozen = study.trials[number]
        sampler.before_trial(study, frozen)
        space = sampler.infer_relative_search_space(study, frozen)
        assert all(space[name] == _PLAIN[name] for name in space)
        values = sampler.sample_relative(study, frozen, space)
        assert set(values) <= set(space)
        for name in set(_PLAIN) - set(values):
            values[name] = sampler.sample_independent(study, frozen, name, _PLAIN[name])
        for name, value in values.items():
            assert_inside(_PLAIN[name], value)
        sampler.after_trial(study, frozen, TrialState.COMPLETE, [1.0])
        assert told(study) == before

    def test_copy_of_a_sampler_is_the_same_and_may_be_reseeded(self) -> None:
        problem = flat(_PLAIN)
        copy: BaseSampler = pickle.loads(pickle.dumps(self.make(0, dict(problem.space))))
        study = new_study(copy)
        study.optimize(problem.objective, n_trials=15)
        assert told(study) == told(self.after(15, problem))
        copy.reseed_rng()
        study.optimize(problem.objective, n_trials=5)
        assert len(study.trials) == 20

    @pytest.mark.asyncio
    async def test_coroutines_get_values_inside_the_ranges(self) -> None:
        problem = flat(self._kinds())

        async def objective(trial: Any) -> float:
            value = problem.objective(trial)
            await trial.should_prune()  # others take their turn
            return value

        sampler = self.make(0, dict(problem.space))
        async with aio.create_study(sampler=sampler) as study:
            await study.optimize(objective, n_trials=40, n_jobs=8)
            numbers = [trial.number for trial in study.trials]
            assert numbers == list(range(40))
