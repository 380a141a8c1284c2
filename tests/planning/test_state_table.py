"""The state table of the rules, cell by cell: what is known, what is declared, what is due.

The rows are written in the words of the rules, with every boundary that their conditions have. A row holds
the whole plan: steps with all that they send, blocks, deferrals and warnings.
"""

from dataclasses import dataclass

import pytest
from support.planning import NOW_TEXT, Told, at, have, minute, only_step, plan, told, want

from reconciler.instants import instant_text
from reconciler.model import UNKNOWN

LATER, PAST = "2026-12-01", "2026-11-01"
JUST_LATER = "2026-11-24 10:01 +0000"

#: A product that `update` may touch without a warning about its owner.
OURS = {"service": "kayak"}
#: What every `reactivate` carries.
TAKES_BACK = "takes-back-cancellation a"


@dataclass(frozen=True)
class Cell:
    """One cell: ``known`` and ``declared`` are arguments of `have` and `want`."""

    row: str
    known: dict
    declared: dict
    steps: tuple = ()
    blocked: tuple = ()
    warnings: tuple = ()
    not_after: str | None = None


ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}
UPDATE = ("update a: state",)
REACTIVATE = {"steps": ("reactivate a",), "warnings": (TAKES_BACK,)}
ENDED = {"warnings": ("ended a",)}

CELLS = [
    # activated
    Cell("activated, declared activated: nothing", {"state": "activated"}, ACTIVATED),
    Cell("activated and over, declared activated: nothing", {"state": "activated", "to": PAST}, ACTIVATED),
    Cell("activated, declared deactivated: update", {"state": "activated"}, DEACTIVATED, UPDATE),
    Cell("activated, no state: nothing", {"state": "activated"}, {}),
    # pending
    Cell("pending, declared activated: nothing", {"state": "pending", "frm": LATER}, ACTIVATED),
    Cell("pending, declared deactivated: update", {"state": "pending", "frm": LATER}, DEACTIVATED, UPDATE),
    Cell("pending, no state: nothing", {"state": "pending"}, {}),
    # deactivated
    Cell("deactivated, end unknown, declared activated: update", {"state": "deactivated"}, ACTIVATED, UPDATE),
    Cell("deactivated, no end, declared activated: update", {"state": "deactivated", "to": None}, ACTIVATED, UPDATE),
    Cell("deactivated, to later, declared activated: update", {"state": "deactivated", "to": LATER}, ACTIVATED, UPDATE),
    Cell("deactivated, to past, undeclared: ended", {"state": "deactivated", "to": PAST}, ACTIVATED, **ENDED),
    Cell(
        "deactivated, to past, declared equal: ended",
        {"state": "deactivated", "to": PAST},
        {"state": "activated", "to": PAST},
        **ENDED,
    ),
    Cell("deactivated, to now: ended", {"state": "deactivated", "to": NOW_TEXT}, ACTIVATED, **ENDED),
    Cell("deactivated, a minute later: update", {"state": "deactivated", "to": JUST_LATER}, ACTIVATED, UPDATE),
    Cell(
        "ended: state stays out of an update that is due for another field",
        {"state": "deactivated", "to": PAST, "type": "limited"},
        {"state": "activated", "type": "recurring"},
        ("update a: subscription_type",),
        **ENDED,
    ),
    Cell(
        "ended with the end declared: the update holds the end, not the state",
        {"state": "deactivated", "to": PAST, "frm": "2026-01-01"},
        {"state": "activated", "frm": "2026-02-01", "to": PAST},
        ("update a: valid_from valid_to",),
        **ENDED,
    ),
    Cell("ended: the number is set all the same", {"state": "deactivated", "to": PAST},
         {"state": "activated", "number": "7"}, ("subscription_number a",), **ENDED),
    Cell(
        "deactivated, to past, declared later: update",
        {"state": "deactivated", "to": PAST},
        {"state": "activated", "to": LATER},
        ("update a: state valid_to",),
    ),
    Cell("deactivated, declared deactivated: nothing", {"state": "deactivated"}, DEACTIVATED),
    Cell("deactivated and over, declared deactivated: nothing", {"state": "deactivated", "to": PAST}, DEACTIVATED),
    Cell("deactivated and over, no state: nothing", {"state": "deactivated", "to": PAST}, {}),
    # cancelled, its term running
    Cell("cancelled, to later, declared activated: reactivate", {"state": "cancelled", "to": LATER}, ACTIVATED,
         not_after=LATER, **REACTIVATE),
    Cell("cancelled, a minute later: reactivate", {"state": "cancelled", "to": JUST_LATER}, ACTIVATED,
         not_after=JUST_LATER, **REACTIVATE),
    Cell("cancelled, end unknown: reactivate", {"state": "cancelled"}, ACTIVATED, **REACTIVATE),
    Cell("cancelled, no end: reactivate", {"state": "cancelled", "to": None}, ACTIVATED, **REACTIVATE),
    Cell("cancelled, to later, declared deactivated: update", {"state": "cancelled", "to": LATER}, DEACTIVATED, UPDATE),
    Cell("cancelled, end unknown, declared deactivated: update", {"state": "cancelled"}, DEACTIVATED, UPDATE),
    Cell("cancelled, to later, no state: nothing", {"state": "cancelled", "to": LATER}, {}),
    # cancelled and lapsed
    Cell("lapsed, undeclared end: ended", {"state": "cancelled", "to": PAST}, ACTIVATED, **ENDED),
    Cell("lapsed this minute: ended", {"state": "cancelled", "to": NOW_TEXT}, ACTIVATED, **ENDED),
    Cell("lapsed, declared equal: ended", {"state": "cancelled", "to": PAST}, ACTIVATED | {"to": PAST}, **ENDED),
    Cell(
        "lapsed, declared later: update",
        {"state": "cancelled", "to": PAST},
        {"state": "activated", "to": LATER},
        ("update a: state valid_to",),
    ),
    Cell(
        "lapsed and ended: state stays out of an update for another field",
        {"state": "cancelled", "to": PAST, "type": "recurring"},
        {"state": "activated", "type": "limited"},
        ("update a: subscription_type",),
        **ENDED,
    ),
    Cell("lapsed, declared deactivated: nothing", {"state": "cancelled", "to": PAST}, DEACTIVATED),
    Cell("lapsed, no state: nothing", {"state": "cancelled", "to": PAST}, {}),
    # frozen
    Cell("frozen, declared activated: nothing, warning", {"state": "frozen"}, ACTIVATED, warnings=("frozen a",)),
    Cell("frozen, declared deactivated: update", {"state": "frozen"}, DEACTIVATED, UPDATE),
    Cell("frozen, no state: nothing", {"state": "frozen"}, {}),
    # any other word
    Cell("other word, declared activated: blocked", {"state": "paused"}, ACTIVATED, blocked=("unknown-state a",)),
    Cell("other word, declared deactivated: update, warning", {"state": "paused"}, DEACTIVATED, UPDATE,
         warnings=("unknown-state a",)),
    Cell("other word, no state: nothing", {"state": "paused"}, {}),
    Cell("words are compared exactly", {"state": "Activated"}, ACTIVATED, blocked=("unknown-state a",)),
    # not known
    Cell("state unknown, declared activated: update", {"state": UNKNOWN}, ACTIVATED, UPDATE),
    Cell("state unknown, to later, declared activated: update", {"state": UNKNOWN, "to": LATER}, ACTIVATED, UPDATE),
    Cell("state unknown, declared deactivated: update", {"state": UNKNOWN}, DEACTIVATED, UPDATE),
    Cell("state known to be empty, declared activated: update", {"state": None}, ACTIVATED, UPDATE),
    Cell("state known to be empty, declared deactivated: update", {"state": None}, DEACTIVATED, UPDATE),
    Cell("state unknown, no state: nothing", {"state": UNKNOWN}, {}),
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.row)
def test_cell(cell):
    made = plan([want("a", **cell.declared)], [have("a", **OURS | _no_service_for_reactivate(cell) | cell.known)])
    assert told(made) == Told(cell.steps, cell.blocked, (), cell.warnings)
    if made.steps:
        not_after = only_step(made).not_after
        assert not_after == (None if cell.not_after is None else minute(cell.not_after))


def _no_service_for_reactivate(cell):
    """Payway reactivates what it provisions itself; who provisions isn't what these rows are about."""
    return {"service": "tulo"} if "reactivate a" in cell.steps else {}


@pytest.mark.parametrize("state", ["activated", "deactivated"])
def test_a_product_that_nothing_is_known_of_is_updated(state):
    assert told(plan([want("a", state=state)], [])) == Told(steps=("update a: state",))


def test_every_known_word_stands_in_the_table():
    words = {cell.known.get("state", UNKNOWN) for cell in CELLS}
    assert {"activated", "pending", "deactivated", "cancelled", "frozen", UNKNOWN, None} <= words
    declared = {(cell.known["state"], cell.declared.get("state")) for cell in CELLS}
    for word in ("activated", "pending", "deactivated", "cancelled", "frozen", "paused", UNKNOWN):
        assert {(word, "activated"), (word, "deactivated"), (word, None)} <= declared


class TestSentState:
    """`state` is sent with every update that declares it, save where the rules leave it out."""

    @pytest.mark.parametrize(
        ("known", "state", "sent"),
        [
            ("activated", "activated", "state valid_to"),
            ("deactivated", "deactivated", "state valid_to"),
            ("deactivated", "activated", "state valid_to"),
            ("activated", "deactivated", "state valid_to"),
            ("pending", "activated", "valid_to"),
            ("pending", "deactivated", "state valid_to"),
            ("frozen", "activated", "valid_to"),
            ("frozen", "deactivated", "state valid_to"),
            ("cancelled", "deactivated", "state valid_to"),
            ("paused", "deactivated", "state valid_to"),
            (UNKNOWN, "activated", "state valid_to"),
            (UNKNOWN, "deactivated", "state valid_to"),
        ],
    )
    def test_beside_another_field(self, known, state, sent):
        made = plan(
            [want("a", state=state, to="2027-12-01")], [have("a", state=known, to="2026-12-01", service="kayak")]
        )
        assert told(made).steps == (f"update a: {sent}",)

    def test_is_left_out_beside_a_reactivate(self):
        made = plan([want("a", state="activated", to="2027-12-01")], [have("a", state="cancelled", to="2026-12-01")])
        assert told(made).steps == ("reactivate a", "update a: valid_to")

    def test_is_left_out_beside_a_deferred_reactivate(self):
        known = have("a", user=None, state="cancelled", to="2026-12-01")
        made = plan([want("a", state="activated", to="2027-12-01")], [known])
        assert told(made).steps == ("update a: valid_to",)
        assert told(made).deferred == ("needs-user-product-id a reactivate",)


class TestMinutes:
    """Seconds are cut off before anything else; "later than now" means minutes too."""

    @pytest.mark.parametrize(
        ("to", "now", "steps"),
        [
            ("2026-11-24T10:00:59Z", "10:00:00", ()),
            ("2026-11-24T10:00:59Z", "09:59:59", ("reactivate a",)),
            ("2026-11-24T10:01:00Z", "10:00:59", ("reactivate a",)),
            ("2026-11-24T10:01:00Z", "10:01:00", ()),
            ("2026-11-24T11:01:00.999+01:00", "10:00:59", ("reactivate a",)),
        ],
    )
    def test_of_the_end_and_of_now(self, to, now, steps):
        made = plan([want("a", state="activated")], [have("a", state="cancelled", to=to)], now=at(now))
        assert told(made).steps == steps
        if steps:
            assert instant_text(only_step(made).not_after) == "2026-11-24T10:0" + ("0" if now < "10" else "1") + ":00Z"
