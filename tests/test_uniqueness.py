"""Values that only one place may hold, looked for by their numbers."""

from array import array
from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import Position, Severity
from reconciler.manifests import uniqueness
from reconciler.manifests.declaration import Claim
from reconciler.manifests.facts import claim_key
from reconciler.manifests.uniqueness import duplicates, repeated, repeated_in

#: Close together, far apart, and with each of the lowest bits.
NUMBERS = st.integers(0, 40) | st.integers(0, 40).map(lambda n: n << 40) | st.integers(2**64 - 40, 2**64 - 1)


@given(st.lists(st.lists(NUMBERS, max_size=12), max_size=6), st.integers(1, 9))
def test_numbers_that_stand_more_than_once_are_found_in_any_number_of_parts(files, at_once):
    counted = Counter(number for numbers in files for number in numbers)
    arrays = [array("Q", numbers) for numbers in files]
    for limit in (at_once, 1_000_000):
        with patch.object(uniqueness, "_AT_ONCE", limit):
            assert repeated(lambda: iter(arrays), sum(map(len, arrays))) == {
                number for number, times in counted.items() if times > 1
            }


@given(
    st.lists(st.lists(NUMBERS, max_size=12), max_size=5),
    st.lists(NUMBERS, max_size=40, unique=True),
    st.integers(1, 9),
)
def test_numbers_that_stand_again_in_new_files_are_found(new, old, cut):
    new, old = [array("Q", numbers) for numbers in new], [array("Q", old[:cut]), array("Q", old[cut:])]
    counted = Counter(number for numbers in (*new, *old) for number in numbers)
    for limit in (3, 1_000_000):
        with patch.object(uniqueness, "_AT_ONCE", limit):
            found = repeated_in(lambda: iter(new), lambda: iter(old), everywhere=lambda: iter([*new, *old]))
        assert found == {number for number, times in counted.items() if times > 1}


def test_memory_is_bounded_by_the_parts():
    seen = []

    class Counted(set):
        def update(self, numbers):
            super().update(numbers)
            seen.append(len(self))

    numbers = array("Q", [claim_key("account", f"{number:024x}") for number in range(2000)])
    with patch.object(uniqueness, "_AT_ONCE", 100), patch.object(uniqueness, "set", Counted, create=True):
        assert repeated(lambda: [numbers], len(numbers)) == frozenset()
    assert len(seen) == 21
    assert max(seen) < 200


def claim(kind, value, line, account="a"):
    return Claim(kind, value, account, Position("a.yaml", line, 1))


@pytest.mark.parametrize(
    ("kind", "rule", "severity"),
    [
        ("account", "duplicate-account", Severity.ERROR),
        ("customer_number", "duplicate-customer-number", Severity.ERROR),
        ("user_product", "duplicate-user-product", Severity.ERROR),
        ("subscription_number", "duplicate-subscription-number", Severity.WARNING),
    ],
)
def test_each_kind_is_told_by_its_rule_at_the_second_place(kind, rule, severity):
    claims = [claim(kind, "1", 1), claim(kind, "2", 2), claim(kind, "1", 3, "b"), claim(kind, "1", 4, "c")]
    found = list(duplicates(claims))
    assert [(each.rule, each.severity, each.position.line, each.related.line) for each in found] == [
        (rule, severity, 3, 1),
        (rule, severity, 4, 1),
    ]


def test_kinds_don_t_disturb_each_other():
    kinds = ("account", "customer_number", "user_product", "subscription_number")
    assert list(duplicates([claim(kind, "1", line) for line, kind in enumerate(kinds, 1)])) == []


def test_the_customer_number_of_an_account_that_is_declared_twice_is_told_once():
    claims = [claim("customer_number", "1", 1), claim("customer_number", "1", 2), claim("customer_number", "1", 3, "b")]
    assert [each.position.line for each in duplicates(claims)] == [3]
    # Whose account can't be read could be anybody.
    nobody = [claim("customer_number", "1", line, None) for line in (1, 2)]
    assert [each.position.line for each in duplicates(nobody)] == [2]
