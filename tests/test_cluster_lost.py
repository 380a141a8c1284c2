"""A Dask cluster that loses processes in the middle of a plan: the same bytes, or words and nothing written."""

import signal
import subprocess
import sys
import threading
import time
from unittest.mock import patch

import pytest
from support.clusters import PATIENCE, Work, running
from support.commands import environment
from support.largefleet import LargeFleet

from reconciler import cluster

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A fleet that takes some seconds to read: every document goes the long way. Nothing is due for it."""
    fleet = LargeFleet(tmp_path_factory.mktemp("slow"), files=16, each=1500, padding=0)
    for file in range(16):
        fleet.path(file).write_text(fleet.path(file).read_text().replace("kind:", '"\\u006bind":'))
    return fleet


@pytest.fixture(scope="module")
def expected(slow):
    return slow.plan("--no-cache", "--jobs", "1")


class Planning:
    """A plan through a cluster, in the middle of which something happens."""

    def __init__(self, fleet, found, *options):
        (fleet.folder / "plan.json").unlink(missing_ok=True)
        self.work = Work(found.workers)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *fleet.arguments("--no-cache", "--cluster", found.address, *options)],
            cwd=fleet.folder, env=environment({"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not self.work.has_begun():
            assert time.monotonic() < end
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def ended(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in err
        return self.process.returncode, out, err


def test_a_worker_that_is_killed_is_done_without(tmp_path, slow, expected):
    with running(tmp_path) as found:
        planning = Planning(slow, found)
        max(found.workers, key=planning.work.of).send_signal(signal.SIGKILL)
        code, _, err = planning.ended()
        assert code in (0, 5), err
        assert (slow.folder / "plan.json").read_bytes() == expected
        assert "worker" not in err


def test_a_scheduler_that_is_killed(tmp_path, slow):
    with running(tmp_path, workers=1) as found:
        planning = Planning(slow, found)
        found.scheduler.kill()
        code, out, err = planning.ended()
    assert (code, out) == (64, "")
    assert "the cluster was lost" in err
    assert len(err.splitlines()) == 2, err
    assert list(slow.folder.glob("plan.json*")) == []


def test_workers_that_are_all_killed(tmp_path, slow):
    with running(tmp_path) as found:

        def kill():
            while not work.has_begun():
                time.sleep(0.01)
            for worker in found.workers:
                worker.send_signal(signal.SIGKILL)

        work = Work(found.workers)
        killing = threading.Thread(target=kill)
        killing.start()
        with patch.object(cluster, "PATIENCE", 1), patch.object(cluster, "_LOOK_AGAIN", 0.5):
            result = slow.run("--no-cache", "--cluster", found.address)
        killing.join(PATIENCE)
    assert result.code == 64, result.said
    assert "has no workers any more" in result.err
    assert list(slow.folder.glob("plan.json*")) == []


def test_ctrl_c_ends_it_at_once(tmp_path, slow):
    with running(tmp_path, workers=1) as found:
        planning = Planning(slow, found)
        planning.process.send_signal(signal.SIGINT)
        started = time.monotonic()
        code, out, err = planning.ended()
        assert time.monotonic() - started < 10
    assert (code, out) == (130, "")
    assert len(err.splitlines()) <= 1, err
