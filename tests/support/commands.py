"""The real command line, from a clean environment: run to its end, left running, in this process, or simulating Payway.

Nothing of whoever starts the tests reaches a command: no settings, no credentials, no sign of CI.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]

#: No command here may take longer, in seconds.
PATIENCE = 30

#: What a process needs to start at all; everything else stays outside.
_KEPT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")

_READY = re.compile(r"simulated at (http://127\.0\.0\.1:[0-9]+)")


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams, for an assertion's message."""
        return f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment in which `python -m reconciler` runs this checkout, with ``more`` in it."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | dict(more or {})


def run(*args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str | bytes = "") -> Result:
    """Run ``reconciler ARGS`` in a process of its own, at most `PATIENCE` seconds."""
    given = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
    done = subprocess.run(
        _command(args), cwd=cwd, env=environment(env), input=given, capture_output=True, timeout=PATIENCE, check=False
    )
    return Result(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def call(*args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str | bytes = "") -> Result:
    """Run ``reconciler ARGS`` in this process, which is faster: `reconciler.cli.run` with the same environment."""
    from reconciler import cli

    given = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, environment(env), clear=True),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = cli.run(list(args))
    return Result(int(code), *(_written(stream) for stream in (out, err)))


@contextlib.contextmanager
def started(*args: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """``reconciler ARGS``, left running; killed when the block ends, if it hasn't ended by then."""
    process = subprocess.Popen(
        _command(args),
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def ended(process: subprocess.Popen[str]) -> Result:
    """Wait for a started command to end, at most `PATIENCE` seconds."""
    out, err = process.communicate(timeout=PATIENCE)
    return Result(process.returncode, out, err)


@contextlib.contextmanager
def simulated(*args: str, cwd: Path) -> Iterator[str]:
    """Payway, by ``reconciler simulate ARGS`` on a loopback port of its own; gives its URL."""
    with started("simulate", *args, cwd=cwd) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        ready = _READY.search(first)
        assert ready, first + process.stderr.read()
        yield ready[1]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def _command(args: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "reconciler", *args]


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")
