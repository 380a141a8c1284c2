"""The short way of an account's line: never another answer than the long way's."""

import json
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.known import (
    CLOCKS,
    known_account,
    known_accounts,
    known_product,
)

from reconciler.model import known_record
from reconciler.state.quickline import quick_line
from reconciler.state.snapshotcheck import check_account
from reconciler.state.snapshottext import account_in

# --- The short way of a line ---


def exported(products, fields=""):
    return f'{{"account_id":"ID"{fields},"user_products":[{products}]}}'.replace("ID", "a" * 24).encode()


@st.composite
def nearly_exported(draw):
    """A line as an export writes it, with one character changed or none."""
    found = draw(known_accounts())
    record = known_record(replace(found, unverified=False, doubts=()))
    own_id = f'{{"account_id":"{record.account_id}"'
    time = draw(st.sampled_from(["", *(f',"observed_at":"{clock}"' for clock in CLOCKS)]))
    line = own_id + time + record.document.removeprefix(own_id)
    if draw(st.booleans()):
        place = draw(st.integers(0, len(line) - 1))
        line = (
            line[:place]
            + draw(st.sampled_from(list('0129AZ"\\,:{}[] -\n\x7fä')))
            + line[place + draw(st.integers(0, 1)) :]
        )
    return line.encode()


@settings(max_examples=1000)
@given(nearly_exported())
@example(exported('{"product_id":"ID","valid_to":"2026-02-29T00:00:00Z"}'))
@example(exported('{"product_id":"ID"},{"product_id":"ID"}'))
@example(exported('{"product_id":"ID","state":"b"},{"product_id":"ID","state":"a"}'))
@example(exported('{"product_id":"ID"},'))
@example(exported("", ',"customer_number":" 5"'))
def test_the_short_way_of_a_line_says_what_the_long_way_says(line):
    quick = quick_line(line)
    if quick is None:
        return
    data = json.loads(line)
    assert check_account(data) == []
    long = account_in(data, None)
    assert (quick.document, quick.observed_at) == (known_record(long).document, long.observed_at)
    assert (quick.account_id.decode(), quick.customer_number) == (long.account_id, long.customer_number)
    ids = [(p.product_id or "", p.user_product_id or "") for p in long.user_products]
    assert [tuple(id_.decode() for id_ in pair) for pair in quick.product_ids] == ids


def test_the_short_way_takes_what_an_export_usually_has():
    found = known_account(
        "a1",
        known_product(None, "c0", state=None),
        known_product("b1"),
        known_product("b1", "c1", state="activated", valid_from=0, valid_to=None, subscription_number="007"),
        customer_number="1234567890",
        synced={"address": "1", "subscriptions": "2026-11-24 renumbering"},
    )
    for each in (found, replace(found, customer_number=None), replace(found, user_products=(), synced={})):
        line = known_record(each).document.encode()
        assert quick_line(line + b"\r\n") is not None
        assert quick_line(line[:-1] + b',"unverified":true}') is None
