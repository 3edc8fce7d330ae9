"""Every built-in pruner passes the conformance suite."""

from __future__ import annotations

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
from ahpo.testing.pruners import PrunerTests
from ahpo.trials import FrozenTrial


class TestMedianPruner(PrunerTests):
    def make(self) -> BasePruner:
        return MedianPruner(n_startup_trials=2)


class TestMedianPrunerOfIntervals(PrunerTests):
    def make(self) -> BasePruner:
        return MedianPruner(n_startup_trials=0, n_warmup_steps=2, interval_steps=3, n_min_trials=2)


class TestPercentilePruner(PrunerTests):
    def make(self) -> BasePruner:
        return PercentilePruner(25.0, n_startup_trials=1)


class TestSuccessiveHalvingPruner(PrunerTests):
    def make(self) -> BasePruner:
        return SuccessiveHalvingPruner()


class TestSuccessiveHalvingPrunerOfGivenResource(PrunerTests):
    def make(self) -> BasePruner:
        return SuccessiveHalvingPruner(min_resource=2, reduction_factor=2, bootstrap_count=2)


class TestHyperbandPruner(PrunerTests):
    def make(self) -> BasePruner:
        return HyperbandPruner()


class TestHyperbandPrunerOfGivenResource(PrunerTests):
    def make(self) -> BasePruner:
        return HyperbandPruner(min_resource=1, max_resource=16, reduction_factor=2)


class TestThresholdPruner(PrunerTests):
    mirrors = False

    def make(self) -> BasePruner:
        return ThresholdPruner(lower=-1.5, upper=2.5)


class TestWilcoxonPruner(PrunerTests):
    def make(self) -> BasePruner:
        return WilcoxonPruner(p_threshold=0.2)


class TestNopPruner(PrunerTests):
    prunes_what_gets_worse = False

    def make(self) -> BasePruner:
        return NopPruner()


class TestPatientPruner(PrunerTests):
    def make(self) -> BasePruner:
        return PatientPruner(None, patience=2, min_delta=0.5)


class TestPatientMedianPruner(PrunerTests):
    def make(self) -> BasePruner:
        return PatientPruner(MedianPruner(n_startup_trials=2), patience=1)


class LastIsWorst(BasePruner):
    """Be a pruner that a user wrote: prune what is worse than all that is complete."""

    def prune(self, study: BaseStudy, trial: FrozenTrial) -> bool:
        if trial.last_step is None:
            return False
        sign = 1 if study.direction.name == "MINIMIZE" else -1
        last = sign * trial.intermediate_values[trial.last_step]
        values = [t.value for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
        return bool(values) and all(last > sign * value for value in values if value is not None)


class TestPrunerOfAUser(PrunerTests):
    def make(self) -> BasePruner:
        return LastIsWorst()


class TestPatientPrunerOfAUser(PrunerTests):
    def make(self) -> BasePruner:
        return PatientPruner(LastIsWorst(), patience=1)
