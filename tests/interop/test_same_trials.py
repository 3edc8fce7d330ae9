"""What one library wrote the other reads, field by field."""

from __future__ import annotations

import time
from collections.abc import Iterator

import optuna
import pytest

import ahpo
from tests.interop import told
from tests.interop.conftest import Place
from tests.interop.scripts import write_plain, write_several

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is not UTC, and is half an hour off the full one."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def check_same(place: Place) -> list[dict[str, object]]:
    ours, theirs = told.read_by_us(place.ours()), told.read_by_optuna(place.theirs())
    assert ours[0] == theirs[0]
    for study, expected in zip(ours[1], theirs[1], strict=True):
        for trial, wanted in zip(study["trials"], expected["trials"], strict=True):
            assert trial == wanted
    assert ours == theirs
    return ours[1]


def test_we_read_what_optuna_wrote(place: Place) -> None:
    storage = place.theirs()
    write_plain(optuna, storage)
    write_several(optuna, storage)
    check_same(place)


def test_optuna_reads_what_we_wrote(place: Place) -> None:
    storage = place.ours()
    write_plain(ahpo, storage)
    write_several(ahpo, storage)
    check_same(place)
