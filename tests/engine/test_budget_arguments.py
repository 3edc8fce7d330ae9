"""Arguments of `optimize` that bound how much is run."""

from __future__ import annotations

import ahpo


def test_n_trials_may_be_a_whole_float_at_any_n_jobs() -> None:
    study = ahpo.create_study()
    study.optimize(lambda trial: 1.0, n_trials=1e1, n_jobs=4)  # type: ignore[arg-type]
    assert study.count_trials() == 10
