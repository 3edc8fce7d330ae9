"""The asynchronous face, driven from plain code, so that one script runs on both faces."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import ahpo
from ahpo import aio

__all__ = ("waited_face",)


class Waited:
    """Do with an `AsyncStudy` or `AsyncTrial` what plain code asks for, and wait for it."""

    def __init__(self, runner: asyncio.Runner, of: Any) -> None:
        vars(self).update(_runner=runner, _of=of)

    def __getattr__(self, name: str) -> Any:
        return _wait_for(self._runner, getattr(self._of, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._of, name, value)


def _plainly(value: Any) -> Any:
    return value._of if isinstance(value, Waited) else value


def _wait_for(runner: asyncio.Runner, value: Any) -> Any:
    """Return a value that may be awaited, called or neither, as plain code would see it."""
    if inspect.isawaitable(value):

        async def wait() -> Any:
            return await value

        return _wait_for(runner, runner.run(wait()))
    if isinstance(value, aio.AsyncStudy | aio.AsyncTrial | aio.FixedTrial):
        return Waited(runner, value)
    if inspect.isroutine(value) or value is aio.FixedTrial:

        def call(*args: Any, **kwargs: Any) -> Any:
            plainly = {name: _plainly(item) for name, item in kwargs.items()}

            async def within() -> Any:  # what it makes belongs to the loop
                return value(*map(_plainly, args), **plainly)

            return _wait_for(runner, runner.run(within()))

        return call
    return value


def _module(runner: asyncio.Runner, module: Any) -> SimpleNamespace:
    names = {name: _wait_for(runner, getattr(module, name)) for name in module.__all__}
    # A `def` callback gets a Study of the plain face, and can make one by its name.
    return SimpleNamespace(**{**names, "Study": ahpo.Study})


@contextmanager
def waited_face() -> Iterator[Any]:
    """Give what looks like the package `ahpo` and does its work by `ahpo.aio`."""
    with asyncio.Runner() as runner:
        face = _module(runner, aio)
        face.study, face.trial = _module(runner, aio.study), _module(runner, aio.trial)
        face.__name__ = "ahpo"
        yield face
