"""Links to a study in a journal carry out requests, and tell what is new."""

from __future__ import annotations

import asyncio
import json

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFact,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import StudyDirection, TrialState
from ahpo.storages.exchange import Create, Reap, Request, Seen, Start, Write
from ahpo.storages.journal import JournalBackend
from tests.storages.journal.conftest import Journal
from tests.storages.journal.store import MINIMIZE, NOW, PLAIN, WAITING, TellingStore, told

pytestmark = pytest.mark.asyncio

UNIT = FloatDistribution(0.0, 1.0)
END = NOW + 10**6
NOTHING_SEEN = Seen(-1, 0, {}, {}, {}, {})


def finished(number: int, value: float = 1.0) -> TrialFinished:
    return TrialFinished(number, TrialState.COMPLETE, (value,), END)


async def created(journal: Journal) -> TellingStore:
    return TellingStore(await journal.backend().create_study("study", MINIMIZE))


async def opened(journal: Journal) -> TellingStore:
    return TellingStore(await journal.backend().open_study("study"))


async def assert_as_others_see(journal: Journal, *stores: TellingStore) -> None:
    expected = told(await (await opened(journal)).refresh())
    for store in stores:
        assert told(await store.refresh()) == expected


# -- studies --------------------------------------------------------------------------------


async def test_studies_are_created_opened_listed_and_deleted(journal: Journal) -> None:
    backend, other = journal.backend(), journal.backend()
    first = await backend.create_study("b", MINIMIZE)
    second = await other.create_study("a", [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE])
    assert await backend.study_names() == await other.study_names() == ["b", "a"]
    assert (first.study_id, first.study_name, first.directions) == (0, "b", MINIMIZE)
    for link in (second, await backend.open_study("a")):
        assert (link.study_id, link.study_name) == (1, "a")
        assert link.directions == (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)
    with pytest.raises(DuplicatedStudyError, match="'a'"):
        await backend.create_study("a", MINIMIZE)
    await other.delete_study("b")
    assert await backend.study_names() == ["a"]
    for refused in (backend.open_study("b"), other.delete_study("b")):
        with pytest.raises(KeyError, match="b"):
            await refused
    assert (await backend.create_study("b", MINIMIZE)).study_id == 2
    await backend.aclose()


async def test_deleted_study_is_a_key_error_for_those_who_have_it_open(journal: Journal) -> None:
    store = await created(journal)
    backend = journal.backend()
    await backend.delete_study("study")
    with pytest.raises(KeyError, match="study"):
        await store.refresh()
    await backend.create_study("study", MINIMIZE)  # another one, of the same name
    for _ in range(2):
        with pytest.raises(KeyError, match="study"):
            await store.start()
    assert (await opened(journal)).trials == {}


async def test_of_studies_of_one_name_the_last_one_is_opened(journal: Journal) -> None:
    backend = journal.backend()
    store = TellingStore(await backend.create_study("study", MINIMIZE))
    await store.create(PLAIN, WAITING)
    await backend.delete_study("study")
    again = TellingStore(await backend.create_study("study", MINIMIZE))
    assert await again.start() == 0
    other = await opened(journal)
    assert [trial.trial_id for trial in await other.refresh()] == [2]
    assert await other.start() == 1


async def test_trials_are_numbered_by_study_and_identified_over_all(journal: Journal) -> None:
    backend = journal.backend()
    one = TellingStore(await backend.create_study("one", MINIMIZE))
    two = TellingStore(await backend.create_study("two", MINIMIZE))
    for store, number in ((one, 0), (two, 0), (two, 1), (one, 1)):
        assert await store.start() == number
    assert [trial.trial_id for trial in await one.refresh()] == [0, 3]
    assert [trial.trial_id for trial in await two.refresh()] == [1, 2]


async def test_attributes_of_the_study_are_news_when_others_have_set_them(
    journal: Journal,
) -> None:
    one, two = await created(journal), await opened(journal)
    await one.exchange(
        Write(StudyUserAttrSet("k", [1, None]), -1), Write(StudySystemAttrSet("s", 2), -1)
    )
    response = await one.link.exchange(one.request())
    assert (response.user_attrs, response.system_attrs) == ({}, {}) or (
        response.user_attrs == {"k": [1, None]} and response.system_attrs == {"s": 2}
    )
    await two.refresh()
    assert (two.user_attrs, two.system_attrs) == ({"k": [1, None]}, {"s": 2})
    await two.exchange(Write(StudyUserAttrSet("k", 3), -1))
    await one.refresh()
    assert one.user_attrs == {"k": 3}


# -- trials ---------------------------------------------------------------------------------


async def test_start_takes_waiting_trials_by_number_and_then_makes_new_ones(
    journal: Journal,
) -> None:
    one, two = await created(journal), await opened(journal)
    await one.create(WAITING, PLAIN, WAITING._replace(user_attrs={"k": 1}))
    assert await two.start() == 0
    assert await one.exchange(Start(NOW, False), Start(NOW + 1, False)) == [2, 3]
    trial = one.trials[2]
    assert (trial.state, trial.started) == (TrialState.RUNNING, NOW)
    assert trial.user_attrs == {"k": 1}
    await assert_as_others_see(journal, one, two)


async def test_trial_that_waits_again_is_started_before_later_ones(journal: Journal) -> None:
    store = await created(journal)
    assert await store.start() == 0
    await store.create(WAITING)
    journal.append({"op_code": 6, "trial_id": 0, "state": 4, "values": None})
    assert await (await opened(journal)).start() == 0


async def test_everything_that_is_written_can_be_read(journal: Journal) -> None:
    store = await created(journal)
    await store.start()
    kinds = {
        "x": UNIT,
        "lr": FloatDistribution(1e-5, 1.0, log=True),
        "n": IntDistribution(0, 8, step=2),
        'c"': CategoricalDistribution(("a", None, True, 1.5, 2)),
    }
    facts: list[TrialFact] = [
        *(ParamSet(0, name, 1.0, kind) for name, kind in kinds.items()),
        ValueReported(0, 3, 0.1 + 0.2),
        ValueReported(0, 1, float("-inf")),
        ValueReported(0, 2, float("nan")),
        ValueReported(0, 3, 1.0),
        UserAttrSet(0, "δ", {"deep": [None, "text"]}),
        SystemAttrSet(0, "k", 1),
        ConstraintSet(0, "c", 0.25),
        TrialFinished(0, TrialState.PRUNED, (float("inf"),), END),
    ]
    assert await store.exchange(*map(store.write, facts)) == [None] * len(facts)
    (trial,) = await (await opened(journal)).refresh()
    assert trial.params == dict.fromkeys(kinds, 1.0)
    assert trial.distributions == kinds
    assert repr(trial.intermediate_values) == "{3: 1.0, 1: -inf, 2: nan}"
    assert trial.user_attrs == {"δ": {"deep": [None, "text"]}}
    assert trial.system_attrs == {"k": 1, "constraints:c": 0.25}
    assert (trial.state, trial.values, trial.completed) == (
        TrialState.PRUNED,
        (float("inf"),),
        END,
    )
    assert told([trial]) == told([store.trials[0]])


async def test_choices_that_are_equal_and_not_the_same_stay_apart(journal: Journal) -> None:
    store = await created(journal)
    for choices in ((1, 2), (True, 2)):
        kind = CategoricalDistribution(choices)
        await store.create(PLAIN._replace(params={"c": 0.0}, distributions={"c": kind}))
    trials = await (await opened(journal)).refresh()
    assert [repr(trial.distributions["c"].to_external_repr(0.0)) for trial in trials] == [
        "1",
        "True",
    ]


async def test_first_value_of_a_parameter_stays(journal: Journal) -> None:
    store = await created(journal)
    await store.start()
    await store.exchange(
        *(store.write(ParamSet(0, "x", value, UNIT)) for value in (0.25, 0.5)),
    )
    await store.exchange(store.write(ParamSet(0, "x", 0.75, UNIT)))
    (trial,) = await (await opened(journal)).refresh()
    assert trial.params == {"x": 0.25}


async def test_added_trials_may_have_any_state(journal: Journal) -> None:
    store = await created(journal)
    records = [
        PLAIN,
        WAITING._replace(system_attrs={"fixed_params": {"x": 0.5}}),
        PLAIN._replace(state=TrialState.RUNNING, values=None, completed=None),
        PLAIN._replace(state=TrialState.FAIL, values=None, user_attrs={"k": [1]}),
        PLAIN._replace(
            params={"x": 0.5}, distributions={"x": UNIT}, intermediate_values={5: float("inf")}
        ),
    ]
    assert await store.create(*records) == list(range(5))
    found = await (await opened(journal)).refresh()
    assert [trial._replace(number=-1, trial_id=-1) for trial in found] == records
    assert await store.create() == []


async def test_all_trials_are_added_or_none_is(journal: Journal) -> None:
    store = await created(journal)
    x = PLAIN._replace(params={"x": 0.5}, distributions={"x": UNIT})
    await store.create(x)
    before = journal.lines()
    other_kind = x._replace(distributions={"x": IntDistribution(0, 1)})
    y = PLAIN._replace(params={"y": 0.5}, distributions={"y": UNIT})
    other_y = y._replace(distributions={"y": IntDistribution(0, 1)})
    unstorable = PLAIN._replace(user_attrs={"k": object()})
    for trials, error in (
        ((PLAIN, other_kind), ValueError),
        ((y, other_y), ValueError),
        ((PLAIN, PLAIN._replace(values=(1.0, 2.0))), ValueError),
        ((PLAIN, unstorable), TypeError),
    ):
        assert isinstance(await store.one(Create(trials)), error)
    assert journal.lines() == before


# -- refusals -------------------------------------------------------------------------------


async def test_what_comes_too_late_is_refused_and_the_trial_shown_as_it_is(
    journal: Journal,
) -> None:
    one, two = await created(journal), await opened(journal)
    await one.start()
    await two.refresh()
    await one.exchange(one.write(finished(0)))
    before = journal.lines()
    answers = await two.exchange(
        two.write(UserAttrSet(0, "k", 1)), two.write(finished(0, 2.0)), Start(NOW, False)
    )
    assert [type(answer) for answer in answers] == [UpdateFinishedTrialError] * 2 + [int]
    assert "0" in str(answers[0])
    assert two.trials[0] == one.trials[0]
    assert len(journal.lines()) == len(before) + 1
    await assert_as_others_see(journal, one, two)


async def test_refused_write_of_a_trial_known_to_be_finished_shows_it_again(
    journal: Journal,
) -> None:
    store = await created(journal)
    await store.start()
    await store.exchange(store.write(finished(0)))
    await store.refresh()
    store.trials[0] = store.trials[0]._replace(user_attrs={"k": "not true"})
    for _ in range(2):
        answer = await store.one(store.write(UserAttrSet(0, "k", 1)))
        assert isinstance(answer, UpdateFinishedTrialError)
        assert store.trials[0].user_attrs == {}
        store.trials[0] = store.trials[0]._replace(user_attrs={"k": "not true"})


async def test_what_follows_an_end_in_the_same_request_is_refused(journal: Journal) -> None:
    store = await created(journal)
    await store.start()
    answers = await store.exchange(
        store.write(finished(0)),
        store.write(finished(0)),
        store.write(UserAttrSet(0, "k", 1)),
    )
    assert answers[0] is None
    assert [type(answer) for answer in answers[1:]] == [UpdateFinishedTrialError] * 2
    await assert_as_others_see(journal, store)


async def test_unknown_trial_is_a_key_error(journal: Journal) -> None:
    backend = journal.backend()
    await TellingStore(await backend.create_study("other", MINIMIZE)).start()
    store = await created(journal)
    await store.start()
    # The first is a trial of the other study.
    for trial_id in (0, 2, -1):
        answer = await store.one(Write(UserAttrSet(7, "k", 1), trial_id))
        assert isinstance(answer, KeyError)
        assert "7" in str(answer)


async def test_distribution_that_does_not_fit_is_refused(journal: Journal) -> None:
    one, two = await created(journal), await opened(journal)
    await one.start()
    await two.start()
    await one.exchange(one.write(ParamSet(0, "x", 0.5, UNIT)))
    answers = await two.exchange(
        two.write(ParamSet(1, "x", 1.0, IntDistribution(0, 1))),
        two.write(ParamSet(1, "y", 0.5, UNIT)),
    )
    assert isinstance(answers[0], ValueError)
    assert "'x'" in str(answers[0])
    assert answers[1] is None
    assert two.trials[1].params == {"y": 0.5}
    await assert_as_others_see(journal, one, two)


async def test_what_json_can_not_express_is_refused_alone(journal: Journal) -> None:
    store = await created(journal)
    await store.start()
    answers = await store.exchange(
        Write(UserAttrSet(0, "k", {1, 2}), store.trials[0].trial_id),
        store.write(UserAttrSet(0, "l", [1, 2])),
    )
    assert isinstance(answers[0], TypeError)
    assert store.trials[0].user_attrs == {"l": [1, 2]}
    await assert_as_others_see(journal, store)


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
    lines = journal.lines()
    again = await store.link.exchange(request._replace(repeated=True))
    assert journal.lines() == lines
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


async def test_backend_of_a_user_that_forgets_is_an_error(journal: Journal) -> None:
    class Forgetful(type(journal.log_storage())):  # type: ignore[misc]
        def _place(self):
            from ahpo.storages.journal.base import AnyPlace

            return AnyPlace(self)

        def append_logs(self, logs):
            pass

    forgetful = Forgetful.__new__(Forgetful)
    forgetful.__dict__.update(vars(journal.log_storage()))
    with pytest.raises(StorageInternalError, match="does not return what was appended"):
        await JournalBackend(forgetful).create_study("study", MINIMIZE)
