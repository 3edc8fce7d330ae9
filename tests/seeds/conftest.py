"""Fixtures for the documented examples: each starts with the default verbosity."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import ahpo as optuna


@pytest.fixture(autouse=True)
def default_verbosity() -> Iterator[None]:
    """Undo what an example does to the verbosity."""
    before = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(before)


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[str], list[str]]]:
    """Return a function that gives the messages logged so far at a level ("INFO", ...)."""
    optuna.logging.enable_propagation()
    yield lambda level: [r.getMessage() for r in caplog.records if r.levelname == level]
    optuna.logging.disable_propagation()


@pytest.fixture(scope="session")
def iris_split() -> tuple[object, object, object, object]:
    """Iris in four parts: train and valid rows, train and valid classes."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    X, y = load_iris(return_X_y=True)
    return tuple(train_test_split(X, y, random_state=0))
