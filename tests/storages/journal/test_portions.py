"""A long journal reaches a store in portions, so that it need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ahpo.history.facts import UserAttrSet, ValueReported
from ahpo.states import TrialState
from ahpo.storages.exchange import Request, Response, Start
from ahpo.storages.journal import JournalFileBackend, JournalStorage
from ahpo.storages.journal.link import JournalLink
from ahpo.storages.journal.records import Writer
from tests.storages.journal.conftest import Journal
from tests.storages.journal.store import MINIMIZE, NOW, PLAIN, WAITING, TellingStore

N = 6_000  # trials: some portions, of some pieces of the file each

pytestmark = pytest.mark.asyncio


def lines_of(study_id: int, n: int, values: Callable[[int], float] = float) -> list[str]:
    writer = Writer("somebody-0")
    return [
        writer.add_trial(study_id, PLAIN._replace(values=(float(values(i)),))) for i in range(n)
    ]


def write(path: Path, lines: list[str]) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def lines_that_create(path: Path) -> int:
    return path.read_text().count('"op_code":4')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "journal", [Writer("somebody-0").create_study("study", MINIMIZE)])
    return tmp_path / "journal"


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many trials each response has that comes from now on."""
    sizes: list[int] = []
    exchange = JournalLink.exchange

    async def counted(link: JournalLink, request: Request) -> Response:
        response = await exchange(link, request)
        sizes.append(len(response.trials))
        return response

    monkeypatch.setattr(JournalLink, "exchange", counted)
    return sizes


def storage_of(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


async def test_long_journal_is_opened_in_portions(path: Path, sizes: list[int]) -> None:
    write(path, lines_of(0, N))
    storage = storage_of(path)
    store = await storage.open_study("study")
    assert store.history.n_trials == N == sum(sizes)
    assert len(sizes) > 2 and max(sizes) < N / 2
    assert [store.history.record(n).values for n in (0, N // 2, N - 1)] == [
        (0.0,),
        (N / 2,),
        (N - 1.0,),
    ]
    await storage.aclose()


async def test_what_is_asked_for_comes_after_all_that_is_new(path: Path, sizes: list[int]) -> None:
    storage = storage_of(path)
    store = await storage.open_study("study")
    write(path, lines_of(0, N))
    assert await store.start(NOW) == N
    assert len(sizes) > 2
    assert lines_that_create(path) == N + 1
    await storage.aclose()


async def test_what_is_recorded_of_a_waiting_trial_outlives_the_portions(path: Path) -> None:
    write(path, [Writer("somebody-0").add_trial(0, WAITING)])
    storage = storage_of(path)
    store = await storage.open_study("study")
    writer = Writer("somebody-0")
    write(path, [writer.fact(UserAttrSet(0, "theirs", 1), 0, 0), *lines_of(0, N)])
    store.record(UserAttrSet(0, "ours", 2))
    store.record(ValueReported(0, 3, 4.0))
    await store.refresh()
    for history in (store.history, (await storage_of(path).open_study("study")).history):
        record = history.record(0)
        assert record.user_attrs == {"theirs": 1, "ours": 2}
        assert record.intermediate_values == {3: 4.0}
    await storage.aclose()


async def test_study_that_was_deleted_and_created_anew_is_the_one_that_is_opened(
    path: Path,
) -> None:
    writer = Writer("somebody-0")
    for study_id in range(2):
        write(path, lines_of(study_id, N))
        write(path, [writer.delete_study(study_id), writer.create_study("study", MINIMIZE)])
    write(path, lines_of(2, 3, lambda i: i + 0.5))
    storage = storage_of(path)
    store = await storage.open_study("study")
    assert store.study_id == 2
    values = [store.history.record(n).values for n in range(store.history.n_trials)]
    assert values == [(0.5,), (1.5,), (2.5,)]
    await storage.aclose()


async def test_long_journal_of_a_study_that_was_deleted_is_a_key_error(path: Path) -> None:
    write(path, [*lines_of(0, N), Writer("somebody-0").delete_study(0)])
    with pytest.raises(KeyError, match="study"):
        await storage_of(path).open_study("study")


async def test_portion_that_went_astray_is_told_again(path: Path) -> None:
    write(path, lines_of(0, N))
    journal = Journal(lambda: JournalFileBackend(str(path)))
    store = TellingStore(await journal.backend().open_study("study"))
    await store.link.exchange(store.request())  # nobody learns of this
    rounds = 0
    while True:
        request = store.request(Start(NOW, lease=False), repeated=rounds == 0)
        response = await store.link.exchange(request)
        rounds += 1
        if not response.more:
            break
        assert response.answers == ()
        store.learn(request._replace(ops=()), response)
    assert store.learn(request, response) == [N]
    assert [trial.state for trial in store.trials.values()].count(TrialState.COMPLETE) == N
    await journal.aclose()
