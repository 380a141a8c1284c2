"""Which known product a declared one means, and what is left over as unmanaged."""

from dataclasses import dataclass, replace

import pytest
from support.planning import (
    Told,
    account_id,
    doubt,
    has,
    have,
    name_of,
    only_step,
    plan,
    product_id,
    told,
    user_product_id,
    want,
    wants,
)

from reconciler.plan import Unmanaged

ACTIVE = {"state": "activated"}
OFF = {"state": "deactivated"}


def as_product(user, **fields):
    """A declared product whose product_id is the user_product_id of ``user``."""
    return replace(want("any", **fields), product_id=user_product_id(user))


@dataclass(frozen=True)
class Case:
    row: str
    known: tuple
    declared: tuple
    told: Told


CASES = [
    Case(
        "the same user_product_id",
        (have("a", user="u", **ACTIVE),),
        (want(user="u", number="7"),),
        Told(steps=("subscription_number a",)),
    ),
    Case(
        "the same user_product_id goes before the same product_id",
        (have("a", user="u", **ACTIVE), have("b", user="v", **OFF)),
        (want("b", user="u", **OFF),),
        Told(steps=("update b: state",), unmanaged=("v",)),
    ),
    Case(
        "the declared side has no user_product_id: the same product_id",
        (have("a", user="u", **ACTIVE),),
        (want("a", **OFF),),
        Told(steps=("update a: state",)),
    ),
    Case(
        "the known side has no user_product_id: the same product_id",
        (have("a", user=None, **ACTIVE),),
        (want("a", user="u", **OFF),),
        Told(steps=("update a: state",)),
    ),
    Case(
        "the known product has no product_id: its user_product_id equals the declared product_id",
        (have(None, user="u", **ACTIVE),),
        (as_product("u", **OFF),),
        Told(steps=("update u: state",)),
    ),
    Case(
        "the known product has a product_id: its user_product_id isn't compared with the declared product_id",
        (have("a", user="u", **ACTIVE),),
        (as_product("u", **OFF),),
        Told(steps=("update u: state",), unmanaged=("u",)),
    ),
    Case(
        "two known products of one product_id, one not declared by its id: ambiguous",
        (have("a", user="u", **ACTIVE), have("a", user="v", **ACTIVE)),
        (want("a", **OFF),),
        Told(blocked=("ambiguous-product a",), unmanaged=("u", "v")),
    ),
    Case(
        "one of them taken by user_product_id: it is no candidate",
        (have("a", user="u", **ACTIVE), have("a", user="v", **ACTIVE)),
        (want("a", **OFF), want(user="u", number="7")),
        Told(steps=("subscription_number a", "update a: state")),
    ),
    Case(
        "declared with another id: of one with another id and one without, the one without matches",
        (have("a", user="u", **ACTIVE), have("a", user=None, **ACTIVE)),
        (want("a", user="w", **OFF),),
        Told(steps=("update a: state",), unmanaged=("u",)),
    ),
    Case(
        "declared with its id: the one with that id matches, not the one without",
        (have("a", user="u", **ACTIVE), have("a", user=None, **ACTIVE)),
        (want("a", user="u", **OFF),),
        Told(steps=("update a: state",), unmanaged=("a",)),
    ),
    Case(
        "two without an id: ambiguous",
        (have("a", user=None, **ACTIVE), have("a", user=None, **OFF)),
        (want("a", user="u", **OFF),),
        Told(blocked=("ambiguous-product a",), unmanaged=("a", "a")),
    ),
    Case(
        "one without an id and one with, declared by product_id alone: ambiguous",
        (have("a", user="u", **ACTIVE), have("a", user=None, **ACTIVE)),
        (want("a", **OFF),),
        Told(blocked=("ambiguous-product a",), unmanaged=("a", "u")),
    ),
    Case(
        "both sides have an id and they differ: mismatch",
        (have("a", user="u", **ACTIVE),),
        (want("a", user="w", **OFF),),
        Told(blocked=("user-product-mismatch a",), unmanaged=("u",)),
    ),
    Case(
        "nothing known on an account that is known: adopted",
        (have("b", **ACTIVE),),
        (want("a", **ACTIVE), want("b", **ACTIVE)),
        Told(steps=("update a: state",)),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_match(case):
    assert told(plan(case.declared, case.known)) == case.told


class TestIdsOfStepsAndBlocks:
    def test_a_product_declared_by_user_product_id_alone_holds_the_known_product_id(self):
        step = only_step(plan([want(user="u", number="7")], [have("a", user="u")]))
        assert (step.product_id, step.user_product_id) == (product_id("a"), user_product_id("u"))

    def test_or_null(self):
        step = only_step(plan([want(user="u", number="7")], [have(None, user="u")]))
        assert (step.product_id, step.user_product_id) == (None, user_product_id("u"))

    def test_a_block_holds_the_known_product_id_too(self):
        known = has("x", have("a", user="u"), doubts=[doubt("subscription_number", "a", user="u")])
        [blocked] = plan([wants("x", want(user="u", number="7"))], [known]).blocked
        assert (blocked.rule, blocked.product_id) == ("in-doubt", product_id("a"))

    def test_or_null_where_it_isn_t_known(self):
        known = [has("x"), has("y", have("b", user="v"))]
        [blocked] = plan([wants("x", want(user="v", number="7"))], known).blocked
        assert (blocked.rule, blocked.product_id) == ("wrong-account", None)

    def test_a_product_declared_by_product_id_alone_holds_the_known_user_product_id(self):
        step = only_step(plan([want("a", state="deactivated")], [have("a", user="u", state="activated")]))
        assert (step.product_id, step.user_product_id) == (product_id("a"), user_product_id("u"))
        assert list(step.request.body) == ["account_id", "product_id", "state"]


class TestWrongAccount:
    KNOWN = (has("x"), has("y", have("a", user="u", state="activated")))

    def test_a_user_product_known_on_another_account_is_blocked_and_listed_there(self):
        made = plan([wants("x", want("a", user="u", state="deactivated"))], self.KNOWN)
        assert told(made) == Told(blocked=("wrong-account a",), unmanaged=("u",))
        assert made.unmanaged == (Unmanaged(account_id("y"), product_id("a"), user_product_id("u")),)

    def test_it_is_listed_as_unmanaged_also_where_its_own_account_is_declared(self):
        made = plan([wants("x", want("a", user="u", state="deactivated")), wants("y")], self.KNOWN)
        assert told(made) == Told(blocked=("wrong-account a",), unmanaged=("u",))

    def test_blocked_without_any_difference(self):
        made = plan([wants("x", want("a", user="u", state="activated"))], self.KNOWN)
        assert told(made).blocked == ("wrong-account a",)

    def test_an_id_known_on_the_own_account_is_no_wrong_account(self):
        made = plan([wants("y", want("a", user="u", state="deactivated"))], self.KNOWN)
        assert told(made).blocked == ()

    def test_the_account_itself_needn_t_be_known(self):
        made = plan([wants("z", want("a", user="u", state="activated"))], self.KNOWN)
        assert told(made).blocked == ("wrong-account a",)

    def test_an_id_that_is_known_nowhere_is_adopted(self):
        made = plan([wants("x", want("a", user="new", state="activated"))], self.KNOWN)
        assert told(made).steps == ("update a: state",)


class TestAdopted:
    def test_every_declared_field_counts_as_different_and_before_is_null(self):
        declared = want("a", user="u", state="activated", type="limited", frm="2026-01-01", to="2027-01-01", number="7")
        made = plan([declared], [])
        update, number = made.steps
        assert [(c.field, c.before, c.after) for c in update.changes + number.changes] == [
            ("state", None, "activated"),
            ("subscription_type", None, "limited"),
            ("valid_from", None, "2026-01-01T00:00:00Z"),
            ("valid_to", None, "2027-01-01T00:00:00Z"),
            ("subscription_number", None, "7"),
        ]
        assert made.summary["adopted"] == 1

    def test_a_product_without_any_field_makes_no_call(self):
        assert told(plan([want("a")], [])) == Told()


class TestUnmanaged:
    def test_known_products_that_are_not_declared(self):
        made = plan([want("a", state="activated")], [have("a", state="activated"), have("b"), have("c")])
        assert told(made) == Told(unmanaged=("b", "c"))
        assert made.summary["unmanaged"] == 2

    def test_whole_accounts_that_no_manifest_names(self):
        made = plan([wants("m")], [has("b", have("p"), have("q")), has("m", have("r")), has("z", have("s"))])
        assert [(name_of(u.account_id), name_of(u.product_id)) for u in made.unmanaged] == [
            ("b", "p"), ("b", "q"), ("m", "r"), ("z", "s"),
        ]  # fmt: skip

    def test_an_account_without_known_products_is_listed_by_its_id(self):
        made = plan([], [has("b")])
        assert made.unmanaged == (Unmanaged(account_id("b"), None, None),)

    def test_a_declared_account_without_known_products_is_not_listed(self):
        assert plan([wants("b")], [has("b")]).unmanaged == ()

    def test_with_a_selection_only_accounts_in_scope_are_listed(self):
        known = [has("b", have("p")), has("m", have("r"))]
        made = plan([wants("m")], known, select=("owner=north",))
        assert [(name_of(u.account_id), name_of(u.product_id)) for u in made.unmanaged] == [("m", "r")]
        assert made.manifests.select == ("owner=north",)

    def test_unmanaged_products_make_no_step(self):
        assert plan([], [has("b", have("p", state="cancelled", to="2026-12-01"))]).steps == ()

    def test_a_mismatched_known_product_is_listed_because_nothing_manages_it(self):
        made = plan([want("a", user="w", state="activated")], [have("a", user="u", state="activated")])
        assert told(made) == Told(blocked=("user-product-mismatch a",), unmanaged=("u",))
