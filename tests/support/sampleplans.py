"""Plans to draw: one rich and tame, and the same with a hostile text in every place that takes text."""

from __future__ import annotations

from dataclasses import replace

from reconciler.instants import parse_known
from reconciler.model import Source
from reconciler.operations import BY_ACTION
from reconciler.plan import (
    AccountPlan,
    FieldChange,
    Finding,
    KnownInfo,
    ManifestsInfo,
    Plan,
    ProductAccess,
    Refusal,
    Step,
    Unmanaged,
)

NORTH, SOUTH, EAST = "52a781d6400e06897c00000f", "52a781d6400e06897c000010", "52a781d6400e06897c000011"
DAILY, WEEKLY = "56e1741a6fc9365306000002", "56e1741a6fc9365306000003"
OWN_DAILY, OWN_WEEKLY = "56e1741a6fc9365306000034", "56e1741a6fc9365306000035"
DECEMBER, NEXT_DECEMBER = parse_known("2026-12-01T00:00Z"), parse_known("2027-12-01T00:00Z")
LAST_DECEMBER = parse_known("2025-12-01T00:00Z")


def step(number, action, account_id, values, changes, impact, reversible, reason, line, **more):
    return Step(
        number=number,
        action=action,
        account_id=account_id,
        product_id=more.pop("product_id", None),
        user_product_id=more.pop("user_product_id", None),
        customer_number=values.get("customer_number"),
        request=BY_ACTION[action].request(values),
        changes=tuple(FieldChange(*change) for change in changes),
        impact=impact,
        reversible=reversible,
        not_after=more.pop("not_after", None),
        reason=reason,
        source=Source(more.pop("file", "manifests/north.yaml"), line, {"valid_to": line + 3}),
        known="sha256:" + "0" * 64,
    )


def steps():
    daily = {"product_id": DAILY, "user_product_id": OWN_DAILY}
    weekly = {"product_id": WEEKLY, "user_product_id": OWN_WEEKLY}
    back = {"account_id": NORTH, "user_product_id": OWN_DAILY}
    longer = {"account_id": NORTH, "product_id": DAILY, "valid_to": "2027-12-01 01:00 +0100"}
    numbered = back | {"subscription_number": "0012345670"}
    ended = {"account_id": SOUTH, "product_id": WEEKLY, "state": "deactivated"}
    adopted = {"account_id": EAST, "product_id": DAILY, "subscription_type": "limited"}
    customer = {"customer_number": "1234567890"}
    return (
        step(
            1, "reactivate", NORTH, back, [("state", "cancelled", "activated")], "grant", False,
            "cancelled, term runs until 2026-12-01", 9, not_after=DECEMBER, **daily,
        ),
        step(
            2, "update", NORTH, longer, [("valid_to", "2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z")], "extend", True,
            "valid_to is 2026-12-01, declared 2027-12-01", 9, **daily,
        ),
        step(
            3, "subscription_number", NORTH, numbered, [("subscription_number", "", "0012345670")], "neutral", False,
            "subscription_number is empty, declared 0012345670", 9, **daily,
        ),
        step(
            4, "sync_address", NORTH, customer, [("sync.address", None, "moved in November")], "neutral", False,
            "sync asked for with 'moved in November', never done before", 5,
        ),
        step(
            5, "update", SOUTH, ended, [("state", "activated", "deactivated")], "revoke", True,
            "state is activated, declared deactivated", 8, file="manifests/south.yaml", **weekly,
        ),
        step(
            6, "update", EAST, adopted, [("subscription_type", None, "limited")], "neutral", False,
            "nothing is known of this product", 8, file="manifests/east.yaml", product_id=DAILY,
        ),
    )  # fmt: skip


def sample() -> Plan:
    """Three accounts: one comes back and goes on, one loses access, one is adopted; and all that isn't a step."""
    daily = ProductAccess(DAILY, OWN_DAILY, ((LAST_DECEMBER, DECEMBER),), ((LAST_DECEMBER, NEXT_DECEMBER),))
    weekly = ProductAccess(WEEKLY, OWN_WEEKLY, ((LAST_DECEMBER, None),), ())
    here = Source("manifests/south.yaml", 14)
    return Plan(
        environment="stage",
        host="https://payway-api.stage.adeprimo.se",
        as_of="2026-11-24T10:00:00Z",
        expires_at="2026-11-25T10:00:00Z",
        what_if=False,
        manifests=ManifestsInfo("sha256:" + "1" * 64, "3f786850e387550fdab836ed7e6dc881de23001b", 5, 9),
        known_state=KnownInfo("6f1c2a4e", 12, "2026-11-20T08:00:00Z"),
        summary={"unchanged": 3, "adopted": 1},
        accounts=(
            AccountPlan(NORTH, "1234567890", "circulation@example.com", {"region": "north"}, (daily,)),
            AccountPlan(SOUTH, None, "Southern office, second floor", {}, (weekly,)),
            AccountPlan(EAST, None, None, {}, (ProductAccess(DAILY, None, None, None),)),
        ),
        steps=steps(),
        deferred=(
            Finding(
                "needs-user-product-id", "the answer to its update teaches the user_product_id", EAST, DAILY, None,
                Source("manifests/east.yaml", 8), "subscription_number",
            ),
        ),
        blocked=(
            Finding(
                "not-payway-provisioned", "provisioned by kayak; Payway reactivates only what it provisions itself",
                SOUTH, DAILY, OWN_DAILY, here,
            ),
        ),
        unmanaged=(Unmanaged(NORTH, WEEKLY, None), Unmanaged("52a781d6400e06897c000012", None, None)),
        warnings=(
            Finding(
                "takes-back-cancellation", "the reader's own cancellation is taken back", NORTH, DAILY, OWN_DAILY,
                Source("manifests/north.yaml", 9),
            ),
        ),
        refusals=(
            Refusal("revoked", "10%", "12%", False, "1 of 9 products that lose access, at most 0 allowed"),
            Refusal("adopted", "0", "1", True, "1 products that nothing is known of, at most 0 allowed"),
        ),
        plan_id="sha256:" + "2" * 64,
        steps_digest="sha256:" + "3" * 64,
    )  # fmt: skip


def poison(plan: Plan, text: str) -> Plan:
    """``plan`` with ``text`` wherever a stranger's text can get in."""
    source = Source(text, 9)
    return replace(
        plan,
        environment=text,
        host=text,
        manifests=replace(plan.manifests, revision=text, select=(text, f"owner={text}")),
        known_state=replace(plan.known_state, lineage=text, oldest_observation=text),
        accounts=tuple(
            replace(account, owner=text, customer_number=text, labels={text: text}) for account in plan.accounts
        ),
        steps=tuple(
            replace(
                one,
                reason=text,
                source=source,
                customer_number=text,
                changes=(FieldChange("sync.address", text, text), FieldChange("valid_to", text, text)),
                request=replace(one.request, body=dict(one.request.body) | {"valid_to": text}),
            )
            for one in plan.steps
        ),
        deferred=tuple(replace(one, message=text, source=source) for one in plan.deferred),
        blocked=tuple(replace(one, message=text, source=source) for one in plan.blocked),
        warnings=tuple(replace(one, message=text, source=source) for one in plan.warnings),
        refusals=tuple(replace(one, message=text, found=text, limit=text) for one in plan.refusals),
    )


#: Texts that try to act, to hide, to break out of their place or to look like something of ours.
HOSTILE = (
    "\x1b[2J\x1b[1;31mred\x07",
    "one\r\nNext: rm -rf /\n  9. - update",
    "\nAccount 52a781d6400e06897c000099\n\n## Plan for `production`\n",
    "a|b`c``d```e @team #123 GH-1 <script>alert(1)</script> --> </details> <!-- x",
    "- item\n* item\n1. item\n> quote\n# heading\n---\n| a | b |\n| --- | --- |",
    "::error file=x::y\n::add-mask::0 ##[add-mask]1 ##vso[task.complete]",
    "\u202eevil\u2066 zero\u200bwidth \u2028 \u0085 \ufeff",
    "owner        CAN'T BE UNDONE        takes access away",
    "x" * 5000,
    "' $(touch pwned) `touch pwned` \"; touch pwned; \\",
    "東京" * 60,
    "",
    "   ",
    "[link](javascript:alert(1)) ![image](https://example.invalid/x.png) https://example.invalid www.example.invalid",
    "lone \ud800 surrogate \x00 nul",
)
