"""Log lines have the documented form and go where the program wants them."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest

import ahpo.logging as subject

LINE = re.compile(r"\[([A-Z]) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (.*)\n")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Begin with the default handler alone (pytest adds its own), and leave all as it was."""
    root = logging.getLogger("ahpo")
    level, propagate, handlers = root.level, root.propagate, root.handlers
    root.handlers = []
    subject.enable_default_handler()
    yield
    root.setLevel(level)
    root.propagate, root.handlers = propagate, handlers


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_has_level_time_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logger = subject.get_logger("ahpo.study")
    logger.info("a %s", "b")
    logger.warning("c")
    assert LINE.findall(capsys.readouterr().err) == [("I", "a b"), ("W", "c")]


def test_verbosity_decides_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logger = subject.get_logger("ahpo.x")
    assert subject.get_verbosity() == subject.INFO
    logger.debug("too low")
    subject.set_verbosity(subject.WARNING)
    assert subject.get_verbosity() == subject.WARN == 30
    logger.info("hidden")
    subject.set_verbosity(subject.DEBUG)
    logger.debug("shown")
    assert LINE.findall(capsys.readouterr().err) == [("D", "shown")]


@pytest.mark.parametrize(("level", "error"), [("loud", ValueError), (1.5, TypeError)])
def test_unknown_verbosity_is_refused(level: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(level)):
        subject.set_verbosity(level)  # type: ignore[arg-type]
    assert subject.get_verbosity() == subject.INFO


def test_default_handler_can_be_taken_away_and_put_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = subject.get_logger("ahpo.x")
    subject.disable_default_handler()
    subject.disable_default_handler()
    logger.info("silence")
    assert capsys.readouterr().err == ""
    subject.enable_default_handler()
    subject.enable_default_handler()
    logger.info("once")
    assert LINE.findall(capsys.readouterr().err) == [("I", "once")]


def test_records_reach_the_program_only_when_propagation_is_on() -> None:
    collector = Collector()
    logging.getLogger().addHandler(collector)
    logger = subject.get_logger("ahpo.x")
    logger.info("kept")
    subject.enable_propagation()
    logger.info("handed on")
    subject.disable_propagation()
    logger.info("kept again")
    logging.getLogger().removeHandler(collector)
    assert collector.messages == ["handed on"]


def test_name_of_optuna_stands_for_our_own() -> None:
    """Scripts add a handler to the logger "optuna"; they get the lines all the same."""
    stream = io.StringIO()
    subject.get_logger("optuna").addHandler(logging.StreamHandler(stream))
    subject.get_logger("ahpo.study").info("hello")
    assert stream.getvalue() == "hello\n"
    assert subject.get_logger("optuna.study") is subject.get_logger("ahpo.study")
    assert subject.get_logger("optunas").name == "optunas"


def test_bracket_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logger = subject.get_logger("ahpo.x")
    logger.error("a ] b")
    logger.log(25, "level without a colour")
    monkeypatch.setenv("NO_COLOR", "1")
    logger.error("plain")
    coloured, no_colour, plain = terminal.getvalue().splitlines()
    assert re.fullmatch(r"\x1b\[31m\[E [\d :,-]+\]\x1b\[0m a \] b", coloured)
    assert "\x1b" not in no_colour + plain


def test_line_that_cannot_be_made_does_not_stop_the_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The handlers of pytest do stop it, and are added once the fixtures have run.
    logging.getLogger("ahpo").handlers = []
    subject.enable_default_handler()
    subject.get_logger("ahpo.x").info("%d", "no number")
    assert "--- Logging error ---" in capsys.readouterr().err


def test_default_formatter_gives_the_documented_line() -> None:
    record = logging.LogRecord("ahpo", subject.CRITICAL, "p", 1, "hello %s", ("x",), None)
    line = subject.create_default_formatter().format(record)
    assert LINE.findall(line + "\n") == [("C", "hello x")]
