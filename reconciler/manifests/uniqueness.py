"""What only one place may hold, over all documents: accounts, customer numbers, user products, subscription numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.manifests.declaration import Claim

#: Goes through numbers of 64 bits, some at a time.
Numbers: TypeAlias = "Callable[[], Iterable[array[int]]]"

#: So many are held as numbers of Python's at once.
_AT_ONCE: Final = 750_000

_DUPLICATES: Final = {
    "account": ("duplicate-account", "the account {} is declared twice", "bring both documents into one"),
    "customer_number": (
        "duplicate-customer-number",
        "the customer_number {} stands on two accounts",
        "check which account it belongs to",
    ),
    "user_product": (
        "duplicate-user-product",
        "the user_product_id {} stands in two places",
        "check which account and product it belongs to",
    ),
    "subscription_number": (
        "duplicate-subscription-number",
        "the subscription_number {} stands on two products",
        "check that both products belong to one subscription",
    ),
}


def duplicates(claims: Iterable[Claim]) -> Iterator[Diagnostic]:
    """A finding for each claim that somebody made before; of equal claims the first one is kept."""
    first_of: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        first = first_of.setdefault((claim.kind, claim.value), claim)
        if first is claim:
            continue
        if claim.kind == "customer_number" and claim.account is not None and claim.account == first.account:
            continue  # one account in two documents, which is told
        rule, message, hint = _DUPLICATES[claim.kind]
        severity = Severity.WARNING if claim.kind == "subscription_number" else Severity.ERROR
        yield Diagnostic(rule, message.format(claim.value), claim.position, hint, first.position, severity)


def repeated_in(new: Numbers, old: Numbers, *, everywhere: Numbers) -> frozenset[int]:
    """The numbers that stand more than once ``everywhere``, which is ``new`` and ``old``; in ``old`` none does."""
    total = sum(map(len, new()))
    if total > _AT_ONCE:
        return repeated(everywhere, total + sum(map(len, old())))
    seen: set[int] = set()
    found: set[int] = set()
    for each in new():
        found.update(seen.intersection(each))
        if len(set(each)) < len(each):
            found.update(number for number, times in Counter(each).items() if times > 1)
        seen.update(each)
    for each in old() if seen else ():
        found.update(seen.intersection(each))
    return frozenset(found)


def repeated(numbers: Numbers, total: int) -> frozenset[int]:
    """The numbers that stand more than once in all the arrays that ``numbers`` goes through; ``total`` are there.

    Many are held as 8 bytes each, and as numbers of Python's only some at a time.
    """
    parts = [list(numbers())] if total <= _AT_ONCE else _parts(numbers(), total // _AT_ONCE + 1)
    return frozenset().union(*map(_more_than_once, parts))


def _parts(numbers: Iterable[array[int]], count: int) -> list[list[array[int]]]:
    """The same numbers in ``count`` parts, equal ones in the same."""
    parts = [array("Q") for _ in range(count)]
    take = [part.append for part in parts]
    for each in numbers:
        for number in each:
            take[(number >> 2) % count](number)  # the two lowest bits are the kind of the claim
    return [[part] for part in parts]


def _more_than_once(numbers: Iterable[array[int]]) -> set[int]:
    """The numbers that stand more than once in some arrays; where there are any, these are gone through again."""
    seen: set[int] = set()
    count = 0
    for each in numbers:
        seen.update(each)
        count += len(each)
    if len(seen) == count:
        return set()
    counted = Counter(number for each in numbers for number in each)
    return {number for number, times in counted.items() if times > 1}
