"""The table of rows: which work each one runs, on which storage, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ("OPTUNA_OPENING", "ROWS", "Row", "Target")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked of a row: `kind` says how the figure is made from the measurements.

    faster: rate of ahpo / rate of Optuna, or seconds of Optuna / seconds of ahpo, at least `limit`.
    share: part of the ideal rate, at least `limit`.
    right: how much was lost, done twice or refused, at most `limit`.
    smaller: peak memory of ahpo / that of Optuna, at most `limit`.
    under: seconds, at most `limit`.
    growth: seconds of this row / seconds of the row named by `of`, at most `limit`.
    """

    kind: str
    limit: float
    of: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: `quick` replaces arguments by small ones, to try the harness out."""

    name: str
    storage: str
    title: str
    work: str  # "module:function" within benchmarks.storages
    arguments: dict[str, Any] = field(default_factory=dict)
    by_impl: dict[str, dict[str, Any]] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)
    quick_by_impl: dict[str, dict[str, Any]] = field(default_factory=dict)
    impls: tuple[str, ...] = ("ahpo", "optuna")
    targets: tuple[Target, ...] = ()

    @property
    def key(self) -> str:
        """Return the name that no other row has."""
        return f"{self.name}-{self.storage}"


# Measured once on two cores that did nothing else, where `--optuna-opening cached` asks for them.
OPTUNA_OPENING = {
    "sqlite": {"seconds": 82.0, "again": 12.0, "peak_bytes": 2.8e9},
    "journal": {"seconds": 66.0, "again": 12.0, "peak_bytes": 1.2e9},
}

_RIGHT = Target(kind="right", limit=0)


def _faster(limit: float) -> Target:
    return Target(kind="faster", limit=limit)


def _one(storage: str, limit: float) -> Row:
    return Row(
        name="one",
        storage=storage,
        title="one at a time, 10 parameters, 5 x (report, should_prune)",
        work="single:one_at_a_time",
        arguments={"seconds": 6.0},
        by_impl={"optuna": {"seconds": 12.0}},
        quick={"seconds": 1.0},
        quick_by_impl={"optuna": {"seconds": 2.0}},
        targets=(_faster(limit),),
    )


def _hundred(storage: str, limit: float) -> Row:
    return Row(
        name="wait-100",
        storage=storage,
        title="100 objectives of 50 ms at once (Optuna: threads)",
        work="single:coroutines",
        arguments={"jobs": 100, "wait": 0.05, "trials": 10_000},
        by_impl={"optuna": {"seconds": 12.0}},
        quick={"jobs": 20, "trials": 1_000},
        quick_by_impl={"optuna": {"seconds": 1.0}},
        targets=(_faster(limit),),
    )


def _thousand(storage: str) -> Row:
    return Row(
        name="wait-1000",
        storage=storage,
        title="1,000 coroutines of 1 s, 5,000 trials",
        work="single:coroutines",
        arguments={"jobs": 1_000, "wait": 1.0, "trials": 5_000},
        quick={"jobs": 100, "wait": 0.5, "trials": 500},
        impls=("ahpo",),
        targets=(Target(kind="share", limit=0.80),),
    )


def _eight(storage: str) -> Row:
    return Row(
        name="eight",
        storage=storage,
        title="8 processes, 2,000 trials of 5 parameters each",
        work="processes:together",
        arguments={"processes": 8, "trials": 2_000},
        by_impl={"optuna": {"trials": None, "seconds": 15.0}},
        quick={"processes": 3, "trials": 50},
        quick_by_impl={"optuna": {"trials": None, "seconds": 2.0}},
        targets=(_faster(10.0), _RIGHT),
    )


def _claims(storage: str) -> Row:
    return Row(
        name="claim",
        storage=storage,
        title="100 workers (4 processes) claim 1,000 enqueued trials (Optuna: 100 trials)",
        work="processes:claiming",
        arguments={"processes": 4, "workers": 25, "trials": 1_000},
        by_impl={"optuna": {"trials": 100}},
        quick={"processes": 2, "workers": 5, "trials": 40},
        quick_by_impl={"optuna": {"trials": 10}},
        targets=(_RIGHT,),
    )


def _opening(storage: str, limit: float) -> Row:
    return Row(
        name="open",
        storage=storage,
        title="opening 50,000 trials of 10 parameters and 20 reports",
        work="opening:opening",
        arguments={"n": 50_000},
        quick={"n": 1_000},
        targets=(_faster(limit), Target(kind="smaller", limit=0.25)),
    )


def _refresh(storage: str, n: int, *targets: Target) -> Row:
    return Row(
        name=f"refresh-{n}",
        storage=storage,
        title=f"refresh after 10 new trials in a study of {n:,}",
        work="opening:refresh",
        arguments={"n": n},
        quick={"n": n // 50, "rounds": 3},
        impls=("ahpo",),
        targets=(Target(kind="under", limit=0.010), *targets),
    )


def _refreshes(storage: str) -> list[Row]:
    small = _refresh(storage, 500)
    return [
        small,
        _refresh(storage, 50_000, Target(kind="growth", limit=2.0, of=small.key)),
    ]


ROWS: tuple[Row, ...] = (
    _one("sqlite", 20.0),
    _one("postgresql", 20.0),
    _one("mariadb", 20.0),
    _one("journal", 5.0),
    _hundred("sqlite", 100.0),
    _hundred("postgresql", 100.0),
    _hundred("journal", 20.0),
    _thousand("sqlite"),
    _thousand("postgresql"),
    _eight("sqlite"),
    _eight("postgresql"),
    _eight("journal"),
    _claims("sqlite"),
    _claims("postgresql"),
    _claims("mariadb"),
    _claims("journal"),
    _opening("sqlite", 15.0),
    _opening("journal", 10.0),
    *_refreshes("sqlite"),
    *_refreshes("journal"),
)
