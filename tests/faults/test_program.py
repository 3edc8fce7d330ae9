"""A program prints, ends, hangs and dies as it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.program import Program
from tests.servers.process import exists
from tests.servers.waiting import until

WAITS = """
    import signal, sys
    print("started", *sys.argv[1:])
    signal.pause()
"""


def stat_words(pid: int) -> list[str]:
    """Return the words of ``/proc/PID/stat`` from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_a_program_imports_what_tests_import_and_says_how_it_ended() -> None:
    code = "import ahpo, tests.faults; print('first'); print(ahpo.__name__); raise SystemExit(3)"
    with Program(code) as program:
        assert (program.line(), program.line()) == ("first", "ahpo")
        assert program.wait() == 3
        assert not program.running
        with pytest.raises(EOFError, match="ended"):
            program.line()


def test_a_script_is_run_with_its_arguments(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1:])")
    with Program(script, "a", 2) as program:
        assert program.line() == "['a', '2']"


@pytest.mark.parametrize(
    ("end", "number"),
    [
        (Program.kill, signal.SIGKILL),
        (Program.terminate, signal.SIGTERM),
    ],
)
def test_a_program_ends_by_the_signal_it_is_sent(end: object, number: signal.Signals) -> None:
    with Program(WAITS, "now") as program:
        assert program.line() == "started now"
        assert program.running
        end(program)  # type: ignore[operator]
        assert program.wait() == 128 + number


def test_ctrl_c_is_a_keyboard_interrupt() -> None:
    code = """
        import signal
        try:
            print("started"); signal.pause()
        except KeyboardInterrupt:
            print("interrupted")
    """
    with Program(code) as program:
        program.line()
        program.interrupt()
        assert program.line() == "interrupted"
        assert program.wait() == 0


def test_a_suspended_program_goes_on_where_it_was_or_is_killed() -> None:
    with Program("import sys\nfor n in range(1, 10**9): print(n)") as program:
        assert program.line() == "1"
        program.suspend()
        until(lambda: stat_words(program.pid)[0] == "T", "the suspension")
        program.resume()
        assert program.line() == "2"
        program.suspend()
    assert not exists(program.pid)


def test_a_program_that_prints_nothing_is_not_waited_for_without_end() -> None:
    with Program(WAITS) as program:
        program.line()
        with pytest.raises(TimeoutError, match=r"no line within 0\.05 s"):
            program.line(0.05)


def test_a_program_ends_with_the_process_that_ran_it() -> None:
    owner_code = (
        "from tests.faults.program import Program\n"
        f"with Program({WAITS!r}) as program:\n"
        "    program.line(); print(program.pid, flush=True); program.suspend(); program.line()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", owner_code],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert exists(pid)
        os.kill(owner.pid, signal.SIGKILL)
    until(lambda: not exists(pid), "the end of the program")


def test_a_program_ends_with_its_guard() -> None:
    with Program(WAITS) as program:
        program.line()
        os.kill(int(stat_words(program.pid)[1]), signal.SIGKILL)  # its parent
        until(lambda: not exists(program.pid), "the end of the program")
