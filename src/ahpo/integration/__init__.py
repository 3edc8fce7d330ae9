"""What other libraries bring: each one is imported when it is first used, and is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahpo.lazy import lazily

if TYPE_CHECKING:
    from ahpo.integration.optuna_sampler import OptunaSampler

__all__ = ("OptunaSampler",)

__getattr__ = lazily(globals(), {"OptunaSampler": "ahpo.integration.optuna_sampler"})


def __dir__() -> tuple[str, ...]:
    return __all__
