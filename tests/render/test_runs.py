"""A run's report as text: what isn't done stands out, and the last line says what to type."""

import re

import pytest
from support.reports import MIXED, report, step

from reconciler.render import report_to_text, runs_to_text
from reconciler.state.store import Run


def text(data, **how):
    return "".join(f"{line}\n" for line in report_to_text(data, **how))


def test_a_mixed_run_reads_like_this(golden):
    golden("report.txt", text(MIXED))


def test_quiet_leaves_out_what_is_done():
    assert "1. applied" not in text(MIXED, quiet=True)
    assert "2. rejected" in text(MIXED, quiet=True)


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (report(step(1, "applied"), step(2, "assumed")), "nothing, every step is done"),
        (report(step(1, "rejected"), exit_code=7), "reconciler plan -e stage (when what stands above is mended)"),
        (report(step(1, "applied"), step(2, "not_reached"), status="stopped"),
         "reconciler resume -e stage (or give the rest up: reconciler abandon -e stage run-7)"),
        (report(status="running", ended_at=None, exit_code=None),
         "reconciler resume -e stage (or give the rest up: reconciler abandon -e stage run-7)"),
    ],
)  # fmt: skip
def test_the_next_command(data, last):
    assert text(data, width=200).splitlines()[-1] == f"Next: {last}"


@pytest.mark.parametrize("status", ["in_doubt", "intent"])
def test_a_doubt_names_resume_and_resolve(status):
    whole = text(report(step(1, status), status="stopped", exit_code=8), width=300)
    assert "Next: reconciler resume -e stage (1 step is in doubt;" in whole
    assert "reconciler resolve -e stage run-7 STEP applied|not-applied" in whole


def test_of_an_abandoned_run_only_doubts_are_left():
    whole = text(report(step(1, "in_doubt"), step(2, "not_reached"), status="abandoned", exit_code=8), width=300)
    last = "1 step is in doubt; look it up in Payway, then: reconciler resolve -e stage run-7 STEP applied|not-applied"
    assert whole.splitlines()[-1] == f"Next: {last}"


def test_the_next_command_repeats_the_options_that_it_needs():
    options = ("--state=sqlite:///a b.db", "--base-url=http://127.0.0.1:80")
    stopped = text(report(step(1, "not_reached"), status="stopped", exit_code=7), width=300, options=options)
    assert "Next: reconciler resume -e stage '--state=sqlite:///a b.db' --base-url=http://127.0.0.1:80 (" in stopped
    assert "reconciler abandon -e stage '--state=sqlite:///a b.db' run-7)" in stopped


@pytest.mark.parametrize(
    ("status", "last"),
    [("applied", "the same command without --dry-run"), ("rejected", "mend what stands above; nothing was sent")],
)
def test_after_a_rehearsal_there_is_no_run_to_go_on_with(status, last):
    whole = text(report(step(1, status), status="stopped", simulated=True), rehearsal=True)
    assert whole.splitlines()[-1] == f"Next: {last}"


def test_a_dry_run_says_who_accepted_it():
    assert "nothing to Payway: accepted by the simulator" in text(report(step(1, "applied"), simulated=True))
    assert "answered by the simulator" in text(report(step(1, "rejected"), simulated=True))


def test_hostile_text_does_nothing(hostile):
    names = ("code", "field", "message", "account_id", "product_id", "customer_number", "action")
    poisoned = step(1, "rejected", source={"file": hostile, "line": 9}, **dict.fromkeys(names, hostile))
    heads = dict.fromkeys(("run_id", "plan_id", "environment", "host", "stopped_by", "started_at"), hostile)
    whole = text(report(poisoned, **heads))
    assert all(c == "\n" or c.isprintable() for c in whole)
    lines = whole.splitlines()
    assert len(lines) == whole.count("\n")
    assert sum(line.startswith("Next: ") for line in lines) == 1
    assert sum(bool(re.match(r"  [0-9]+\. ", line)) for line in lines) == 1


def test_a_strange_report_is_shown_as_far_as_it_goes():
    assert text({}) and text({"steps": [1, None, {}], "exit_code": "7"})


def test_runs_are_listed_one_after_another():
    done = Run("run-1", "p", "s", "stage", "finished", "2026-11-24T10:00:00Z", "eva", "desk", "apply", 6, "{}",
               exit_code=0)  # fmt: skip
    going = Run("run-2", "p", "s", "stage", "running", "2026-11-24T11:00:00Z", "ci\n", "runner", "apply", 1, "{}")
    assert list(runs_to_text([done, going], width=120)) == [
        "run-1  finished 2026-11-24 10:00 UTC, 6 steps, exit code 0, by eva on desk",
        "run-2  running 2026-11-24 11:00 UTC, 1 step, by ci\\n on runner",
    ]
    assert list(runs_to_text([])) == ["No run has been made yet."]
