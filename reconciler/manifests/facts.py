"""The compact form of a declared account: what is compared, what must be unique, and the digest of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from reconciler import canonical
from reconciler.instants import Minute, Moment, instant_text
from reconciler.model import SYNC_KINDS, DeclaredAccount, DeclaredProduct, product_order

if TYPE_CHECKING:
    from reconciler.manifests.declaration import ClaimKind

#: What a claim is about, by its place in this list.
CLAIM_KINDS: Final[tuple[ClaimKind, ...]] = ("account", "customer_number", "user_product", "subscription_number")

#: The places of these.
ACCOUNT, CUSTOMER_NUMBER, USER_PRODUCT, SUBSCRIPTION_NUMBER = range(4)


#: Where a document stands in its file: offset and length in bytes (length 0: look through the whole), line from 1.
Place: TypeAlias = tuple[int, int, int]


class Row(NamedTuple):
    """One declared account. ``digest`` covers all that is declared, wherever it stands.

    ``offset`` and ``length`` (bytes) and ``line`` (from 1) find its document in the file; ``length`` is 0 where the
    whole file has to be read for it. ``products`` counts its user products. ``ending`` is the first minute at which
    time alone makes a finding, ``endings`` are the minute, text, line and column of each such end, as JSON.
    ``wanted`` and ``rest`` are its `Facts`.
    """

    account_id: str
    digest: bytes
    offset: int
    length: int
    line: int
    products: int
    ending: Minute | None
    endings: str | None
    wanted: str
    rest: str


def claim_key(kind: ClaimKind, value: str) -> int:
    """A number of 64 bits for a claim: equal claims have the same one, others almost never."""
    place = CLAIM_KINDS.index(kind)
    return id_key(place, value) if kind in ("account", "user_product") else number_key(place, value)


def id_key(kind: int, value: str) -> int:
    """The number of a claim to an id; ``kind`` is its place in `CLAIM_KINDS`."""
    # The hash of a number is itself modulo 2**61 - 1, in every process.
    return hash(int(value, 16)) << 2 | kind


def number_key(kind: int, value: str) -> int:
    """The number of a claim to any other text."""
    if len(value) <= 50 and value.isascii() and value.isdigit():
        number = int(value)
    else:
        data = value.encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
    return hash(number) << 2 | kind


class Facts(NamedTuple):
    """All that is declared of an account but its id, as two texts: equal declarations have equal ones.

    ``wanted`` is what has to be known for nothing to be due: a line with the syncs and one for each product, as JSON
    objects, written as known state is, in the order in which known products stand. ``rest`` is a JSON list of customer
    number, owner, labels, and of each product both ends as they would be sent and its protection.
    """

    wanted: str
    rest: str


def facts_of(account: DeclaredAccount) -> Facts:
    """The facts of ``account``."""
    products = sorted(account.user_products, key=product_order)
    labels = {name: account.labels[name] for name in sorted(account.labels)}
    sync = {kind: account.sync[kind] for kind in SYNC_KINDS if kind in account.sync}
    sent = [[_sent(product.valid_from), _sent(product.valid_to), product.protect] for product in products]
    return Facts(
        wanted_text(sync, map(_wanted, products)),
        canonical.dumps([account.customer_number, account.owner, labels, sent]),
    )


def wanted_text(sync: Mapping[str, str], products: Iterable[Mapping[str, str]]) -> str:
    """What has to be known, as text."""
    return "\n".join([canonical.dumps(sync), *map(canonical.dumps, products)])


def wanted_from(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The syncs and the products behind `wanted_text`."""
    # A line break inside a value is written otherwise.
    sync, *products = json.loads(f"[{text.replace(chr(10), ',')}]")
    return sync, products


def _wanted(product: DeclaredProduct) -> dict[str, str]:
    wanted = {
        "product_id": product.product_id,
        "user_product_id": product.user_product_id,
        "state": product.state,
        "subscription_type": product.subscription_type,
        "valid_from": _known(product.valid_from),
        "valid_to": _known(product.valid_to),
        "subscription_number": product.subscription_number,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _known(moment: Moment | None) -> str | None:
    return None if moment is None else instant_text(moment.minute)


def _sent(moment: Moment | None) -> str | None:
    return None if moment is None else moment.text


def digest_of(account_id: str, facts: Facts) -> bytes:
    """SHA-256 of all that is declared of an account."""
    return hashlib.sha256(f"{account_id}{facts.wanted}{facts.rest}".encode("ascii")).digest()


def endings_of(ends: list[tuple[Minute, str, int, int]]) -> tuple[Minute | None, str | None]:
    """The first of some ends (minute, text as it is sent, line, column), and all of them as JSON."""
    if not ends:
        return None, None
    texts = [f'[{minute},"{text}",{line},{column}]' for minute, text, line, column in ends]
    return min(ends)[0], f"[{','.join(texts)}]"
