"""Links to a study in a journal carry out requests, and tell what is new."""

from __future__ import annotations

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
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
from ahpo.storages.exchange import Create, Seen, Start, Write
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


async def test_trial_that_ends_while_it_waits_is_not_started(journal: Journal) -> None:
    store = await created(journal)
    await store.create(WAITING, WAITING)
    assert await store.exchange(store.write(finished(0)), Start(NOW, False)) == [None, 1]
    await assert_as_others_see(journal, store)


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
    request = two.request(
        two.write(ParamSet(1, "x", 1.0, IntDistribution(0, 1))),
        two.write(ParamSet(1, "y", 0.5, UNIT)),
    )
    response = await two.link.exchange(request)
    assert [trial.number for trial in response.trials] == [0, 1]
    answers = two.learn(request, response)
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
