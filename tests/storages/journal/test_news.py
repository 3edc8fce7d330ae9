"""Links to a study in a journal tell what is new, once, and again where it may have got lost."""

from __future__ import annotations

import asyncio
import json

import pytest

from ahpo.exceptions import StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ParamSet,
    StudyUserAttrSet,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import TrialState
from ahpo.storages.exchange import Create, Reap, Request, Start, Write
from tests.storages.journal.conftest import Journal
from tests.storages.journal.store import NOW, PLAIN, WAITING, TellingStore, told
from tests.storages.journal.test_link import (
    END,
    NOTHING_SEEN,
    UNIT,
    assert_as_others_see,
    created,
    finished,
    opened,
)

pytestmark = pytest.mark.asyncio


# -- news -----------------------------------------------------------------------------------


async def test_nothing_is_told_twice(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.create(PLAIN, WAITING)
    await one.start()
    await two.refresh()
    response = await two.link.exchange(two.request())
    assert response.trials == []
    assert response.user_attrs is response.system_attrs is None
    await one.exchange(one.write(ValueReported(1, 0, 0.5)))
    response = await two.link.exchange(two.request())
    assert [trial.number for trial in response.trials] == [1]
    two.learn(two.request(), response._replace(answers=[]))
    response = await one.link.exchange(one.request())
    assert response.trials == []


async def test_own_trial_is_news_when_others_have_ended_it_and_not_before(
    journal: Journal,
) -> None:
    one, two = await created(journal), await opened(journal)
    await one.start()
    await two.refresh()
    await two.exchange(two.write(UserAttrSet(0, "k", 1)))
    assert (await one.link.exchange(one.request())).trials == []
    await two.exchange(two.write(finished(0)))
    await one.refresh()
    assert one.trials[0].values == (1.0,)
    assert one.trials[0].user_attrs == {"k": 1}


async def test_store_that_knows_nothing_yet_is_told_everything(journal: Journal) -> None:
    store = await created(journal)
    await store.create(PLAIN, WAITING, PLAIN)
    await store.exchange(Write(StudyUserAttrSet("k", 1), -1))
    await store.start()
    expected = told(await store.refresh())
    for _ in range(2):
        response = await store.link.exchange(Request((), NOTHING_SEEN))
        assert told(response.trials) == expected
        assert response.user_attrs == {"k": 1}


async def test_records_that_were_told_do_not_change_afterwards(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.start()
    (record,) = await two.refresh()
    before = told([record])
    await one.exchange(one.write(UserAttrSet(0, "k", 1)), one.write(ParamSet(0, "x", 0.5, UNIT)))
    await two.refresh()
    assert told([record]) == before


async def test_request_that_wants_nothing_touches_nothing(journal: Journal) -> None:
    store = await created(journal)
    other = await opened(journal)
    await other.create(PLAIN)
    assert (await store.link.exchange(store.request(read=False))).trials == []
    assert await store.exchange(Start(NOW, False), read=False) == [1]
    assert sorted(store.trials) == [0, 1]


# -- leases ---------------------------------------------------------------------------------


async def test_trials_whose_lease_has_run_out_are_reaped(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    assert [await one.start(lease=True), await one.start(), await one.start(lease=True)] == [
        0,
        1,
        2,
    ]
    reap = Reap(30.0, END, "its process died")
    assert await two.one(reap) == []
    journal.clock.now += 29.0
    assert await two.one(reap) == []
    await one.exchange(beat=[one.trials[2].trial_id])
    await two.refresh()
    journal.clock.now += 1.0
    assert await two.one(reap) == [0]
    trial = two.trials[0]
    assert (trial.state, trial.values, trial.completed) == (TrialState.FAIL, None, END)
    assert trial.system_attrs == {"fail_reason": "its process died"}
    assert await two.one(reap) == []
    await assert_as_others_see(journal, one, two)
    assert isinstance(await one.one(one.write(finished(0))), UpdateFinishedTrialError)
    journal.clock.now += 29.0
    assert await two.one(reap) == [2]


async def test_lease_counts_from_when_one_first_saw_it(journal: Journal) -> None:
    """Clocks of different machines are never compared: who comes later waits for longer."""
    one = await created(journal)
    await one.start(lease=True)
    journal.clock.now += 1000.0
    late = await opened(journal)
    assert await late.one(Reap(30.0, END, "r")) == []
    journal.clock.now += 30.0
    assert await late.one(Reap(30.0, END, "r")) == [0]


async def test_lease_may_be_released_and_begun_later(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.create(WAITING)
    await one.start(lease=True)
    await one.start()
    first, second = (one.trials[number].trial_id for number in (0, 1))
    await one.exchange(beat=[second], release=[first])
    await two.refresh()
    journal.clock.now += 31.0
    assert await two.one(Reap(30.0, END, "r")) == [1]


async def test_claimed_trial_has_a_lease_too(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.create(WAITING)
    await one.start(lease=True)
    await two.refresh()
    journal.clock.now += 31.0
    assert await two.one(Reap(30.0, END, "r")) == [0]


async def test_trial_that_ends_in_the_same_request_is_not_reaped(journal: Journal) -> None:
    store = await created(journal)
    await store.start(lease=True)
    journal.clock.now += 31.0
    answers = await store.exchange(store.write(finished(0)), Reap(30.0, END, "r"))
    assert answers == [None, []]


async def test_leases_outlast_what_makes_a_link_read_everything_again(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.start(lease=True)
    await one.create(PLAIN)
    await two.refresh()
    journal.clock.now += 31.0
    await two.link.exchange(Request((), NOTHING_SEEN))
    assert await two.one(Reap(30.0, END, "r")) == [0]


async def test_only_what_is_asked_for_is_told_again(journal: Journal) -> None:
    store = await created(journal)
    await store.create(*[PLAIN] * 5)
    await store.refresh()
    request = store.request(store.write(UserAttrSet(3, "k", 1)))
    for again in (request, request._replace(repeated=True), request):
        response = await store.link.exchange(again)
        assert [trial.number for trial in response.trials] == [3]
        assert isinstance(response.answers[0], UpdateFinishedTrialError)


async def test_request_is_answered_again_when_everything_had_to_be_read_again(
    journal: Journal,
) -> None:
    store = await created(journal)
    await store.create(PLAIN)
    await store.refresh()
    request = store.request(store.write(UserAttrSet(0, "k", 1)), Start(NOW, False))
    for again in (request, request._replace(repeated=True)):
        response = await store.link.exchange(again)
        assert response.answers[1] == 1
    store.learn(request, response)
    assert await store.start() == 2


# -- requests sent again --------------------------------------------------------------------


async def test_request_whose_response_went_astray_is_answered_again(journal: Journal) -> None:
    store, other = await created(journal), await opened(journal)
    await store.start(lease=True)
    await store.create(WAITING)
    await other.create(PLAIN)
    journal.clock.now += 31.0
    request = store.request(
        store.write(UserAttrSet(0, "k", 1)),
        store.write(finished(0)),
        Start(NOW, False),
        Start(NOW, False),
        Create((PLAIN, WAITING)),
        Reap(30.0, END, "r"),
        store.write(UserAttrSet(0, "k", 2)),
        beat=[1],
    )
    first = await store.link.exchange(request)
    lines, replay = journal.lines(), store.link._replay  # type: ignore[attr-defined]
    again = await store.link.exchange(request._replace(repeated=True))
    assert journal.lines() == lines
    assert store.link._replay is replay  # type: ignore[attr-defined]
    assert list(map(repr, again.answers)) == list(map(repr, first.answers))
    assert {trial.number for trial in first.trials} <= {trial.number for trial in again.trials}
    assert repr(store.learn(request, again)) == repr(
        [
            None,
            None,
            1,
            3,
            [4, 5],
            [],
            UpdateFinishedTrialError("Trial#0 has already finished and can not be updated."),
        ]
    )
    await assert_as_others_see(journal, store, other)


async def test_same_end_once_more_is_an_error_only_if_it_was_not_sent_again(
    journal: Journal,
) -> None:
    """Even by another link, which knows nothing of the first try."""
    one = await created(journal)
    await one.start()
    two = await opened(journal)
    await two.refresh()
    again = two.request(two.write(UserAttrSet(0, "k", 1)), two.write(finished(0)), repeated=True)
    other = two.request(two.write(finished(0, 2.0)), repeated=True)
    fresh = two.request(two.write(finished(0)))
    await one.exchange(one.write(UserAttrSet(0, "k", 1)), one.write(finished(0)))
    assert (await two.link.exchange(again)).answers == [None, None]
    for request in (other, fresh):
        (answer,) = (await two.link.exchange(request)).answers
        assert isinstance(answer, UpdateFinishedTrialError)


async def test_cancelled_exchange_happened_as_a_whole_or_not_at_all(journal: Journal) -> None:
    store = await created(journal)
    for turns in range(12):
        request = store.request(Create((PLAIN, PLAIN)), Start(NOW, False))
        task = asyncio.ensure_future(store.link.exchange(request))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.refresh()
        assert len(store.trials) % 3 == 0
    before = len(store.trials)
    await assert_as_others_see(journal, store)
    assert await store.create(PLAIN) == [before]


async def test_broken_journal_is_an_error_each_time(journal: Journal) -> None:
    store = await created(journal)
    before = len(journal.lines())
    journal.append({"op_code": 4, "study_id": 0, "datetime_start": None}, {"op_code": 99})
    journal.append({"op_code": 4, "study_id": 0, "datetime_start": None})
    for _ in range(2):
        with pytest.raises(StorageInternalError, match="99"):
            await store.start()
        with pytest.raises(StorageInternalError, match="99"):
            await opened(journal)
    assert len(journal.lines()) == before + 3


async def test_many_links_at_once_agree(journal: Journal) -> None:
    stores = [await created(journal), *[await opened(journal) for _ in range(3)]]
    await stores[0].create(*[WAITING] * 6)

    async def work(store: TellingStore) -> list[int]:
        numbers = []
        for _ in range(6):
            number = await store.start()
            numbers.append(number)
            await store.exchange(store.write(ParamSet(number, "x", 0.5, UNIT)))
            await store.exchange(store.write(ValueReported(number, 1, 0.5)), read=False)
            assert await store.one(store.write(finished(number, float(number)))) is None
        return numbers

    numbers = await asyncio.gather(*map(work, stores))
    assert sorted(number for some in numbers for number in some) == list(range(24))
    for trial in await stores[0].refresh():
        assert (trial.values, trial.params) == ((float(trial.number),), {"x": 0.5})
    await assert_as_others_see(journal, *stores)


async def test_lines_are_in_the_form_that_optuna_writes(journal: Journal) -> None:
    store = await created(journal)
    await store.start(lease=True)
    await store.exchange(
        store.write(ParamSet(0, "x", 0.5, UNIT)), store.write(finished(0)), beat=[0]
    )
    study, trial, beat, param, end = journal.lines()
    assert [line.pop("worker_id")[-2:] for line in (study, trial, beat, param, end)] == ["-0"] * 5
    assert study == {"op_code": 0, "study_name": "study", "directions": [1]}
    assert trial == {
        "op_code": 4,
        "study_id": 0,
        "datetime_start": "2023-11-14T22:13:20.000000+00:00",
        "ahpo": {"lease": True},
    }
    assert (beat["op_code"], beat["trial_id"]) == (9, 2**32 - 1)
    kind = {"step": None, "low": 0.0, "high": 1.0, "log": False}
    assert param == {
        "op_code": 5,
        "trial_id": 0,
        "param_name": "x",
        "param_value_internal": 0.5,
        "distribution": json.dumps({"name": "FloatDistribution", "attributes": kind}),
    }
    assert end == {
        "op_code": 6,
        "trial_id": 0,
        "state": 1,
        "values": [1.0],
        "datetime_complete": "2023-11-14T22:13:21.000000+00:00",
    }
