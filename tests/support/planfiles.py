"""A plan file with something in every list, for tests that read, alter and forge it."""

from reconciler.model import KnownHead
from reconciler.plan import Plan
from reconciler.planfile import plan_text, read_plan, seal
from support.planning import has, have, plan, want, wants

SOON, LATER = "2026-12-01", "2027-12-01"
ACTIVATED = {"state": "activated"}


def whole_plan(**settings: object) -> Plan:
    """A plan with something in every list, and every action."""
    known = [
        has("w", have("a", user="w")),
        has(
            "x",
            have("a", **ACTIVATED, frm="2025-01-01", to=LATER),
            have("b", state="cancelled", to=SOON, number="6", service="tulo"),
            have("c", state="frozen"),
            observed_at="2026-11-24T09:00:00Z",
        ),
        has("y", have("a", user="y", state="paused")),
    ]
    declared = [
        wants(
            "x",
            want("a", to="2027-01-01 01:00 +0100", protect=True, line=4, fields={"valid_to": 6}),
            want("b", **ACTIVATED, to=LATER, number="0012345670", line=8),
            want("c", **ACTIVATED, line=12),
            want("d", **ACTIVATED, number="9", line=15),
            customer="007",
            sync={"address": "1", "subscriptions": 'with "quotes" and \u00fc'},
            owner="Zo\u00eb <zoe@example.com>",
            labels={"region": "north"},
        ),
        wants("y", want("a", user="y", **ACTIVATED)),
    ]
    settings = {"accepted": frozenset({"protected"}), "revision": "abc123", **settings}
    head = KnownHead("stage", "f" * 32, 12)
    return seal(plan(declared, known, head=head, **settings))


SEALED = whole_plan()
TEXT = plan_text(SEALED)


def read(text: str) -> Plan:
    return read_plan(text, name="plan.json")
