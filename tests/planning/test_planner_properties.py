"""What holds of every plan, whatever is declared and known."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.planning import CONTEXT, NOW, plan, view

from reconciler.applying.learning import learn
from reconciler.instants import Moment, clock_text, minute_of
from reconciler.model import PRODUCT_FIELDS, UNKNOWN, product_order
from reconciler.operations import BY_ACTION
from reconciler.plan import IMPACTS, TAKING
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.planning import make_plan

thorough = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
services = st.sampled_from((None, "tulo", "kayak"))


def key(item):
    """What a step or finding is about, whichever of its ids are known by then."""
    return item.account_id, item.product_id if item.product_id is not None else item.user_product_id


# --- Again and again ---


def applied(known, made):
    """Known accounts after every step of a plan has worked; an answer to a new product teaches a new id."""
    accounts = {account.account_id: account for account in known}
    for step in made.steps:
        answered = step.user_product_id
        if BY_ACTION[step.action].answers == "user_product" and answered is None:
            assert step.action == "update"
            answered = "33" + step.product_id[2:]
        accounts[step.account_id] = learn(accounts.get(step.account_id), step, answered, clock_text(NOW))
    return tuple(accounts.values())


@thorough
@given(fleets(), services)
def test_after_a_clean_apply_a_plan_holds_only_what_was_deferred_or_blocked(fleet, service):
    first = plan(fleet.declared, fleet.known, provision_service=service)
    known = applied(fleet.known, first)
    again = plan(fleet.declared, known, provision_service=service)
    waited = {key(finding) for finding in (*first.deferred, *first.blocked)}
    assert {key(step) for step in again.steps if step.product_id is not None} <= waited
    syncs = {step.account_id for step in again.steps if step.product_id is None and step.user_product_id is None}
    assert syncs == set()


@thorough
@given(fleets(), services)
def test_once_what_was_deferred_is_done_nothing_is_left_but_blocks(fleet, service):
    known = fleet.known
    for _ in range(3):
        made = plan(fleet.declared, known, provision_service=service)
        known = applied(known, made)
    last = plan(fleet.declared, known, provision_service=service)
    assert (last.steps, last.deferred) == ((), ())
    assert sum(last.summary[action] for action in BY_ACTION) == 0


@thorough
@given(fleets(tidy=True, complete=True))
def test_without_blocks_and_deferrals_the_plan_after_a_clean_apply_is_empty(fleet):
    first = plan(fleet.declared, fleet.known)
    if first.blocked:
        # Leave out what is blocked, as a person would.
        blocked = {key(finding) for finding in first.blocked}
        declared = tuple(
            replace(a, user_products=tuple(p for p in a.user_products if (a.account_id, p.product_id) not in blocked))
            for a in fleet.declared
        )
        first = plan(declared, fleet.known)
    else:
        declared = fleet.declared
    again = plan(declared, applied(fleet.known, first))
    assert (again.steps, again.deferred, again.blocked) == ((), (), first.blocked)


# --- Sameness ---


@thorough
@given(fleets(), st.randoms(use_true_random=False), services)
def test_shuffling_products_documents_and_known_products_changes_no_byte(fleet, chance, service):
    def shuffled(items):
        return tuple(chance.sample(items, len(items)))

    text = plan_text(seal(plan(fleet.declared, fleet.known, provision_service=service)))
    declared = shuffled([replace(a, user_products=shuffled(a.user_products)) for a in fleet.declared])
    known = shuffled(list(fleet.known))
    assert plan_text(seal(plan(declared, known, provision_service=service))) == text


@thorough
@given(fleets(), services)
def test_a_plan_read_back_is_the_plan(fleet, service):
    sealed = seal(plan(fleet.declared, fleet.known, provision_service=service))
    assert read_plan(plan_text(sealed), name="plan.json") == sealed


@thorough
@given(fleets(), st.integers(0, 59))
def test_seconds_change_nothing_that_is_done(fleet, seconds):
    later = plan(fleet.declared, fleet.known, now=NOW + timedelta(seconds=seconds))
    assert replace(later, as_of="", expires_at="") == replace(
        plan(fleet.declared, fleet.known), as_of="", expires_at=""
    )


@thorough
@given(fleets())
def test_planning_changes_nothing_that_it_reads(fleet):
    before = [account.digest() for account in fleet.known], [account.to_json() for account in fleet.declared]
    plan(fleet.declared, fleet.known)
    assert before == ([account.digest() for account in fleet.known], [a.to_json() for a in fleet.declared])


@thorough
@given(fleets())
def test_accounts_are_planned_apart(fleet):
    """Each account's part is the one that it would have alone, but for numbers and whose turn it is."""
    whole = plan(fleet.declared, fleet.known)
    for account in fleet.declared:
        alone = plan([account], fleet.known, select=("account=this",))
        own = [replace(step, number=0) for step in whole.steps if step.account_id == account.account_id]
        assert own == [replace(step, number=0) for step in alone.steps]
        assert [f for f in whole.blocked if f.account_id == account.account_id] == list(alone.blocked)
        assert [f for f in whole.warnings if f.account_id == account.account_id] == list(alone.warnings)


@thorough
@given(fleets())
def test_accounts_may_come_as_a_stream(fleet):
    ordered = sorted(fleet.declared, key=lambda account: account.account_id)
    streamed = make_plan(iter(ordered), view(fleet.known), CONTEXT, manifests_digest="sha256:" + "0" * 64)
    assert streamed == make_plan(ordered, view(fleet.known), CONTEXT, manifests_digest="sha256:" + "0" * 64)


# --- Claims ---


def differences(declared, known):
    """The declared fields that differ from the known ones; ``state`` by its word."""
    for name in PRODUCT_FIELDS:
        value = getattr(declared, name)
        value = value.minute if isinstance(value, Moment) else value
        if value is not None and (known is None or getattr(known, name) is UNKNOWN or getattr(known, name) != value):
            yield name


def asks_for_nothing(known, declared):
    """True for two words of ``state`` that differ without making a call due, the warned-of ones apart."""
    over = known.valid_to is not None and known.valid_to <= minute_of(NOW)
    return (known.state, declared.state) == ("pending", "activated") or (
        (known.state, declared.state) == ("cancelled", "deactivated") and over
    )


@thorough
@given(fleets(tidy=True, complete=True))
def test_every_difference_of_a_product_that_isn_t_blocked_is_claimed_once(fleet):
    made = plan(fleet.declared, fleet.known)
    claims = Counter((*key(step), change.field) for step in made.steps for change in step.changes)
    assert set(claims.values()) <= {1}
    blocked = {key(finding) for finding in made.blocked}
    warned = {(*key(f), "state") for f in made.warnings if f.rule in ("ended", "frozen")}
    products = {(a.account_id, p.product_id): p for a in fleet.known for p in a.user_products}
    due = set()
    for account in fleet.declared:
        for product in account.user_products:
            known = products[account.account_id, product.product_id]
            for name in differences(product, known):
                if name != "state" or not asks_for_nothing(known, product):
                    due.add((account.account_id, product.product_id, name))
    claimed = {claim for claim in claims if not claim[2].startswith("sync.")}
    assert {claim for claim in claimed if claim[:2] not in blocked} == {
        claim for claim in due - warned if claim[:2] not in blocked
    }
    # Of a withheld product, the calls of the other groups stay.
    assert claimed <= due


@thorough
@given(fleets())
def test_the_calls_of_one_product_never_overlap(fleet):
    made = plan(fleet.declared, fleet.known)
    claims = Counter((*key(step), change.field) for step in made.steps for change in step.changes)
    assert set(claims.values()) <= {1}
    assert all(step.changes for step in made.steps)
    calls = Counter((*key(step), step.action) for step in made.steps)
    assert set(calls.values()) <= {1}


@thorough
@given(fleets())
def test_an_update_sends_what_it_changes_and_nothing_undeclared(fleet):
    made = plan(fleet.declared, fleet.known)
    declared = {(a.account_id, p.product_id): p for a in fleet.declared for p in a.user_products}
    for step in made.steps:
        if step.action != "update":
            continue
        product = declared[step.account_id, step.product_id]
        sent = [name for name in step.request.body if name not in ("account_id", "product_id")]
        assert {change.field for change in step.changes} <= set(sent)
        for name in sent:
            value = getattr(product, name)
            assert step.request.body[name] == (value.text if isinstance(value, Moment) else value)
        undeclared = {name for name in PRODUCT_FIELDS if getattr(product, name) is None}
        assert not undeclared & set(sent)
        missing = {name for name in PRODUCT_FIELDS[:4] if getattr(product, name) is not None} - set(sent)
        assert missing <= {"state"}


@thorough
@given(fleets())
def test_every_request_is_one_that_its_operation_makes(fleet):
    for step in plan(fleet.declared, fleet.known).steps:
        assert BY_ACTION[step.action].request(step.request.body) == step.request


# --- Where each product goes ---


@thorough
@given(fleets(), services)
def test_blocked_products_make_no_step_save_those_that_are_only_withheld(fleet, service):
    made = plan(fleet.declared, fleet.known, provision_service=service)
    blocked = {key(f) for f in made.blocked if f.rule != "withheld-revoke" and key(f)[1] is not None}
    withheld = {key(f) for f in made.blocked if f.rule == "withheld-revoke"}
    assert not {key(step) for step in made.steps} & (blocked - withheld)
    assert not {key(finding) for finding in made.deferred} & (blocked | withheld)
    taking = {key(step) for step in made.steps if step.impact in TAKING}
    assert not taking & withheld
    assert not {account for account, _ in taking} & {account for account, _ in withheld}


@thorough
@given(fleets(), services)
def test_the_summary_adds_up(fleet, service):
    made = plan(fleet.declared, fleet.known, provision_service=service)
    summary = made.summary
    assert sum(summary[action] for action in BY_ACTION) == len(made.steps)
    assert sum(summary["impact"].values()) == len(made.steps)
    assert {impact: summary["impact"][impact] for impact in IMPACTS} == {
        impact: sum(step.impact == impact for step in made.steps) for impact in IMPACTS
    }
    assert (summary["deferred"], summary["blocked"]) == (len(made.deferred), len(made.blocked))
    assert summary["unmanaged"] == len(made.unmanaged)
    products = {
        (account.account_id, product.product_id) for account in fleet.declared for product in account.user_products
    }
    touched = {key(item) for item in (*made.steps, *made.deferred, *made.blocked) if key(item)[1] is not None}
    assert touched <= products
    assert summary["unchanged"] == len(products - touched)


# --- Order ---

GROUPS = {"reactivate": 1, "subscription_number": 3, "sync_address": 5, "sync_subscriptions": 6}


def group(step):
    if step.action == "update":
        return 4 if step.impact in TAKING else 2
    return GROUPS[step.action]


@thorough
@given(fleets())
def test_the_order_law(fleet):
    made = plan(fleet.declared, fleet.known)
    assert [step.number for step in made.steps] == list(range(1, len(made.steps) + 1))
    accounts = list(dict.fromkeys(step.account_id for step in made.steps))
    for account in accounts:
        places = [step.number for step in made.steps if step.account_id == account]
        assert places == list(range(places[0], places[0] + len(places)))
        own = [step for step in made.steps if step.account_id == account]
        assert own == sorted(own, key=lambda step: (group(step), product_order(step)))
    deadlines = {
        account: min(
            (s.not_after for s in made.steps if s.account_id == account and s.not_after is not None), default=None
        )
        for account in accounts
    }
    assert accounts == sorted(accounts, key=lambda a: (deadlines[a] is None, deadlines[a] or 0, a))
    assert [account.account_id for account in made.accounts] == accounts


@thorough
@given(fleets())
def test_only_a_reactivate_has_a_deadline_and_it_lies_ahead(fleet):
    for step in plan(fleet.declared, fleet.known).steps:
        if step.not_after is not None:
            assert step.action == "reactivate"
            assert step.not_after > minute_of(NOW)


@thorough
@given(fleets())
def test_what_is_unmanaged_is_never_touched(fleet):
    made = plan(fleet.declared, fleet.known)
    left = {u.user_product_id for u in made.unmanaged if u.user_product_id is not None}
    assert not left & {step.user_product_id for step in made.steps}
