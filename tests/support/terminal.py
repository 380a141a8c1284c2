"""A command at a terminal: what a person sees, types and interrupts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.commands import PATIENCE, environment

_CTRL_C = b"\x03"
_CTRL_D = b"\x04"


class Terminal:
    """The person's end of the terminal. ``shown`` is all that was seen so far."""

    def __init__(self, handle: int, process: subprocess.Popen[bytes]) -> None:
        self._handle = handle
        self._process = process
        self.shown = ""

    @property
    def is_open(self) -> bool:
        """False once it was hung up."""
        return self._handle >= 0

    def wait_for(self, text: str) -> None:
        """Look until ``text`` is seen, at most `PATIENCE` seconds."""
        until = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < until, f"never saw {text!r} in:\n{self.shown}"
            if not self._look(0.1) and self._process.poll() is not None:
                self._look(0.1)
                assert text in self.shown, f"ended without {text!r}:\n{self.shown}"

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._handle, text.encode() + b"\n")

    def press(self, keys: str) -> None:
        """Press keys, no more."""
        os.write(self._handle, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._handle, _CTRL_C)

    def end_input(self) -> None:
        """Press Ctrl-D."""
        os.write(self._handle, _CTRL_D)

    def hang_up(self) -> None:
        """Close the terminal, as when a connection is lost."""
        os.close(self._handle)
        self._handle = -1

    def ended(self) -> int:
        """Look until the command has ended; returns its exit code."""
        until = time.monotonic() + PATIENCE
        if self._handle < 0:
            return self._process.wait(PATIENCE)
        while self._process.poll() is None:
            assert time.monotonic() < until, f"never ended:\n{self.shown}"
            self._look(0.1)
        while self._look(0.1):
            pass
        return self._process.returncode

    def _look(self, seconds: float) -> bool:
        if not select.select([self._handle], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._handle, 65536)
        except OSError:
            # Linux says so when nobody has the other end open any more.
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


@contextlib.contextmanager
def at_terminal(
    *args: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    nohup: bool = False,
    program: tuple[str, ...] = (sys.executable, "-m", "reconciler"),
) -> Iterator[Terminal]:
    """``reconciler ARGS`` at a terminal of 100 columns; killed when the block ends, if it hasn't ended by then.

    With ``nohup``, it isn't told when the terminal is closed. ``program`` is another one to run.
    """

    def take_terminal() -> None:
        # The terminal's own signals reach its foreground process group alone.
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [*program, *args],
        cwd=cwd,
        env=environment({"TERM": "xterm-256color"} | dict(env or {})),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    terminal = Terminal(ours, process)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=PATIENCE)
        if terminal.is_open:
            os.close(ours)
