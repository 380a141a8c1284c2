"""One report, whoever asks: the run itself or its journal later."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from support.planning import account_id, user_product_id
from support.running import all_five, answer, error, rig, updates

from reconciler.applying.runreport import OUTCOMES, STOPS, place_of, report_from_journal
from reconciler.errors import ExitCode
from reconciler.verdicts import BY_NAME
from reconciler.wire import CallFailed, Phase

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LOST = CallFailed("read_timeout", Phase.UNKNOWN)


class Kill(BaseException):
    """The end of a process."""


def ran(script=(), **options):
    r = rig(*updates("a", "b", "c"), script)
    return r, r.apply(**options)


def later(r):
    return report_from_journal(r.run, r.store.entries(), r.plan)


RUNS = [
    ([], {}),
    ([error(400, "invalid_parameter", "valid_to")], {}),
    ([LOST] * 4, {}),
    ([answer(429)] * 4, {"limit": 1}),
    ([answer(302)], {}),
    ([error(404, "not_found", "\x1b[31m", extra="x")], {}),
]


@pytest.mark.parametrize(("script", "options"), RUNS)
def test_the_journal_tells_the_same_as_the_run(script, options):
    r, report = ran(script, **options)
    assert later(r) == report
    VALIDATOR.validate(json.loads(json.dumps(report.to_json())))
    assert sum(report.counts.values()) == len(report.steps) == 3
    assert tuple(report.counts) == OUTCOMES


def test_entries_of_other_runs_are_left_out():
    r, report = ran([LOST] * 4, limit=1)
    others = [replace(entry, run_id="other", status="applied") for entry in r.store.entries()]
    assert report_from_journal(r.run, [*r.store.entries(), *others], r.plan) == report


def test_a_report_in_words_of_its_schema():
    _, report = ran([error(400, "invalid_parameter", "valid_to"), LOST, None], limit=2)
    data = report.to_json()
    assert list(data) == SCHEMA["required"]
    assert (data["format"], data["simulated"], data["status"], data["stopped_by"]) == (
        "reconciler.report/v1", False, "stopped", "limit",
    )  # fmt: skip
    assert data["counts"] == {
        "applied": 1, "assumed": 0, "rejected": 1, "in_doubt": 0, "skipped": 0, "not_reached": 1,
    }  # fmt: skip
    rejected, applied, unreached = data["steps"]
    assert list(rejected) == SCHEMA["properties"]["steps"]["items"]["required"]
    assert (rejected["http_status"], rejected["code"], rejected["field"]) == (400, "invalid_parameter", "valid_to")
    assert rejected["source"] == {"file": "manifests/a.yaml", "line": 12}
    assert (applied["attempts"], applied["answered_id"]) == (2, user_product_id("p"))
    assert applied["account_id"] == account_id("b")
    assert (unreached["status"], unreached["attempts"], unreached["message"]) == ("not_reached", 0, None)
    assert unreached["source"] == {"file": "manifests/a.yaml", "line": 9}


def test_a_killed_run_reads_as_running_and_in_doubt():
    r = rig(*updates("a", "b"), [Kill()])
    with pytest.raises(Kill):
        r.apply()
    report = later(r)
    VALIDATOR.validate(report.to_json())
    assert (report.status, report.exit_code, report.ended_at) == ("running", None, None)
    assert [step.status for step in report.steps] == ["in_doubt", "not_reached"]
    assert "no answer was recorded" in report.steps[0].message


def test_the_schema_refuses_what_is_no_report():
    _, report = ran()
    for spoiled in ({"status": "done"}, {"counts": {}}, {"extra": 1}, {"started_at": "today"}, {"plan_id": "sha256:0"}):
        assert not VALIDATOR.is_valid(report.to_json() | spoiled)


def test_every_reason_to_stop_is_explained():
    stopping = {name for name, row in BY_NAME.items() if row.exit_code is not None}
    assert not stopping & set(STOPS)
    assert all(text.endswith(".") for text in STOPS.values())
    assert {row.exit_code for row in BY_NAME.values()} - {None} == {ExitCode.INCOMPLETE, ExitCode.UNREACHABLE}


def test_a_field_that_is_no_ones_stands_at_the_steps_own_place():
    [step] = rig(*updates("a")).plan.steps
    assert place_of(step, "valid_to").line == 12
    assert place_of(step, "id").line == place_of(step, None).line == 9


def test_five_calls_five_steps():
    r = rig(*all_five())
    assert [step.action for step in r.apply().steps] == [step.action for step in r.plan.steps]
