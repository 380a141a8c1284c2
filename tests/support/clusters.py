"""A Dask cluster as people start one: a scheduler and workers, each a process of its own, on loopback."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from support.commands import environment

#: Seconds in which a cluster has to do what it is asked for.
PATIENCE = 30


class Cluster:
    """A scheduler and two workers, started as people start them."""

    def __init__(self, folder, workers=2, env=None, protocol="tcp"):
        self.folder = folder
        self.env = environment({"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "5", **(env or {})})
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard", "--host", f"{protocol}://127.0.0.1")
        self.address = self._said(self.scheduler, "Scheduler at:").rpartition(" ")[2]
        self.workers = []
        for _ in range(workers):
            self.add()

    def add(self):
        worker = self._start("worker", self.address, "--no-nanny", "--no-dashboard", "--nthreads", "1")
        self._said(worker, "Starting established connection")
        self.workers.append(worker)

    def _start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    @staticmethod
    def _said(process, words):
        for line in process.stderr:
            if words in line:
                return line.strip()
        raise AssertionError(f"it ended without saying {words!r}")

    def close(self):
        for process in (*self.workers, self.scheduler):
            self.end(process)

    @staticmethod
    def end(process):
        process.kill()
        process.communicate(timeout=PATIENCE)


@contextmanager
def running(folder, **settings):
    found = Cluster(folder, **settings)
    try:
        yield found
    finally:
        found.close()


class Work:
    """What workers have done since this was made."""

    def __init__(self, workers):
        self._before = {worker.pid: _busy(worker) for worker in workers}
        self.workers = list(workers)

    def of(self, worker):
        """Seconds that one of them has worked."""
        return _busy(worker) - self._before[worker.pid]

    def has_begun(self):
        """True if they are in the middle of something that takes them a second."""
        return sum(map(self.of, self.workers)) > 0.3


def _busy(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
