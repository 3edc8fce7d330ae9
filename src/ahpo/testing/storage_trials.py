"""Tests of storages: trials are numbered, claimed and added."""

from __future__ import annotations

import asyncio

import pytest

from ahpo.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ahpo.exceptions import UpdateFinishedTrialError
from ahpo.history.records import FinishedTrial
from ahpo.states import TrialState
from ahpo.storages.protocol import Storage, StudyStore
from ahpo.testing.storage_handles import (
    MINIMIZE,
    NOW,
    Handles,
    WithHandles,
    complete,
    trials,
    waiting,
)

__all__ = ("TrialTests",)

_FLOAT, _INT = FloatDistribution(0.0, 1.0), IntDistribution(0, 9)
# One of each state, and of whatever is unusual in a trial.
_ADDED = [
    complete(number=7, trial_id=9),
    complete(float("inf")),
    complete(-1.5e300, user_attrs={"": [], "k": {"δ": None}}, system_attrs={"k": "text"}),
    complete(
        params={"x": 0.1 + 0.2, "lr": 1e-5, "i": 3.0, "c": 1.0},
        distributions={
            "x": FloatDistribution(0.0, 0.5),
            "lr": FloatDistribution(1e-5, 1.0, log=True),
            "i": _INT,
            "c": CategoricalDistribution(("a", None, 3)),
        },
    ),
    complete(params={"x": 0.7}, distributions={"x": FloatDistribution(0.0, 0.75, step=0.05)}),
    complete(intermediate_values={5: 0.5, 0: float("inf"), 2**31 - 1: -0.0, 3: float("-inf")}),
    complete(state=TrialState.PRUNED, values=None, intermediate_values={1: 2.0}),
    complete(state=TrialState.PRUNED),
    complete(state=TrialState.FAIL, values=None, system_attrs={"fail_reason": "error"}),
    complete(state=TrialState.RUNNING, values=None, completed=None, user_attrs={"k": 1}),
    waiting(system_attrs={"fixed_params": {"x": 0.5, "c": None}}),
    waiting(params={"x": 0.5}, distributions={"x": _FLOAT}),
]


class TrialTests(WithHandles):
    """Test that trials are created as the protocol says, under any number of handles."""

    #: Whether times are kept to the microsecond, and not to the second.
    keeps_microseconds = True

    async def test_new_trials_run_and_are_numbered_from_zero(
        self, store: StudyStore, another: Handles
    ) -> None:
        for number in range(3):
            assert await store.start(NOW + number * 10**6) == number
        for found in (
            [store.history.record(number) for number in range(3)],
            await trials(await another()),
        ):
            assert [trial.number for trial in found] == [0, 1, 2]
            assert [trial.state for trial in found] == [TrialState.RUNNING] * 3
            assert [trial.started for trial in found] == [NOW + n * 10**6 for n in range(3)]
            assert all(trial.completed is None and trial.values is None for trial in found)

    async def test_numbers_are_consecutive_and_unique_whoever_starts_trials(
        self, store: StudyStore, another: Handles
    ) -> None:
        stores = [store, *[await (await another()).open_study("study") for _ in range(3)]]
        numbers = await asyncio.gather(*(one.start(NOW) for one in stores * 10))
        assert sorted(numbers) == list(range(40))
        assert [trial.number for trial in await trials(await another())] == list(range(40))

    async def test_identifiers_ascend_with_numbers(
        self, store: StudyStore, another: Handles
    ) -> None:
        other = await (await another()).open_study("study")
        await asyncio.gather(
            *(one.start(NOW) for one in (store, other) * 5),
            *(one.create([complete(), waiting()]) for one in (store, other) * 5),
        )
        everything = await trials(await another())
        found = [trial.trial_id for trial in everything]
        # A start that comes late takes a trial that waits.
        n_claimed = 10 - sum(trial.state is TrialState.WAITING for trial in everything)
        assert len(found) == 30 - n_claimed
        assert found == sorted(set(found))

    async def test_waiting_trials_are_started_first_the_longest_waiting_one_before_the_others(
        self, store: StudyStore, another: Handles
    ) -> None:
        await store.create([complete(), waiting(user_attrs={"k": 1}), complete()])
        other = await (await another()).open_study("study")
        await other.create([waiting()])
        assert await other.start(NOW) == 1
        assert await other.start(NOW + 10**6) == 3
        assert await other.start(NOW) == 4
        first, second = (await trials(await another()))[1:4:2]
        assert (first.state, first.started) == (TrialState.RUNNING, NOW)
        assert first.user_attrs == {"k": 1}
        assert (second.state, second.started) == (TrialState.RUNNING, NOW + 10**6)

    async def test_waiting_trial_is_started_once_whoever_asks(
        self, store: StudyStore, another: Handles
    ) -> None:
        await store.create([waiting() for _ in range(20)])
        stores = [store, *[await (await another()).open_study("study") for _ in range(3)]]
        numbers = await asyncio.gather(*(one.start(NOW) for one in stores * 8))
        assert sorted(numbers) == list(range(32))
        states = [trial.state for trial in await trials(await another())]
        assert states == [TrialState.RUNNING] * 32

    async def test_started_trial_is_known_to_the_history_at_once(self, store: StudyStore) -> None:
        await store.create([waiting(params={"x": 0.5}, distributions={"x": _FLOAT})])
        for number in (await store.start(NOW), await store.start(NOW)):
            opened = store.history.open_trial(number)
            assert (opened.number, opened.state) == (number, TrialState.RUNNING)
        assert store.history.open_trial(0).params == {"x": 0.5}

    async def test_added_trials_are_as_they_were_but_for_number_and_identifier(
        self, store: StudyStore, another: Handles
    ) -> None:
        assert await store.create([]) == []
        assert await store.create(_ADDED[:2]) == [0, 1]
        assert await store.create(_ADDED[2:]) == list(range(2, len(_ADDED)))
        for found in (
            [store.history.record(number) for number in range(len(_ADDED))],
            await trials(await another()),
        ):
            assert [trial.number for trial in found] == list(range(len(_ADDED)))
            assert [_content(trial) for trial in found] == [_content(trial) for trial in _ADDED]
            for trial, added in zip(found, _ADDED, strict=True):
                assert list(trial.params) == list(added.params)  # in order of suggestion

    async def test_reported_nan_is_kept(self, store: StudyStore, another: Handles) -> None:
        await store.create([complete(intermediate_values={0: float("nan"), 1: 1.0})])
        (trial,) = await trials(await another())
        assert repr(trial.intermediate_values) == "{0: nan, 1: 1.0}"

    async def test_values_of_several_objectives_are_kept(
        self, storage: Storage, another: Handles
    ) -> None:
        several = await storage.create_study("several", [MINIMIZE] * 3)
        told = (1.0, float("-inf"), 3.0)
        await several.create([complete(values=told)])
        assert (await trials(await another(), "several"))[0].values == told

    async def test_times_are_kept_to_the_microsecond(
        self, store: StudyStore, another: Handles
    ) -> None:
        if not self.keeps_microseconds:
            pytest.skip("This storage keeps times to the second.")
        await store.create([complete(started=NOW + 1, completed=NOW + 10**6 - 1)])
        (trial,) = await trials(await another())
        assert (trial.started, trial.completed) == (NOW + 1, NOW + 10**6 - 1)

    @pytest.mark.parametrize(
        "batch",
        [
            [complete(), complete(params={"x": 1.0}, distributions={"x": _INT})],
            [waiting(), complete(params={"n": 1.0}, distributions={"n": _INT}),
             complete(params={"n": 1.0}, distributions={"n": _FLOAT})],
            [complete(), complete(values=(1.0, 2.0))],
        ],
        ids=["against the study", "against each other", "number of values"],
    )  # fmt: skip
    async def test_either_all_trials_are_added_or_none(
        self, store: StudyStore, another: Handles, batch: list[FinishedTrial]
    ) -> None:
        await store.create([complete(params={"x": 0.5}, distributions={"x": _FLOAT})])
        before = await trials(await another())
        for one in (store, await (await another()).open_study("study")):
            with pytest.raises(ValueError, match=r"must|has 2 values"):
                await one.create(batch)
            assert one.history.n_trials == 1
            assert set(one.history.known_distributions) == {"x"}
            await one.flush()
        assert await trials(await another()) == before
        assert await store.create([complete()]) == [1]
        assert await store.start(NOW) == 2

    async def test_added_finished_trial_can_not_be_started_or_changed(
        self, store: StudyStore
    ) -> None:
        await store.create([complete(), complete(state=TrialState.FAIL, values=None)])
        assert await store.start(NOW) == 2
        for number in (0, 1):
            with pytest.raises(UpdateFinishedTrialError, match=str(number)):
                store.history.open_trial(number)


def _content(trial: FinishedTrial) -> FinishedTrial:
    return trial._replace(number=0, trial_id=0)
