"""At which steps a pruner with a warm-up and an interval looks at a trial."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("check_schedule", "is_due")


def check_schedule(n_warmup_steps: int, interval_steps: int) -> None:
    """Raise ValueError unless ``n_warmup_steps`` >= 0 and ``interval_steps`` >= 1."""
    if n_warmup_steps < 0:
        raise ValueError(
            f"`n_warmup_steps` is the number of steps without pruning and must be at least 0, "
            f"but it is {n_warmup_steps}."
        )
    if interval_steps < 1:
        raise ValueError(
            f"`interval_steps` is the number of steps between checks and must be at least 1, "
            f"but it is {interval_steps}."
        )


def is_due(step: int, steps: Iterable[int], n_warmup_steps: int, interval_steps: int) -> bool:
    """Tell whether ``step``, the largest of the reported ``steps``, is one to check at.

    Checks are at ``n_warmup_steps`` plus multiples of ``interval_steps``. One for which no value
    was reported is made up for at the first report after it.
    """
    if step < n_warmup_steps:
        return False
    if interval_steps == 1:
        return True
    check = step - (step - n_warmup_steps) % interval_steps
    # The check is still open if the report before this one came before it.
    return not any(check <= other < step for other in steps)
