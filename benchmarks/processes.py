"""Runs a command and weighs it: wall time, processor time and memory of it and of every process below it.

Linux only: processes and their memory are read from ``/proc``, a few times a second, which costs under 1 % of a core.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: What a process needs to start at all. Settings, credentials and signs of CI stay outside.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG")

#: How often memory is read, in seconds, and the share of a core that reading it may take.
_EVERY = 0.25
_SHARE = 0.01


class Failed(Exception):
    """A command that is measured ended otherwise than it should."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took.

    ``seconds`` is wall time, ``cpu`` the user and system seconds of all its processes. ``largest`` is the peak of
    its largest process and ``together`` the highest sum of all at one moment, shared pages counted once; in MiB.
    ``disk`` is how much of what was read wasn't in the page cache, in MiB.
    """

    seconds: float
    cpu: float
    largest: float
    together: float
    processes: int
    disk: float

    @property
    def memory(self) -> float:
        """The peak in MiB: of the sum, or of one process where the samples missed a short one."""
        return max(self.largest, self.together)

    def data(self) -> dict[str, float]:
        """As results keep it."""
        return asdict(self)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment in which ``python -m reconciler`` runs this checkout."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | dict(more or {})


def reconciler(*arguments: str) -> list[str]:
    """The real command line, by the Python that runs this."""
    return [sys.executable, "-m", "reconciler", *arguments]


def measure(
    command: Sequence[str],
    *,
    folder: Path,
    out: Path | None = None,
    more: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
    patience: float = 7200,
) -> Measured:
    """Run ``command`` in ``folder``, what it prints into the file ``out``. Raises `Failed` after any other exit."""
    with (out or Path(os.devnull)).open("wb") as said, (folder / "errors.txt").open("w+b") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(more), stdin=subprocess.DEVNULL, stdout=said, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        watch = _Watch(process.pid)
        watch.start()
        clock = threading.Timer(patience, _kill, (process.pid,))
        clock.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise
        finally:
            took = time.perf_counter() - began
            clock.cancel()
            watch.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            errors.seek(0)
            tail = errors.read().decode("utf-8", "replace")[-2000:]
            raise Failed(f"{' '.join(command)} ended with {process.returncode} after {took:.0f} s:\n{tail}")
    # The kernel counts what this process held when it started the child, too; it is kept small for that.
    largest = max(used.ru_maxrss / 1024, watch.largest)
    disk = used.ru_inblock * 512 / 2**20
    return Measured(took, used.ru_utime + used.ru_stime, largest, watch.together, len(watch.seen), disk)


def _kill(process: int) -> None:
    """End a process that was started here and all of its group."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


class _Watch(threading.Thread):
    """Reads the memory of a process and of all below it until it is stopped."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.seen: set[int] = {root}
        self.largest = self.together = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        """Sample, less often where reading takes long."""
        pause = 0.02  # short runs are seen at least once
        while not self._over.wait(pause):
            began = time.perf_counter()
            self._sample()
            pause = max(_EVERY, (time.perf_counter() - began) / _SHARE)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()

    def _sample(self) -> None:
        together = 0.0
        for process in _tree(self.root):
            self.seen.add(process)
            together += _kibibytes(f"/proc/{process}/smaps_rollup", "Pss:") / 1024
            self.largest = max(self.largest, _kibibytes(f"/proc/{process}/status", "VmHWM:") / 1024)
        self.together = max(self.together, together)


def _tree(root: int) -> Iterator[int]:
    """A process and all below it."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting.extend(map(int, (task / "children").read_text(encoding="ascii").split()))
        except OSError:
            continue  # it ended


def _kibibytes(path: str, name: str) -> int:
    """A line of a status file, 0 where there is none (any more)."""
    try:
        with Path(path).open(encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1])
    except OSError:
        return 0
    return 0
