"""A page in headless Chromium, opened and read through its debugging pipe."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.servers.places import MissingServer, find_program
from tests.servers.waiting import until

__all__ = ("Page",)

_OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-extensions --remote-debugging-pipe"
).split()
# It reads commands from descriptor 3, answers on 4, and ends when 3 is closed.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for end, wanted in zip(ends, (3, 4)):
    os.dup2(end, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PATIENCE = 60.0


class Page:
    """Be a page of a browser that ends with the context, or with this process.

    :param folder: where the browser may keep what it likes
    :raises MissingServer: this machine has no Chromium
    """

    def __init__(self, folder: Path) -> None:
        program = find_program("chromium") or find_program("chromium-browser")
        if program is None:
            raise MissingServer("there is no chromium: install chromium")
        self._reading, answers = os.pipe()
        commands, self._writing = os.pipe()
        pipe = commands, answers
        profile = f"--user-data-dir={folder / 'profile'}"
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", _START, *map(str, pipe), str(program), *_OPTIONS, profile],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=pipe,
                start_new_session=True,
            )
        for end in pipe:
            os.close(end)
        self._unread = b""
        self._n_sent = 0
        self._session: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            target = self._send("Target.createTarget", url="about:blank")["targetId"]
            attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        except BaseException:
            self.close()
            raise
        self._session = {"sessionId": attached["sessionId"]}
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._writing)
        try:
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._reading)

    def open(self, url: str) -> None:
        """Go to a page."""
        self._send("Page.navigate", url=url)

    def hurry(self, seconds: float) -> None:
        """Let the page believe that so much time passes, as fast as its network allows."""
        policy = "pauseIfNetworkFetchesPending"
        self._send("Emulation.setVirtualTimePolicy", policy=policy, budget=seconds * 1000)

    def text(self) -> str:
        """Return what there is to be read in the page."""
        expression = "document.body ? document.body.innerText : ''"
        text: str = self._send("Runtime.evaluate", expression=expression)["result"]["value"]
        return text

    def wait_for(self, *texts: str) -> None:
        """Return when all of these texts are in the page.

        :raises TimeoutError: they did not come
        """
        until(lambda: all(map(self.text().__contains__, texts)), f"{texts} in the page", _PATIENCE)

    # -- the pipe ---------------------------------------------------------------------------

    def _send(self, method: str, **params: Any) -> Any:
        self._n_sent += 1
        command = {"id": self._n_sent, "method": method, "params": params, **self._session}
        os.write(self._writing, json.dumps(command).encode() + b"\0")
        while True:
            message = json.loads(self._receive())
            if message.get("id") == self._n_sent:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def _receive(self) -> bytes:
        deadline = time.monotonic() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._reading, selectors.EVENT_READ)
            while b"\0" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError("the browser does not answer")
                data = os.read(self._reading, 65536)
                if not data:
                    raise EOFError("the browser has ended")
                self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        return message
