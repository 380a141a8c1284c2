"""Where steps stand by their entries, and what entries do to known state."""

from dataclasses import replace

import pytest
from support.planning import account_id
from support.running import rig, updates

from reconciler.applying.journaling import entry_for, exit_code_of, is_pending, known_since, record, standings
from reconciler.applying.learning import with_doubt
from reconciler.errors import ExitCode

AT = "2026-11-24T10:00:00Z"


@pytest.fixture
def ran():
    """A run of one update, with its step."""
    r = rig(*updates("a"))
    r.apply()
    return r, r.plan.steps[0]


def entry(ran, status, *, attempt=1, at=AT, **fields):
    r, step = ran
    return replace(entry_for(r.run, step, attempt, status, at), **fields)


def standing(ran, *args, **fields):
    return standings([entry(ran, *args, **fields)])[1]


# (status, fields, in doubt, done, failed, needs a person)
STANDINGS = [
    ("intent", {}, True, False, False, False),
    ("in_doubt", {"http_status": 503}, True, False, False, False),
    ("in_doubt", {"code": "read_timeout"}, True, False, False, False),
    ("in_doubt", {"http_status": 200}, True, False, False, False),
    ("in_doubt", {"http_status": 200, "answered_id": "a" * 24}, True, False, False, True),
    ("in_doubt", {"http_status": 409, "code": "invalid_state"}, True, False, False, True),
    ("applied", {"http_status": 200, "answered_id": "a" * 24}, False, True, False, False),
    ("assumed", {"http_status": 409, "code": "invalid_state"}, False, True, False, False),
    ("rejected", {"http_status": 404, "code": "not_found"}, False, False, True, False),
    ("skipped", {"code": "too-late"}, False, False, True, False),
    ("skipped", {"code": "stale"}, False, False, True, False),
    ("skipped", {"code": "behind-failed-step"}, False, False, True, False),
    ("skipped", {"code": "behind-unsettled-step"}, False, False, False, False),
    ("skipped", {"code": "resolved"}, False, False, False, False),
    ("skipped", {"http_status": 429}, False, False, False, False),
    ("skipped", {"http_status": 429, "code": "stale"}, False, False, False, False),
    ("skipped", {"code": "refused"}, False, False, False, False),
]


@pytest.mark.parametrize(("status", "fields", "in_doubt", "done", "failed", "person"), STANDINGS)
def test_an_entry_says_where_its_step_stands(ran, status, fields, in_doubt, done, failed, person):
    found = standing(ran, status, **fields)
    assert (found.in_doubt, found.is_done, found.is_failed, found.needs_person) == (in_doubt, done, failed, person)
    assert found.is_settled == (done or failed)
    assert is_pending(found, stopped=True) == (not found.is_settled)
    assert is_pending(found, stopped=False) == in_doubt


def test_a_step_without_an_entry_is_pending():
    assert is_pending(None, stopped=False)


def test_attempts_only_rise(ran):
    entries = [entry(ran, "intent", attempt=2), entry(ran, "skipped", attempt=0, code="stale")]
    assert standings(entries)[1].attempts == 2


# (statuses of two steps, what stopped the run, its exit code)
EXITS = [
    (["applied", "assumed"], None, 0),
    (["applied", "rejected"], None, 7),
    (["applied", "skipped"], None, 7),
    (["applied", None], None, 7),
    (["rejected", "in_doubt"], None, 8),
    (["applied", "intent"], None, 8),
    (["in_doubt", None], ExitCode.INCOMPLETE, 8),
    (["in_doubt", None], ExitCode.UNREACHABLE, 69),
    (["skipped", None], ExitCode.UNREACHABLE, 69),
    (["in_doubt", None], ExitCode.INTERRUPTED, 130),
    ([], None, 0),
]


@pytest.mark.parametrize(("words", "stop", "exit_code"), EXITS)
def test_unreachable_comes_first_then_a_doubt_then_anything_left(ran, words, stop, exit_code):
    steps = [replace(ran[1], number=number) for number, _ in enumerate(words, start=1)]
    found = {n: standing(ran, word) for n, word in enumerate(words, start=1) if word is not None}
    assert exit_code_of(steps, found, stop) == exit_code


def test_only_calls_count_for_what_a_run_knows(ran):
    entries = [
        entry(ran, "intent", known_after="1"),
        entry(ran, "skipped", known_after="2", http_status=429),
        entry(ran, "skipped", known_after="3", code="stale"),
    ]
    assert known_since(entries) == {account_id("a"): "2"}


@pytest.mark.parametrize(
    ("status", "fields", "doubts"),
    [
        ("intent", {}, 1),
        ("in_doubt", {}, 1),
        ("applied", {}, 0),
        ("assumed", {}, 0),
        ("rejected", {}, 0),
        ("skipped", {"http_status": 429}, 0),
        ("skipped", {"code": "behind-failed-step"}, 1),
    ],
)
def test_an_outcome_settles_a_doubt_and_a_skip_leaves_it(ran, status, fields, doubts):
    r, step = ran
    with r.store.change() as change:
        change.put_account(with_doubt(change.account(step.account_id), step, r.run.run_id, AT))
    with r.store.change() as change:
        written = record(change, step, entry(ran, status, **fields))
    account = r.store.account(step.account_id)
    assert len(account.doubts) == doubts
    assert written.known_after == account.digest()


def test_an_account_that_only_a_doubt_made_known_is_forgotten_again(ran):
    r, step = ran
    with r.store.change() as change:
        change.remove_account(step.account_id)
        record(change, step, entry(ran, "intent"))
    assert r.store.account(step.account_id) is not None
    with r.store.change() as change:
        record(change, step, entry(ran, "rejected"))
    assert r.store.account(step.account_id) is None
