"""Studies are copied, listed, summed up and deleted in any storage, by either face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

import ahpo
from ahpo import aio
from tests.interop import told
from tests.interop.conftest import Place, address_of
from tests.interop.scripts import write_plain, write_several

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

NAMES = ["plain: ü", "several"]
# Each kind is copied from and to once, and each neighbour in the list is met.
KINDS = ["memory", "sqlite", "postgresql", "journal", "redis", "mysql"]
PAIRS = list(zip(KINDS, [*KINDS[1:], KINDS[0]], strict=True))


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path, source: str, target: str) -> Any:
    """The storages by their kinds."""
    places = {
        kind: Place(kind, address_of(kind, request, tmp_path))
        for kind in (source, target)
        if kind != "memory"
    }
    yield {"memory": ahpo.storages.InMemoryStorage()} | {
        kind: place.ours() for kind, place in places.items()
    }
    for place in places.values():
        place.close()


def content(storage: Any, name: str) -> dict[str, Any]:
    """Return all that a study tells but what its storage has numbered and cut."""
    study = told.of_study(ahpo.load_study(study_name=name, storage=storage))
    for trial in study["trials"]:
        del trial["id"], trial["duration"]
        for time in ("datetime_start", "datetime_complete"):
            trial[time] = trial[time] and trial[time].replace(microsecond=0)
    return {**study, "name": None}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_copy_is_the_same_study(stored: Any, source: str, target: str) -> None:
    write_plain(ahpo, stored[source])
    write_several(ahpo, stored[source])
    for name in NAMES:
        ahpo.copy_study(
            from_study_name=name, from_storage=stored[source], to_storage=stored[target]
        )
        assert content(stored[target], name) == content(stored[source], name)
    assert ahpo.get_all_study_names(stored[target]) == NAMES
    with pytest.raises(ahpo.exceptions.DuplicatedStudyError):
        ahpo.copy_study(
            from_study_name=NAMES[0], from_storage=stored[source], to_storage=stored[target]
        )


@pytest.mark.asyncio
async def test_studies_are_copied_listed_and_deleted_in_both_faces(place: Place) -> None:
    ours, theirs = place.ours(), place.theirs()
    write_plain(optuna, theirs)
    write_several(optuna, theirs)
    for name, copy in zip(NAMES, ("first", "second"), strict=True):
        arguments: Any = {"from_study_name": name, "from_storage": ours, "to_storage": ours}
        if copy == "first":
            ahpo.copy_study(**arguments, to_study_name=copy)
        else:
            await aio.copy_study(**arguments, to_study_name=copy)
        assert content(ours, copy) == content(ours, name)
    assert told.read_by_us(ours) == told.read_by_optuna(theirs)
    summaries = await aio.get_all_study_summaries(ours)
    assert [summary.n_trials for summary in summaries] == [16, 5, 16, 5]
    ahpo.delete_study(study_name=NAMES[0], storage=ours)
    await aio.delete_study(study_name="second", storage=ours)
    for delete in (ahpo.delete_study, optuna.delete_study):
        with pytest.raises(KeyError):
            delete(study_name=NAMES[0], storage=ours if delete is ahpo.delete_study else theirs)
    optuna.delete_study(study_name=NAMES[1], storage=theirs)
    assert await aio.get_all_study_names(ours) == ahpo.get_all_study_names(ours) == ["first"]
    assert told.read_by_us(place.ours()) == told.read_by_optuna(place.theirs())


def test_study_that_was_deleted_is_not_the_next_one_of_its_name(place: Place) -> None:
    """SQLite gives the next one even the same identifiers."""
    ours, theirs = place.ours(), place.theirs()
    for delete, storage in ((optuna.delete_study, theirs), (ahpo.delete_study, ours)):
        study = ahpo.create_study(study_name="study", storage=ours)
        study.tell(study.ask(), 1.0)
        delete(study_name="study", storage=storage)
        if delete is optuna.delete_study:
            with pytest.raises(KeyError):
                study.ask()
        again = optuna.create_study(study_name="study", storage=theirs)
        again.tell(again.ask(), 2.0)
        found = ahpo.load_study(study_name="study", storage=ours)
        assert [trial.value for trial in found.trials] == [2.0]
        with pytest.raises(KeyError):
            study.ask()
        assert found.ask().number == 1
        ahpo.delete_study(study_name="study", storage=ours)
        new = ahpo.create_study(study_name="study", storage=ours)
        assert new.trials == []
        ahpo.delete_study(study_name="study", storage=ours)
