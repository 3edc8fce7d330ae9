"""Trials as a pandas frame: a row for each trial, columns for what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

from ahpo.states import StudyDirection
from ahpo.trials.frozen import FrozenTrial

if TYPE_CHECKING:
    import pandas as pd

__all__ = ("DEFAULT_ATTRS", "trials_dataframe")

DEFAULT_ATTRS = (
    "number",
    "value",
    "datetime_start",
    "datetime_complete",
    "duration",
    "params",
    "user_attrs",
    "system_attrs",
    "state",
)


def trials_dataframe(
    trials: Sequence[FrozenTrial],
    attrs: Sequence[str],
    multi_index: bool,
    directions: Sequence[StudyDirection],
    metric_names: Sequence[str] | None,
) -> pd.DataFrame:
    """Return a frame with a row for each trial, in the given order.

    :param trials: trials in any state.
    :param attrs: names of attributes of FrozenTrial. A dict gives a column for each of its keys,
        sorted; "value" stands for "values" if there are several objectives.
    :param multi_index: whether a column of a dict is named ``(attribute, key)``, and the others
        ``(attribute, "")``, instead of ``"attribute_key"`` and ``"attribute"``.
    :param directions: the directions of the objectives.
    :param metric_names: names of the objectives, or None if they have none.
    :raises ImportError: if pandas is not installed.
    :raises AttributeError: if a trial has no attribute of a name in ``attrs``.
    :raises ValueError: if ``attrs`` is empty.
    """
    pandas = _pandas()
    if isinstance(attrs, str) or not attrs:
        raise ValueError(f"`attrs` must hold names of attributes of trials, but it is {attrs!r}.")
    if not trials:
        return pandas.DataFrame()
    names: list[tuple[str, Any]] = []
    columns: list[list[Any]] = []
    for attr in attrs:
        for name, column in _columns(trials, attr, len(directions), metric_names):
            names.append(name)
            columns.append(column)
    frame = pandas.DataFrame(dict(enumerate(columns)), index=range(len(trials)))
    if multi_index and names:
        frame.columns = pandas.MultiIndex.from_tuples(names)
    else:
        frame.columns = [f"{attr}_{key}" if key != "" else attr for attr, key in names]
    return frame


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as exc:
        raise ImportError(
            "pandas is needed for frames of trials: install it with `pip install ahpo[pandas]`."
        ) from exc
    return pandas


def _columns(
    trials: Sequence[FrozenTrial],
    attr: str,
    n_objectives: int,
    metric_names: Sequence[str] | None,
) -> Iterator[tuple[tuple[str, Any], list[Any]]]:
    """Yield the columns of one attribute, each with its name as (attribute, key)."""
    if attr == "values" or (attr == "value" and n_objectives > 1):
        for position, name in enumerate(metric_names or range(n_objectives)):
            column = [trial.values[position] if trial.values else None for trial in trials]
            yield ("values", name), column
        return
    if attr == "value":
        yield (attr, metric_names[0] if metric_names else ""), [trial.value for trial in trials]
        return
    if attr == "state":
        yield (attr, ""), [trial.state.name for trial in trials]
        return
    cells = [_attribute(trial, attr) for trial in trials]
    attr = attr.removeprefix("_")  # the identifier of a trial is documented as "_trial_id"
    if not isinstance(cells[0], dict):
        yield (attr, ""), cells
        return
    for key in sorted(set().union(*cells)):
        # What a trial does not have is NaN; a None of its own stays None.
        yield (attr, key), [cell.get(key, nan) for cell in cells]


def _attribute(trial: FrozenTrial, attr: str) -> Any:
    try:
        return getattr(trial, attr)
    except AttributeError:
        raise AttributeError(
            f"`attrs` must hold names of attributes of FrozenTrial, but it holds {attr!r}."
        ) from None
