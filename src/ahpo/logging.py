"""Log lines of the package: `[I 2020-07-21 13:41:45,627] message`, on standard error by default.

All loggers of the package are below the one named "ahpo". By default it has one handler, shows
INFO and above, and does not hand its records on to the root logger.
"""

from __future__ import annotations

import logging
import os
import sys
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING

from ahpo.console import write_line

__all__ = (
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "WARNING",
    "create_default_formatter",
    "disable_default_handler",
    "disable_propagation",
    "enable_default_handler",
    "enable_propagation",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
)

_ROOT = "ahpo"
_FORMAT = "[%(levelname)1.1s %(asctime)s] %(message)s"
_RESET = "\033[0m"
_COLOURS = {
    DEBUG: "\033[37m",
    INFO: "\033[32m",
    WARNING: "\033[33m",
    ERROR: "\033[31m",
    CRITICAL: "\033[1;31m",
}


class _TerminalFormatter(logging.Formatter):
    """Colour the bracket of a line by its level, if standard error is a terminal now."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        colour = _COLOURS.get(record.levelno)
        if colour is None or "NO_COLOR" in os.environ or not sys.stderr.isatty():
            return line
        head, bracket, rest = line.partition("]")
        return f"{colour}{head}{bracket}{_RESET}{rest}"


class _ConsoleHandler(logging.Handler):
    """Write to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(self.format(record))
        except Exception:
            self.handleError(record)


_root = logging.getLogger(_ROOT)
_default_handler = _ConsoleHandler()
_default_handler.setFormatter(_TerminalFormatter(_FORMAT))
_root.addHandler(_default_handler)
_root.setLevel(INFO)
_root.propagate = False


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name.

    The names "optuna" and "optuna.<...>" stand for "ahpo" and "ahpo.<...>", so that a script which
    adds a handler to the logger of Optuna gets the lines of this package.
    """
    if name == "optuna" or name.startswith("optuna."):
        name = _ROOT + name.removeprefix("optuna")
    return logging.getLogger(name)


def get_verbosity() -> int:
    """Return the lowest level that is shown, such as ``ahpo.logging.INFO``."""
    return _root.getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Show lines of this level and above, such as ``ahpo.logging.WARNING``.

    :raises TypeError: if ``verbosity`` is neither an int nor the name of a level.
    :raises ValueError: if there is no level of this name.
    """
    _root.setLevel(verbosity)


def enable_default_handler() -> None:
    """Write lines to standard error, as they are by default."""
    _root.addHandler(_default_handler)


def disable_default_handler() -> None:
    """Stop writing lines to standard error."""
    _root.removeHandler(_default_handler)


def enable_propagation() -> None:
    """Hand records on to the root logger of the program, which they are not by default.

    Where that has a handler too, disable the default one, or each line comes twice.
    """
    _root.propagate = True


def disable_propagation() -> None:
    """Keep records from the root logger of the program, as they are by default."""
    _root.propagate = False


def create_default_formatter() -> logging.Formatter:
    """Return a formatter of lines such as `[I 2020-07-21 13:41:45,627] message`."""
    return logging.Formatter(_FORMAT)
