"""The limits of a plan: what each guard counts, how a limit is read, what acceptance means."""

from datetime import timedelta

import pytest
from support.planning import NOW, has, have, plan, want, wants

from reconciler.errors import InvalidInput
from reconciler.planning.guards import DEFAULTS, check_limits

SOON, LATER = "2026-12-01", "2027-12-01"
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}
NAMES = [f"{number:03}" for number in range(1000)]

#: No guard but the one under test.
OFF = dict.fromkeys(DEFAULTS, 10_000)


def fleet(count, *, known, declared, scope):
    """``scope`` known and declared products, of which ``count`` are as given and the others unchanged."""
    names = NAMES[:scope]
    declarations = [want(n, **(declared if i < count else ACTIVATED)) for i, n in enumerate(names)]
    knowns = [have(n, **(known if i < count else ACTIVATED)) for i, n in enumerate(names)]
    return declarations, knowns


def refusals(declared, known, **settings):
    return [(r.guard, r.limit, r.found, r.accepted) for r in plan(declared, known, **settings).refusals]


REVOKE = {"known": ACTIVATED, "declared": DEACTIVATED}
SHORTEN = {"known": {**ACTIVATED, "to": LATER}, "declared": {"to": SOON}}
REACTIVATE = {"known": {"state": "cancelled", "to": SOON}, "declared": ACTIVATED}
BLOCK = {"known": {"state": "paused"}, "declared": ACTIVATED}
EXTEND = {"known": {**ACTIVATED, "to": SOON}, "declared": {"to": LATER}}


class TestDefaults:
    """`revoked = ["10%", 50]`, `changed = ["50%", 5000]`, `adopted = 0`, `reactivated = 10`, `blocked = "1%"`…"""

    @pytest.mark.parametrize(
        ("what", "count", "scope", "refused"),
        [
            # revoked: revoke and shorten, a tenth of the products (rounded up, at least 1), at most 50
            (REVOKE, 2, 20, []),
            (REVOKE, 3, 20, [("revoked", "10%", "15%", False)]),
            (SHORTEN, 3, 20, [("revoked", "10%", "15%", False)]),
            (REVOKE, 3, 21, []),
            (REVOKE, 4, 21, [("revoked", "10%", "20%", False)]),
            (REVOKE, 1, 2, []),
            (REVOKE, 50, 600, []),
            (REVOKE, 51, 600, [("revoked", "50", "51", False)]),
            # changed: half of the products
            (EXTEND, 1, 1, []),
            (EXTEND, 2, 3, []),
            (EXTEND, 2, 4, []),
            (EXTEND, 3, 4, [("changed", "50%", "75%", False)]),
            (EXTEND, 3, 3, [("changed", "50%", "100%", False)]),
            # reactivated: 10
            (REACTIVATE, 10, 100, []),
            (REACTIVATE, 11, 100, [("reactivated", "10", "11", False)]),
            # blocked: a hundredth, but never under 5
            (BLOCK, 5, 5, []),
            (BLOCK, 6, 6, [("blocked", "1%", "100%", False)]),
            (BLOCK, 6, 500, [("blocked", "1%", "2%", False)]),
            (BLOCK, 6, 501, []),
            (BLOCK, 10, 1000, []),
            (BLOCK, 11, 1000, [("blocked", "1%", "2%", False)]),
        ],
    )
    def test_at_and_over_the_limit(self, what, count, scope, refused):
        assert refusals(*fleet(count, scope=scope, **what)) == refused

    def test_adopted_is_none_at_all(self):
        declared = [want("a", **ACTIVATED), want("b", **ACTIVATED), want("c", **ACTIVATED)]
        known = [have("b", **ACTIVATED), have("c", **ACTIVATED)]
        assert refusals(declared, known) == [("adopted", "0", "1", False)]

    def test_protected_is_none_at_all(self):
        declared, known = fleet(0, scope=20, known={}, declared={})
        declared[0] = want("000", **DEACTIVATED, protect=True)
        assert refusals(declared, known) == [("protected", "0", "1", False)]

    def test_changed_at_most_5000(self):
        assert DEFAULTS["changed"] == ["50%", 5000]

    def test_stale_known_is_off(self):
        known = has("x", have("a", **ACTIVATED), observed_at="2020-01-01T00:00:00Z")
        assert refusals([want("a", **DEACTIVATED), want("b")], [known], limits={"changed": 9}) == []


class TestWhatIsCounted:
    """Each guard counts products (or accounts), not calls."""

    def found(self, guard, declared, known, **settings):
        """The count of a guard, found by the limits that it exceeds."""
        for limit in range(20):
            made = plan(declared, known, limits={**OFF, guard: limit}, **settings)
            if not made.refusals:
                return limit
        raise AssertionError

    def test_changed_counts_a_product_once_and_an_account_with_syncs_once(self):
        known = has("x", have("a", state="cancelled", to=SOON), have("b", **ACTIVATED))
        declared = wants("x", want("a", **ACTIVATED, to=LATER, number="7"), want("b", **ACTIVATED), customer="1",
                         sync={"address": "1", "subscriptions": "1"})  # fmt: skip
        made = plan([declared], [known])
        assert len(made.steps) == 5
        assert self.found("changed", [declared], [known]) == 2

    def test_revoked_counts_revoke_and_shorten_but_no_grant(self):
        known = [have("a", **ACTIVATED), have("b", **ACTIVATED, to=LATER), have("c", state="deactivated", to=LATER)]
        declared = [want("a", **DEACTIVATED), want("b", to=SOON), want("c", **ACTIVATED)]
        assert self.found("revoked", declared, known) == 2

    def test_withheld_steps_are_blocked_not_revoked(self):
        known = [have("a", **ACTIVATED), have("b", state="cancelled", to=SOON, service="kayak")]
        declared = [want("a", **DEACTIVATED, protect=True), want("b", **ACTIVATED)]
        for guard, count in {"revoked": 0, "protected": 0, "changed": 0, "blocked": 2}.items():
            assert self.found(guard, declared, known) == count

    def test_blocked_counts_a_product_once_whatever_its_rules_and_a_sync_too(self):
        known = has(
            "x", have("a", state="activated", type="recurring", frm=SOON, to=LATER, service="tulo"), customer="1"
        )
        declared = wants("x", want("a", to="2026-11-01"), customer="2", sync={"address": "1"})
        assert len(plan([declared], [known], provision_service="kayak").blocked) == 4
        assert self.found("blocked", [declared], [known], provision_service="kayak") == 2

    def test_reactivated_counts_no_deferred_or_blocked_ones(self):
        known = [
            have("a", state="cancelled", to=SOON),
            have("b", user=None, state="cancelled", to=SOON),
            have("c", state="cancelled", to=SOON, service="kayak"),
        ]
        declared = [want("a", **ACTIVATED), want("b", **ACTIVATED, to=LATER), want("c", **ACTIVATED)]
        assert self.found("reactivated", declared, known) == 1

    def test_protected_counts_only_protected_products_that_lose(self):
        known = [have("a", **ACTIVATED), have("b", **ACTIVATED), have("c", **ACTIVATED, to=SOON)]
        declared = [
            want("a", **DEACTIVATED, protect=True),
            want("b", **DEACTIVATED),
            want("c", to=LATER, protect=True),
        ]
        assert self.found("protected", declared, known) == 1

    def test_a_protected_product_keeps_its_steps_in_the_refused_plan(self):
        made = plan([want("a", **DEACTIVATED, protect=True)], [have("a", **ACTIVATED)])
        assert len(made.steps) == 1
        assert [refusal.guard for refusal in made.refused] == ["protected"]

    def test_adopted_counts_products_with_steps_that_nothing_is_known_of(self):
        declared = [want("a", **ACTIVATED), want("b", **DEACTIVATED), want("c"), want("d", number="7")]
        assert self.found("adopted", declared, []) == 2


class TestStaleKnown:
    def count(self, *observed, age=timedelta(hours=1)):
        names = NAMES[: len(observed)]
        known = [has(n, have("a", **ACTIVATED), observed_at=at) for n, at in zip(names, observed, strict=True)]
        made = plan(
            [wants(n, want("a", **DEACTIVATED)) for n in names],
            known,
            max_known_age=age,
            limits=OFF | {"stale_known": 0},
        )
        return [(r.guard, r.found) for r in made.refusals]  # fmt: skip

    def test_accounts_with_steps_on_known_state_older_than_the_limit(self):
        fresh, edge, old = "2026-11-24T09:30:00Z", "2026-11-24T09:00:00Z", "2026-11-24T08:59:59Z"
        assert self.count(fresh, edge) == []
        assert self.count(fresh, old, old) == [("stale_known", "2")]

    def test_known_state_of_no_date_counts_as_old(self):
        assert self.count(None) == [("stale_known", "1")]

    def test_nothing_known_isn_t_old(self):
        made = plan([want("a", **ACTIVATED)], [], max_known_age=timedelta(hours=1), limits=OFF | {"stale_known": 0})
        assert made.refusals == ()

    def test_an_account_without_steps_doesn_t_count(self):
        known = has("x", have("a", **ACTIVATED), observed_at="2020-01-01T00:00:00Z")
        made = plan([want("a", **ACTIVATED)], [known], max_known_age=timedelta(hours=1))
        assert made.refusals == ()

    def test_off_without_a_limit(self):
        assert self.count("2020-01-01T00:00:00Z", age=None) == []


class TestScope:
    """A percent is of the products declared or known, whichever are more."""

    def test_known_ones_that_are_not_declared_count(self):
        declared, known = fleet(2, scope=20, known=ACTIVATED, declared=DEACTIVATED)
        assert refusals(declared[:2], known) == []
        assert refusals(declared[:2], known[:10], limits={"changed": 9}) == [("revoked", "10%", "20%", False)]

    def test_so_do_those_of_accounts_that_no_manifest_names(self):
        declared, known = fleet(2, scope=2, known=ACTIVATED, declared=DEACTIVATED)
        others = [has(n, *(have(m) for m in NAMES[:6])) for n in ("y", "z", "q")]
        assert refusals(declared, [*known, *others]) == []

    def test_but_not_with_a_selection(self):
        declared, known = fleet(2, scope=2, known=ACTIVATED, declared=DEACTIVATED)
        others = [has(n, *(have(m) for m in NAMES[:6])) for n in ("y", "z", "q")]
        found = refusals(declared, [*known, *others], select=("owner=me",))
        assert ("revoked", "10%", "100%", False) in found

    def test_declared_ones_that_are_not_known_count(self):
        declared, known = fleet(2, scope=20, known=ACTIVATED, declared=DEACTIVATED)
        assert refusals(declared, known[:2], limits={"changed": 20, "adopted": 20}) == []


class TestReadingLimits:
    @pytest.mark.parametrize(
        ("limit", "allowed"),
        [
            (0, 0),
            (3, 3),
            ("10%", 1),
            ("30%", 3),
            ("31%", 4),
            ("30.0001%", 4),
            ("0%", 1),
            ("0.1%", 1),
            ("100%", 10),
            (["30%", 5], 3),
            (["60%", 5], 5),
            ([4, "100%", 7], 4),
            (["0%", 0], 0),
        ],
    )
    def test_of_ten_products(self, limit, allowed):
        for count in range(1, 11):
            made = plan(*fleet(count, scope=10, known=ACTIVATED, declared=DEACTIVATED), limits=OFF | {"revoked": limit})
            assert bool(made.refusals) is (count > allowed), count

    def test_the_smallest_of_a_list_is_the_one_that_is_named(self):
        declared, known = fleet(9, scope=10, known=ACTIVATED, declared=DEACTIVATED)
        assert refusals(declared, known, limits=OFF | {"revoked": ["60%", 4]}) == [("revoked", "4", "9", False)]
        assert refusals(declared, known, limits=OFF | {"revoked": ["30%", 4]}) == [("revoked", "30%", "90%", False)]

    def test_a_number_may_set_blocked_below_its_floor(self):
        declared, known = fleet(1, scope=10, known={"state": "paused"}, declared=ACTIVATED)
        assert refusals(declared, known, limits={"blocked": 0}) == [("blocked", "0", "1", False)]

    @pytest.mark.parametrize(
        "limit", [-1, True, 1.5, "10", "ten%", "-1%", "101%", "10 %", "10%\n", "١٠%", "", [], [-1], None]
    )
    def test_a_limit_that_means_nothing_is_refused(self, limit):
        with pytest.raises(InvalidInput) as caught:
            check_limits({"revoked": limit})
        assert "revoked" in caught.value.details[0]
        assert caught.value.hint

    def test_an_unknown_guard_is_refused_with_every_other_problem(self):
        with pytest.raises(InvalidInput) as caught:
            check_limits({"revoke": 1, "changed": -1})
        assert len(caught.value.details) == 2

    def test_the_defaults_mean_something(self):
        check_limits(DEFAULTS)


class TestAcceptance:
    TWO = ([want("a", **DEACTIVATED, protect=True), want("b", **ACTIVATED)], [have("a", **ACTIVATED)])

    def test_an_accepted_refusal_stays_in_the_plan_as_accepted(self):
        made = plan(*self.TWO, accepted=frozenset({"protected"}))
        assert {r.guard: r.accepted for r in made.refusals} == {"changed": False, "adopted": False, "protected": True}
        assert [r.guard for r in made.refused] == ["changed", "adopted"]

    def test_accepting_a_guard_that_isn_t_exceeded_is_no_error_and_isn_t_recorded(self):
        made = plan([want("a", **ACTIVATED)], [have("a", **ACTIVATED)], accepted=frozenset(DEFAULTS))
        assert made.refusals == ()

    def test_guards_stand_in_one_order(self):
        made = plan(*self.TWO, accepted=frozenset({"protected", "adopted"}))
        assert [r.guard for r in made.refusals] == [
            name for name in DEFAULTS if name in {r.guard for r in made.refusals}
        ]

    def test_a_refusal_says_how_many_and_how_many_were_allowed(self):
        made = plan(*fleet(3, scope=20, known=ACTIVATED, declared=DEACTIVATED))
        [refusal] = made.refusals
        assert "3 of 20" in refusal.message
        assert "2 allowed" in refusal.message


def test_an_empty_plan_exceeds_nothing():
    assert plan(limits=dict.fromkeys(DEFAULTS, 0), now=NOW).refusals == ()
