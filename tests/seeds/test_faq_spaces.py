# ruff: noqa: UP032 (the FAQ's own lines are kept as they are)
"""The FAQ's unusual spaces: proportions, constraints, permutations, no duplicates."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import numpy as np
import pytest

import ahpo as optuna
from ahpo import aio
from ahpo.trial import TrialState


def proportions(trial):
    n = 5
    x = []
    for i in range(n):
        x.append(-np.log(trial.suggest_float(f"x_{i}", 0, 1)))

    p = []
    for i in range(n):
        p.append(x[i] / sum(x))

    for i in range(n):
        trial.set_user_attr(f"p_{i}", p[i])

    return 0


def assert_flat_dirichlet(p) -> None:
    """Assert five proportions, and the marginal distribution Beta(1, 4) of each."""
    from scipy import stats

    assert p.shape == (5, 1000)
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=0, atol=1e-12)
    for row in p:
        # One in a million: a correct sampler never sees this fail.
        assert stats.kstest(row, stats.beta(1, 4).cdf).pvalue > 1e-6
    # The proportions of a flat Dirichlet distribution are correlated by -1 / (n - 1).
    np.testing.assert_allclose(np.corrcoef(p)[np.triu_indices(5, 1)], -0.25, atol=0.15)


def test_dirichlet(tmp_path, monkeypatch) -> None:
    """Exponential variables divided by their sum are uniform on the simplex."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
    study.optimize(proportions, n_trials=1000)

    n = 5
    p = []
    for i in range(n):
        p.append([trial.user_attrs[f"p_{i}"] for trial in study.trials])
    axes = plt.subplots(n, n, figsize=(5, 5))[1]

    for i in range(n):
        for j in range(n):
            axes[j][i].scatter(p[i], p[j], marker=".")
            axes[j][i].set_xlim(0, 1)
            axes[j][i].set_ylim(0, 1)
            axes[j][i].set_xlabel(f"p_{i}")
            axes[j][i].set_ylabel(f"p_{j}")

    plt.savefig("sampled_ps.png")
    plt.close()

    assert Path("sampled_ps.png").read_bytes().startswith(b"\x89PNG")
    assert_flat_dirichlet(np.array(p))


@pytest.mark.asyncio
async def test_dirichlet_async() -> None:
    """Fifty coroutines at once draw from the same distribution."""

    async def objective(trial):
        await asyncio.sleep(0)
        return proportions(trial)

    async with aio.create_study(sampler=optuna.samplers.RandomSampler()) as study:
        await study.optimize(objective, n_trials=1000, n_jobs=50)

    p = [[trial.user_attrs[f"p_{i}"] for trial in study.trials] for i in range(5)]
    assert_flat_dirichlet(np.array(p))


def binh_and_korn(trial):
    # Binh and Korn function with constraints.
    x = trial.suggest_float("x", -15, 30)
    y = trial.suggest_float("y", -15, 30)

    # Constraints which are considered feasible if less than or equal to zero.
    # The feasible region is basically the intersection of a circle centered at (x=5, y=0)
    # and the complement to a circle centered at (x=8, y=-3).
    c0 = (x - 5) ** 2 + y**2 - 25
    c1 = -((x - 8) ** 2) - (y + 3) ** 2 + 7.7

    # Store the constraints as user attributes so that they can be restored after optimization.
    trial.set_user_attr("constraint", (c0, c1))

    v0 = 4 * x**2 + 4 * y**2
    v1 = (x - 5) ** 2 + (y - 5) ** 2

    return v0, v1


def constraints(trial):
    return trial.user_attrs["constraint"]


def pareto_front_by_hand(trials):
    """Return the numbers of the feasible trials that no feasible trial dominates."""
    feasible = [t for t in trials if max(constraints(t)) <= 0]

    def dominates(a, b):
        return a.values != b.values and all(x <= y for x, y in zip(a.values, b.values, strict=True))

    return [t.number for t in feasible if not any(dominates(o, t) for o in feasible)]


def assert_constrained_front(study, n_trials: int) -> None:
    assert len(study.trials) == n_trials
    assert all(t.state == TrialState.COMPLETE for t in study.trials)
    assert sorted(t.number for t in study.best_trials) == pareto_front_by_hand(study.trials)


def test_constraints(capsys) -> None:
    """Constraints given by a function steer the sampler, and the front holds feasible trials."""
    with pytest.warns(FutureWarning, match="set_constraint"):
        sampler = optuna.samplers.TPESampler(constraints_func=constraints)
    study = optuna.create_study(
        directions=["minimize", "minimize"],
        sampler=sampler,
    )
    study.optimize(binh_and_korn, n_trials=32, timeout=600)

    print("Number of finished trials: ", len(study.trials))

    print("Pareto front:")

    trials = sorted(study.best_trials, key=lambda t: t.values)

    for trial in trials:
        print(" Trial#{}".format(trial.number))
        print(
            " Values: Values={}, Constraint={}".format(
                trial.values, trial.user_attrs["constraint"][0]
            )
        )
        print(" Params: {}".format(trial.params))

    assert_constrained_front(study, 32)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Number of finished trials:  32", "Pareto front:"]
    assert len(lines) == 2 + 3 * len(trials)
    for t in study.trials:
        assert tuple(t.constraints.values()) == constraints(t)


@pytest.mark.asyncio
async def test_constraints_async() -> None:
    """The function's constraints are recorded for coroutines as well."""
    with pytest.warns(FutureWarning, match="set_constraint"):
        sampler = optuna.samplers.TPESampler(constraints_func=constraints)

    async def objective(trial):
        await asyncio.sleep(0)
        return binh_and_korn(trial)

    async with aio.create_study(directions=["minimize", "minimize"], sampler=sampler) as study:
        await study.optimize(objective, n_trials=32, timeout=600)

    assert_constrained_front(study, 32)
    for t in study.trials:
        assert tuple(t.constraints.values()) == constraints(t)


def test_set_constraint() -> None:
    """Constraints set on the trial itself do the same; the sampler finds the feasible 3 %."""

    def objective(trial):
        values = binh_and_korn(trial)
        c0, c1 = trial.user_attrs["constraint"]
        trial.set_constraint("c0", c0)
        trial.set_constraint("c1", c1)
        return values

    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=optuna.samplers.TPESampler(seed=1)
    )
    study.optimize(objective, n_trials=120)

    assert_constrained_front(study, 120)
    assert study.trials[7].constraints == dict(
        zip(("c0", "c1"), constraints(study.trials[7]), strict=True)
    )
    # Random points are feasible 1 time in 30: 4 of 120.
    assert sum(max(constraints(t)) <= 0 for t in study.trials) >= 12


@pytest.mark.asyncio
async def test_set_constraint_async() -> None:
    """Setting a constraint is a plain call for a coroutine too."""

    async def objective(trial):
        values = binh_and_korn(trial)
        await asyncio.sleep(0)
        c0, c1 = trial.user_attrs["constraint"]
        trial.set_constraint("c0", c0)
        trial.set_constraint("c1", c1)
        return values

    async with aio.create_study(
        directions=["minimize", "minimize"], sampler=optuna.samplers.TPESampler(seed=1)
    ) as study:
        await study.optimize(objective, n_trials=120, n_jobs=4)

    assert_constrained_front(study, 120)
    assert sum(max(constraints(t)) <= 0 for t in study.trials) >= 12


def decode(lehmer_code: list[int]) -> list[int]:
    """Decode Lehmer code to permutation.

    This function decodes Lehmer code represented as a list of integers to a permutation.
    """
    all_indices = list(range(n))
    output = []
    for k in lehmer_code:
        value = all_indices[k]
        output.append(value)
        all_indices.remove(value)
    return output


# Euclidean coordinates of cities for TSP.
city_coordinates = np.array(
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]]
)
n = len(city_coordinates)


def tour_length(trial: optuna.Trial) -> float:
    # Suggest a permutation in the Lehmer code representation.
    lehmer_code = [trial.suggest_int(f"x{i}", 0, n - i - 1) for i in range(n)]
    permutation = decode(lehmer_code)

    # Calculate the total distance of the suggested path.
    total_distance = 0.0
    for i in range(n):
        total_distance += np.linalg.norm(
            city_coordinates[permutation[i]] - city_coordinates[np.roll(permutation, 1)[i]]
        )
    return total_distance


def assert_tours(study, n_trials: int) -> None:
    """Assert that all trials are tours, and none is shorter than the shortest of all 720."""
    shortest = min(
        np.linalg.norm(city_coordinates[list(p)] - city_coordinates[np.roll(p, 1)], axis=1).sum()
        for p in itertools.permutations(range(n))
    )
    assert len(study.trials) == n_trials
    for t in study.trials:
        assert sorted(decode(t.params.values())) == list(range(n))
        assert t.params["x5"] == 0
        assert t.value >= shortest - 1e-9
    lehmer_code = study.best_params.values()
    tour = city_coordinates[decode(lehmer_code)]
    length = np.linalg.norm(tour - np.roll(tour, 1, axis=0), axis=1).sum()
    assert study.best_value == pytest.approx(length)


def test_lehmer_code(capsys) -> None:
    """Independent integers encode a permutation; the last of them has one value only."""
    assert decode([3, 1, 2, 1, 0, 0]) == [3, 1, 4, 2, 0, 5]

    study = optuna.create_study()
    study.optimize(tour_length, n_trials=10)
    lehmer_code = study.best_params.values()
    print(decode(lehmer_code))

    assert capsys.readouterr().out == f"{decode(study.best_params.values())}\n"
    assert_tours(study, 10)


@pytest.mark.asyncio
async def test_lehmer_code_async() -> None:
    """Five coroutines at once search the tours."""

    async def objective(trial: optuna.AsyncTrial) -> float:
        await asyncio.sleep(0)
        return tour_length(trial)

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=10, n_jobs=5)

    assert_tours(study, 10)


def test_ignoring_duplicates() -> None:
    """A trial reads the study's finished trials, and reuses the value of an equal one."""
    evaluations = []

    def objective(trial):
        # Sample parameters.
        x = trial.suggest_int("x", -5, 5)
        y = trial.suggest_int("y", -5, 5)
        # Fetch all the trials to consider.
        # In this example, we use only completed trials, but users can specify other states
        # such as TrialState.PRUNED and TrialState.FAIL.
        states_to_consider = (TrialState.COMPLETE,)
        trials_to_consider = trial.study.get_trials(deepcopy=False, states=states_to_consider)
        # Check whether we already evaluated the sampled `(x, y)`.
        for t in reversed(trials_to_consider):
            if trial.params == t.params:
                # Use the existing value as trial duplicated the parameters.
                return t.value

        # Compute the objective function if the parameters are not duplicated.
        # We use the 2D sphere function in this example.
        evaluations.append((x, y))
        return x**2 + y**2

    study = optuna.create_study()
    study.optimize(objective, n_trials=100)

    assert_nothing_was_evaluated_twice(study, evaluations)


@pytest.mark.asyncio
async def test_ignoring_duplicates_async() -> None:
    """Reading the study's trials is a plain call for a coroutine."""
    evaluations = []

    async def objective(trial):
        x = trial.suggest_int("x", -5, 5)
        y = trial.suggest_int("y", -5, 5)
        trials_to_consider = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        for t in reversed(trials_to_consider):
            if trial.params == t.params:
                return t.value
        await asyncio.sleep(0)
        evaluations.append((x, y))
        return x**2 + y**2

    async with aio.create_study() as study:
        await study.optimize(objective, n_trials=100)

    assert_nothing_was_evaluated_twice(study, evaluations)


def assert_nothing_was_evaluated_twice(study, evaluations) -> None:
    assert len(study.trials) == 100
    for t in study.trials:
        assert t.state == TrialState.COMPLETE
        assert t.value == t.params["x"] ** 2 + t.params["y"] ** 2
    assert len(evaluations) == len(set(evaluations)) < 100
    assert set(evaluations) == {(t.params["x"], t.params["y"]) for t in study.trials}
    assert study.best_value <= 2
