"""What the accounts of a shard claim for themselves, as numbers that say nothing, to be compared with other shards'.

Within one shard `reconciler.manifests.uniqueness` has looked already, and an account is never in two of them.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.manifests.facts import CUSTOMER_NUMBER, SUBSCRIPTION_NUMBER, USER_PRODUCT, wanted_from
from reconciler.manifests.fleet import Fleet
from reconciler.manifests.uniqueness import repeated

_KIND_BITS: Final = 3
_DUPLICATES: Final = {
    CUSTOMER_NUMBER: ("duplicate-customer-number", "one customer_number stands on two accounts"),
    USER_PRODUCT: ("duplicate-user-product", "one user_product_id stands in two accounts"),
    SUBSCRIPTION_NUMBER: ("duplicate-subscription-number", "one subscription_number stands on two products"),
}
_HINT: Final = "these are the lines where both accounts begin; `reconciler validate` names the value"


class Claims(NamedTuple):
    """A digest of 128 bits for each claim, in two halves, and where its account stands: place in ``files``, line.

    The two lowest bits of ``high`` are the kind of the claim (`reconciler.manifests.facts`).
    """

    files: tuple[str, ...]
    high: array[int]
    low: array[int]
    file: array[int]
    line: array[int]


def claims_of(fleet: Fleet) -> Claims:
    """The claims of all accounts of ``fleet``."""
    found = Claims((), array("Q"), array("Q"), array("I"), array("I"))
    places: dict[str, int] = {}
    for name, line, wanted, rest in fleet.claiming():
        place = places.setdefault(name, len(places))
        for kind, value in _claimed(wanted, rest):
            high, low = _digest(kind, value)
            found.high.append(high)
            found.low.append(low)
            found.file.append(place)
            found.line.append(line)
    return found._replace(files=tuple(places))


def _claimed(wanted: str, rest: str) -> Iterator[tuple[int, str]]:
    number = json.loads(rest)[0]
    if number is not None:
        yield CUSTOMER_NUMBER, number
    for product in wanted_from(wanted)[1]:
        for kind, name in ((USER_PRODUCT, "user_product_id"), (SUBSCRIPTION_NUMBER, "subscription_number")):
            if name in product:
                yield kind, product[name]


def _digest(kind: int, value: str) -> tuple[int, int]:
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, person=b"%d" % kind).digest()
    return int.from_bytes(digest[:8], "big") & ~_KIND_BITS | kind, int.from_bytes(digest[8:], "big")


def clashes(shards: Sequence[Claims]) -> Iterator[Diagnostic]:
    """A finding for each claim of one shard that another one makes, too, as `duplicates` has it within one."""
    keys = repeated(lambda: (claims.high for claims in shards), sum(len(claims.high) for claims in shards))
    found: dict[tuple[int, int], list[tuple[Position, int]]] = defaultdict(list)
    for number, claims in enumerate(shards):
        for place, high in enumerate(claims.high):
            if high in keys:
                at = Position(claims.files[claims.file[place]], claims.line[place])
                found[high, claims.low[place]].append((at, number))
    for (high, _), places in found.items():
        places.sort()
        first, shard = places[0]
        rule, message = _DUPLICATES[high & _KIND_BITS]
        severity = Severity.WARNING if rule == "duplicate-subscription-number" else Severity.ERROR
        for at, other in places[1:]:
            if other != shard:
                yield Diagnostic(rule, message, at, _HINT, first, severity)
