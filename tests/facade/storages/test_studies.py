"""Studies by name, in each durable storage and by either face."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ahpo
from ahpo.exceptions import DuplicatedStudyError
from ahpo.storages import RDBStorage, get_storage
from ahpo.trial import TrialState, create_trial
from tests.facade.storages.places import KINDS, Place, seen


def everything(trial: Any) -> tuple[float, float]:
    """Do with a trial all that can be done to it; they end in each way."""
    x = trial.suggest_float("x", -1, 1)
    n = trial.suggest_int("n", 1, 100, log=True)
    trial.suggest_float("step", 0, 1, step=0.25)
    trial.suggest_categorical("kind", ("a", 1, 2.5, None, True))
    trial.set_user_attr("user", {"nested": [1, "ü", None]})
    trial.set_constraint("c", x - 0.5)
    if trial.number == 1:
        raise ahpo.TrialPruned
    if trial.number == 2:
        raise ValueError("an error in the objective")
    return x, float("inf") if trial.number == 3 else float(n)


def test_creating_loading_listing_deleting(place: Place, face: Any) -> None:
    storage = place.named()
    first = face.create_study(study_name="first", storage=storage, direction="maximize")
    first.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(DuplicatedStudyError, match="'first'"):
        face.create_study(study_name="first", storage=storage)
    again = face.create_study(study_name="first", storage=storage, load_if_exists=True)
    assert again.direction.name == "MAXIMIZE"
    assert seen(again) == seen(first)
    assert seen(face.load_study(study_name=None, storage=storage)) == seen(first)

    unnamed = face.create_study(storage=storage, directions=["minimize", "maximize"])
    assert unnamed.study_name.startswith("no-name-")
    assert face.get_all_study_names(storage) == ["first", unnamed.study_name]
    summaries = face.get_all_study_summaries(storage)
    assert [(s.study_name, s.n_trials) for s in summaries] == [
        ("first", 2),
        (unnamed.study_name, 0),
    ]
    assert summaries[0].best_trial.value == first.best_value
    with pytest.raises(ValueError, match="exactly one study"):
        face.load_study(study_name=None, storage=storage)

    face.delete_study(study_name="first", storage=storage)
    assert face.get_all_study_names(storage) == [unnamed.study_name]
    for missing in (face.load_study, face.delete_study):
        with pytest.raises(KeyError, match="first"):
            missing(study_name="first", storage=storage)


def test_everything_arrives(place: Place, face: Any) -> None:
    study = face.create_study(
        study_name="study", storage=place.named(), directions=["minimize", "maximize"]
    )
    study.set_metric_names(["loss", "accuracy"])
    study.set_user_attr("dataset", {"name": "ü", "rows": [1, 2.5, None]})
    study.optimize(everything, n_trials=5, catch=ValueError)
    study.enqueue_trial({"x": 0.25, "kind": None}, user_attrs={"a": 1})
    asked = study.ask()
    asked.suggest_float("step", 0, 1, step=0.25)
    study.add_trial(create_trial(values=[0.5, 1.5], user_attrs={"added": True}))

    loaded = place.load()
    assert [trial.state.name for trial in loaded.trials] == [
        *("COMPLETE", "PRUNED", "FAIL", "COMPLETE", "COMPLETE", "RUNNING", "COMPLETE"),
    ]
    assert seen(loaded) == seen(study)
    assert (loaded.trials[3].values or [])[1] == float("inf")
    assert [t.constraints for t in loaded.trials] == [t.constraints for t in study.trials]
    assert loaded.trials[2].system_attrs["fail_reason"].startswith("ValueError('an error")
    assert loaded.metric_names == ["loss", "accuracy"]
    assert loaded.user_attrs == {"dataset": {"name": "ü", "rows": [1, 2.5, None]}}
    assert [t.number for t in loaded.best_trials] == [t.number for t in study.best_trials]
    if place.kind != "mysql":  # whose times are whole seconds
        times = [(t.datetime_start, t.datetime_complete) for t in study.trials]
        assert [(t.datetime_start, t.datetime_complete) for t in loaded.trials] == times


def test_intermediate_values_arrive(place: Place, face: Any) -> None:
    study = face.create_study(study_name="study", storage=place.named())
    reported = {0: 1.5, 3: float("inf"), 7: float("nan"), 10**6: -1e-300}

    def objective(trial: Any) -> float:
        for step, value in reported.items():
            trial.report(value, step)
        return 0.0

    study.optimize(objective, n_trials=1)
    loaded = place.load().trials[0].intermediate_values
    assert {step: repr(value) for step, value in loaded.items()} == {
        step: repr(value) for step, value in reported.items()
    }


def test_copies_between_any_two_storages(place_of: Callable[[str], Place]) -> None:
    places = {kind: place_of(kind) for kind in KINDS}
    source = ahpo.create_study(directions=["minimize", "maximize"], study_name="source")
    source.optimize(everything, n_trials=4, catch=ValueError)
    source.set_user_attr("a", [1])
    source.set_metric_names(["f", "g"])
    memory = source._storage
    for kind, place in places.items():
        ahpo.copy_study(from_study_name="source", from_storage=memory, to_storage=place.named())
        assert ahpo.get_all_study_names(place.named()) == ["source"], kind

    for one, other in itertools.product(KINDS, repeat=2):
        ahpo.copy_study(
            from_study_name="source",
            from_storage=places[one].named(),
            to_storage=places[other].named(),
            to_study_name=f"from {one}",
        )
        copy = places[other].load(f"from {one}")
        assert seen(copy) == seen(source)
        assert (copy.user_attrs, copy.metric_names) == ({"a": [1]}, ["f", "g"])
    with pytest.raises(DuplicatedStudyError):
        same = places["sqlite"].named()
        ahpo.copy_study(from_study_name="source", from_storage=same, to_storage=same)
    with pytest.raises(KeyError):
        ahpo.copy_study(from_study_name="none", from_storage=memory, to_storage=same)


@pytest.mark.parametrize("absolute", [False, True])
def test_paths_of_sqlite(
    absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/example.db" if absolute else "sqlite:///example.db"
    study = face.create_study(storage=url, study_name="study")
    study.enqueue_trial({"x": 1})
    assert (tmp_path / "example.db").is_file()
    loaded = ahpo.load_study(storage=f"sqlite:///{tmp_path}/example.db", study_name="study")
    assert [trial.state for trial in loaded.trials] == [TrialState.WAITING]


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://"])
def test_sqlite_in_memory(url: str, face: Any) -> None:
    """It is as good as its storage: another one of the same URL is another database."""
    storage = get_storage(url)
    assert isinstance(storage, RDBStorage)
    study = face.create_study(storage=storage, study_name="study")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    assert len(face.load_study(storage=storage, study_name="study").trials) == 3
    assert face.get_all_study_names(url) == []


def test_two_study_objects_of_one_storage(place: Place, face: Any) -> None:
    storage = place.storage()
    one = face.create_study(study_name="study", storage=storage)
    other = face.load_study(study_name="study", storage=storage)
    trial = one.ask()
    trial.set_user_attr("a", 1)
    other.tell(trial.number, 0.5)
    one.set_user_attr("b", 2)
    assert (one.trials, one.user_attrs) == (other.trials, other.user_attrs)
    assert one.trials[0].state is TrialState.COMPLETE
    assert one.trials[0].user_attrs == {"a": 1}
