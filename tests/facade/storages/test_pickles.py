"""A pickled study is a way to find it again: its trials stay where they are."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import pytest

import ahpo
from ahpo.samplers import RandomSampler
from tests.facade.storages import elsewhere
from tests.facade.storages.places import Others, Place, seen
from tests.facade.storages.test_processes import refreshed


def test_pickling_reopens_a_study(place: Place, face: Any, others: Others) -> None:
    study = face.create_study(
        study_name="study", storage=place.named(), sampler=RandomSampler(seed=1)
    )
    study.optimize(elsewhere.parabola, n_trials=3)
    of = study if face is ahpo else study._of
    pickled = pickle.dumps(of)
    assert len(pickled) < 2000  # nothing of the history

    loaded = pickle.loads(pickled)
    assert (type(loaded), seen(loaded)) == (type(of), seen(of))
    if face is ahpo:
        value, params = others.run(elsewhere.best_of_pickled, pickled)
        refreshed(study)
        assert (value, params) == (study.best_value, study.best_params)
        assert len(study.trials) == 4


@pytest.mark.parametrize("compress", [0, 3])
def test_joblib_reopens_a_study(place: Place, tmp_path: Path, compress: int) -> None:
    study = ahpo.create_study(study_name="study", storage=place.named())
    study.optimize(elsewhere.parabola, n_trials=2)
    joblib.dump(study, tmp_path / "study.pkl", compress=compress)

    loaded = joblib.load(tmp_path / "study.pkl")
    assert seen(loaded) == seen(study)
    loaded.optimize(elsewhere.parabola, n_trials=1)
    assert seen(loaded) == seen(study)


def test_a_pickled_study_that_was_deleted(place: Place) -> None:
    study = ahpo.create_study(study_name="study", storage=place.named())
    pickled = pickle.dumps(study)
    ahpo.delete_study(study_name="study", storage=place.named())
    with pytest.raises(KeyError, match="study"):
        pickle.loads(pickled)
