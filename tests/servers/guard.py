"""Run one command, and end it when whoever asked for it is gone.

A script of its own, run as ``python -I -S guard.py SPEC``, with SPEC a JSON object:

- command: the words of the command
- user, group: numbers to run it as, or null
- last_signal: the signal that ends the command for sure
- report: the file descriptor to write the command's process id to
- folder: what to remove when the owner is gone, or null

The owner holds the other end of standard input: it closes when the owner dies, however it dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
_SECONDS = 5.0  # after these the last signal is SIGKILL


def main() -> int:
    spec = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever the tests were started from
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, spec["last_signal"])

    child = subprocess.Popen(
        spec["command"],
        stdin=subprocess.DEVNULL,
        user=spec["user"],
        group=spec["group"],
        extra_groups=[] if spec["user"] is not None else None,
        preexec_fn=prepare,
        start_new_session=True,
    )
    os.write(spec["report"], str(child.pid).encode())
    os.close(spec["report"])
    ended = threading.Event()
    let_go = threading.Event()

    def watch_owner() -> None:
        sys.stdin.buffer.read()
        let_go.set()
        child.send_signal(spec["last_signal"])
        if not ended.wait(_SECONDS):
            child.kill()

    threading.Thread(target=watch_owner, daemon=True).start()
    code = child.wait()
    ended.set()
    if let_go.is_set() and spec["folder"] is not None:
        shutil.rmtree(spec["folder"], ignore_errors=True)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    os._exit(main())  # the thread may still read standard input: nothing is to wait for it
