"""Errors that ahpo raises, under the names that Optuna gave them."""

from __future__ import annotations

__all__ = (
    "CLIUsageError",
    "DuplicatedStudyError",
    "ExperimentalWarning",
    "ObjectiveBlocksLoopWarning",
    "OptunaError",
    "StorageInternalError",
    "TrialInterrupted",
    "TrialPruned",
    "UpdateFinishedTrialError",
)


class OptunaError(Exception):
    """Be the base of the errors that belong to this package."""


class TrialPruned(OptunaError):
    """Tell, from inside an objective, that the trial was pruned.

    Raise it when ``trial.should_prune()`` said so; the last reported value becomes the value of
    the trial.
    """


class CLIUsageError(OptunaError):
    """Report a wrong use of the command line."""


class StorageInternalError(OptunaError):
    """Report that a storage could not do what it was asked for."""


class DuplicatedStudyError(OptunaError):
    """Report that the name of a new study is taken in its storage."""


class UpdateFinishedTrialError(OptunaError, RuntimeError):
    """Report an attempt to change a trial that has finished."""


class TrialInterrupted(BaseException):
    """End an objective that runs in a thread and whose trial has been ended from outside.

    A thread cannot be killed: it gets this at its next call on the trial, after a
    ``trial_timeout`` or a cancellation. It is no ``Exception``, so that an objective's
    ``except Exception`` cannot keep a dead trial going.
    """


class ExperimentalWarning(Warning):
    """Mark an interface that may still change."""


class ObjectiveBlocksLoopWarning(RuntimeWarning):
    """Mark a coroutine objective that kept the event loop from running."""
