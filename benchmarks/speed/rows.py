"""The table of rows: which work each one runs, at what size, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.speed.pruning import PRUNERS

BOTH = ("ahpo", "optuna")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked of a row: `kind` says how the figure is made from the measurements.

    faster: seconds of `peer` / seconds of ahpo, at least `limit`.
    share: part of the ideal time, at least `limit`.
    growth: seconds of this row / seconds of the row named by `peer`, at most `limit`.
    smaller: figure of ahpo / figure of `peer`, at most `limit`.
    above: seconds of ahpo - seconds of `peer`, at most `limit`.
    peak: megabytes of peak resident memory, at most `limit`.
    """

    kind: str
    limit: float
    peer: str = "optuna"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `quick` replaces arguments by small ones, to try the harness out.

    `by_impl` gives the faster side more trials where a few would be over too soon to be timed; the
    history that grows meanwhile is then its own disadvantage.
    """

    name: str
    title: str
    work: str  # "module:function" within benchmarks.speed
    arguments: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)
    by_impl: dict[str, dict[str, Any]] = field(default_factory=dict)
    impls: tuple[str, ...] = BOTH
    targets: tuple[Target, ...] = ()
    repeats: int = 1


def _faster(limit: float, peer: str = "optuna") -> Target:
    return Target(kind="faster", limit=limit, peer=peer)


def _tpe(n: int, limit: float, *extra: Target) -> Row:
    return Row(
        name=f"tpe-{n}",
        title=f"TPE default, 10 parameters, n = {n:,}",
        work="sampling:tpe",
        arguments={"n": n, "trials": 20},
        quick={"n": max(n // 50, 20), "trials": 3},
        by_impl={"ahpo": {"trials": 100}},
        targets=(_faster(limit), *extra),
    )


def _from_empty(
    floats: int, trials: int, sampler: str = "TPE", objectives: int = 1, limit: float = 1.0
) -> Row:
    several = f"-{objectives}" if objectives > 1 else ""
    return Row(
        name=f"{sampler.lower()}-empty-{floats}-{trials}{several}",
        title=f"{sampler} from empty, {floats} floats, {trials:,} trials"
        + (f", {objectives} objectives" if objectives > 1 else ""),
        work="sampling:from_empty",
        arguments={
            "sampler": f"{sampler}Sampler",
            "floats": floats,
            "trials": trials,
            "objectives": objectives,
        },
        quick={"trials": trials // 20},
        impls=("ahpo", "rustuna"),
        targets=(_faster(limit, "rustuna"),),
    )


def _nsga(n: int, *targets: Target, impls: tuple[str, ...] = BOTH) -> Row:
    return Row(
        name=f"nsga-{n}",
        title=f"NSGA-II, two objectives, 10 parameters, n = {n:,}",
        work="sampling:nsga",
        arguments={"n": n, "trials": 60},
        quick={"n": n // 10, "trials": 3},
        by_impl={"ahpo": {"trials": 1_000}},
        impls=impls,
        targets=targets,
    )


def _cmaes(n: int, *targets: Target) -> Row:
    return Row(
        name=f"cmaes-{n}",
        title=f"CMA-ES, 10 parameters, n = {n:,}",
        work="sampling:cmaes",
        arguments={"n": n, "trials": 20},
        quick={"n": max(n // 50, 20), "trials": 3},
        by_impl={"ahpo": {"trials": 500}},
        targets=targets,
    )


def _cmaes_from_empty(floats: int, trials: int) -> Row:
    return Row(
        name=f"cmaes-empty-{floats}-{trials}",
        title=f"CMA-ES from empty, {floats} floats, {trials:,} trials",
        work="sampling:cmaes_from_empty",
        arguments={"floats": floats, "trials": trials},
        quick={"trials": trials // 20},
        impls=("ahpo", "rustuna"),
        targets=(_faster(1.0, "rustuna"),),
    )


def _pruner(name: str) -> list[Row]:
    limits = {"Median": (_faster(100.0),), "Hyperband": (_faster(10.0),)}
    small = Row(
        name=f"prune-{name.lower()}-1000",
        title=f"should_prune, {name}, 1,000 trials of 50 steps",
        work="pruning:should_prune",
        arguments={"pruner": name, "n": 1_000, "trials": 20},
        quick={"n": 20, "trials": 2},
        impls=("ahpo",),
    )
    large = Row(
        name=f"prune-{name.lower()}",
        title=f"should_prune, {name}, 10,000 trials of 50 steps",
        work="pruning:should_prune",
        arguments={"pruner": name, "n": 10_000, "trials": 3},
        quick={"n": 200, "trials": 1},
        by_impl={"ahpo": {"trials": 20}},
        targets=(*limits.get(name, ()), Target(kind="growth", limit=1.5, peer=small.name)),
    )
    return [small, large]


ROWS: tuple[Row, ...] = (
    Row(
        name="random",
        title="RandomSampler, 10 parameters, study.optimize",
        work="sampling:random_optimize",
        arguments={"trials": 2_000},
        quick={"trials": 100},
        targets=(_faster(8.0),),
    ),
    Row(
        name="random-median",
        title="the same with 5 x (report, should_prune by Median), at 2,000 trials",
        work="sampling:random_pruned",
        arguments={"history": 2_000, "trials": 200},
        quick={"history": 100, "trials": 20},
        targets=(_faster(20.0),),
    ),
    _tpe(100, 20.0),
    _tpe(1_000, 30.0),
    _tpe(10_000, 60.0, Target(kind="growth", limit=3.0, peer="tpe-1000")),
    Row(
        name="tpe-univariate",
        title="TPE univariate, n = 1,000",
        work="sampling:tpe",
        arguments={"n": 1_000, "trials": 20, "multivariate": False},
        quick={"n": 40, "trials": 3},
        by_impl={"ahpo": {"trials": 100}},
        targets=(_faster(30.0),),
    ),
    Row(
        name="tpe-two-objectives",
        title="TPE, two objectives, n = 1,000",
        work="sampling:tpe",
        arguments={"n": 1_000, "trials": 20, "objectives": 2},
        quick={"n": 40, "trials": 3},
        by_impl={"ahpo": {"trials": 100}},
        targets=(_faster(30.0),),
    ),
    _from_empty(10, 1_000),
    _from_empty(10, 5_000),
    _from_empty(40, 1_000),
    _from_empty(10, 1_000, objectives=2),
    _nsga(500, impls=("ahpo",)),
    _nsga(5_000, _faster(50.0), Target(kind="growth", limit=1.5, peer="nsga-500")),
    _from_empty(10, 10_000, "NSGAII", objectives=2, limit=0.2),
    _from_empty(10, 100_000, "NSGAII", objectives=2, limit=0.2),
    _cmaes(500),
    _cmaes(5_000, _faster(50.0), Target(kind="growth", limit=1.5, peer="cmaes-500")),
    _cmaes_from_empty(10, 10_000),
    Row(
        name="wait-100",
        title="100 objectives of 50 ms at once, 2,000 trials",
        work="concurrency:waiting",
        arguments={"jobs": 100, "wait": 0.05, "trials": 2_000},
        quick={"trials": 200},
        targets=(Target(kind="share", limit=0.90),),
    ),
    Row(
        name="wait-1000",
        title="1,000 coroutines of 1 s, 5,000 trials",
        work="concurrency:waiting",
        arguments={"jobs": 1_000, "wait": 1.0, "trials": 5_000},
        quick={"jobs": 100, "wait": 0.1, "trials": 500},
        impls=("ahpo",),
        targets=(Target(kind="share", limit=0.95),),
    ),
    Row(
        name="wait-10000",
        title="10,000 coroutines of 10 s, 20,000 trials",
        work="concurrency:waiting",
        arguments={"jobs": 10_000, "wait": 10.0, "trials": 20_000},
        quick={"jobs": 1_000, "wait": 1.0, "trials": 2_000},
        impls=("ahpo",),
        targets=(
            Target(kind="share", limit=0.90),
            Target(kind="peak", limit=500.0),
        ),
    ),
    *(row for name in PRUNERS for row in _pruner(name)),
    Row(
        name="import",
        title="import of the package, above numpy's own",
        work="footprint:import_time",
        impls=("ahpo", "numpy", "optuna"),
        targets=(Target(kind="above", limit=0.040, peer="numpy"),),
        repeats=5,
    ),
    Row(
        name="memory",
        title="memory per finished trial, 10 parameters",
        work="footprint:memory",
        arguments={"trials": 3_000},
        quick={"trials": 300},
        targets=(Target(kind="smaller", limit=0.25),),
    ),
)
