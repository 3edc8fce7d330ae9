"""StopIteration, which no coroutine can raise: carried out of them, and raised where one can."""

from __future__ import annotations

__all__ = ("CarriedStop", "carried", "uncarried")


class CarriedStop(RuntimeError):
    """Carry a StopIteration through coroutines.

    Where nobody unpacks it, it is what Python makes of a StopIteration in a coroutine.
    """

    def __init__(self, stop: StopIteration) -> None:
        super().__init__("coroutine raised StopIteration")
        self.__cause__ = self.stop = stop


def carried(error: BaseException) -> BaseException:
    """Return what a coroutine can raise for an error: nearly always the error itself."""
    return CarriedStop(error) if isinstance(error, StopIteration) else error


def uncarried(error: BaseException) -> BaseException:
    """Return the error that was carried, or the error itself."""
    return error.stop if isinstance(error, CarriedStop) else error
