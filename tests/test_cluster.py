"""Workers of a real Dask cluster, each a process of its own, that read manifests: the same bytes, or words."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from support.commands import environment, run
from support.largefleet import LargeFleet

pytest.importorskip("distributed")

#: Seconds in which a cluster has to do what it is asked for.
PATIENCE = 30


class Cluster:
    """A scheduler and two workers, started as people start them."""

    def __init__(self, folder, workers=2, env=None, scheduler_env=None):
        self.folder = folder
        self.env = environment({"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "5", **(env or {})})
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
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
            process.kill()
            process.communicate(timeout=PATIENCE)


@contextmanager
def running(folder, **settings):
    found = Cluster(folder, **settings)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cluster that no test hurts."""
    with running(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def fleet(tmp_path):
    found = LargeFleet(tmp_path, files=9, padding=70_000)
    found.declare(20, "deactivated")
    return found


def test_the_plan_is_the_same(two, fleet):
    expected = fleet.plan("--no-cache", "--jobs", "1")
    result = fleet.run("--cluster", two.address, runner=run)
    assert result.code == 5, result.said
    assert (fleet.folder / "plan.json").read_bytes() == expected
    alone = fleet.run("--no-cache", "--jobs", "1", runner=run)
    assert (result.out, result.err) == (alone.out, alone.err), "nothing is said of the cluster"
