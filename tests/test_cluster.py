"""Workers of a real Dask cluster, each a process of its own, that read manifests: the same bytes, or words."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from support.commands import ROOT, call, environment, run
from support.largefleet import LargeFleet, manifest

from reconciler import cluster

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


def test_what_is_kept_of_it_is_kept_for_this_machine(two, fleet):
    expected = fleet.plan("--no-cache", "--jobs", "1")
    assert fleet.plan("--cluster", two.address) == expected
    os.sync()
    time.sleep(2.1)  # what was written just before it was read is read again
    assert fleet.plan("--cluster", two.address) == expected
    with patch.object(cluster, "connected", side_effect=AssertionError("asked, though nothing has changed")):
        assert fleet.plan("--cluster", two.address) == expected


def test_findings_are_the_same(two, fleet):
    fleet.path(3).write_text(manifest(9, more=", sate: x"))
    fleet.path(4).write_bytes(b"\xff")
    fleet.path(5).write_text("a: [")
    fleet.path(6).chmod(0)
    alone, through = (
        call("validate", "--no-cache", "--format", "json", *options, cwd=fleet.folder)
        for options in (("--jobs", "1"), ("--cluster", two.address))
    )
    assert (through.code, through.out, through.err) == (alone.code, alone.out, alone.err)
    assert alone.code == 3


def test_shards_go_through_it_too(two, fleet):
    made = {}
    for options in (("--jobs", "1"), ("--cluster", two.address)):
        result = fleet.run("--no-cache", "--shard", "1/2", *options)
        assert result.code == 0, result.said
        made[options[0]] = (fleet.folder / "plan.json").read_bytes()
    assert made["--jobs"] == made["--cluster"]


# Workers that aren't what they should be.


def refused(fleet, address, *words, code=64):
    result = fleet.run("--no-cache", "--cluster", address, runner=run)
    assert result.code == code, result.said
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) <= 3, result.err
    for word in words:
        assert word in result.err
    assert not (fleet.folder / "plan.json").exists()
    return result


def copied(folder):
    """Another place with this program, for workers of their own."""
    subprocess.run(["cp", "-r", ROOT / "reconciler", ROOT / "schemas", folder], check=True)
    return {"PYTHONPATH": str(folder)}


def test_workers_with_another_program(fleet, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running(elsewhere, workers=1, env=copied(elsewhere)) as found:
        expected = fleet.plan("--no-cache", "--jobs", "1")
        assert fleet.plan("--no-cache", "--cluster", found.address) == expected, "another place, the same program"
        with (elsewhere / "reconciler" / "manifests" / "rows.py").open("a") as file:
            file.write("# edited\n")
        found.end(found.workers.pop())
        found.add()
        refused(fleet, found.address, "its workers run another program: ", "install the same on both sides")


def test_workers_without_the_program(fleet, tmp_path_factory):
    with running(tmp_path_factory.mktemp("bare"), workers=1, env={"PYTHONPATH": ""}) as found:
        refused(fleet, found.address, "its workers don't have this program", "install payway-reconciler")


#: A worker that sees other files below a folder than there are: what a machine without the share sees.
BLIND = """
import os
seen = os.open
def blind(path, *rest, **more):
    if isinstance(path, str) and path.startswith({folder!r}):
        path = {instead!r} + path[len({folder!r}):]
    return seen(path, *rest, **more)
os.open = blind
stat = os.lstat
def blind_stat(path, **more):
    if isinstance(path, str) and path.startswith({folder!r}):
        path = {instead!r} + path[len({folder!r}):]
    return stat(path, **more)
os.lstat = blind_stat
"""


@pytest.fixture
def seeing(fleet, tmp_path_factory):
    """Starts a worker that sees another folder in place of the fleet's."""
    home = tmp_path_factory.mktemp("blind")
    folder = str(fleet.folder / "manifests")

    @contextmanager
    def start(instead):
        (home / "sitecustomize.py").write_text(BLIND.format(folder=folder, instead=str(instead)))
        with running(home, workers=1, env={"PYTHONPATH": f"{home}:{ROOT}"}) as found:
            yield found

    return start


def test_workers_that_do_not_see_the_files(fleet, seeing):
    with seeing("/nowhere") as found:
        result = refused(fleet, found.address, "its workers don't see manifests/000.yaml as it is here")
        assert "unreadable" not in result.err
        assert "the same folder, at the same path" in result.err


def test_workers_that_see_other_files(fleet, seeing, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "manifests"
    subprocess.run(["cp", "-r", fleet.folder / "manifests", other], check=True)
    expected = fleet.plan("--no-cache", "--jobs", "1")
    with seeing(other) as found:
        assert fleet.plan("--cluster", found.address) == expected, "the same bytes with other times"
        (fleet.folder / ".reconciler" / "cache.db").unlink()
        (other / "004.yaml").write_text(manifest(12, "deactivated"))
        refused(fleet, found.address, "don't see manifests/004.yaml as it is here")


# What happens in the middle.


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A fleet that takes some seconds to read: every document goes the long way."""
    fleet = LargeFleet(tmp_path_factory.mktemp("slow"), files=12, each=1, padding=0)
    for file in range(12):
        numbers = range(file * 500, (file + 1) * 500)
        text = "---\n".join(manifest(number).replace("kind:", '"\\u006bind":') for number in numbers)
        fleet.path(file).write_text(text + "#" * 400_000 + "\n")  # which makes it a task of its own
    return fleet


@pytest.fixture(scope="module")
def expected(slow):
    return slow.plan("--no-cache", "--jobs", "1")


def busy(process):
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Planning:
    """A plan through a cluster, in the middle of which something happens."""

    def __init__(self, fleet, found, *options):
        (fleet.folder / "plan.json").unlink(missing_ok=True)
        idle = [busy(worker) for worker in found.workers]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *fleet.arguments("--no-cache", "--cluster", found.address, *options)],
            cwd=fleet.folder, env=environment({"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while any(busy(worker) < before + 0.4 for worker, before in zip(found.workers, idle, strict=True)):
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
        found.workers[0].send_signal(signal.SIGKILL)
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
        for worker in found.workers:
            worker.send_signal(signal.SIGKILL)
        started = time.monotonic()
        with patch.object(cluster, "PATIENCE", 1):
            result = slow.run("--no-cache", "--cluster", found.address)
        assert time.monotonic() - started < 15
    assert result.code == 64, result.said
    assert "has no workers any more" in result.err
    assert list(slow.folder.glob("plan.json*")) == []


def test_ctrl_c_ends_it_at_once(tmp_path, slow):
    with running(tmp_path, workers=1) as found:
        planning = Planning(slow, found)
        planning.process.send_signal(signal.SIGINT)
        started = time.monotonic()
        code, out, err = planning.ended()
        assert time.monotonic() - started < 5
    assert (code, out) == (130, "")
    assert len(err.splitlines()) <= 1, err
