"""The worked cases of the rules, row by row, and the whole texts of a few plans."""

from dataclasses import dataclass

import pytest
from support.planning import Told, have, impacts, plan, told, want

TAKES_BACK_A = "takes-back-cancellation a"


@dataclass(frozen=True)
class Case:
    """A row: ``known`` | ``declared`` | ``told``, with the impacts of its steps."""

    row: str
    known: tuple
    declared: tuple
    told: Told
    impacts: tuple = ()


CASES = [
    Case(
        "cancelled, to 2026-12-01, tulo | activated | reactivate",
        (have("a", state="cancelled", to="2026-12-01", service="tulo"),),
        (want("a", state="activated"),),
        Told(steps=("reactivate a",), warnings=(TAKES_BACK_A,)),
        ("grant",),
    ),
    Case(
        "cancelled, to 2026-12-01, tulo | activated, to 2027-12-01 | reactivate; update {…, valid_to} without state",
        (have("a", state="cancelled", to="2026-12-01", service="tulo"),),
        (want("a", state="activated", to="2027-12-01"),),
        Told(steps=("reactivate a", "update a: valid_to"), warnings=(TAKES_BACK_A, "owner-unchecked a")),
        ("grant", "extend"),
    ),
    Case(
        "cancelled, to 2026-11-01 | activated, to 2027-12-01 | update with state and valid_to (grant)",
        (have("a", state="cancelled", to="2026-11-01"),),
        (want("a", state="activated", to="2027-12-01"),),
        Told(steps=("update a: state valid_to",)),
        ("grant",),
    ),
    Case(
        "cancelled, to 2026-11-01 | activated | nothing, warning ended",
        (have("a", state="cancelled", to="2026-11-01"),),
        (want("a", state="activated"),),
        Told(warnings=("ended a",)),
    ),
    Case(
        "deactivated, to 2026-11-01 | activated, to 2026-11-20 | blocked window-ended",
        (have("a", state="deactivated", to="2026-11-01"),),
        (want("a", state="activated", to="2026-11-20"),),
        Told(blocked=("window-ended a",)),
    ),
    Case(
        "recurring, activated, to 2026-12-24 | activated, to 2026-11-30 | blocked term-renewed",
        (have("a", type="recurring", state="activated", to="2026-12-24"),),
        (want("a", state="activated", to="2026-11-30"),),
        Told(blocked=("term-renewed a",)),
    ),
    Case(
        "pending, from 2027-01-01 | activated, to 2028-01-01 (known 2027-12-31) | update {…, valid_to} without state",
        (have("a", state="pending", frm="2027-01-01", to="2027-12-31"),),
        (want("a", state="activated", to="2028-01-01"),),
        Told(steps=("update a: valid_to",)),
        ("extend",),
    ),
    Case(
        "cancelled, to 2026-12-01, kayak | activated | blocked not-payway-provisioned",
        (have("a", state="cancelled", to="2026-12-01", service="kayak"),),
        (want("a", state="activated"),),
        Told(blocked=("not-payway-provisioned a",)),
    ),
    Case(
        "A activated, B deactivated to 2027 | A deactivated, B activated | update B; update A",
        (have("a", state="activated"), have("b", state="deactivated", to="2027-01-01")),
        (want("a", state="deactivated"), want("b", state="activated")),
        Told(steps=("update b: state", "update a: state")),
        ("grant", "revoke"),
    ),
    Case(
        "the same, but B cancelled, to 2026-12-01, kayak | the same | blocked (B), blocked withheld-revoke (A)",
        (have("a", state="activated"), have("b", state="cancelled", to="2026-12-01", service="kayak")),
        (want("a", state="deactivated"), want("b", state="activated")),
        Told(blocked=("withheld-revoke a", "not-payway-provisioned b")),
    ),
    Case(
        "valid_to 2026-12-01T00:00:45Z | 2026-12-01 01:00 +0100 | nothing: the same minute",
        (have("a", to="2026-12-01T00:00:45Z"),),
        (want("a", to="2026-12-01 01:00 +0100"),),
        Told(),
    ),
    Case(
        "nothing known | activated, number 7, no user_product_id | update; deferred needs-user-product-id",
        (),
        (want("a", state="activated", number="7"),),
        Told(steps=("update a: state",), deferred=("needs-user-product-id a subscription_number",)),
        ("grant",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_worked_case(case):
    made = plan(case.declared, case.known)
    assert told(made) == case.told
    assert tuple(impacts(made)) == case.impacts
