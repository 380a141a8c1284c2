"""The plan from rows and what was kept is the plan that the planner makes of everything, byte for byte."""

import pickle
import tempfile
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.planning import CONTEXT, NOW, account_id, has, have, view, want, wants
from support.written import write

from reconciler import fleetaccounts, fleetplan
from reconciler.errors import InvalidInput
from reconciler.instants import minute_of
from reconciler.manifests import loading
from reconciler.manifests.cache import Cache
from reconciler.manifests.desired import digest, load_desired
from reconciler.manifests.facts import facts_of
from reconciler.manifests.selecting import parse_selector, selectable, selects
from reconciler.manifests.walk import find_manifests
from reconciler.model import KnownHead, known_record
from reconciler.planfile import plan_text, seal
from reconciler.planning import make_plan
from reconciler.planning.accounts import plan_account
from reconciler.planning.matching import unmatched
from reconciler.planning.quiet import left_over
from reconciler.workers import local_workers

#: Moments on both sides of every end in `support.fleets.TIMES`.
MOMENTS = [NOW + timedelta(minutes=minutes) for minutes in (-400_000, -60_000, 0, 1, 2, 9_000, 600_000)]


class Elsewhere(Executor):
    """Does everything at once, with copies, as another process would."""

    def __init__(self):
        self.answers = []

    def submit(self, fn, /, *args):
        future = Future()
        call, given = pickle.loads(pickle.dumps((fn, args)))
        self.answers += (answer := pickle.loads(pickle.dumps(call(*given))))
        future.set_result(answer)
        return future


@contextmanager
def open_fleet(folder, path, planners=None):
    cache = Cache.open(path, "test") if path is not None else Cache.temporary()
    try:
        yield loading.load_fleet(find_manifests([str(folder)]), cache, local_workers(1), planners)
        cache.save()
    finally:
        cache.close()


def the_long_way(folder, known, context, select=()):
    desired = load_desired([str(folder)], now=minute_of(context.as_of))
    assert desired.errors == ()
    selectors = [parse_selector(text) for text in select]
    accounts = [each for each in desired.accounts if selects(selectors, selectable(each))]
    return desired, seal(make_plan(accounts, known, context, manifests_digest=digest(accounts)))


def files_of(fleet, spread):
    """The accounts of a fleet, spread over files."""
    files = {"a.yaml": []}
    for account, place in zip(fleet.declared, spread, strict=False):
        files.setdefault(place, []).append(account)
    return files


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    phases=st.lists(
        st.tuples(fleets(), st.sampled_from(MOMENTS), st.permutations(["a.yaml", "b.yml", "c.json"]), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    style=st.sampled_from([0, 1, 2]),
    racy=st.booleans(),
    service=st.sampled_from([None, "tulo"]),
)
def test_whatever_was_kept_the_plan_is_the_same(phases, style, racy, service):
    with tempfile.TemporaryDirectory() as home:
        folder, path = Path(home, "m"), Path(home, "cache.db")
        serial, known = 0, None
        for fleet, moment, spread, learned in phases:
            write(folder, files_of(fleet, spread), style)
            if known is None or learned:
                serial, known = serial + 1, fleet.known
            seen = view(known, head=KnownHead("stage", "f" * 32, serial))
            context = replace(CONTEXT, as_of=moment, provision_service=service)
            desired, expected = the_long_way(folder, seen, context)
            elsewhere = Elsewhere()
            for place, executor in ((path, None), (None, None), (None, elsewhere)):
                with (
                    patch.object(loading, "_RACY", 2 * 10**9 if racy else -(10**12)),
                    open_fleet(folder, place, lambda _, executor=executor: executor) as found,
                ):
                    assert found.diagnostics(minute_of(moment)) == desired.diagnostics
                    assert found.accounts == len(desired.accounts)
                    plan = seal(fleetplan.plan_fleet(found, seen, context))
                    assert plan_text(plan) == plan_text(expected)
            # Nothing had to be asked again here.
            assert None not in elsewhere.answers


class Bench:
    """A folder of manifests, known state and one cache, and plans of them at any moment."""

    def __init__(self, home):
        self.folder, self.path = Path(home, "m"), Path(home, "cache.db")
        self.known, self.serial = (), 0
        self.asked = []

    def declare(self, *accounts, file="a.yaml"):
        write(self.folder, {file: accounts})

    def learn(self, *known):
        self.known, self.serial = known, self.serial + 1

    def plan(self, moment=NOW, **context):
        """The plan; ``asked`` then holds the accounts that the planner was asked about."""
        seen = view(self.known, head=KnownHead("stage", "f" * 32, self.serial))
        at = replace(CONTEXT, as_of=moment, **context)
        self.asked = []

        def noting(account, *rest):
            self.asked.append(account.account_id)
            return plan_account(account, *rest)

        with open_fleet(self.folder, self.path) as found, patch.object(fleetaccounts, "plan_account", noting):
            plan = seal(fleetplan.plan_fleet(found, seen, at))
        assert plan_text(plan) == plan_text(the_long_way(self.folder, seen, at)[1])
        return plan


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_RACY", -(10**12))
    return Bench(tmp_path)


def test_an_account_with_nothing_due_is_never_planned(bench):
    bench.declare(
        wants("x", want("a", user="xa", state="activated", to="2027-12-01"), customer="1", sync={"address": "1"})
    )
    bench.learn(has("x", have("a", user="xa", state="activated", to="2027-12-01"), synced={"address": "1"}))
    assert bench.plan().summary["unchanged"] == 1
    assert bench.asked == []


def test_what_the_planner_found_to_be_in_order_isn_t_planned_again(bench):
    bench.declare(wants("x", want("a", user="xa", state="deactivated")))
    bench.learn(has("x", have("a", user="xa", state="cancelled", to="2026-11-01")))
    bench.plan()
    assert bench.asked == [account_id("x")]
    bench.plan()
    assert bench.asked == []


def test_a_clock_that_goes_back_past_an_end_asks_the_planner_again(bench):
    bench.declare(wants("x", want("a", user="xa", state="deactivated")))
    bench.learn(has("x", have("a", user="xa", state="cancelled", to="2026-11-24 10:00 +0000")))
    assert bench.plan().steps == ()
    assert len(bench.plan(NOW - timedelta(minutes=1)).steps) == 1
    assert bench.plan().steps == ()


def test_a_verdict_holds_until_the_next_end(bench):
    bench.declare(wants("x", want("a", user="xa", state="deactivated")))
    bench.learn(has("x", have("a", user="xa", state="cancelled", frm="2026-12-01", to="2026-11-01")))
    bench.plan()
    for minutes, asked in ((0, []), (9_479, []), (9_480, [account_id("x")]), (9_500, [])):
        bench.plan(NOW + timedelta(minutes=minutes))
        assert bench.asked == asked, minutes


def test_what_is_kept_of_one_account_falls_with_what_is_learned_of_another(bench):
    bench.declare(wants("x", want(None, user="ya")))
    bench.learn(has("x"))
    assert bench.plan().blocked == ()
    bench.learn(has("x"), has("y", have("a", user="ya")))
    assert [finding.rule for finding in bench.plan().blocked] == ["wrong-account"]


def test_a_step_is_planned_once(bench):
    bench.declare(wants("x", want("a", user="xa", state="activated")))
    bench.learn(has("x", have("a", user="xa", state="deactivated")))
    for asked in ([account_id("x")], [], []):
        assert len(bench.plan().steps) == 1
        assert bench.asked == asked


def test_a_step_is_planned_again_when_its_lines_move(bench):
    step = wants("x", want("a", user="xa", state="activated"))
    bench.declare(step)
    bench.learn(has("x", have("a", user="xa", state="deactivated")))
    bench.plan()
    bench.declare(wants("w"), step)
    assert bench.plan().steps[0].source.line == 3
    assert bench.asked == [account_id("w"), account_id("x")]


def test_another_provision_service_is_another_scope(bench):
    bench.declare(wants("x", want("a", user="xa", state="deactivated")))
    bench.learn(has("x", have("a", user="xa", state="cancelled", to="2026-11-01", service="kayak")))
    bench.plan()
    bench.plan(provision_service="tulo")
    assert bench.asked == [account_id("x")]
    bench.plan()
    assert bench.asked == []


def test_accounts_that_vanish_from_both_sides_are_forgotten(bench):
    bench.declare(wants("x", want("a", user="xa")), wants("y"))
    bench.learn(has("x", have("a", user="xa")), has("z", have("b", user="zb")))
    assert [each.account_id for each in bench.plan().unmanaged] == [account_id("z")]
    bench.declare(wants("y"))
    bench.learn()
    plan = bench.plan()
    assert (plan.unmanaged, plan.manifests.accounts) == ((), 1)


def test_a_manifest_that_changes_between_its_two_readings_stops_the_plan(bench):
    bench.declare(wants("x", want("a", user="xa", state="activated")))
    with open_fleet(bench.folder, None) as found:
        bench.declare(wants("x", want("a", user="xa", state="deactivated")))
        with pytest.raises(InvalidInput, match="changed while it was read"):
            fleetplan.plan_fleet(found, view(()), CONTEXT)


@pytest.mark.parametrize(
    "select", [[f"account={account_id('x')}"], ["owner=o"], ["file=b.yaml"], ["label.r=1", "owner=o"]]
)
def test_a_selection_is_planned_as_the_planner_would(bench, select):
    labelled = replace(wants("y", want("a", user="ya", state="activated")), owner="o", labels={"r": "1"})
    write(bench.folder, {"a.yaml": [wants("x", want("a", user="xa", state="activated"))], "b.yaml": [labelled]})
    seen = view((has("x", have("a", user="xa")), has("z", have("b", user="zb"))))
    context = replace(CONTEXT, select=tuple(select))
    with open_fleet(bench.folder, None) as found:
        plan = fleetplan.plan_selected(found.selected([parse_selector(text) for text in select]), seen, context)
    assert plan_text(seal(plan)) == plan_text(the_long_way(bench.folder, seen, context, select)[1])
    assert plan.manifests.accounts == 1


@given(fleet=fleets())
@settings(max_examples=400, deadline=None)
def test_the_short_way_finds_nothing_due_only_where_the_planner_does(fleet):
    known = {account.account_id: account for account in fleet.known}
    for account in fleet.declared:
        seen = known.get(account.account_id)
        found = seen and left_over(facts_of(account).wanted, known_record(seen).document)
        if found is None:
            continue
        rest, held = found
        assert held == len(seen.user_products)
        for moment in MOMENTS:
            planned = plan_account(account, seen, view(fleet.known), replace(CONTEXT, as_of=moment))
            assert planned.quiet
            left = unmatched(seen, [product.match for product in planned.products])
            assert [(each.get("product_id"), each.get("user_product_id")) for each in rest] == [
                (each.product_id, each.user_product_id) for each in left
            ]
