"""Plans carried out on the simulator: every call is one that Payway takes, and then nothing is left to do."""

import json
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.planning import NOW, has, have, plan, told, user_product_id, want, wants

from reconciler.instants import minute_of
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World


def carried_out(declared, known, made, service=None):
    """The answers to a plan's calls and what an export would say afterwards."""
    world = World.from_known(known, lambda: NOW, declared=declared)
    simulator = Simulator(world, clock=lambda: NOW, provision_service=service)
    answers = [simulator.send(step.request) for step in made.steps]
    return answers, tuple(world.known(minute_of(NOW)))


def without_syncs(declared):
    """Nothing reads back whether a sync was done."""
    return tuple(replace(account, sync={}) for account in declared)


def is_overtaken(product):
    """True for a product that is still known as pending although its whole window is over.

    Payway has ended it by now, which an `update` without ``state`` doesn't undo: only a newer import tells.
    """
    return product.state == "pending" and isinstance(product.valid_to, int) and product.valid_to <= minute_of(NOW)


def key(item):
    return item.account_id, item.product_id


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(tidy=True), st.sampled_from((None, "tulo", "kayak")))
def test_every_call_for_known_products_is_taken_and_nothing_is_left_but_blocks(fleet, service):
    assume(not any(is_overtaken(product) for account in fleet.known for product in account.user_products))
    made = plan(fleet.declared, fleet.known, provision_service=service)
    answers, known = carried_out(fleet.declared, fleet.known, made, service)
    for step, answer in zip(made.steps, answers, strict=True):
        assert answer.status == 200, (step, answer.body)
        assert json.loads(answer.body)["id"] == (step.user_product_id or step.account_id)
    again = plan(without_syncs(fleet.declared), known, provision_service=service)
    waited = {key(finding) for finding in (*made.deferred, *made.blocked)}
    assert {key(step) for step in again.steps} <= waited
    if not waited:
        assert (again.steps, again.deferred, again.blocked) == ((), (), ())


def test_an_exchange_of_two_subscriptions():
    known = [has("x", have("a", state="activated", type="recurring"), have("b", state="cancelled", to="2026-12-01"))]
    declared = [wants("x", want("a", state="deactivated"), want("b", state="activated", to="2027-12-01", number="7"))]
    made = plan(declared, known)
    answers, after = carried_out(declared, known, made)
    assert told(made).steps == ("reactivate b", "update b: valid_to", "subscription_number b", "update a: state")
    assert [json.loads(answer.body) for answer in answers] == [
        {"id": user_product_id("b")}, {"id": user_product_id("b")}, {"id": user_product_id("b")},
        {"id": user_product_id("a")},
    ]  # fmt: skip
    assert told(plan(declared, after)).steps == ()


def test_a_deferred_call_comes_with_the_next_plan():
    known = [has("x", have("a", user=None, state="cancelled", type="limited", to="2026-12-01"))]
    declared = [wants("x", want("a", state="activated", to="2027-12-01", number="7"))]
    first = plan(declared, known)
    assert told(first).steps == ("update a: valid_to",)
    answers, after = carried_out(declared, known, first)
    assert [answer.status for answer in answers] == [200]
    second = plan(declared, after)
    assert told(second).steps == ("reactivate a", "subscription_number a")
    answers, after = carried_out(declared, after, second)
    assert [answer.status for answer in answers] == [200, 200]
    assert told(plan(declared, after)).steps == ()
