"""What stands in known state to the letter is what the longer look finds there, too."""

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.planning import doubt, has, have, want, wants

from reconciler.manifests.facts import facts_of
from reconciler.model import known_record
from reconciler.planning import quiet
from reconciler.planning.quiet import left_over

#: Texts that try to look like the JSON around them.
TRICKS = ("6", "66", "", "a", '"', "},{", '"},{"product_id":"', "\\", "6\\", '6\\"', "\n", "é", '6","state":"activated')
FIELDS = {
    "state": ("activated", "pending", "deactivated"),
    "type": ("limited", "recurring"),
    "frm": ("2025-06-01", "2025-06-02"),
    "to": ("2027-06-01", "2027-06-02"),
    "number": TRICKS,
}


def looked_at(declared, known):
    """Whether it stands there to the letter, what is left over, and what the longer look says of that."""
    wanted, document = facts_of(declared).wanted, known_record(known).document
    with patch.object(quiet, "_stands_there", return_value=False):
        longer = left_over(wanted, document)
    sync, *lines = wanted.split("\n")
    return quiet._stands_there(sync, lines, document), left_over(wanted, document), longer


@st.composite
def pairs(draw):
    """An account that is declared about as it is known: some of it left out, other products, other words."""
    held, wanted = [], []
    for name in draw(st.lists(st.sampled_from("abc"), max_size=3)):
        values = {field: draw(st.sampled_from(texts)) for field, texts in FIELDS.items()}
        user = draw(st.sampled_from((name, name, "u", None)))
        left_out = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2))
        known = {field: text for field, text in values.items() if field not in left_out or draw(st.booleans())}
        declared = {field: text for field, text in values.items() if field not in left_out}
        if draw(st.integers(0, 4)) == 0:
            declared["number"] = draw(st.sampled_from(TRICKS))
        if draw(st.integers(0, 5)):
            service = draw(st.sampled_from(({}, {"service": "tulo"})))
            held.append(have(draw(st.sampled_from((name, name, None))), user=user, **known, **service))
        if draw(st.integers(0, 5)):
            wanted.append(want(name, user=draw(st.sampled_from((user, user, None))), **declared))
    # No account is declared with one product_id twice, nor one user product.
    wanted = list({each.product_id: each for each in wanted}.values())
    own = [each.user_product_id for each in wanted if each.user_product_id is not None]
    if len(own) > len(set(own)):
        wanted = wanted[:1]
    words = st.sampled_from(("1", "2", '1","subscriptions":"1'))
    synced = draw(st.dictionaries(st.sampled_from(("address", "subscriptions")), words))
    sync = {kind: draw(st.sampled_from((word, word, "1"))) for kind, word in synced.items() if draw(st.booleans())}
    doubts = draw(st.lists(st.just(doubt("update", "a")), max_size=2))
    return wants("x", *wanted, sync=sync), has("x", *held, synced=synced, doubts=doubts)


SAME = want("a", user="a", state="activated"), have("a", state="activated")
ALIKE = replace(SAME[0], subscription_number="a},{b"), replace(SAME[1], subscription_number="aZ")


@given(pairs())
@settings(max_examples=1500, deadline=None)
@example((wants("x"), has("x")))
@example((wants("x", ALIKE[0]), has("x", ALIKE[1])))
def test_what_stands_there_is_what_the_longer_look_finds(pair):
    declared, known = pair
    to_the_letter, found, longer = looked_at(declared, known)
    assert found == longer
    if to_the_letter:
        assert longer == ([], len(known.user_products))


@pytest.mark.parametrize(
    ("declared", "known", "expected"),
    [
        ([SAME[0]], [SAME[1]], True),
        # What is known besides stands behind what is wanted, or between it.
        ([SAME[0]], [have("a", state="activated", service="tulo", number="1")], True),
        ([want("a", user="a", number="1")], [have("a", state="activated", number="1")], False),
        # Another product, none, or one that only begins like it.
        ([SAME[0]], [SAME[1], have("b")], False),
        ([SAME[0], want("b", user="b")], [SAME[1]], False),
        ([SAME[0]], [], False),
        ([], [], True),
        ([], [SAME[1]], False),
        # In another order.
        ([SAME[0], want("b", user="b")], [have("b"), SAME[1]], True),
        ([want("a", user="a", number="6")], [have("a", number="66")], False),
        ([want("a", user="a", number="6")], [have("a", number='6"')], False),
    ],
)
def test_all_of_it_stands_there_and_nothing_else(declared, known, expected):
    found, *_ = looked_at(wants("x", *declared), has("x", *known))
    assert found is expected


def test_a_word_that_only_begins_alike_is_another_one():
    known = has("x", SAME[1], synced={"address": "11", "subscriptions": "1"})
    for sync, expected in (({"address": "1"}, False), ({"address": "11"}, True), ({"subscriptions": "1"}, True)):
        found, *_ = looked_at(wants("x", SAME[0], sync=sync), known)
        assert found is expected


def test_a_product_of_a_call_in_doubt_isn_t_known_by_that():
    known = has("x", have("b"), doubts=[doubt("update", "a")])
    assert looked_at(wants("x", want("a", user="a")), known)[0] is False
    assert looked_at(wants("x", want("b", user="b")), known)[0] is True


def test_most_accounts_are_told_by_the_letter():
    declared = wants("x", SAME[0], want("b", user="b", state="deactivated"), sync={"subscriptions": "1"})
    other = have("b", state="deactivated", service="kayak")
    known = has("x", SAME[1], other, synced={"address": "2", "subscriptions": "1"})
    with patch.object(quiet, "_matched", side_effect=AssertionError):
        assert left_over(facts_of(declared).wanted, known_record(known).document) == ([], 2)


def test_a_record_without_a_list_of_products_is_for_the_store_to_refuse():
    assert quiet._stands_there("{}", [], '{"account_id":"x]"}') is False
