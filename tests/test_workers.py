"""Several processes that read: they come to the same, and end with the command however that ends."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from support.commands import call, environment
from support.largefleet import LargeFleet, account, manifest

from reconciler import cluster, fleetjudge, workers
from reconciler import processes as processes_module
from reconciler.errors import UsageError
from reconciler.manifests import loading, rows, spread
from reconciler.workers import cluster_workers, cores, local_workers


@contextmanager
def processes(jobs, documents=10**6):
    """What reads so many documents."""
    with local_workers(jobs) as found:
        yield found(documents)


def test_there_is_at_least_one_processor():
    assert cores() == len(os.sched_getaffinity(0))
    with patch.object(os, "sched_getaffinity", side_effect=AttributeError):
        assert cores() >= 1


@pytest.mark.parametrize(
    ("jobs", "documents", "starts"), [(1, 10**6, False), (2, 999, False), (2, 1000, True), (3, 10**6, True)]
)
def test_processes_are_started_where_they_are_worth_it(jobs, documents, starts):
    with processes(jobs, documents) as executor:
        assert (executor is not None) == starts
        if executor is not None:
            assert executor.submit(os.getpid).result() != os.getpid()
            assert executor.submit(multiprocessing.active_children).result() == []
    assert multiprocessing.active_children() == []


def test_as_many_as_there_are_processors_unless_said():
    for count, starts in ((1, False), (2, True)):
        with patch.object(workers, "cores", return_value=count), processes(None) as executor:
            assert (executor is not None) == starts


def test_processes_end_when_the_block_fails():
    def interrupted():
        with processes(2) as executor:
            for _ in range(20):
                executor.submit(time.sleep, 5)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 2
    assert multiprocessing.active_children() == []


def signals():
    """What a process does about those that end it: which are blocked, and how it takes both."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return blocked, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_signals_are_left_to_the_command_from_the_first_moment():
    before = signals()
    with processes(2) as executor:
        assert executor.submit(signals).result() == (set(), signal.SIG_IGN, signal.SIG_DFL)
        assert signals() == before
    held = []

    class Noting:
        Pipe = staticmethod(multiprocessing.Pipe)

        def Process(self, **arguments):
            held.append(signals()[0])
            return multiprocessing.Process(**arguments)

    with patch.object(processes_module, "_context", Noting), processes(2):
        assert held == [{signal.SIGINT, signal.SIGTERM}] * 2
    assert signals() == before


def dies(after=0.0):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_takes_only_its_own_work_along():
    with processes(2) as executor:
        asked = [executor.submit(time.sleep, 0.01) for _ in range(3)]
        killed = executor.submit(dies)
        asked += [executor.submit(time.sleep, 0.01) for _ in range(20)]
        with pytest.raises(BrokenExecutor):
            killed.result(10)
        assert [each.result(10) for each in asked] == [None] * 23
        assert len(multiprocessing.active_children()) == 1
    assert multiprocessing.active_children() == []


def test_when_all_are_killed_nothing_waits():
    with processes(3) as executor:
        asked = [executor.submit(dies, 0.01) for _ in range(30)]
        for each in asked:
            with pytest.raises(BrokenExecutor):
                each.result(10)
        # The last one to leave says so.
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                executor.submit(os.getpid).exception(10)
            except BrokenExecutor:
                break
        assert time.monotonic() < end


def answers_by_half(pipe):
    """A process that is killed while it writes its answer."""
    pipe.recv()
    os.write(pipe.fileno(), b"\0\0\x10\0half")
    dies()


def test_a_process_that_is_killed_while_it_answers_keeps_nobody_waiting():
    with patch.object(processes_module, "_serve", answers_by_half), processes(2) as executor:
        for each in [executor.submit(os.getpid) for _ in range(4)]:
            with pytest.raises(BrokenExecutor):
                each.result(10)


def fails(error):
    raise error


def test_what_fails_there_fails_here():
    with processes(2) as executor:
        with pytest.raises(KeyError, match="x"):
            executor.submit(fails, KeyError("x")).result(10)
        with pytest.raises(AttributeError):
            executor.submit(lambda: None).result(10)  # can't be sent
        assert executor.submit(int, "7", base=8).result(10) == 7


def test_what_was_asked_is_done_before_the_block_ends_unless_it_was_called_off():
    with processes(2) as executor:
        asked = [executor.submit(time.sleep, 0.05) for _ in range(8)]
        assert asked[-1].cancel()
    assert [each.done() for each in asked] == [True] * 8
    assert asked[-1].cancelled()


def reads_until_killed(files):
    """What a process does that is killed over its third chunk; where nobody else reads, all is read."""
    if multiprocessing.parent_process() is not None and any("/002." in file.path for file, _ in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return rows_of_files(files)


rows_of_files = rows.rows_of_files


@pytest.mark.parametrize("ahead", [0, 1, 20])
def test_what_a_killed_process_has_not_read_is_read_by_the_command_itself(tmp_path, ahead):
    fleet = LargeFleet(tmp_path, files=9, padding=70_000)
    fleet.declare(20, "deactivated")
    expected = fleet.plan("--no-cache", "--jobs", "1")
    with (
        patch.object(rows, "rows_of_files", reads_until_killed),
        patch.object(loading, "_CHUNK_BYTES", 1000),
        patch.object(spread, "AHEAD", ahead),
    ):
        assert fleet.plan("--jobs", "2") == expected
    assert fleet.plan() == expected


def asks_until_killed(context, asked):
    """What a process does that is killed over the third account."""
    if multiprocessing.parent_process() is not None and any(each.row.account_id == account(2) for each in asked):
        os.kill(os.getpid(), signal.SIGKILL)
    return asked_of(context, asked)


asked_of = fleetjudge.asked_of


@pytest.mark.parametrize("at_once", [1, 2, 50])
def test_what_a_killed_process_has_not_planned_is_planned_by_the_command_itself(tmp_path, at_once):
    fleet = LargeFleet(tmp_path)
    for number in range(8):
        fleet.declare(number, "deactivated")
    expected = fleet.plan("--no-cache", "--jobs", "1")
    with patch.object(fleetjudge, "asked_of", asks_until_killed), patch.object(fleetjudge, "_ASKED", at_once):
        assert fleet.plan("--jobs", "2") == expected
    assert fleet.plan() == expected


@pytest.mark.parametrize("old", [False, True])
def test_processes_are_started_for_planning_alone(tmp_path, monkeypatch, old):
    """All accounts are known otherwise by now, while no manifest has changed."""
    monkeypatch.setattr(loading, "_RACY", -(10**12) if old else 2 * 10**9)
    fleet = LargeFleet(tmp_path)
    fleet.plan("--jobs", "1")
    # What isn't known at all is looked up each time: it may be another account's.
    fleet.know(serial=2, state="deactivated", missing=0)
    expected = fleet.plan("--no-cache", "--jobs", "1")
    started = []

    class Noting(processes_module.Processes):
        def __init__(self, count):
            started.append(count)
            super().__init__(count)

    def eager(jobs):
        found = local_workers(jobs)
        found._least = 1
        return found

    with patch.object(processes_module, "Processes", Noting), patch.object(workers, "local_workers", eager):
        assert fleet.plan("--jobs", "3") == expected
        assert fleet.plan("--jobs", "3") == expected
    # Once for both where files are read, too; the second time there is nothing to do.
    assert started == ([3] if old else [3, 3])
    assert multiprocessing.active_children() == []


def test_the_processes_that_read_plan_too():
    with local_workers(2) as found:
        assert found(999) is None
        executor = found(1000)
        assert executor is not None
        assert found(1) is executor


def test_a_cluster_without_dask_says_how_to_get_it(tmp_path):
    fleet = LargeFleet(tmp_path)
    with patch.dict(sys.modules, {"distributed": None}):
        result = fleet.run("--cluster", "tcp://127.0.0.1:9")
    assert result.code == 64
    assert "--cluster needs Dask, which isn't installed" in result.err
    assert "payway-reconciler[dask]" in result.err


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense", "tcp://", "ftp://127.0.0.1:9"])
def test_a_cluster_that_isn_t_there_is_a_matter_of_usage(tmp_path, monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "TIMEOUT", 0.3)
    result = call("validate", "--cluster", address, LargeFleet(tmp_path).folder.as_posix(), cwd=tmp_path)
    assert result.code == 64, result.said
    assert "error: --cluster" in result.err
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) < 6


def test_nothing_to_read_asks_no_cluster():
    with cluster_workers("tcp://127.0.0.1:9") as found:
        executor = found(0)
        assert executor is None
    with pytest.raises(UsageError), patch.dict(sys.modules, {"distributed": None}), cluster_workers("tcp://x") as found:
        found(1)


# Real commands in a session of their own, in which no process may be left.


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A fleet that takes some seconds to read: every document goes the long way."""
    fleet = LargeFleet(tmp_path_factory.mktemp("slow"), files=25, each=1, padding=0)
    for file in range(25):
        numbers = range(file * 1200, (file + 1) * 1200)
        text = "---\n".join(manifest(number).replace("kind:", '"\\u006bind":') for number in numbers)
        fleet.path(file).write_text(text)
    return fleet


CHECK = ("validate", "--no-cache", "--format", "json")


class Command:
    """A plan, or another command, with two processes beside it."""

    def __init__(self, fleet, *command):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *(command or fleet.arguments("--no-cache")), "--jobs", "2"],
            cwd=fleet.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        )  # fmt: skip

    def others(self):
        """The other processes of its session."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                continue
            if fields[3] == str(self.process.pid) and fields[0] != "Z" and entry.name != str(self.process.pid):
                found.append(int(entry.name))
        return found

    def reading(self):
        """Wait until the processes read."""
        self.until(lambda: len(self.others()) == 2)
        time.sleep(0.2)
        assert self.process.poll() is None

    def until(self, what, seconds=10):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "it takes too long"
            time.sleep(0.01)

    def ended(self, seconds=5):
        """Exit code and output; no process is left."""
        started = time.monotonic()
        out, err = self.process.communicate(timeout=30)
        assert time.monotonic() - started < seconds
        self.until(lambda: self.others() == [], 1)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in [*self.others(), *([] if self.process.poll() is not None else [self.process.pid])]:
            os.kill(process, signal.SIGKILL)
        self.process.communicate(timeout=30)


WAYS = {
    "Ctrl-C": lambda command: os.killpg(command.process.pid, signal.SIGINT),
    "SIGINT": lambda command: command.process.send_signal(signal.SIGINT),
    "SIGTERM": lambda command: command.process.send_signal(signal.SIGTERM),
    "SIGTERM to all": lambda command: os.killpg(command.process.pid, signal.SIGTERM),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_plan_that_is_interrupted_while_it_reads_ends_at_once(slow, way):
    with Command(slow) as command:
        command.reading()
        WAYS[way](command)
        code, out, err = command.ended(1)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert err.count("\n") <= 2, err


def test_a_plan_that_is_interrupted_at_any_moment_leaves_nothing(slow):
    rng = random.Random(6)
    for _ in range(8):
        with Command(slow) as command:
            command.until(lambda: command.others() or command.process.poll() is not None)
            time.sleep(rng.choice([0, 0.002, 0.01, 0.05, 0.3]) * rng.random())
            WAYS[rng.choice(list(WAYS))](command)
            code, _, err = command.ended(1)
        assert code == 130, err
        assert "Traceback" not in err
        assert err.count("\n") <= 2, err


def test_processes_end_with_a_command_that_is_killed(slow):
    with Command(slow) as command:
        command.reading()
        command.process.kill()
        command.until(lambda: command.others() == [], 5)


def test_a_process_that_somebody_kills_makes_no_difference(slow):
    """As the system does when memory runs out."""
    expected = call(*CHECK, "--jobs", "1", cwd=slow.folder)
    with Command(slow, *CHECK) as command:
        command.reading()
        os.kill(command.others()[0], signal.SIGKILL)
        assert command.ended(20) == (expected.code, expected.out, expected.err)
