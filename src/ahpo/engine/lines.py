"""What a study says in the log: the documented lines."""

from __future__ import annotations

from typing import Any, Protocol

from ahpo.engine.outcome import Outcome
from ahpo.engine.safe_repr import safe_repr, safe_str
from ahpo.history.base_study import METRIC_NAMES
from ahpo.history.history import History
from ahpo.logging import INFO, get_logger
from ahpo.states import TrialState

__all__ = (
    "Named",
    "say_created",
    "say_dropped",
    "say_finished",
    "say_found",
    "say_late",
    "say_skipped",
    "say_stale",
    "say_using_existing",
)

_logger = get_logger("ahpo.study")


class Named(Protocol):
    """Be a trial as the log shows it."""

    @property
    def number(self) -> int:
        """The number of the trial."""
        ...

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters."""
        ...


def say_created(study_name: str, where: str) -> None:
    """Say that a study was created."""
    _logger.info(f"A new study created in {where} with name: {study_name}")


def say_using_existing(study_name: str) -> None:
    """Say that a study was there already."""
    _logger.info(
        f"Using an existing study with `study_name='{study_name}'` instead of creating a new one."
    )


def say_found(study_name: str) -> None:
    """Say which study was loaded without having been named."""
    _logger.info(
        f"Study name was omitted but trying to load `study_name='{study_name}'` because that was "
        "the only study found in the storage."
    )


def say_skipped(text: str) -> None:
    """Say that something was asked for and not done."""
    _logger.info(text)


def say_dropped(error: BaseException) -> None:
    """Say that there was an error that nobody can be given any more."""
    _logger.error(
        f"The study was ending when this error came up: {safe_repr(error)}.", exc_info=error
    )


def say_late(number: int, outcome: Outcome) -> None:
    """Say that a result came for a trial that had been ended from elsewhere."""
    _logger.warning(
        f"Trial {number} ended as {outcome.state.name}, but it had already been finished from "
        "elsewhere: its result is dropped."
    )


def say_stale(number: int) -> None:
    """Say that a trial was failed because its worker gave no sign of life."""
    _logger.warning(f"Trial {number} failed: its worker gave no sign of life.")


def _named(history: History, values: tuple[float, ...]) -> Any:
    names = history.system_attrs.get(METRIC_NAMES)
    if names is not None:
        return dict(zip(names, values, strict=True))
    return values[0] if len(values) == 1 else list(values)


def say_finished(
    history: History,
    trial: Named,
    outcome: Outcome,
    error: BaseException | None = None,
    returned: Any = None,
) -> None:
    """Say how a trial ended.

    :param error: what the objective raised
    :param returned: what the objective returned, if that was not acceptable
    """
    number, state, values, reason = trial.number, outcome.state, outcome.values, outcome.reason
    if state is TrialState.FAIL:
        _logger.warning(
            f"Trial {number} failed with parameters: {trial.params} because of the following "
            f"error: {reason}.",
            exc_info=error if isinstance(error, Exception) else None,
        )
        _logger.warning(f"Trial {number} failed with value {safe_repr(returned)}.")
        return
    if not _logger.isEnabledFor(INFO):
        return
    if state is TrialState.PRUNED:
        _logger.info(f"Trial {number} pruned. {'' if error is None else safe_str(error)}")
        return
    assert values is not None
    line = (
        f"Trial {number} finished with value{'s' if len(values) > 1 else ''}: "
        f"{_named(history, values)} and parameters: {trial.params}."
    )
    if len(values) == 1 and history.best_number is not None:
        best = history.finished(history.best_number)
        assert best.values is not None
        line += f" Best is trial {best.number} with value: {best.values[0]}."
    _logger.info(line)
