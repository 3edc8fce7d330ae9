"""Exchanges do what the contract of a link says, on each database."""

from __future__ import annotations

import asyncio
from math import inf, isnan, nan

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from ahpo.history.facts import (
    ConstraintSet,
    Fact,
    ParamSet,
    StudySystemAttrSet,
    StudyUserAttrSet,
    SystemAttrSet,
    TrialFinished,
    UserAttrSet,
    ValueReported,
)
from ahpo.states import TrialState
from ahpo.storages.exchange import Backend, Create, Request, Start, Write
from ahpo.testing.storage_handles import complete, waiting
from tests.storages.sql.conftest import Another
from tests.storages.sql.peer import (
    MAXIMIZE,
    MINIMIZE,
    NOW,
    UNIT,
    Peer,
    completed,
    created,
    observed,
    opened,
)

pytestmark = pytest.mark.asyncio


# -- studies --------------------------------------------------------------------------------


async def test_studies_are_created_listed_opened_and_deleted(backend: Backend) -> None:
    assert await backend.study_names() == []
    link = await backend.create_study("b", [MINIMIZE, MAXIMIZE])
    await backend.create_study("a", [MAXIMIZE])
    assert await backend.study_names() == ["b", "a"]
    again = await backend.open_study("b")
    assert (again.study_id, again.study_name) == (link.study_id, "b")
    assert again.directions == (MINIMIZE, MAXIMIZE)
    with pytest.raises(DuplicatedStudyError, match="'a' already: choose another name"):
        await backend.create_study("a", [MINIMIZE])
    peer = await opened(backend, "a")
    await peer.create(complete(params={"x": 0.5}, distributions={"x": UNIT}, user_attrs={"k": 1}))
    await peer.start(lease=True)
    await peer.write(StudyUserAttrSet("k", 1))
    await backend.delete_study("a")
    assert await backend.study_names() == ["b"]
    for operation in (backend.open_study, backend.delete_study):
        with pytest.raises(KeyError, match="no study of the name 'a'"):
            await operation("a")


@pytest.mark.parametrize("anew", [False, True])
async def test_link_to_a_deleted_study_raises(backend: Backend, anew: bool) -> None:
    peer = await created(backend)
    await peer.start()
    await backend.delete_study("study")
    if anew:  # SQLite gives it the same identifier
        await backend.create_study("other", [MINIMIZE])
    for ops in ((), (Start(NOW, False),), peer.writes([StudyUserAttrSet("k", 1)])):
        for read in (True, False):
            with pytest.raises(KeyError, match="no study of the name 'study'"):
                await peer.ask(*ops, read=read)


async def test_link_to_a_study_that_was_deleted_and_made_again_raises(backend: Backend) -> None:
    peer = await created(backend)
    await peer.start()
    await backend.delete_study("study")
    await backend.create_study("study", [MINIMIZE])
    with pytest.raises(KeyError):
        await peer.ask()


async def test_link_to_a_study_that_was_made_again_just_alike_by_another_raises(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    await peer.create(waiting(), waiting())
    other = another()
    await other.delete_study("study")
    await other.sweep()
    alike = await created(other)
    await alike.create(waiting(), waiting())
    for ops in ((), (Start(NOW, False),), peer.writes([UserAttrSet(0, "k", 1)])):
        with pytest.raises(KeyError):
            await peer.ask(*ops)
    assert await observed(another()) == list(alike.trials.values())


async def test_study_attributes_come_when_they_have_changed(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    other = await opened(another())
    assert peer.last is not None
    assert (peer.last.user_attrs, peer.last.system_attrs) == (None, None)
    await other.write(StudyUserAttrSet("k", {"a": [1, nan]}), StudySystemAttrSet("s", "é\0"))
    await other.write(StudyUserAttrSet("l", 2))
    await peer.ask()
    assert list(peer.user_attrs) == ["k", "l"]
    assert isnan(peer.user_attrs["k"]["a"][1])
    assert peer.system_attrs == {"s": "é\0"}
    await other.write(StudyUserAttrSet("l", 3))
    await peer.ask()
    assert peer.last.user_attrs is not None or peer.user_attrs["l"] == 3
    assert peer.last.system_attrs is None
    await other.start()
    await peer.ask()
    assert peer.last is not None
    assert (peer.last.user_attrs, peer.last.system_attrs) == (None, None)
    assert len(peer.last.trials) == 1


# -- trials ---------------------------------------------------------------------------------


async def test_all_kinds_of_facts_are_written_and_read(backend: Backend, another: Another) -> None:
    peer = await created(backend)
    number = await peer.start()
    choices = CategoricalDistribution(("a", None, True, 2.5))
    await peer.write(
        ParamSet(number, "z", 0.5, UNIT),
        ParamSet(number, "c", 1.0, choices),
        ParamSet(number, "a", 3.0, IntDistribution(0, 9)),
        ParamSet(number, "z", 0.75, UNIT),  # the first value stays
        ValueReported(number, 3, 1.0),
        ValueReported(number, 1, inf),
        ValueReported(number, 2, nan),
        ValueReported(number, 3, -inf),
        UserAttrSet(number, "k", "old"),
        UserAttrSet(number, "l", [1, {"deep": None}]),
        UserAttrSet(number, "k", "new"),
        SystemAttrSet(number, "k", inf),
        ConstraintSet(number, "c", 0.25),
    )
    await peer.write(
        ParamSet(number, "z", 0.25, UNIT),
        ValueReported(number, 1, 2.0),
        UserAttrSet(number, "l", 7),
    )
    await peer.finish(number, -inf)
    for found in (await observed(backend), await observed(another())):
        (trial,) = found
        assert list(trial.params.items()) == [("z", 0.5), ("c", 1.0), ("a", 3.0)]
        assert trial.distributions == {"z": UNIT, "c": choices, "a": IntDistribution(0, 9)}
        assert isnan(trial.intermediate_values.pop(2))
        assert trial.intermediate_values == {3: -inf, 1: 2.0}
        assert list(trial.user_attrs.items()) == [("k", "new"), ("l", 7)]
        assert trial.system_attrs == {"k": inf, "constraints:c": 0.25}
        assert (trial.state, trial.values) == (TrialState.COMPLETE, (-inf,))
        assert (trial.started, trial.completed) == (NOW, NOW + 10**6)


async def test_numbers_are_consecutive_for_any_number_of_writers(
    backend: Backend, another: Another
) -> None:
    peers = [await created(backend), *[await opened(another()) for _ in range(3)]]

    async def work(peer: Peer) -> None:
        for _ in range(5):
            numbers = await peer.ask(Start(NOW, False), Start(NOW, False), durable=False)
            await peer.ask(*peer.writes(map(completed, numbers)), read=False, durable=False)

    await asyncio.gather(*map(work, peers))
    found = await observed(another())
    assert [trial.number for trial in found] == list(range(40))
    ids = [trial.trial_id for trial in found]
    assert ids == sorted(ids)
    assert all(trial.state is TrialState.COMPLETE for trial in found)
    assert sorted(number for peer in peers for number in peer.own) == list(range(40))


async def test_waiting_trial_is_started_once_and_the_first_one_first(
    backend: Backend, another: Another
) -> None:
    first = await created(backend)
    await first.create(*[waiting(system_attrs={"n": n}) for n in range(30)])
    peers = [first, *[await opened(another()) for _ in range(3)]]

    async def work(peer: Peer) -> None:
        for _ in range(4):
            await peer.ask(Start(NOW, False), Start(NOW, False), durable=False)

    await asyncio.gather(*map(work, peers))
    started = sorted(number for peer in peers for number in peer.own)
    assert started == list(range(32))
    for peer in peers:
        for number in peer.own - {30, 31}:
            assert peer.trials[number].system_attrs == {"n": number}
            assert peer.trials[number].state is TrialState.RUNNING
            assert peer.trials[number].started == NOW


async def test_trial_that_was_created_in_the_same_exchange_is_started_in_its_turn(
    backend: Backend,
) -> None:
    peer = await created(backend)
    trial = waiting(user_attrs={"k": 1})
    answers = await peer.ask(
        Start(NOW, False),
        Create((complete(), trial)),
        Start(NOW, False),
        Start(NOW, False),
        Create((trial,)),
    )
    assert answers == [0, [1, 2], 2, 3, [4]]
    assert peer.trials[2].user_attrs == {"k": 1}
    assert peer.trials[2].state is TrialState.RUNNING
    assert peer.trials[4].state is TrialState.WAITING
    assert await observed(backend) == [peer.trials[number] for number in range(5)]


async def test_created_trials_are_kept_in_each_state(backend: Backend, another: Another) -> None:
    peer = await created(backend)
    batch = [
        complete(
            inf,
            params={"y": 0.5, "x": 0.25},
            distributions={"y": UNIT, "x": UNIT},
            intermediate_values={4: nan, 2: 1.0},
            user_attrs={"k": [1]},
            system_attrs={"s": None},
        ),
        complete(state=TrialState.PRUNED, values=None),
        complete(state=TrialState.FAIL, values=None, started=None),
        complete(state=TrialState.RUNNING, values=None, completed=None),
        waiting(),
    ]
    assert await peer.create(*batch) == list(range(5))
    found = await observed(another())
    assert isnan(found[0].intermediate_values[4])
    found[0].intermediate_values[4] = batch[0].intermediate_values[4]
    for number, trial in enumerate(found):
        assert trial == batch[number]._replace(number=number, trial_id=trial.trial_id)
    assert list(found[0].params) == ["y", "x"]


@pytest.mark.parametrize(
    "bad",
    [
        complete(params={"x": 1.0}, distributions={"x": IntDistribution(0, 1)}),
        complete(values=(1.0, 2.0)),
        complete(nan),
        complete(user_attrs={"k": object()}),
    ],
)
async def test_either_all_trials_are_created_or_none(backend: Backend, bad: object) -> None:
    peer = await created(backend)
    good = complete(params={"x": 0.5}, distributions={"x": UNIT})
    answers = await peer.ask(Create((good, bad)), Create((good,)))  # type: ignore[arg-type]
    assert isinstance(answers[0], ValueError | TypeError)
    assert answers[1] == [0]
    assert len(await observed(backend)) == 1


# -- refusals -------------------------------------------------------------------------------


async def test_write_on_a_finished_trial_is_refused_and_answered_with_the_trial(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    number = await peer.start()
    late = await opened(another())
    await peer.finish(number)
    before = await observed(backend)
    for read in (False, True):
        late.trials[number] = late.trials[number]._replace(state=TrialState.RUNNING)
        facts: list[Fact] = [UserAttrSet(number, "k", 1), completed(number, 2.0)]
        facts.append(StudyUserAttrSet("k", 1))
        answers = await late.ask(*late.writes(facts), read=read)
        for answer in answers[:2]:
            assert isinstance(answer, UpdateFinishedTrialError)
            assert str(answer) == (
                "Trial#0 has already finished as COMPLETE and can not be updated."
            )
        assert answers[2] is None
        assert late.last is not None
        assert list(late.last.trials) == before
    assert await observed(backend) == before


async def test_writes_after_the_end_of_a_trial_in_the_same_request_are_refused(
    backend: Backend,
) -> None:
    peer = await created(backend)
    number = await peer.start()
    facts: list[Fact] = [completed(number), UserAttrSet(number, "k", 1), completed(number, 2.0)]
    answers = await peer.ask(*peer.writes(facts))
    assert [type(answer) for answer in answers] == [type(None)] + 2 * [UpdateFinishedTrialError]
    (trial,) = await observed(backend)
    assert (trial.values, trial.user_attrs) == ((1.0,), {})


async def test_repeated_request_may_finish_a_trial_again_in_the_same_way(backend: Backend) -> None:
    peer = await created(backend)
    numbers = await peer.ask(Start(NOW, False), Start(NOW, False))
    ops = peer.writes([UserAttrSet(numbers[0], "k", 1), completed(numbers[0], inf)])
    ops += peer.writes([completed(numbers[1], 2.0)])
    assert await peer.ask(*ops) == [None] * 3
    for number in numbers:
        peer.trials[number] = peer.trials[number]._replace(state=TrialState.RUNNING)
    assert await peer.ask(*ops, repeated=True) == [None] * 3
    other = peer.writes([completed(numbers[1], 3.0)])
    (refused,) = await peer.ask(*other, repeated=True)
    assert isinstance(refused, UpdateFinishedTrialError)
    (refused,) = await peer.ask(*ops[2:])
    assert isinstance(refused, UpdateFinishedTrialError)


async def test_unknown_trials_are_refused(backend: Backend) -> None:
    peer, other = await created(backend), await created(backend, "other")
    number = await other.start()
    foreign = other.trials[number].trial_id
    for trial_id in (foreign, 10**6):
        (answer,) = await peer.ask(Write(UserAttrSet(3, "k", 1), trial_id))
        assert isinstance(answer, KeyError)
        assert "no trial of number 3" in str(answer)
    assert (await observed(backend, "other"))[0].user_attrs == {}


async def test_parameter_must_keep_its_kind(backend: Backend, another: Another) -> None:
    peer = await created(backend)
    number = await peer.start()
    late = await opened(another())
    await peer.write(ParamSet(number, "x", 0.5, UNIT))
    mine = await late.start()
    wrong = [
        ParamSet(mine, "x", 1.0, IntDistribution(0, 1)),
        ParamSet(mine, "y", 0.5, UNIT),
        ParamSet(mine, "y", 0.5, FloatDistribution(0.1, 1.0, log=True)),
        ParamSet(mine, "x", 1.5, FloatDistribution(0.0, 2.0)),
    ]
    late.names.clear()
    answers = await late.ask(*late.writes(wrong))
    assert [type(answer) for answer in answers] == [ValueError, type(None)] * 2
    assert "'x' must keep its kind" in str(answers[0])
    assert (await observed(backend))[mine].params == {"y": 0.5, "x": 1.5}


async def test_two_who_bring_a_new_parameter_at_once_agree_on_its_kind(
    backend: Backend, another: Another
) -> None:
    peers = [await created(backend), await opened(another()), await opened(another())]
    for peer in peers:
        await peer.start()
    kinds = [UNIT, IntDistribution(0, 1), CategoricalDistribution(("a", "b"))]
    answers = await asyncio.gather(
        *(
            peer.ask(*peer.writes([ParamSet(max(peer.own), "x", 0.0, kind)]))
            for peer, kind in zip(peers, kinds, strict=True)
        )
    )
    assert sorted(type(answer[0]).__name__ for answer in answers) == [
        "NoneType",
        "ValueError",
        "ValueError",
    ]


@pytest.mark.parametrize(
    "fact",
    [
        TrialFinished(0, TrialState.COMPLETE, (nan,), NOW),
        TrialFinished(0, TrialState.COMPLETE, (1.0, 2.0), NOW),
        TrialFinished(0, TrialState.RUNNING, None, NOW),
        UserAttrSet(0, "k", object()),
        UserAttrSet(0, "\ud800", 1),
        ValueReported(0, 2**63, 1.0),
        ParamSet(0, "x", nan, UNIT),
    ],
)
async def test_what_can_not_be_kept_is_refused_alone(backend: Backend, fact: object) -> None:
    peer = await created(backend)
    await peer.start()
    ops = [Write(fact, peer.trials[0].trial_id), *peer.writes([UserAttrSet(0, "l", 2)])]  # type: ignore[arg-type]
    answers = await peer.ask(*ops)
    assert isinstance(answers[0], ValueError | TypeError)
    assert answers[1] is None
    (trial,) = await observed(backend)
    assert trial.state is TrialState.RUNNING
    assert (trial.user_attrs, trial.intermediate_values) == ({"l": 2}, {})


# -- news -----------------------------------------------------------------------------------


async def test_news_of_every_kind_arrive_once(backend: Backend, another: Another) -> None:
    peer = await created(backend)
    other = await opened(another())
    await other.create(complete(), waiting(), complete(), waiting())
    await other.start()
    await other.write(UserAttrSet(1, "k", 1))
    own = await peer.start()
    assert own == 3
    assert peer.trials[1].user_attrs == {"k": 1}
    await other.write(ParamSet(1, "x", 0.5, UNIT), ValueReported(1, 0, 0.25))
    await peer.ask()
    assert peer.trials[1].intermediate_values == {0: 0.25}
    await other.finish(1)
    await other.ask()
    await other.finish(own, 5.0)
    await peer.ask()
    assert peer.last is not None
    assert [trial.number for trial in peer.last.trials] == [1, own]
    assert peer.trials[own].values == (5.0,)
    await peer.ask()
    assert list(peer.last.trials) == []
    assert [peer.trials[number] for number in range(4)] == await observed(another())


async def test_own_end_of_a_trial_is_no_news(backend: Backend) -> None:
    peer = await created(backend)
    number = await peer.start()
    await peer.finish(number)
    assert peer.last is not None
    assert list(peer.last.trials) == []


async def test_waiting_trial_that_another_one_started_is_news(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    await peer.create(waiting(), waiting())
    other = await opened(another())
    assert await other.start() == 0
    await other.finish(1)
    await peer.ask()
    assert peer.trials[0].state is TrialState.RUNNING
    assert peer.trials[1].state is TrialState.COMPLETE


async def test_started_trials_come_even_if_no_news_are_wanted(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    other = await opened(another())
    await other.create(complete(), waiting(user_attrs={"k": 1}))
    assert await peer.ask(Start(NOW, False), Start(NOW, False), read=False) == [1, 2]
    assert [peer.trials[number] for number in range(3)] == await observed(another())


async def test_news_are_not_missed_when_a_response_was_lost(
    backend: Backend, another: Another
) -> None:
    peer = await created(backend)
    other = await opened(another())
    number = await other.start()
    await peer.ask()
    await other.finish(number)
    await other.write(StudyUserAttrSet("k", 1))
    seen = peer.seen
    await peer.link.exchange(Request((), seen))  # nobody takes this response
    response = await peer.link.exchange(Request((), seen, repeated=True))
    assert [trial.state for trial in response.trials] == [TrialState.COMPLETE]
    assert response.user_attrs == {"k": 1}


async def test_many_trials_are_read_whole(backend: Backend, another: Another) -> None:
    peer, between = await created(backend), await created(backend, "between")
    trial = complete(params={"x": 0.5}, distributions={"x": UNIT}, intermediate_values={1: 2.0})
    for _ in range(3):
        await peer.create(*[trial] * 1500)
        await between.create(*[trial] * 10)
    for number, found in enumerate(await observed(another())):
        assert found == trial._replace(number=number, trial_id=found.trial_id)
    assert number == 4499
