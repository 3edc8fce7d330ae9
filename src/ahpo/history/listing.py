"""Many trials of a history at once, in their documented form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ahpo.history.frozen import detached, frozen_trial, with_own_attrs
from ahpo.history.history import History
from ahpo.history.records import FinishedTrial
from ahpo.trials.frozen import FrozenTrial

__all__ = ("frozen_trials",)

_BLOCK = 1024  # trials that are between columns and objects at a time


def frozen_trials(history: History, numbers: Sequence[int], shared: bool) -> list[FrozenTrial]:
    """Return trials in the order of their numbers, as new objects or shared ones.

    :raises KeyError: if there is no trial of one of the numbers
    """
    trials: list[FrozenTrial] = []
    for start in range(0, len(numbers), _BLOCK):
        trials += _block(history, numbers[start : start + _BLOCK], shared)
    return trials


def _block(history: History, numbers: Sequence[int], shared: bool) -> list[FrozenTrial]:
    known = history._frozen
    # First: a trial that is not found here may finish at any moment, and is looked for again.
    rows = {number: history._row_of.get(number) for number in numbers if number not in known}
    wanted = [row for row in rows.values() if row is not None]
    found = history.table.trials(np.array(wanted, np.int64), external=True) if wanted else ()
    records = iter(found)
    trials: list[FrozenTrial] = []
    for number in numbers:
        record: FinishedTrial | None = None
        if rows.get(number) is not None:
            record = next(records)
        if shared:
            if record is None:
                trial = history.shared_frozen(number)
            else:
                trial = known[number] = frozen_trial(record, external=True)
        elif record is not None:
            trial = frozen_trial(with_own_attrs(record), external=True)
        else:
            trial = detached(history.shared_frozen(number))
        trials.append(trial)
    return trials
