"""Running plans for a session: who sends, who we are, how we stop, and what is left when all else fails."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.commands import ROOT, environment

from reconciler import RunOptions, Session, apply_plan, dry_run, load_settings, resolve, resume_run
from reconciler.applying.settling import entry_from_json
from reconciler.errors import InvalidInput, Locked, Refused, StalePlan, StoreFailed, Unreachable
from reconciler.execution import (
    Stop,
    find_run,
    new_holder,
    refuse_busy_store,
    refuse_lost_journal,
    sender_for,
    store_folder,
    unfinished_run,
    world_path,
)
from reconciler.payway.client import HttpSender
from reconciler.payway.simulator import Simulator
from reconciler.planfile import plan_text, seal
from reconciler.state.merge import import_accounts
from reconciler.state.snapshot import read_snapshot
from reconciler.state.sqlite import SqliteStore

NOW = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)


def session(name="simulator", environ=None, **said):
    settings = load_settings(None, {})
    return Session(resolve(settings, name, environ or {}, **said), clock=lambda: NOW)


def options(**more):
    return RunOptions(command="reconciler apply", environ={}, **more)


def fill(one):
    snapshot = read_snapshot("known-state.json")
    with closing(one.open_store(create=True)) as store:
        import_accounts(
            store, snapshot.head, snapshot.accounts, holder=new_holder(one, options()), now_text="2026-11-24T10:00:00Z"
        )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with manifests, and a filled store of the simulator."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copy(ROOT / "examples" / "known-state.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    fill(session())
    return tmp_path


def planned(one):
    plan = one.plan().plan
    return plan, plan_text(plan)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"}


# --- Running ---


def test_a_plan_is_run_on_the_embedded_simulator(here):
    one = session()
    report = apply_plan(one, *planned(one), options())
    assert (report.exit_code, report.simulated, report.counts["applied"]) == (0, True, 8)
    assert world_path(one) == Path(".reconciler/simulator.world.jsonl")
    assert stat.S_IMODE(world_path(one).stat().st_mode) == 0o600
    with closing(one.open_store()) as store:
        assert store.lock() is None


def test_the_world_goes_on_where_it_was_left(here):
    one = session()
    assert apply_plan(one, *planned(one), options(limit=3)).exit_code == 7
    assert resume_run(one, options()).exit_code == 0
    # The second plan meets the user product that the first one was told of.
    assert apply_plan(one, *planned(one), options()).exit_code == 0
    assert one.plan().plan.steps == ()


def test_accounts_that_become_known_later_join_the_world(here):
    one = session()
    apply_plan(one, *planned(one), options(limit=1))
    resume_run(one, options())
    snapshot = json.loads((here / "known-state.json").read_text())
    more = {**snapshot["accounts"][0], "account_id": "f" * 24, "customer_number": "9999"}
    more["user_products"] = [{"product_id": "a" * 24, "user_product_id": "b" * 24, "state": "activated"}]
    later = {**snapshot, "accounts": [more], "observed_at": "2026-11-24T10:00:00Z"}
    (here / "known-state.json").write_text(json.dumps(later))
    fill(one)
    (here / "manifests" / "more.yaml").write_text(
        f"apiVersion: payway/v1\nkind: Account\naccount_id: {'f' * 24}\nuser_products:\n"
        f"  - product_id: {'a' * 24}\n    state: deactivated\n"
    )
    report = apply_plan(one, *planned(one), options())
    assert report.exit_code == 0, report


def test_a_dry_run_changes_no_byte(here):
    one = session()
    plan, text = planned(one)
    before = contents(here)
    report = dry_run(one, plan, text, options())
    assert (report.exit_code, report.simulated, report.counts["applied"]) == (0, True, 8)
    assert contents(here) == before
    assert not world_path(one).exists()


def test_a_dry_run_needs_no_credentials(here):
    one = session("stage", state="file:known-state.json")
    report = dry_run(one, *planned(one), options())
    assert (report.exit_code, report.simulated) == (0, True)


def test_a_dry_run_over_a_snapshot_holds_the_plan_to_it(here):
    snapshot = json.loads((here / "known-state.json").read_text())
    one = session("stage", state="file:known-state.json")
    plan, text = planned(one)
    (here / "known-state.json").write_text(json.dumps(snapshot | {"accounts": snapshot["accounts"][2:]}))
    with pytest.raises(StalePlan, match="known differently now"):
        dry_run(one, plan, text, options())
    (here / "known-state.json").write_text(json.dumps(snapshot | {"lineage": "a" * 32}))
    with pytest.raises(StalePlan, match="lineage"):
        dry_run(one, seal(replace(plan, known_state=replace(plan.known_state, lineage="b" * 32))), text, options())


def test_a_plan_for_elsewhere_is_refused_before_any_store_is_opened(here):
    plan, text = planned(session())
    other = session("stage", state="sqlite:///missing.db")
    for run in (apply_plan, dry_run):
        with pytest.raises(StalePlan, match="is for simulator, not for stage"):
            run(other, plan, text, options())


def test_without_credentials_no_run_is_begun(here):
    one = session("stage")
    fill(one)
    with pytest.raises(Unreachable, match="stage"):
        apply_plan(one, *planned(one), options())
    with closing(one.open_store()) as store:
        assert (store.runs(), store.lock()) == ((), None)


def test_who_sends(here):
    with closing(session().open_store()) as store:
        plan, _ = planned(session())
        with closing(sender_for(session(), store, plan, ())) as sender:
            assert isinstance(sender, Simulator)
        stage = session("stage", {"PAYWAY_TOKEN": "hush"}, state="file:known-state.json")
        with closing(sender_for(stage, store, plan, ())) as sender:
            assert isinstance(sender, HttpSender)
            assert "hush" not in repr(sender)


def test_a_world_that_cannot_be_read_leaves_no_lock(here):
    one = session()
    world_path(one).write_text("{nonsense\n{}\n")
    with pytest.raises(InvalidInput):
        apply_plan(one, *planned(one), options())
    with closing(one.open_store()) as store:
        assert (store.runs(), store.lock()) == ((), None)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_whatever_goes_wrong_the_lock_is_given_back(here, monkeypatch, error):
    (here / "reconciler.toml").write_text("[apply]\ncool_down = 0.01\n")
    one = session()

    def broken(*_):
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(Simulator, "send", broken)
        apply_plan(one, *planned(one), options())
    with closing(one.open_store()) as store:
        assert store.lock() is None
        assert [run.unfinished for run in store.runs()] == [True]
    assert resume_run(one, options()).exit_code in (0, 8)


# --- Runs ---


def test_runs_are_found_by_their_beginning(here):
    one = session()
    apply_plan(one, *planned(one), options())
    with closing(one.open_store()) as store:
        [run] = store.runs()
        assert find_run(store, run.run_id) == find_run(store, run.run_id[:3]) == run
        for nobody in ("", "x", run.run_id + "0"):
            with pytest.raises(InvalidInput, match="there is no run"):
                find_run(store, nobody)
        with pytest.raises(InvalidInput, match="no run is unfinished"):
            unfinished_run(store, None)
        with store.change() as change:
            change.put_run(replace(run, run_id=run.run_id + "0"))
        assert find_run(store, run.run_id) == run
        with pytest.raises(InvalidInput, match="2 runs begin with"):
            find_run(store, run.run_id[:3])


def test_a_busy_store_is_refused_before_anybody_is_asked(here):
    one = session()
    refuse_busy_store(one)
    apply_plan(one, *planned(one), options(limit=1))
    with pytest.raises(Locked, match="isn't finished"):
        refuse_busy_store(one)
    resume_run(one, options())
    with closing(one.open_store()) as store:
        store.acquire(new_holder(one, options()))
        with pytest.raises(Locked, match="is locked by"):
            refuse_busy_store(one)


@pytest.mark.parametrize(("value", "is_ci"), [("true", True), ("1", True), ("", False), ("0", False), ("FALSE", False)])
def test_ci_needs_a_store_that_stays(here, value, is_ci):
    if is_ci:
        with pytest.raises(Refused, match="would be lost"):
            refuse_lost_journal(session(), {"CI": value})
    else:
        refuse_lost_journal(session(), {"CI": value})
    refuse_lost_journal(session(state="sqlite:///.reconciler/simulator.db"), {"CI": value})
    refuse_lost_journal(session(environ={"RECONCILER_STATE": "sqlite:///x.db"}), {"CI": value})
    (here / "reconciler.toml").write_text('state = "sqlite:///x.db"\n')
    refuse_lost_journal(session(), {"CI": value})


def test_where_the_stores_folder_is():
    assert store_folder(session(state="sqlite:///a/b.db")) == Path("a")
    assert store_folder(session(state="sqlite:////a/b.db")) == Path("/a")
    assert store_folder(session(state="sqlite:///b.db")) == Path()
    assert store_folder(session(state="postgresql://host/db")) == Path(".reconciler")


# --- Who we are ---


def test_each_run_has_an_id_of_its_own_that_sorts_by_time():
    ids = [new_holder(session(), options()).lock_id for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(re.fullmatch(r"20261124T100030-[0-9a-f]{6}", one) for one in ids)


@pytest.mark.parametrize(
    ("environ", "who", "url"),
    [
        ({}, None, None),
        ({"GITHUB_ACTOR": "anna"}, "anna", None),
        ({"GITLAB_USER_LOGIN": "bo", "CI_JOB_URL": "https://gitlab.example/j/1"}, "bo", "https://gitlab.example/j/1"),
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"},
            None,
            "https://github.com/a/b/actions/runs/7",
        ),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7"}, None, None),
        ({"CI_JOB_URL": ""}, None, None),
    ],
)
def test_who_and_where(monkeypatch, environ, who, url):
    monkeypatch.setenv("LOGNAME", "tester")
    holder = new_holder(session(), RunOptions(command="reconciler apply", environ=environ))
    assert (holder.who, holder.ci_url) == (who or "tester", url)
    assert (holder.process, holder.command) == (os.getpid(), "reconciler apply")
    assert holder.started_at == "2026-11-24T10:00:30Z"


def test_a_user_without_a_name_is_a_number(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert new_holder(session(), options()).who == f"uid {os.getuid()}"


def test_a_name_that_is_no_text_can_be_kept(here, monkeypatch):
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"\xe5sa"))
    one = session()
    report = apply_plan(one, *planned(one), options(limit=1))
    assert report.exit_code == 7
    with closing(one.open_store()) as store:
        assert store.runs()[0].who == r"\udce5sa"


# --- When the store can't take an outcome ---


@pytest.fixture
def broken(here, monkeypatch):
    """A session whose store takes intents but no outcomes; what is told in an emergency is kept in ``told``."""
    one = session()
    change = SqliteStore.change

    def fail_unfenced(self, fence=None):
        if fence is None:
            raise StoreFailed("the disk is full")
        return change(self, fence)

    plan, text = planned(one)
    told = []

    def run():
        with pytest.raises(StoreFailed) as raised:
            apply_plan(one, plan, text, options(emergency=told.append))
        return raised.value

    monkeypatch.setattr(SqliteStore, "change", fail_unfenced)
    run.told = told
    return run


def test_an_outcome_is_put_aside_where_only_its_owner_reads_it(broken, here):
    error = broken()
    [path] = broken.told
    assert path.parent == Path(".reconciler")
    assert re.fullmatch(r"emergency-20261124T100030-[0-9a-f]{6}-1-1\.json", path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert entry_from_json(json.loads(path.read_text())).status == "applied"
    assert "state recover" in error.hint


def test_without_the_stores_folder_it_is_put_aside_here_or_among_what_is_temporary(broken, here, monkeypatch, tmp_path):
    import reconciler.files as files

    write, tried = files.write_atomically, []

    def only_there(path, data):
        tried.append(Path(path).parent)
        if len(tried) < 3:
            raise InvalidInput("read-only")
        write(path, data)

    monkeypatch.setattr(files, "write_atomically", only_there)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(here / "manifests"))
    broken()
    assert tried == [Path(".reconciler"), Path(), here / "manifests"]
    assert broken.told[0].exists()


def test_if_it_cannot_be_put_aside_at_all_the_message_holds_it(broken, monkeypatch):
    def nowhere(path, data):
        raise InvalidInput(f"{path} can't be written: read-only")

    monkeypatch.setattr("reconciler.files.write_atomically", nowhere)
    error = broken()
    assert broken.told == []
    assert entry_from_json(json.loads(error.details[-1])).status == "applied"


# --- Stopping ---


def test_nobody_has_asked_until_somebody_does():
    stop = Stop()
    assert not stop.requested()
    begun = time.monotonic()
    stop.sleep(0.05)
    assert time.monotonic() - begun >= 0.04


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_wish_and_ends_waiting(number):
    stop, told = Stop(), []
    with stop.listening(lambda: told.append("stopping")) as listening:
        assert listening is stop
        os.kill(os.getpid(), number)
        begun = time.monotonic()
        stop.sleep(30)
        assert time.monotonic() - begun < 5
        assert stop.requested()
    assert told == ["stopping"]


def test_the_signals_are_given_back_as_they_were():
    def mine(*_):
        """Somebody else's handler."""

    before = {number: signal.signal(number, mine) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(RuntimeError), Stop().listening(lambda: None):
            assert signal.getsignal(signal.SIGINT) is not mine
            raise RuntimeError
        assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is mine
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SECOND = """
import os, signal, sys, time
from reconciler.execution import Stop

with Stop().listening(lambda: print("stopping", flush=True)):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        print("went on", flush=True)
    finally:
        print("cleaned up", flush=True)
"""


def test_the_second_signal_ends_the_process_at_once_and_runs_nothing_more():
    done = subprocess.run(
        [sys.executable, "-c", SECOND], env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "stopping\n", "")


def test_a_wish_stops_a_run_between_two_calls(here):
    one = session()
    stop = Stop()

    def after_the_second(event):
        if event.kind == "outcome" and event.step.number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with stop.listening(lambda: None):
        report = apply_plan(one, *planned(one), options(stop=stop, events=after_the_second))
    assert (report.exit_code, report.stopped_by, report.counts["applied"]) == (130, "signal", 2)


def test_a_plan_that_expired_meanwhile_only_settles_doubts(here):
    one = session()
    plan, text = planned(one)
    apply_plan(one, plan, text, options(limit=2))
    late = Session(one.settings, clock=lambda: NOW + timedelta(days=2))
    assert resume_run(late, options()).stopped_by == "expired"
    assert resume_run(late, options(), expired=True).exit_code == 0
