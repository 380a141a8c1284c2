"""Fleets of accounts for hypothesis: everything that manifests can declare beside everything that can be known."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from reconciler.model import UNKNOWN, DeclaredAccount, KnownAccount
from support.planning import doubt, has, have, moment, want, wants

#: Ends of windows on both sides of every boundary of `support.planning.NOW`.
TIMES = (
    "2025-06-01",
    "2026-11-01",
    "2026-11-24 10:00 +0000",
    "2026-11-24 10:01 +0000",
    "2026-12-01",
    "2026-12-01 01:00 +0100",
    "2027-12-01",
)
STATES = ("activated", "pending", "deactivated", "cancelled", "frozen")
TYPES = ("recurring", "limited")
NUMBERS = ("6", "7")
SERVICES = ("tulo", "kayak")
WORDS = ("1", "2")


@dataclass(frozen=True)
class Fleet:
    declared: tuple[DeclaredAccount, ...]
    known: tuple[KnownAccount, ...]


def known_fields(*, complete: bool = False):
    """What can be known of a product, as arguments of `have`."""

    def of(*values):
        return st.sampled_from(values if complete else (*values, None, UNKNOWN))

    return st.fixed_dictionaries(
        {
            "state": of(*STATES) if complete else of(*STATES, "paused"),
            "type": of(*TYPES),
            "frm": st.sampled_from((*TIMES[:5], None, *(() if complete else (UNKNOWN,)))),
            "to": st.sampled_from((*TIMES, None, *(() if complete else (UNKNOWN,)))),
            "number": of(*NUMBERS, None),
            "service": of(*SERVICES),
        }
    )


def _is_in_order(fields):
    ends = [moment(fields[name]).minute for name in ("frm", "to") if name in fields]
    return len(ends) < 2 or ends[0] < ends[1]


#: What can be declared of a product, as arguments of `want`.
declared_fields = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(("activated", "deactivated")),
        "type": st.sampled_from(TYPES),
        "frm": st.sampled_from(TIMES),
        "to": st.sampled_from(TIMES),
        "number": st.sampled_from(NUMBERS),
        "protect": st.booleans(),
    },
).filter(_is_in_order)


@st.composite
def accounts(draw, name, *, tidy=False, complete=False):
    """One declared account and one known one (or None).

    On a ``tidy`` one every declared product is known, with both ids, each product_id once, and no call is
    in doubt; on a ``complete`` one no field is unknown or a word that Payway doesn't have.
    """
    names = draw(st.lists(st.sampled_from("abcd"), max_size=4, unique=True))
    declared, known, doubts = [], [], []
    for line, product in enumerate(names, start=2):
        user = name + product
        is_known = tidy or draw(st.sampled_from((True, True, True, False)))
        if is_known:
            known_user = user if tidy else draw(st.sampled_from((user, user, None, user + "2")))
            known.append(have(product, user=known_user, **draw(known_fields(complete=complete))))
            if not tidy and draw(st.sampled_from((False,) * 9 + (True,))):
                known.append(have(product, user=user + "3", **draw(known_fields(complete=complete))))
        fields = draw(declared_fields)
        by_user = draw(st.booleans())
        declared.append(want(product, user=user if by_user else None, line=line, **fields))
        if not tidy and draw(st.sampled_from((False,) * 9 + (True,))):
            doubts.append(doubt(draw(st.sampled_from(("update", "reactivate"))), product, user=user))
    if draw(st.booleans()):
        known.append(have("e", user=name + "e", **draw(known_fields(complete=complete))))
    customer = f"{name}-1"
    known_customer = customer if tidy else draw(st.sampled_from((customer, customer, UNKNOWN, None, "other")))
    words = st.dictionaries(st.sampled_from(("address", "subscriptions")), st.sampled_from(WORDS))
    account = wants(name, *declared, customer=customer, sync=draw(words))
    if not tidy and not known and draw(st.booleans()):
        return account, None
    return account, has(name, *known, customer=known_customer, synced=draw(words), doubts=doubts)


@st.composite
def fleets(draw, *, tidy=False, complete=False):
    """A `Fleet` of up to three accounts, and sometimes one that no manifest names."""
    names = draw(st.lists(st.sampled_from("xyz"), max_size=3, unique=True))
    pairs = [draw(accounts(name, tidy=tidy, complete=complete)) for name in names]
    known = [account for _, account in pairs if account is not None]
    if draw(st.booleans()):
        known.append(has("w", have("a", user="wa", **draw(known_fields(complete=complete)))))
    return Fleet(tuple(account for account, _ in pairs), tuple(known))
