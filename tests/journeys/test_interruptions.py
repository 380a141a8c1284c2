"""Kills, signals and rivals: whatever comes in between, nothing is lost, and the end is the undisturbed one."""

import json
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from support.commands import call, ended, run, started

from reconciler.state import open_store

ANY = {"PAYWAY_TOKEN": "any"}


def journal(here):
    """Step and status of every entry, as far as they are written."""
    with closing(open_store(f"sqlite:///{here.folder}/.reconciler/stage.db", environment="stage", read_only=True)) as s:
        return [(entry.step, entry.status) for entry in s.entries()]


def wait_for(here, entry):
    """Wait until ``entry`` is the journal's last one, at most 15 seconds."""
    until = time.monotonic() + 15
    while journal(here)[-1:] != [entry]:
        assert time.monotonic() < until, journal(here)
        time.sleep(0.01)


def wait_for_calls(here, count):
    """Wait until Payway is done with so many calls, whoever still listens, at most 15 seconds."""
    until = time.monotonic() + 15
    while len(here.calls()) < count:
        assert time.monotonic() < until, here.calls()
        time.sleep(0.01)


def slow(folder, step, seconds):
    """A faults file: the call number ``step`` takes so many seconds."""
    path = folder / "slow.json"
    path.write_text(json.dumps([{"call": step, "fault": {"delay": seconds}}]))
    return path


def planned(here, *more, name="plan.json"):
    """Make a plan of this journey; gives the arguments that apply it."""
    made = here.run("plan", "-e", "stage", "--base-url", here.payway, "-o", name, *more)
    assert made.code == 0, made.said
    return ("apply", "--base-url", here.payway, name)


def resume(here, *more):
    return run("resume", "-e", "stage", "--base-url", here.payway, *more, cwd=here.folder, env=ANY)


def known(here):
    """All that is known, but for when it was learned."""
    listed = call("state", "list", "-e", "stage", "--format", "json", cwd=here.folder)
    return [{**json.loads(line), "observed_at": None} for line in listed.out.splitlines()]


def unlock(here, refused):
    """Take the lock away that ``refused`` names."""
    [lock] = [line.split(": ")[1] for line in refused.err.splitlines() if "lock id: " in line]
    assert "reconciler unlock" in refused.err and lock in refused.err
    broken = call("unlock", "-e", "stage", lock, cwd=here.folder)
    assert broken.code == 0, broken.said


@pytest.fixture
def undisturbed(journey):
    """What is known after a run that nothing came in between of."""
    here = journey("three-readers")
    assert call(*planned(here), cwd=here.folder, env=ANY).code == 0
    return known(here)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_killed_in_flight_and_resumed(journey, tmp_path, undisturbed, step):
    here = journey("three-readers", "--faults", str(slow(tmp_path, step, 1.2)))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    other = planned(here, "--at", f"{an_hour_ago:%Y-%m-%dT%H:%M:%SZ}", name="other.json")
    with started(*planned(here), cwd=here.folder, env=ANY) as process:
        wait_for(here, (step, "intent"))
        time.sleep(0.1)  # on its way
        process.kill()
        assert ended(process).code == -signal.SIGKILL

    # The dead process still holds the lock: nobody can know that its call isn't under way.
    refused = resume(here)
    assert refused.code == 6, refused.said
    assert "isn't running on this host any more" in refused.err
    unlock(here, refused)

    # Another plan is told of the unfinished run.
    refused = call(*other, cwd=here.folder, env=ANY)
    assert refused.code == 6, refused.said
    assert "isn't finished" in refused.err
    assert "reconciler resume -e stage" in refused.err

    wait_for_calls(here, step)  # the lost call's twin has come to its end
    resumed = resume(here)
    assert resumed.code == 0, resumed.said
    assert known(here) == undisturbed
    statuses = dict(journal(here))
    assert statuses == {1: "assumed" if step == 1 else "applied", 2: "applied", 3: "applied", 4: "applied"}
    assert len(here.calls()) == 5, "one call is repeated a kill"
    assert not any(call["overlap"] for call in here.calls())
    assert "Calls     0" in here.run("plan", "-e", "stage", "--base-url", here.payway).out


def test_killed_between_calls_and_resumed_repeats_nothing(journey, undisturbed):
    here = journey("three-readers")
    apply = planned(here)
    with started(*apply, "--rate", "1", cwd=here.folder, env=ANY) as process:
        wait_for(here, (1, "applied"))
        process.kill()
        assert ended(process).code == -signal.SIGKILL
    unlock(here, resume(here))
    again = run(*apply, cwd=here.folder, env=ANY)
    assert again.code == 0, again.said
    assert known(here) == undisturbed
    assert len(here.calls()) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_call_in_flight_end_and_the_run_can_go_on(journey, tmp_path, undisturbed, number):
    here = journey("three-readers", "--faults", str(slow(tmp_path, 2, 1.2)))
    with started(*planned(here), cwd=here.folder, env=ANY) as process:
        wait_for(here, (2, "intent"))
        process.send_signal(number)
        stopped = ended(process)
    assert stopped.code == 130, stopped.said
    assert "stopping after the call in flight" in stopped.err
    assert "2 applied, 2 not reached" in stopped.out
    assert f"reconciler resume -e stage --base-url={here.payway}" in stopped.out
    assert journal(here)[-1] == (2, "applied")
    resumed = resume(here)
    assert resumed.code == 0, resumed.said
    assert known(here) == undisturbed
    assert len(here.calls()) == 4


def test_a_second_signal_ends_at_once_and_leaves_an_intent(journey, tmp_path, undisturbed):
    here = journey("three-readers", "--faults", str(slow(tmp_path, 2, 3)))
    with started(*planned(here), cwd=here.folder, env=ANY) as process:
        wait_for(here, (2, "intent"))
        process.send_signal(signal.SIGINT)
        assert "stopping" in _until(process.stderr, "stopping")
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert ended(process).code == 130
        assert time.monotonic() - begun < 2, "it waited for the call"
    assert journal(here)[-1] == (2, "intent")
    unlock(here, resume(here))
    wait_for_calls(here, 2)
    assert resume(here).code == 0
    assert known(here) == undisturbed
    assert len(here.calls()) == 5


def _until(stream, word):
    for line in stream:
        if word in line:
            return line
    return ""


def test_a_signal_cuts_waiting_short(journey, tmp_path):
    (tmp_path / "faults.json").write_text('[{"call": 2, "fault": {"status": 500}}]')
    here = journey("three-readers", "--faults", str(tmp_path / "faults.json"))
    settings = here.folder / "reconciler.toml"
    settings.write_text(settings.read_text().replace("delays = [0.01]", "delays = [60]"))
    with started(*planned(here), cwd=here.folder, env=ANY) as process:
        wait_for(here, (2, "in_doubt"))
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        stopped = ended(process)
        assert time.monotonic() - begun < 5
    assert stopped.code == 130, stopped.said
    resumed = resume(here)
    assert resumed.code == 0, resumed.said
    assert len(here.calls()) == 5


def test_of_two_applies_at_once_the_second_is_sent_away(journey, tmp_path):
    here = journey("three-readers", "--faults", str(slow(tmp_path, 1, 3)))
    apply = planned(here)
    with started(*apply, cwd=here.folder, env=ANY) as first:
        wait_for(here, (1, "intent"))
        for second in (apply, ("apply", "-e", "stage", "--base-url", here.payway, "--yes")):
            refused = call(*second, cwd=here.folder, env=ANY)
            assert refused.code == 6, refused.said
            assert f"process {first.pid}" in refused.err
            assert "reconciler apply" in refused.err
            assert "only if you know that it is dead" in refused.err
        done = ended(first)
    assert done.code == 0, done.said
    assert len(here.calls()) == 4
    assert not any(call["overlap"] for call in here.calls())


def test_who_loses_the_lock_finishes_its_call_and_sends_no_other(journey, tmp_path, undisturbed):
    here = journey("three-readers", "--faults", str(slow(tmp_path, 2, 2)))
    apply = planned(here)
    with started(*apply, cwd=here.folder, env=ANY) as first:
        wait_for(here, (2, "intent"))
        unlock(here, call(*apply, cwd=here.folder, env=ANY))
        refused = ended(first)
    assert refused.code == 6, refused.said
    assert "was taken away" in refused.err
    assert len(here.calls()) == 2
    assert journal(here)[-1] == (2, "applied"), "what has happened is written all the same"
    assert resume(here).code == 0
    assert known(here) == undisturbed
    assert len(here.calls()) == 4


def test_importing_meanwhile_is_refused(journey, tmp_path):
    here = journey("three-readers", "--faults", str(slow(tmp_path, 1, 2)))
    with started(*planned(here), cwd=here.folder, env=ANY) as process:
        wait_for(here, (1, "intent"))
        refused = here.run("state", "import", "-e", "stage", "newer.json")
        assert refused.code == 6, refused.said
        # Looking is always possible.
        assert here.run("plan", "-e", "stage", "--base-url", here.payway).code == 0
        assert "running" in here.run("runs", "list", "-e", "stage").out
        assert ended(process).code == 0
