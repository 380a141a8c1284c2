"""Each exit code of the contract, section 6, from the real command; and which one it is when several hold."""

import json
import signal
import sqlite3
import time

import pytest
from support.commands import call, ended, run, simulated, started

from reconciler.cli.menu import EXIT_CODES
from reconciler.errors import ExitCode

E = ("-e", "simulator")
ANY = {"PAYWAY_TOKEN": "any"}

#: No waiting between tries, for what can't work anyway.
QUICK = "[apply]\ndelays = [0.01]\njitter = false\ncool_down = 0.01\n"

NOT_OURS = {"status": 403, "body": {"code": "not_product_owner", "message": "Not yours"}}


@pytest.fixture
def exits():
    """Compares an exit code, and shows all that was said if it is another one."""

    def check(result, code):
        assert result.code == code, result.said
        return result

    return check


@pytest.fixture
def stage(folder):
    """The folder with a filled store of stage and quick settings."""
    (folder / "reconciler.toml").write_text(QUICK)
    assert call("state", "import", "-e", "stage", "known-state.json", cwd=folder).code == 0
    return folder


@pytest.fixture
def payway(stage):
    """A function that simulates Payway for stage with scripted faults; gives its URL."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*faults):
            (stage / "faults.json").write_text(json.dumps(list(faults)))
            options = ("--snapshot", "known-state.json", "--faults", "faults.json")
            return stack.enter_context(simulated(*options, cwd=stage))

        yield start


def apply(folder, url, *more):
    return run("apply", "-e", "stage", "--base-url", url, "--yes", *more, cwd=folder, env=ANY)


def test_0_done_or_nothing_to_do(folder, exits):
    exits(run("apply", "plan.json", cwd=folder), 0)
    # The number that waited for an answer of that run.
    exits(run("apply", *E, "--yes", cwd=folder), 0)
    nothing = exits(run("apply", *E, "--yes", "--report", "report.json", cwd=folder), 0)
    assert "nothing, no call is due" in nothing.out
    exits(run("plan", *E, "--detailed-exitcode", cwd=folder), 0)


def test_1_a_bug(folder, exits, monkeypatch):
    monkeypatch.setattr("reconciler.session.Session.plan", lambda *_, **__: 1 / 0)
    result = exits(call("plan", *E, cwd=folder), 1)
    assert "unexpected ZeroDivisionError: division by zero; this is a bug, please report it" in result.err


def test_2_changes_if_that_is_asked_for(folder, exits):
    exits(run("plan", *E, "--detailed-exitcode", cwd=folder), 2)
    exits(run("plan", *E, cwd=folder), 0)


@pytest.mark.parametrize("what", ["manifest", "plan", "snapshot", "settings"])
def test_3_input_that_cannot_be_used(folder, exits, what):
    file = folder / {"manifest": "manifests/x.yaml", "settings": "reconciler.toml"}.get(what, "x.json")
    file.write_text("x = [")
    typed = {"plan": ("show", "x.json"), "snapshot": ("state", "import", *E, "x.json")}.get(what, ("plan", *E))
    exits(run(*typed, cwd=folder), 3)


def test_4_a_plan_that_is_altered_foreign_expired_a_what_if_or_overtaken(folder, exits):
    plan = folder / "plan.json"
    text = plan.read_text()
    plan.write_text(text.replace('"serial":', '"serial":9'))
    exits(run("apply", "plan.json", cwd=folder), 4)
    plan.write_text(text)
    exits(run("apply", "-e", "stage", "plan.json", cwd=folder), 4)
    for name, moment in (("expired.json", "2020-01-01T00:00Z"), ("later.json", "2099-01-01T00:00Z")):
        call("plan", *E, "--at", moment, "-o", name, cwd=folder)
        exits(run("apply", name, cwd=folder), 4)
    exits(run("apply", *E, "--expect", "sha256:" + "0" * 64, cwd=folder), 4)
    exits(run("apply", "plan.json", cwd=folder), 0)
    exits(run("apply", "plan.json", cwd=folder), 4)


def test_5_refused_by_a_guard_after_the_plan_was_shown(folder, exits):
    (folder / "reconciler.toml").write_text("[guards]\nrevoked = 0\n")
    planned = exits(run("plan", *E, "-o", "refused.json", "--detailed-exitcode", cwd=folder), 5)
    assert "Plan for simulator" in planned.out
    assert (folder / "refused.json").exists()
    exits(run("apply", "refused.json", cwd=folder), 5)
    applied = exits(run("apply", *E, "--yes", cwd=folder), 5)
    assert "nothing was sent" in applied.err
    exits(run("plan", *E, "--accept", "revoked", "-o", "accepted.json", cwd=folder), 0)
    exits(run("apply", "accepted.json", cwd=folder), 0)


def test_6_locked_or_an_unfinished_run(folder, exits):
    exits(run("apply", "plan.json", "--limit", "1", cwd=folder), 7)
    exits(run("apply", *E, "--yes", cwd=folder), 6)
    exits(run("unlock", "x", *E, cwd=folder), 6)
    with started("resume", *E, "--rate", "0.5", cwd=folder) as process:
        until = time.monotonic() + 60
        while (locked := call("state", "import", *E, "known-state.json", cwd=folder)).code != 6:
            assert time.monotonic() < until
        assert f"process {process.pid}" in locked.err
        process.kill()


def test_7_incomplete(stage, payway, exits):
    url = payway({"action": "update", "fault": NOT_OURS})
    result = exits(apply(stage, url, "--report", "report.json"), 7)
    assert json.loads((stage / "report.json").read_text())["exit_code"] == 7
    assert "rejected" in result.out


def test_8_an_outcome_that_nobody_knows(stage, payway, exits):
    url = payway({"action": "reactivate", "times": 9, "fault": {"status": 500}})
    exits(apply(stage, url), 8)


def test_9_not_approved(folder, exits):
    exits(run("apply", *E, cwd=folder), 9)


def test_64_usage(folder, exits):
    exits(run("plna", cwd=folder), 64)
    exits(run("plan", cwd=folder), 64)


def test_69_payway_cannot_be_reached_or_refuses_the_credentials(stage, payway, exits):
    result = exits(apply(stage, "http://127.0.0.1:1"), 69)
    assert "reconciler resume" in result.out
    exits(run("resume", "-e", "stage", "--base-url", "http://127.0.0.1:1", cwd=stage, env=ANY), 69)
    exits(run("abandon", "-e", "stage", cwd=stage), 0)
    nobody = exits(run("apply", "-e", "stage", "--base-url", "http://127.0.0.1:1", "--yes", cwd=stage), 69)
    assert "PAYWAY_TOKEN" in nobody.err
    exits(apply(stage, payway({"fault": {"status": 401}})), 69)


def test_74_the_store_failed(folder, exits):
    store = folder / ".reconciler" / "simulator.db"
    whole = store.read_bytes()
    store.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    for command in (("plan", *E), ("apply", "plan.json"), ("state", "list", *E), ("state", "verify", *E)):
        result = exits(run(*command, cwd=folder), 74)
        assert "error: " in result.err
    store.write_text("no database at all, but long enough to be looked at" * 20)
    exits(run("plan", *E, cwd=folder), 74)


def test_74_a_store_of_a_later_version(folder, exits):
    with sqlite3.connect(folder / ".reconciler" / "simulator.db") as database:
        database.execute("INSERT INTO migrations SELECT 999, name, checksum, applied_at FROM migrations LIMIT 1")
    database.close()
    exits(run("plan", *E, cwd=folder), 74)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_130_interrupted_with_a_journal_that_is_whole(folder, exits, number):
    with started("apply", "plan.json", "--rate", "0.5", cwd=folder) as process:
        assert "1  applied" in _until(process.stderr, "applied")
        process.send_signal(number)
        exits(ended(process), 130)
    exits(run("state", "verify", *E, cwd=folder), 0)
    exits(run("resume", *E, cwd=folder), 0)


def _until(stream, word):
    return next((line for line in stream if word in line), "")


# --- When several hold ---


def test_69_goes_before_8_and_7(stage, payway, exits):
    faults = (
        {"action": "reactivate", "times": 9, "fault": {"status": 500}},
        {"action": "update", "fault": NOT_OURS},
        {"action": "subscription_number", "fault": {"status": 401}, "times": 9},
    )
    exits(apply(stage, payway(*faults)), 69)


def test_8_goes_before_7(stage, payway, exits):
    faults = (
        {"action": "reactivate", "times": 9, "fault": {"status": 500}},
        {"action": "update", "fault": NOT_OURS},
    )
    exits(apply(stage, payway(*faults)), 8)


def test_a_report_that_cannot_be_written_is_told_before_any_call(folder, exits):
    exits(run("apply", "plan.json", "--report", "missing/report.json", cwd=folder), 3)
    assert call("runs", "list", *E, "--format", "json", cwd=folder).out == ""


def test_every_code_has_its_meaning():
    assert set(EXIT_CODES) == set(ExitCode)
