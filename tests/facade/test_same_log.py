"""The log says what Optuna's says, at the same levels, and obeys the same functions."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

import ahpo
from tests.facade.two_libraries import Scripts, check_same, golden_sampler

same = Scripts()


@same
def lines_of_a_study(o: Any) -> Any:
    study = o.create_study(study_name="s", sampler=golden_sampler(o))

    def objective(trial: Any) -> Any:
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("c", ["a", None])
        if trial.number == 1:
            raise o.TrialPruned()
        if trial.number == 2:
            raise o.TrialPruned("too slow")
        if trial.number == 3:
            raise ValueError("broken")
        if trial.number == 4:
            return None
        if trial.number == 5:
            return float("nan")
        return x

    study.optimize(objective, n_trials=8, catch=ValueError)


@same
def lines_of_a_maximized_study(o: Any) -> Any:
    study = o.create_study(direction="maximize")
    values = iter([1, 3.5, -2, float("inf"), 1e-30, 1e30])
    study.optimize(lambda trial: next(values), n_trials=6)


@same
def lines_of_several_objectives(o: Any) -> Any:
    study = o.create_study(directions=["minimize", "maximize"], sampler=golden_sampler(o))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2), n_trials=2)


@same
def lines_with_metric_names(o: Any) -> Any:
    study = o.create_study(sampler=golden_sampler(o))
    study.set_metric_names(["loss"])
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    several = o.create_study(directions=["minimize", "minimize"])
    several.set_metric_names(["a", "b"])
    several.optimize(lambda trial: (1, 2), n_trials=1)


@same
def lines_when_nothing_is_feasible(o: Any) -> Any:
    study = o.create_study()

    def objective(trial: Any) -> float:
        trial.set_constraint("c", 1.0 - trial.number)
        return 5.0 + trial.number

    study.optimize(objective, n_trials=3)


@same
def lines_of_skipping(o: Any) -> Any:
    study = o.create_study()
    study.tell(study.ask(), 1.0)
    study.tell(0, 2.0, skip_if_finished=True)
    study.tell(0, state=o.trial.TrialState.PRUNED, skip_if_finished=True)
    study.enqueue_trial({"x": 1, "c": "a"})
    study.enqueue_trial({"x": 1, "c": "a"}, skip_if_exists=True)


@same
def lines_at_each_verbosity(o: Any) -> Any:
    found = []
    for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL", "WARN"):
        o.logging.set_verbosity(getattr(o.logging, level))
        study = o.create_study()
        study.optimize(lambda trial: 1.0 if trial.number else float("nan"), n_trials=2)
        found.append((o.logging.get_verbosity(), getattr(o.logging, level)))
    return found


@same
def verbosity_of_nonsense(o: Any) -> Any:
    errors = []
    for level in ("LOUD", None, 1.5):
        try:
            o.logging.set_verbosity(level)
        except Exception as error:
            errors.append(type(error).__name__)
    return errors, o.logging.get_verbosity()


@same
def handlers_of_users_get_the_lines(o: Any) -> Any:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = o.logging.get_logger("optuna")
    logger.addHandler(handler)
    study = o.create_study(study_name="a")
    logger.removeHandler(handler)
    study.optimize(lambda trial: 1.0, n_trials=1)
    return stream.getvalue()


@same
def propagation(o: Any) -> Any:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        o.create_study(study_name="before")
        o.logging.enable_propagation()
        o.create_study(study_name="propagated")
        o.logging.disable_propagation()
        o.create_study(study_name="after")
    finally:
        root.removeHandler(handler)
    return stream.getvalue()


@same
def the_formatter(o: Any) -> Any:
    record = logging.LogRecord("a", logging.WARNING, "f", 1, "text of %s", ("it",), None)
    record.created, record.msecs = 1_600_000_000.25, 250.0
    return re.sub(r"\x1b\[[\d;]*m", "", o.logging.create_default_formatter().format(record))


@pytest.mark.parametrize("script", same, ids=lambda script: script.__name__)
def test_same_as_optuna(script: Any) -> None:
    check_same(script)


def test_loggers_have_the_name_of_the_package() -> None:
    """ "optuna" means the package's own logger, so that handlers of scripts get its lines."""
    assert ahpo.logging.get_logger("optuna") is logging.getLogger("ahpo")
    assert ahpo.logging.get_logger("optuna.study") is logging.getLogger("ahpo.study")
    assert ahpo.logging.get_logger("mine") is logging.getLogger("mine")


SCRIPT = """
import logging, sys, warnings
warnings.simplefilter("ignore")
import {library} as o

{before}
study = o.create_study(study_name="s")
study.optimize(lambda trial: 0.5, n_trials=1)
o.logging.set_verbosity(o.logging.WARNING)
study.optimize(lambda trial: float("nan"), n_trials=1)
"""

BEFORE = [
    "",
    "o.logging.disable_default_handler()",
    "o.logging.disable_default_handler(); o.logging.enable_default_handler()",
    "o.logging.enable_default_handler(); o.logging.enable_default_handler()",
    "o.logging.enable_propagation(); logging.basicConfig()",
    "o.logging.enable_propagation(); o.logging.disable_default_handler(); logging.basicConfig()",
    "o.logging.set_verbosity(o.logging.ERROR)",
]


@pytest.mark.parametrize("before", BEFORE)
def test_what_is_written_to_standard_error(before: str) -> None:
    """The whole text is that of Optuna, up to times and names."""

    def written(library: str) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(library=library, before=before)],
            check=True,
            capture_output=True,
            text=True,
        )
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "<time>", done.stderr)
        # basicConfig's lines name the logger, and modules are the business of each library.
        return done.stdout, re.sub(r"(INFO|WARNING):[\w.]+:", r"\1:<logger>:", text)

    assert written("ahpo") == written("optuna")


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_are_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, coloured in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        ahpo.create_study(study_name="s")
        text = stream.getvalue()
        assert text.startswith("\x1b[32m[I ") is coloured
        assert text.endswith("A new study created in memory with name: s\n")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    ahpo.create_study(study_name="s")
    assert stream.getvalue().startswith("[I ")
