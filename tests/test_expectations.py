"""`--expect`: what may run of what somebody reviewed (contract, section 4)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planning import plan as made
from support.running import all_five, updates

from reconciler.errors import StalePlan
from reconciler.expectations import DIGEST, accepted_by, check_digest, check_plan
from reconciler.plan import IMPACTS, Refusal
from reconciler.planfile import seal

REVIEWED = seal(made(*([account] for account in all_five())))


def with_steps(plan, steps):
    """A plan that makes these steps, numbered anew."""
    return seal(replace(plan, steps=tuple(replace(step, number=n) for n, step in enumerate(steps, start=1))))


def refused(plan, reviewed=REVIEWED):
    with pytest.raises(StalePlan) as raised:
        check_plan(plan, reviewed)
    return raised.value


# --- A digest ---


def test_a_digest_stands_for_the_same_calls_whenever_they_were_planned():
    later = seal(replace(REVIEWED, as_of="2026-11-24T11:00:00Z", expires_at="2026-11-25T11:00:00Z"))
    assert later.plan_id != REVIEWED.plan_id
    check_digest(later, REVIEWED.steps_digest)


def test_a_digest_stands_for_all_the_calls():
    with pytest.raises(StalePlan) as raised:
        check_digest(with_steps(REVIEWED, REVIEWED.steps[1:]), REVIEWED.steps_digest)
    assert REVIEWED.steps_digest in raised.value.details[0]
    assert "plan --out" in raised.value.hint


@pytest.mark.parametrize("change", [{"environment": "production"}, {"host": "http://127.0.0.1:1"}])
def test_a_digest_stands_for_one_place(change):
    with pytest.raises(StalePlan):
        check_digest(seal(replace(REVIEWED, **change)), REVIEWED.steps_digest)


@pytest.mark.parametrize(
    ("text", "is_digest"),
    [
        ("sha256:" + "0" * 64, True),
        ("sha256:" + "0" * 63, False),
        ("sha256:" + "A" * 64, False),
        ("sha256:" + "0" * 64 + "\n", False),
        ("plan.json", False),
    ],
)
def test_what_a_digest_looks_like(text, is_digest):
    assert bool(DIGEST.fullmatch(text)) is is_digest


# --- A plan ---


@given(st.lists(st.booleans(), min_size=len(REVIEWED.steps), max_size=len(REVIEWED.steps)))
def test_any_part_of_what_was_reviewed_may_run_in_its_order(kept):
    steps = [step for step, keep in zip(REVIEWED.steps, kept, strict=True) if keep]
    check_plan(with_steps(REVIEWED, steps), REVIEWED)


@given(st.permutations(range(len(REVIEWED.steps))))
def test_another_order_may_not(order):
    plan = with_steps(REVIEWED, [REVIEWED.steps[place] for place in order])
    if list(order) == sorted(order):
        check_plan(plan, REVIEWED)
    else:
        assert "comes in another order" in " ".join(refused(plan).details)


def test_a_step_that_nobody_saw_may_not():
    assert refused(REVIEWED, with_steps(REVIEWED, REVIEWED.steps[1:])).details == (
        f"step 1: reactivate of account {REVIEWED.steps[0].account_id} isn't in it",
    )


def test_every_surprise_is_told():
    assert len(refused(REVIEWED, with_steps(REVIEWED, ())).details) == len(REVIEWED.steps)


def test_another_body_is_another_step():
    [first, *others] = REVIEWED.steps
    body = {**first.request.body, "user_product_id": "f" * 24}
    changed = replace(first, request=replace(first.request, body=body))
    assert "isn't in it" in refused(with_steps(REVIEWED, [changed, *others])).details[0]


def test_the_same_fields_in_another_order_are_another_body():
    [first, *others] = REVIEWED.steps
    body = dict(reversed(first.request.body.items()))
    changed = replace(first, request=replace(first.request, body=body))
    assert "isn't in it" in refused(with_steps(REVIEWED, [changed, *others])).details[0]


def test_a_sync_of_another_account_is_another_step():
    changed = [replace(step, account_id="f" * 24) if step.action == "sync_address" else step for step in REVIEWED.steps]
    assert "sync_address" in refused(with_steps(REVIEWED, changed)).details[0]


@pytest.mark.parametrize("before", IMPACTS)
@pytest.mark.parametrize("now", IMPACTS)
def test_the_impact_may_be_better_but_not_worse(before, now):
    [step, *others] = REVIEWED.steps
    reviewed = with_steps(REVIEWED, [replace(step, impact=before), *others])
    plan = with_steps(REVIEWED, [replace(step, impact=now), *others])
    if IMPACTS.index(now) <= IMPACTS.index(before):
        check_plan(plan, reviewed)
    else:
        assert refused(plan, reviewed).details[0].endswith(f"would {now}, not {before}")


def test_what_was_reviewed_once_runs_once():
    [first, *_] = REVIEWED.steps
    assert "in it less often" in refused(with_steps(REVIEWED, [first, first])).details[0]
    check_plan(with_steps(REVIEWED, [first, first]), with_steps(REVIEWED, [first, first]))


def test_the_reason_and_what_was_known_may_differ():
    steps = [replace(step, reason="another", known="sha256:" + "0" * 64, not_after=None) for step in REVIEWED.steps]
    check_plan(with_steps(REVIEWED, steps), REVIEWED)


def test_what_another_merge_brings_is_a_surprise():
    one, both = (seal(made(*updates(*names))) for names in (("a",), ("a", "b")))
    check_plan(one, both)
    assert len(refused(both, one).details) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": "production"}, "the reviewed plan is for production"),
        ({"host": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ({"what_if": True}, "is a what-if"),
    ],
)
def test_a_review_of_something_else_counts_for_nothing(change, said):
    assert said in refused(REVIEWED, seal(replace(REVIEWED, **change))).message


def test_a_review_that_has_expired_still_counts():
    # The plan that runs is a new one, made now.
    check_plan(REVIEWED, seal(replace(REVIEWED, expires_at="2000-01-01T00:00:00Z")))


def test_what_the_review_accepted_is_accepted():
    refusals = tuple(
        Refusal(guard, "1", "2", accepted, "") for guard, accepted in (("revoked", True), ("blocked", False))
    )
    assert accepted_by(replace(REVIEWED, refusals=refusals)) == ("revoked",)
