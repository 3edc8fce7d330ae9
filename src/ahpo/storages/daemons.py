"""Threads for what blocks, which work as long as the interpreter runs, up to its very end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ("DaemonExecutor",)

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]


class DaemonExecutor(ThreadPoolExecutor):
    """Run functions in daemon threads.

    The threads of a usual executor end before those of the program do, and take nothing from then
    on: what a program records at its end could not be written by them.

    :param max_workers: the largest number of threads
    """

    def __init__(self, max_workers: int = 32) -> None:
        super().__init__(max_workers)
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._n_threads = 0

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function in one of the threads; called from one thread at a time."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False) and self._n_threads < self._max_workers:
            self._start_thread()
        return future

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name="ahpo-storages-work", daemon=True).start()
        except RuntimeError:
            # None can be started while the interpreter ends: one that is there will do it.
            if not self._n_threads:
                raise
        else:
            self._n_threads += 1

    def _work(self) -> None:
        while True:
            future, function = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, function
            self._idle.release()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the threads end with the process."""
