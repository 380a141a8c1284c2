"""The view says what a plan holds: readers by the worst that happens to them, old → new, and what to type next."""

from dataclasses import replace

import pytest

from reconciler.plan import FieldChange, KnownInfo, ProductAccess, Refusal
from reconciler.render.counts import Readers
from reconciler.render.next_command import Invocation
from reconciler.render.view import view_plan, view_step


def with_impacts(plan, *impacts, products=None):
    """The plan with only the first account's steps: one step of an own product for each impact."""
    step = plan.steps[1]
    ids = products or [f"{number:024x}" for number in range(len(impacts))]
    steps = tuple(
        replace(step, number=number + 1, impact=impact, user_product_id=ids[number])
        for number, impact in enumerate(impacts)
    )
    return replace(plan, steps=steps, accounts=plan.accounts[:1])


def test_readers_of_the_sample(plan):
    assert view_plan(plan).counts.readers == Readers(gain=1, lose=1, shorter=0, keep=1)


@pytest.mark.parametrize(
    ("impacts", "readers"),
    [
        (["grant"], Readers(gain=1)),
        (["extend", "neutral"], Readers(longer=1)),
        (["extend", "grant"], Readers(gain=1)),
        (["neutral"], Readers(keep=1)),
        (["shorten", "grant"], Readers(shorter=1)),
        (["grant", "revoke", "shorten"], Readers(lose=1)),
    ],
)
def test_a_reader_counts_once_by_the_worst_of_the_products(plan, impacts, readers):
    assert view_plan(with_impacts(plan, *impacts)).counts.readers == readers


@pytest.mark.parametrize(
    ("before", "after", "readers"),
    [
        # Reactivation opens the term, the update ends it later than the reader would have lost it.
        (((0, 30_000_000),), ((0, 40_000_000),), Readers(gain=1)),
        (((0, 40_000_000),), ((0, 30_000_000),), Readers(shorter=1)),
        (((0, 40_000_000),), (), Readers(shorter=1)),
        (None, ((0, 40_000_000),), Readers(shorter=1)),
        ((), ((0, 30_000_000),), Readers(gain=1)),
    ],
)
def test_a_product_with_two_steps_counts_by_what_is_left_in_the_end(plan, before, after, readers):
    both = with_impacts(plan, "grant", "shorten", products=["a" * 24, "a" * 24])
    product = ProductAccess(both.steps[0].product_id, "a" * 24, before, after)
    both = replace(both, accounts=(replace(both.accounts[0], user_products=(product,)),))
    assert view_plan(both).counts.readers == readers


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (FieldChange("state", None, "activated"), "(none known)", "activated"),
        (FieldChange("state", "", "activated"), "(none)", "activated"),
        (FieldChange("sync.address", None, "word"), "(none)", "word"),
        (FieldChange("valid_to", "2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z"),
         "2026-11-30 18:30 -0530", "2027-11-30 18:30 -0530"),
        (FieldChange("valid_from", "2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z"),
         "2026-12-01 00:00 UTC", "2027-12-01 00:00 UTC"),
        (FieldChange("valid_to", "nonsense", "9999-99-99"), "nonsense", "9999-99-99"),
    ],
)  # fmt: skip
def test_old_and_new_in_words(plan, change, before, after):
    step = plan.steps[1]
    body = dict(step.request.body) | {"valid_to": "2027-11-30 18:30 -0530"}
    step = replace(step, changes=(change,), request=replace(step.request, body=body))
    [found] = view_step(step).changes
    assert (found.before, found.after) == (before, after)


def test_a_time_in_a_strange_body_is_shown_as_it_is(plan):
    for text in ("", "x", "12", "soon +9999999", "+12ab"):
        step = replace(plan.steps[1], request=replace(plan.steps[1].request, body={"valid_to": text}))
        assert view_step(step).changes[0].after


def test_accounts_come_in_plan_order_with_their_steps(plan):
    found = [(account.account_id, [step.number for step in account.steps]) for account in view_plan(plan).accounts()]
    assert found == [(plan.accounts[0].account_id, [1, 2, 3, 4]), (plan.accounts[1].account_id, [5]),
                     (plan.accounts[2].account_id, [6])]  # fmt: skip


NO_LINEAGE = KnownInfo(None, None, None)


@pytest.mark.parametrize(
    ("changes", "invocation", "command"),
    [
        ({}, Invocation(), "reconciler apply -e stage --accept=revoked --accept=adopted"),
        ({}, Invocation(saved_as="plan.json"), "reconciler apply plan.json"),
        ({}, Invocation("my plan.json", ("north",), ("--state=sqlite:///x.db",)),
         "reconciler apply --state=sqlite:///x.db 'my plan.json'"),
        ({"refusals": ()}, Invocation(paths=("a b", "c")), "reconciler apply -e stage 'a b' c"),
        ({"refusals": (), "what_if": True}, Invocation(), "reconciler plan -e stage"),
        ({"refusals": (Refusal("revoked", "1", "2", False, "two"),)}, Invocation("p.json"),
         "reconciler plan -e stage --accept=revoked --out p.json"),
        ({"refusals": (), "known_state": NO_LINEAGE}, Invocation("p.json"),
         "reconciler apply -e stage --expect sha256:" + "3" * 64),
        ({"refusals": (), "steps": ()}, Invocation(), "reconciler plan -e stage"),
        ({"refusals": (), "steps": (), "blocked": ()}, Invocation(), None),
    ],
)  # fmt: skip
def test_the_next_command(accepted, changes, invocation, command):
    assert view_plan(replace(accepted, **changes), invocation).next.command == command


def test_the_next_command_selects_what_was_selected(accepted):
    chosen = replace(accepted, manifests=replace(accepted.manifests, select=("owner=a b",)), refusals=())
    assert view_plan(chosen).next.command == "reconciler apply -e stage '--select=owner=a b'"


def test_numbers_do_not_come_from_the_summary_where_the_plan_holds_the_things(plan):
    counts = view_plan(replace(plan, summary={"blocked": 99, "unmanaged": 99, "update": 99})).counts
    assert (counts.blocked, counts.unmanaged, dict(counts.calls)["update"]) == (1, 2, 3)
