"""The neutral view of a run: counts from its steps, and for each that isn't done what to do about it."""

import pytest
from support.reports import MIXED, report, step

from reconciler.render.runview import VERSION, run_rows, view_run


def advice(*steps, **how):
    options = how.pop("options", ())
    [first, *_] = view_run(report(*steps, **{"status": "stopped"} | how), options=options).steps
    return first.advice, first.command


def test_the_view_has_a_version():
    assert view_run(MIXED).version == VERSION == 1


def test_counts_are_taken_from_the_steps():
    view = view_run(MIXED | {"counts": {"applied": 99}})
    assert view.counts == (
        ("applied", "applied", 1), ("rejected", "rejected", 1), ("in_doubt", "in doubt", 1),
        ("skipped", "skipped", 1), ("not_reached", "not reached", 1),
    )  # fmt: skip
    assert (view.done, view.in_doubt) == (1, 1)
    assert dict(run_rows(view))["Steps"] == "5: 1 applied, 1 rejected, 1 in doubt, 1 skipped, 1 not reached"


def test_what_the_answer_said_stands_together():
    told = step(1, "rejected", http_status=400, code="invalid_parameter", field="valid_to", attempts=3)
    [one] = view_run(report(told)).steps
    assert one.answer == "400 invalid_parameter valid_to after 3 tries"
    assert one.place == "manifests/north.yaml:9"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (step(1, "applied"), None),
        (step(1, "assumed"), None),
        (step(1, "rejected", field="valid_to"), "mend that value where it is declared, then plan again"),
        (step(1, "rejected"), "mend what Payway refuses, then plan again"),
        (step(1, "skipped", code="too-late"), "its time has passed; plan again"),
        (step(1, "skipped", code="stale"), "something else is known of the account by now; plan again"),
        (step(1, "skipped", code="behind-failed-step"), "mend the earlier step of the account, then plan again"),
        (
            step(1, "skipped", code="behind-unsettled-step"),
            "settle the earlier step of the account; resume then goes on with this one",
        ),
        (step(1, "skipped", http_status=429), "resume sends it"),
        # The same word in an answer isn't ours.
        (step(1, "skipped", http_status=400, code="stale"), "resume sends it"),
        (step(1, "not_reached"), "resume sends it"),
    ],
)
def test_each_end_has_its_advice(one, expected):
    assert advice(one) == (expected, None)


def test_what_a_finished_run_left_over_is_planned_again():
    assert advice(step(1, "skipped", http_status=429), status="finished") == ("it wasn't carried out; plan again", None)


RESOLVE = "reconciler resolve -e stage run-7 4 applied|not-applied"
RESUME = "resume may settle it; if it can't, look it up in Payway and say what became of it"
PERSON = "look it up in Payway, then say what became of it"


@pytest.mark.parametrize(
    ("more", "how", "expected"),
    [
        ({}, {}, RESUME),
        ({"http_status": 200, "answered_id": "56e1741a6fc9365306000099"}, {}, PERSON),
        ({"http_status": 409, "code": "invalid_state"}, {}, PERSON),
        ({"http_status": 500}, {}, RESUME),
        ({}, {"status": "abandoned"}, PERSON),
    ],
)
@pytest.mark.parametrize("status", ["in_doubt", "intent"])
def test_a_doubt_has_the_command_that_settles_it(status, more, how, expected):
    assert advice(step(4, status, **more), **how) == (expected, RESOLVE)


def test_commands_repeat_the_options_that_they_need():
    options = ("--state=sqlite:///a b.db", "--base-url=http://127.0.0.1:80")
    _, command = advice(step(4, "in_doubt"), options=options)
    assert command == "reconciler resolve -e stage '--state=sqlite:///a b.db' run-7 4 applied|not-applied"
    assert view_run(MIXED, options=options).show == "reconciler show -e stage '--state=sqlite:///a b.db' run-7"


def test_a_rehearsal_has_no_run_to_settle():
    view = view_run(report(step(1, "in_doubt"), simulated=True), rehearsal=True)
    assert [(one.advice, one.command) for one in view.steps] == [(None, None)]
    assert (view.next.command, view.next.other) == (None, None)


def test_a_strange_report_is_viewed_as_far_as_it_goes():
    assert view_run({}).steps == ()
    view = view_run({"steps": [1, None, {}, {"number": "x", "source": "y", "attempts": "z"}], "exit_code": "7"})
    assert [one.number for one in view.steps] == [0, 0]
    assert view.exit_code is None
