"""The loop: what is written, sent and learned in which order, and what every answer leads to."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from support.planning import NOW, account_id, has, have, user_product_id, want, wants
from support.running import CUSTOMER, all_five, answer, error, rig, statuses, updates

from reconciler.canonical import digest_bytes
from reconciler.errors import Locked, StalePlan, StoreFailed, Unreachable
from reconciler.instants import minute_of
from reconciler.limits import ApplySettings
from reconciler.operations import body_bytes
from reconciler.wire import CallFailed, Phase

LOST = CallFailed("read_timeout", Phase.UNKNOWN)
REFUSED = CallFailed("refused", Phase.NOT_SENT)
INVALID = error(400, "invalid_parameter", "valid_to")
THROTTLED = answer(429)
FIVE = ["reactivate", "update", "subscription_number", "sync_address", "sync_subscriptions"]


def one_action(action, script=()):
    """A rig whose plan is one call of the given action, on account a."""
    state = {"state": "cancelled", "to": "2026-12-01", "service": "tulo"}
    product = {
        "update": (want("p", to="2027-12-01", line=9, fields={"valid_to": 12}), have("p", to="2026-12-01")),
        "reactivate": (want("p", state="activated"), have("p", **state)),
        "subscription_number": (want("p", number="7"), have("p", number=None)),
    }
    if action in product:
        declared, known = product[action]
        return rig(wants("a", declared), has("a", known), script)
    kind = action.removeprefix("sync_")
    return rig(wants("a", customer=CUSTOMER, sync={kind: "1"}), has("a"), script)


# --- Straight on ---


def test_all_five_calls_go_in_plan_order_and_teach_what_they_did():
    r = rig(*all_five())
    report = r.apply()
    assert r.sent() == FIVE
    assert (report.status, report.exit_code, report.stopped_by) == ("finished", 0, None)
    assert statuses(report) == ["applied"] * 5
    account = r.store.account(account_id("a"))
    [product] = account.user_products
    assert (product.state, product.subscription_number) == ("activated", "7")
    assert account.synced == {"address": "1", "subscriptions": "2"}
    assert account.unverified and account.doubts == ()
    assert r.clock.slept == 0
    assert r.store.lock() is None


def test_planning_again_after_a_run_finds_nothing_due():
    r = rig(*all_five())
    r.apply()
    again = rig(all_five()[0], r.store.account(account_id("a")))
    assert again.plan.steps == ()
    assert again.apply().exit_code == 0


def test_every_call_stands_in_the_journal_before_and_after():
    r = rig(*all_five())
    r.apply()
    assert r.journal() == [(n, 1, status) for n in range(1, 6) for status in ("intent", "applied")]
    for entry in r.store.entries():
        step = r.plan.steps[entry.step - 1]
        assert entry.body_sha256 == digest_bytes(body_bytes(step.request))
        assert (entry.run_id, entry.plan_id, entry.action) == ("run-1", r.plan.plan_id, step.action)
        assert (entry.account_id, entry.user_product_id) == (step.account_id, step.user_product_id)
    assert [entry.known_after for entry in r.store.entries()][-1] == r.store.account(account_id("a")).digest()


def test_the_intent_is_durable_and_the_doubt_visible_before_anything_is_sent():
    r = rig(*all_five())

    def look(request):
        last = list(r.store.entries())[-1]
        assert (last.status, last.step) == ("intent", len(r.payway.requests) + 1)
        account = r.store.account(account_id("a"))
        assert [doubt.step for doubt in account.doubts] == [last.step]
        assert last.known_after == account.digest()
        assert r.store.runs()[0].status == "running"
        assert r.store.lock().holder.lock_id == "run-1"

    r.payway.before = look
    assert r.apply().exit_code == 0


def test_the_run_is_recorded_with_its_plan():
    r = rig(*all_five())
    r.apply()
    [run] = r.store.runs()
    assert (run.status, run.exit_code, run.steps, run.plan_id) == ("finished", 0, 5, r.plan.plan_id)
    assert r.plan.plan_id in run.plan
    assert (run.who, run.command) == ("anna", "reconciler apply")


def test_events_tell_what_happens():
    r = rig(*updates("a"), [answer(503), None])
    report = r.apply()
    assert [event.kind for event in r.events] == ["run", "step", "outcome", "waiting", "step", "outcome", "report"]
    assert [event.attempt for event in r.events if event.kind == "step"] == [1, 2]
    assert r.events[-1].report == report


# --- One answer each ---

# (script for the one call, status, exit code, calls); the row's verdict is tested with the table of verdicts.
ENDS = [
    ([None], "applied", 0, 1),
    ([answer(503), LOST, None], "applied", 0, 3),
    ([THROTTLED, REFUSED, None], "applied", 0, 3),
    ([LOST] * 4, "in_doubt", 8, 4),
    ([answer(200)] * 4, "in_doubt", 8, 4),
    ([THROTTLED] * 4, "skipped", 7, 4),
    ([REFUSED] * 4, "skipped", 7, 4),
    ([LOST, THROTTLED, REFUSED, THROTTLED], "in_doubt", 8, 4),
    ([THROTTLED, LOST, THROTTLED, REFUSED], "in_doubt", 8, 4),
    ([answer(id=user_product_id("other"))], "in_doubt", 8, 1),
    ([INVALID], "rejected", 7, 1),
    ([LOST, INVALID], "rejected", 7, 2),
    ([error(403, "not_product_owner")], "rejected", 7, 1),
    ([error(404, "not_found")], "rejected", 7, 1),
    ([error(409, "new_code")], "rejected", 7, 1),
    ([LOST, error(409, "new_code")], "in_doubt", 8, 2),
    ([answer(302)], "skipped", 7, 1),
    ([LOST, answer(302)], "in_doubt", 8, 2),
    ([answer(404)], "skipped", 7, 1),
    ([answer(405)], "skipped", 7, 1),
    ([error(400, "unknown_parameter")], "skipped", 7, 1),
    ([error(400, "configuration_error")], "skipped", 69, 1),
    ([answer(403)], "skipped", 69, 1),
    ([LOST, answer(403)], "in_doubt", 69, 2),
    ([CallFailed("certificate", Phase.NOT_SENT)], "skipped", 69, 1),
    ([Unreachable("no token")], "skipped", 69, 1),
    ([answer(401), None], "applied", 0, 2),
    ([answer(401), answer(401)], "skipped", 69, 2),
    ([LOST, answer(401), answer(401)], "in_doubt", 69, 3),
]  # fmt: skip


@pytest.mark.parametrize(("script", "status", "exit_code", "calls"), ENDS)
@pytest.mark.parametrize("action", ["update", "subscription_number", "sync_address", "sync_subscriptions"])
def test_every_answer_has_its_end(action, script, status, exit_code, calls):
    r = one_action(action, script)
    before = r.store.account(account_id("a"))
    report = r.apply()
    assert (statuses(report), report.exit_code) == ([status], exit_code)
    assert len(r.payway.requests) == calls == report.steps[0].attempts
    doubts = r.store.account(account_id("a")).doubts if r.store.account(account_id("a")) else ()
    assert len(doubts) == (1 if status == "in_doubt" else 0)
    if status in ("rejected", "skipped"):
        assert (r.store.account(account_id("a")) or before).digest() == before.digest()
    assert r.store.lock() is None
    assert all(after in ("applied", "rejected", "in_doubt", "skipped") for after in [r.journal()[-1][2]])


# The same for `reactivate`: known as cancelled with its term running, unless it says otherwise.
REACTIVATED = [
    ([None], "applied", 0, 0),
    ([THROTTLED, None], "applied", 0, 1),
    ([THROTTLED, error(409, "invalid_state")], "rejected", 7, 1),
    ([error(409, "invalid_state")], "rejected", 7, 0),
    ([LOST, None], "applied", 0, 30),
    ([LOST, error(409, "invalid_state")], "assumed", 0, 30),
    ([LOST, LOST], "in_doubt", 8, 30),
    ([LOST, THROTTLED, error(409, "invalid_state")], "assumed", 0, 32),
    ([LOST, error(404, "not_found")], "rejected", 7, 30),
]


@pytest.mark.parametrize(("script", "status", "exit_code", "waited"), REACTIVATED)
def test_a_lost_reactivate_is_sent_once_more_after_the_cool_down(script, status, exit_code, waited):
    r = one_action("reactivate", script)
    report = r.apply()
    assert (statuses(report), report.exit_code, r.clock.slept) == ([status], exit_code, waited)
    [product] = r.store.account(account_id("a")).user_products
    assert product.state == ("activated" if status in ("applied", "assumed") else "cancelled")


def test_without_a_known_end_a_refused_repeat_needs_a_person():
    r = rig(
        wants("a", want("p", state="activated")),
        has("a", have("p", state="cancelled", service="tulo")),
        [LOST, error(409, "invalid_state")],
    )
    report = r.apply()
    assert (statuses(report), report.exit_code) == (["in_doubt"], 8)
    assert "reconciler resolve" in report.steps[0].message
    assert statuses(r.resume()) == ["in_doubt"]
    assert len(r.payway.requests) == 2


def test_an_answer_for_another_object_is_never_repeated():
    r = rig(*updates("a"), [answer(id=user_product_id("other"))])
    assert r.apply().exit_code == 8
    assert r.resume().exit_code == 8
    assert len(r.payway.requests) == 1


def test_an_adopted_product_may_not_take_the_id_of_another():
    declared = wants("a", want("p", state="activated"))
    r = rig(declared, has("a", have("q", state="activated")), [answer(id=user_product_id("q"))])
    assert statuses(r.apply()) == ["in_doubt"]
    r = rig(declared, has("a", have("q", state="activated")))
    assert statuses(r.apply()) == ["applied"]
    assert [p.user_product_id for p in r.store.account(account_id("a")).user_products] == [
        user_product_id("p"),
        user_product_id("q"),
    ]


def test_each_try_has_its_own_intent_and_outcome():
    r = rig(*updates("a"), [LOST, THROTTLED, None])
    r.apply()
    assert r.journal() == [
        (1, 1, "intent"), (1, 1, "in_doubt"), (1, 2, "intent"), (1, 2, "in_doubt"), (1, 3, "intent"), (1, 3, "applied"),
    ]  # fmt: skip


def test_the_place_of_a_refused_value_is_told():
    r = rig(*updates("a"), [INVALID])
    [step] = r.apply().steps
    assert step.message.startswith("manifests/a.yaml:12: ")
    assert (step.source.file, step.source.line, step.field) == ("manifests/a.yaml", 12, "valid_to")


def test_a_fresh_token_is_fetched_once_a_call_and_not_counted_as_a_try():
    r = rig(*updates("a", "b"), [answer(401), None, answer(401), None], settings=ApplySettings(tries=1))
    assert r.apply().exit_code == 0
    assert r.payway.renewals == 2


def test_a_token_refused_again_later_in_the_same_call_is_not_renewed_again():
    r = rig(*updates("a", "b"), [answer(401), answer(503), answer(401)])
    report = r.apply()
    assert (report.exit_code, report.stopped_by, r.payway.renewals) == (69, "unauthorized", 1)
    assert statuses(report) == ["in_doubt", "not_reached"]


def test_a_token_that_cannot_be_renewed_stops_the_run():
    r = rig(*updates("a", "b"), [answer(401)])
    r.payway.can_renew = False
    report = r.apply()
    assert (report.exit_code, report.stopped_by, len(r.payway.requests)) == (69, "unauthorized", 1)
    assert "/external/userproduct/w" in report.steps[0].message


# --- What a failed step means for the rest ---


def test_a_failed_step_skips_the_later_ones_of_its_account_only():
    declared, known = all_five("a")
    more, more_known = updates("b", "c")
    r = rig([declared, *more], [known, *more_known], [None, INVALID, INVALID])
    report = r.apply()
    assert r.sent() == ["reactivate", "update", "update", "update"]
    assert statuses(report) == ["applied", "rejected", "skipped", "skipped", "skipped", "rejected", "applied"]
    assert {step.code for step in report.steps[2:5]} == {"behind-failed-step"}
    assert (report.status, report.exit_code) == ("finished", 7)
    assert len(r.store.account(account_id("a")).user_products) == 1


def test_a_doubtful_step_skips_the_later_ones_of_its_account():
    r = rig(*all_five(), [None, *[LOST] * 4])
    report = r.apply()
    assert statuses(report) == ["applied", "in_doubt", "skipped", "skipped", "skipped"]
    assert {step.code for step in report.steps[2:]} == {"behind-unsettled-step"}
    assert (report.status, report.exit_code, report.stopped_by) == ("stopped", 8, "in-doubt")


def test_a_step_whose_time_is_over_is_not_sent_nor_are_those_behind_it():
    r = rig(*all_five())
    r.clock.moment = NOW + timedelta(days=6, hours=13)
    r.plan = replace(r.plan, expires_at="2027-01-01T00:00:00Z")
    r.clock.moment = r.clock.moment.replace(month=12, day=1, hour=0, minute=0)
    report = r.apply()
    assert [step.code for step in report.steps] == ["too-late"] + ["behind-failed-step"] * 4
    assert (r.payway.requests, report.exit_code, report.status) == ([], 7, "finished")


def test_a_time_that_passes_while_waiting_counts_too():
    r = one_action("reactivate", [THROTTLED])
    [step] = r.plan.steps
    r.plan = replace(r.plan, steps=(replace(step, not_after=minute_of(NOW) + 1),))
    r.clock.moment = NOW + timedelta(seconds=59)
    report = r.apply()
    assert (statuses(report), report.steps[0].code, len(r.payway.requests)) == (["skipped"], "too-late", 1)
    r = one_action("reactivate", [LOST])
    r.plan = replace(r.plan, steps=(replace(step, not_after=minute_of(NOW) + 1),))
    r.clock.moment = NOW + timedelta(seconds=59)
    assert (statuses(r.apply()), len(r.payway.requests)) == (["in_doubt"], 1)


# --- Stopping ---


def many(count, script):
    return rig(*updates(*[f"a{n:02d}" for n in range(count)]), script)


def test_ten_failed_accounts_stop_the_run():
    r = many(12, [error(404, "not_found")] * 12)
    report = r.apply()
    assert (len(r.payway.requests), report.stopped_by, report.exit_code, report.status) == (
        10,
        "max-failures",
        7,
        "stopped",
    )
    assert report.counts["not_reached"] == 2


def test_failures_at_the_very_end_stop_nothing():
    report = many(10, [error(404, "not_found")] * 10).apply()
    assert (report.status, report.stopped_by, report.exit_code) == ("finished", None, 7)


@pytest.mark.parametrize(
    ("bad", "reason", "exit_code"),
    [
        ([LOST] * 12, "unclear", 8),
        ([THROTTLED] * 12, "unreachable", 69),
        ([REFUSED] * 12, "unreachable", 69),
        ([REFUSED] * 8 + [LOST] * 4, "unclear", 8),
    ],
)
def test_three_calls_in_a_row_that_run_out_of_tries_stop_the_run(bad, reason, exit_code):
    r = many(5, bad)
    report = r.apply()
    assert (report.stopped_by, report.exit_code, report.status) == (reason, exit_code, "stopped")
    assert len(r.payway.requests) == 12
    assert report.counts["not_reached"] == 2


def test_unreachable_at_the_last_step_leaves_the_run_open():
    report = many(3, [REFUSED] * 12).apply()
    assert (report.status, report.exit_code) == ("stopped", 69)


@pytest.mark.parametrize("between", [None, INVALID])
def test_an_answer_in_between_ends_the_row(between):
    report = many(5, [*[REFUSED] * 8, between, *[REFUSED] * 8]).apply()
    assert (report.status, report.stopped_by) == ("finished", None)


def test_one_field_refused_three_times_in_a_row_stops_the_run():
    r = many(5, [INVALID] * 5)
    report = r.apply()
    assert (len(r.payway.requests), report.stopped_by, report.exit_code) == (3, "same-field", 7)


@pytest.mark.parametrize("between", [None, error(400, "invalid_parameter", "state"), error(404, "not_found")])
def test_other_answers_in_between_end_that_row(between):
    report = many(5, [INVALID, INVALID, between, INVALID, INVALID]).apply()
    assert report.stopped_by is None


def test_an_answer_that_stops_the_run_leaves_its_step_to_resume():
    r = many(3, [None, error(400, "configuration_error")])
    report = r.apply()
    assert (statuses(report), report.stopped_by) == (["applied", "skipped", "not_reached"], "configuration-error")
    assert statuses(r.resume()) == ["applied"] * 3


def test_a_signal_finishes_the_call_in_flight():
    r = many(3, [])
    r.stop = lambda: bool(r.payway.requests)
    report = r.apply()
    assert (statuses(report), report.exit_code) == (["applied", "not_reached", "not_reached"], 130)
    assert (report.status, report.stopped_by) == ("stopped", "signal")
    assert r.store.lock() is None


def test_a_signal_after_the_last_call_stops_nothing():
    r = many(1, [])
    r.stop = lambda: bool(r.payway.requests)
    assert r.apply().exit_code == 0


@pytest.mark.parametrize(("answered", "status"), [(THROTTLED, "skipped"), (LOST, "in_doubt")])
def test_a_signal_cuts_waiting_short_also_at_the_last_step(answered, status):
    r = many(1, [answered])
    r.stop = lambda: r.clock.slept >= 0.5
    report = r.apply()
    assert (statuses(report), report.exit_code, report.stopped_by) == ([status], 130, "signal")
    assert r.clock.slept == 0.5
    r.stop = lambda: False
    assert statuses(r.resume()) == ["applied"]


def test_limit_duration_and_rate():
    r = many(4, [])
    report = r.apply(limit=3)
    assert (len(r.payway.requests), report.stopped_by, report.exit_code, report.status) == (3, "limit", 7, "stopped")
    assert r.apply().exit_code == 0

    r = many(4, [THROTTLED])
    report = r.apply(max_duration=1)
    assert (len(r.payway.requests), report.stopped_by, report.exit_code) == (2, "max-duration", 7)

    r = many(4, [])
    assert r.apply(rate=0.1).exit_code == 0
    assert r.clock.slept == 30

    r = many(4, [])
    r.stop = lambda: r.clock.slept >= 5
    report = r.apply(rate=0.1)
    assert (statuses(report), report.exit_code) == (["applied", *["not_reached"] * 3], 130)


def test_a_limit_that_is_enough_stops_nothing():
    assert many(3, []).apply(limit=3).status == "finished"


def test_the_waiting_of_a_run_is_bounded():
    r = rig(*updates(*[f"a{n:02d}" for n in range(9)]), [answer(429, retry_after="100")] * 99)
    r.settings = ApplySettings(jitter=False, max_unclear=99)
    r.apply()
    assert r.clock.slept == 300
    assert len(r.payway.requests) == 4 + 8


# --- The lock and the store ---


def test_a_lock_that_was_taken_away_stops_before_the_next_call_but_not_the_truth():
    r = many(3, [])

    def unlock(_):
        if len(r.payway.requests) == 1:
            r.store.break_lock("run-1")

    r.payway.before = unlock
    with pytest.raises(Locked):
        r.apply()
    assert len(r.payway.requests) == 2
    assert r.journal()[-1] == (2, 1, "applied")
    assert r.run.status == "running"
    assert statuses(r.resume()) == ["applied"] * 3


def test_a_held_lock_and_an_unfinished_run_are_in_the_way():
    r = many(3, [])
    r.store.acquire(r.holder())
    with pytest.raises(Locked):
        r.apply()
    assert r.payway.requests == []

    r = many(3, [])
    r.apply(limit=1)
    other = rig(*updates("b"))
    other.store = r.store
    with pytest.raises(Locked, match="isn't finished") as caught:
        other.apply()
    assert "resume" in caught.value.hint and "abandon" in caught.value.hint
    assert r.store.lock() is None


class BrokenStore:
    """A store whose n-th change fails."""

    def __init__(self, store, failing, error):
        self.store = store
        self.failing = failing
        self.error = error
        self.changes = 0

    def __getattr__(self, name):
        return getattr(self.store, name)

    @contextmanager
    def change(self, fence=None):
        self.changes += 1
        if self.changes == self.failing:
            raise self.error
        with self.store.change(fence) as change:
            yield change


def test_an_intent_that_cannot_be_written_is_not_sent():
    r = many(2, [])
    r.store = BrokenStore(r.store, 2, StoreFailed("disk full"))
    with pytest.raises(StoreFailed):
        r.apply()
    assert r.payway.requests == []
    assert r.run.status == "running"
    assert r.store.lock() is None


def test_an_outcome_that_cannot_be_written_is_put_aside_and_stops_the_run():
    r = many(2, [])
    r.store = BrokenStore(r.store, 3, StoreFailed("disk full"))
    with pytest.raises(StoreFailed, match="step 1") as caught:
        r.apply()
    assert len(r.payway.requests) == 1
    [entry] = r.put_aside
    assert (entry.step, entry.status, entry.answered_id) == (1, "applied", user_product_id("p"))
    assert "state recover" in caught.value.hint
    assert r.journal() == [(1, 1, "intent")]
    assert r.store.lock() is None


def test_if_even_that_fails_the_entry_is_told():
    def fails(entry):
        raise OSError("read-only")

    r = many(2, [])
    r.store = BrokenStore(r.store, 3, StoreFailed("disk full"))
    r.put_aside = type("Full", (), {"append": staticmethod(fails)})()
    with pytest.raises(StoreFailed) as caught:
        r.apply()
    assert '"status":"applied"' in caught.value.details[-1]


# --- Going on ---


def test_apply_of_a_plan_whose_run_is_open_goes_on_with_it():
    r = many(4, [])
    r.apply(limit=2)
    report = r.apply()
    assert (statuses(report), report.run_id, len(r.payway.requests)) == (["applied"] * 4, "run-1", 4)
    with pytest.raises(StalePlan, match="already"):
        r.apply()


def test_resume_settles_doubts_and_sends_the_rest():
    r = rig(*all_five(), [None, *[LOST] * 4])
    assert r.apply().exit_code == 8
    report = r.resume()
    assert (statuses(report), report.exit_code, report.status) == (["applied"] * 5, 0, "finished")
    assert r.store.account(account_id("a")).doubts == ()


def test_resume_leaves_failures_and_what_is_behind_them():
    declared, known = all_five("a")
    more, more_known = updates("b", "c")
    r = rig([declared, *more], [known, *more_known], [None, INVALID])
    r.apply(limit=3)
    before = len(r.payway.requests)
    report = r.resume()
    assert statuses(report) == ["applied", "rejected", "skipped", "skipped", "skipped", "applied", "applied"]
    assert len(r.payway.requests) == before + 1


def test_resume_skips_what_is_behind_a_failure_that_the_run_ended_with():
    r = rig(*all_five(), [None, INVALID])
    r.stop = lambda: len(r.payway.requests) == 2
    assert statuses(r.apply()) == ["applied", "rejected", *["not_reached"] * 3]
    r.stop = lambda: False
    report = r.resume()
    assert (statuses(report), report.status) == (["applied", "rejected", *["skipped"] * 3], "finished")
    assert len(r.payway.requests) == 2


def test_resume_after_expiry_only_settles_doubts():
    r = many(3, [*[LOST] * 4])
    r.apply(limit=1)
    r.clock.moment = NOW + timedelta(days=2)
    report = r.resume()
    assert statuses(report) == ["applied", "not_reached", "not_reached"]
    assert (report.stopped_by, report.exit_code, report.status) == ("expired", 7, "stopped")
    assert r.resume(expired=True).exit_code == 0


@pytest.mark.parametrize(("later", "waited"), [(0, 30), (10, 20), (3600, 0)])
def test_resume_cools_down_only_as_long_as_needed(later, waited):
    r = one_action("sync_address", [LOST])
    r.settings = ApplySettings(tries=1)
    r.apply()
    r.clock.moment += timedelta(seconds=later)
    assert statuses(r.resume()) == ["applied"]
    assert r.clock.slept == waited


def test_accounts_known_differently_meanwhile_are_left_out():
    r = many(3, [])
    r.apply(limit=1)
    with r.store.change() as change:
        change.put_account(has("a01", have("p", state="activated", to="2030-01-01")))
    report = r.resume()
    assert statuses(report) == ["applied", "skipped", "applied"]
    assert report.steps[1].code == "stale"
    assert (report.status, report.exit_code) == ("finished", 7)


def test_a_doubt_on_an_account_known_differently_waits_for_a_person_or_an_import():
    r = many(2, [*[LOST] * 4])
    r.apply(limit=1)
    doubted = r.store.account(account_id("a00"))
    with r.store.change() as change:
        change.put_account(replace(doubted, customer_number="8"))
    report = r.resume()
    assert (statuses(report), report.exit_code, report.status) == (["in_doubt", "applied"], 8, "stopped")
    with r.store.change() as change:
        change.put_account(replace(doubted, customer_number="8", doubts=()))
    report = r.resume()
    assert (statuses(report), report.exit_code, report.status) == (["skipped", "applied"], 7, "finished")
    assert len(r.payway.requests) == 5


def test_an_account_known_differently_stays_left_out_while_its_doubt_stands():
    r = rig(*all_five(), [None, *[LOST] * 4])
    r.apply()
    with r.store.change() as change:
        change.put_account(replace(r.store.account(account_id("a")), customer_number="8"))
    for _ in range(2):
        report = r.resume()
        assert statuses(report) == ["applied", "in_doubt", *["skipped"] * 3]
        assert {step.code for step in report.steps[2:]} == {"stale"}
    assert len(r.payway.requests) == 5


def test_a_finished_run_cannot_be_resumed():
    r = many(1, [])
    r.apply()
    with pytest.raises(StalePlan, match="nothing to resume"):
        r.resume()
