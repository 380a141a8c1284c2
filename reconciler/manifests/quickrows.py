"""The short way from a document to its row, and back to its account, for documents with nothing to say about."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from reconciler import canonical
from reconciler.instants import Minute, is_usual, parse_declared, usual_time
from reconciler.manifests.building import NULLS
from reconciler.manifests.documents import is_harmless, other_readings
from reconciler.manifests.facts import (
    ACCOUNT,
    CUSTOMER_NUMBER,
    SUBSCRIPTION_NUMBER,
    USER_PRODUCT,
    Facts,
    Place,
    Row,
    digest_of,
    endings_of,
    id_key,
    number_key,
)
from reconciler.model import SYNC_KINDS, DeclaredAccount, DeclaredProduct, Source
from reconciler.predicates import ListPredicate, MappingPredicate, Predicate, accepts

_BOOLEANS: Final = {"true": True, "false": False}
# What is remembered of mappings: so many shapes (a fleet has a few dozen), each of so many keys at most, and so many
# texts of each key (few have more states, types or labels), of so many characters. That bounds what strangers can fill.
_SHAPES: Final = 256
_KEYS: Final = 100
_TEXTS: Final = 32
_LENGTH: Final = 40
_ACCOUNT_KEYS: Final = ("customer_number", "sync", "labels")
_PRODUCT_KEYS: Final = (
    "product_id",
    "user_product_id",
    "state",
    "subscription_type",
    "valid_from",
    "valid_to",
    "subscription_number",
)
#: A product that has them all.
_ALL_OF_PRODUCT: Final = "{" + ",".join([f'"{name}":"%s"' for name in _PRODUCT_KEYS]) + "}"


def quick_row(root: Any, place: Place, claims: array[int]) -> Row | None:
    """The row of a document with nothing to say about, from its composed ``root``; ``None`` for all others.

    It comes to the same row as the long way through `reconciler.manifests.declaration.declare` and to the same claims,
    which are added; a property test holds the two to each other.
    """
    account = _accepted(root)
    return None if account is None else _row(root, account, place, claims)


def quick_account(root: Any, row: Row, file: str) -> DeclaredAccount | None:
    """The account of the document behind ``row``, if ``root`` is that document; ``None`` if it has to be looked at.

    ``root`` begins at the line of ``row``, in the file called ``file``.
    """
    account = _accepted(root)
    if account is None:
        return None
    found = _row(root, account, (row.offset, row.length, row.line), array("Q"))
    if found is None or found.digest != row.digest:
        return None
    nodes = {key.value: below for key, below in root.value}
    sync = account.get("sync", {})
    fields = {"customer_number": nodes["customer_number"]} if "customer_number" in account else {}
    words = {key.value: below for key, below in nodes["sync"].value} if sync else {}
    fields |= {f"sync.{kind}": words[kind] for kind in SYNC_KINDS if kind in sync}
    return DeclaredAccount(
        account_id=found.account_id,
        source=_source(file, row.line, root, fields),
        customer_number=account.get("customer_number"),
        owner=account.get("owner"),
        labels=MappingProxyType(account.get("labels", {})),
        sync=MappingProxyType({kind: sync[kind] for kind in SYNC_KINDS if kind in sync}),
        user_products=tuple(
            _product(product, _source(file, row.line, node, {key.value: below for key, below in node.value}))
            for product, node in zip(account["user_products"], nodes["user_products"].value, strict=True)
        ),
    )


def _source(file: str, first_line: int, node: Any, fields: dict[str, Any]) -> Source:
    lines = {name: first_line + below.start_mark.line for name, below in fields.items()}
    return Source(file, first_line + node.start_mark.line, MappingProxyType(lines))


def _product(product: dict[str, Any], source: Source) -> DeclaredProduct:
    product_id, user_product_id, state, kind, start, end, number = map(product.get, _PRODUCT_KEYS)
    return DeclaredProduct(
        source,
        product_id and product_id.lower(),
        user_product_id and user_product_id.lower(),
        state,
        kind,
        start and parse_declared(start),
        end and parse_declared(end),
        number,
        product.get("protect", False),
    )


def _accepted(root: Any) -> dict[str, Any] | None:
    """A document as plain values, if the schema takes it and nothing in it may be read otherwise."""
    try:
        account: dict[str, Any] = _plain(root, accepts("account"))
    except _Unusual:
        return None
    return account


def _row(root: Any, account: dict[str, Any], place: Place, claims: array[int]) -> Row | None:
    number, sync, labels = map(account.get, _ACCOUNT_KEYS)
    account_id = account["account_id"].lower()
    keys = [id_key(ACCOUNT, account_id)]
    if number is not None:
        keys.append(number_key(CUSTOMER_NUMBER, number))
    products = []
    ends: list[tuple[Minute, str, int, int]] = []
    nodes = root.value[list(account).index("user_products")][1].value
    for product, node in zip(account["user_products"], nodes, strict=True):
        found = _quick_product(product, node, keys, ends)
        if found is None:
            return None
        products.append(found)
    if len(products) > 1:
        ids = [product_id for (product_id, _), _, _ in products if product_id]
        if len(set(ids)) < len(ids):
            return None
        products.sort(key=_ids)
    facts = Facts(
        "\n".join([_object(sync, SYNC_KINDS), *[wanted for _, wanted, _ in products]]),
        f"[{_text(number)},{_text(account.get('owner'))},{_object(labels, sorted(labels or ()))},"
        f"[{','.join([sent for _, _, sent in products])}]]",
    )
    claims.extend(keys)
    return Row(account_id, digest_of(account_id, facts), *place, len(products), *endings_of(ends), *facts)


class _Unusual(Exception):
    """Something stands here that has to be looked at closely."""


class _Field:
    """A key of mappings of one shape, what its value has to be, and plain texts that are as they should be."""

    __slots__ = ("accepts", "name", "texts")

    def __init__(self, name: str, accepts: Predicate) -> None:
        self.name, self.accepts = name, accepts
        self.texts: set[str] = set()

    def value_of(self, text: str) -> str | bool:
        """What a plain scalar stands for. Raises `_Unusual`."""
        if _has_other_reading(text):
            # Under another key than protect the schema refuses a boolean.
            value = _BOOLEANS.get(text)
            if value is None or not self.accepts(value):
                raise _Unusual
            return value
        if not self.accepts(text):
            raise _Unusual
        if len(self.texts) < _TEXTS and len(text) <= _LENGTH:
            self.texts.add(text)
        return text


@lru_cache(maxsize=_SHAPES)
def _fields(accepts: MappingPredicate, keys: tuple[str, ...]) -> tuple[_Field, ...] | None:
    """The fields of mappings with these keys; ``None`` if there is something to say about such a mapping."""
    checks = accepts.checks(keys)
    if checks is None or len(set(keys)) < len(keys) or not all(map(is_harmless, keys)):
        return None
    return tuple(map(_Field, keys, checks))


def _plain(node: Any, accepts: Predicate) -> Any:
    """A list or mapping of composed nodes as plain values that ``accepts`` takes.

    Raises `_Unusual` where it mightn't, or where there might be something else to say.
    """
    if node.id == "mapping" and isinstance(accepts, MappingPredicate):
        return _plain_mapping(node.value, accepts)
    if node.id == "sequence" and isinstance(accepts, ListPredicate) and accepts.fits(len(node.value)):
        item = accepts.item
        return [_plain(below, item) for below in node.value]
    raise _Unusual


def _plain_mapping(pairs: list[tuple[Any, Any]], accepts: MappingPredicate) -> dict[str, Any]:
    if len(pairs) > _KEYS:
        raise _Unusual
    try:
        fields = _fields(accepts, tuple([key.value for key, _ in pairs]))
    except TypeError:  # a key that is a list or a mapping
        raise _Unusual from None
    if fields is None:
        raise _Unusual
    found: dict[str, Any] = {}
    for field, (_, below) in zip(fields, pairs, strict=True):
        value = below.value
        if below.id != "scalar":
            value = _plain(below, field.accepts)
        elif below.style == "":
            if value not in field.texts:
                value = field.value_of(value)
        elif not field.accepts(value):
            raise _Unusual
        found[field.name] = value
    return found


def _has_other_reading(text: str) -> bool:
    """True for a plain text that is null, or that YAML 1.1 tools read as something else than text."""
    # First what most texts are, where they begin with a digit: ids (of numbers, only those in another base hold
    # letters, and these begin with 0), and times without seconds.
    if text.isalnum():
        if text[0] in "123456789" and not text.isdigit():
            return False
    elif text[4:5] == "-" and is_usual(text):
        return False
    read_as = other_readings().get(text[:1])
    return text in NULLS or (read_as is not None and read_as(text) is not None)


def _quick_product(
    product: Any, node: Any, keys: list[int], ends: list[tuple[Minute, str, int, int]]
) -> tuple[tuple[str, str], str, str] | None:
    """Both ids of a product, what is wanted and what is sent of it; ``None`` if there is something to say about it.

    Its claims are added to ``keys``, the end of an activated one's window to ``ends``.
    """
    product_id, user_product_id, state, kind, start, end, number = map(product.get, _PRODUCT_KEYS)
    start, end = start and usual_time(start), end and usual_time(end)
    if (start is None and "valid_from" in product) or (end is None and ("valid_to" in product or kind == "limited")):
        return None
    if start and end and start[0] >= end[0]:
        return None
    if user_product_id is not None:
        user_product_id = user_product_id.lower()
        keys.append(id_key(USER_PRODUCT, user_product_id))
    if number is not None:
        keys.append(number_key(SUBSCRIPTION_NUMBER, number))
    if end and state == "activated":
        mark = node.value[list(product).index("valid_to")][1].start_mark
        ends.append((end[0], end[1], mark.line + 1, mark.column + 1))
    product_id = product_id and product_id.lower()
    if number is not None and not (number.isascii() and number.isalnum()):
        number = canonical.text(number)[1:-1]  # the one value in which a character may be written otherwise
    values = (product_id, user_product_id, state, kind, start and start[2], end and end[2], number)
    if None in values:
        pairs = [f'"{name}":"{value}"' for name, value in zip(_PRODUCT_KEYS, values, strict=True) if value is not None]
        wanted = f"{{{','.join(pairs)}}}"
    else:
        wanted = _ALL_OF_PRODUCT % values
    begins = f'"{start[1]}"' if start else "null"
    ends_at = f'"{end[1]}"' if end else "null"
    protected = "true" if product.get("protect") else "false"
    return (product_id or "", user_product_id or ""), wanted, f"[{begins},{ends_at},{protected}]"


def _ids(product: tuple[tuple[str, str], str, str]) -> tuple[str, str]:
    return product[0]


# An encoder for whole values takes longer to begin than these take to write.


def _text(value: str | None) -> str:
    """A text or ``None`` as JSON."""
    return "null" if value is None else canonical.text(value)


def _object(values: dict[str, str] | None, names: Iterable[str]) -> str:
    """Some texts by their names as JSON, in the order of ``names``."""
    if not values:
        return "{}"
    pairs = [f"{canonical.text(name)}:{canonical.text(values[name])}" for name in names if name in values]
    return f"{{{','.join(pairs)}}}"
