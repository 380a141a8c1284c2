"""Says what is wrong with a snapshot's head or with one of its accounts, in the schema's words and some more.

The schema (``schemas/known-state.schema.json``) has the last word on form; it is slow, so what is plainly fine is
accepted without asking it. Beyond the schema, times must be times and texts must be texts that can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from reconciler.instants import BadTime, parse_clock, parse_known

FORMAT: Final = "reconciler.known-state/v1"

#: Keys and list indexes that lead to a value within one account.
DataPath: TypeAlias = "tuple[str | int, ...]"

#: Where a path stands in the snapshot, for people.
Place: TypeAlias = "Callable[[DataPath], str]"

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_WORD: Final = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_ACCOUNT_KEYS: Final = frozenset({"account_id", "observed_at", "customer_number", "synced", "user_products"})
_PRODUCT_IDS: Final = frozenset({"product_id", "user_product_id"})
_WORDS: Final = ("state", "subscription_type", "subscription_number", "provision_service")
_TIMES: Final = ("valid_from", "valid_to")


def check_head(head: dict[str, Any], name: str) -> list[str]:
    """What is wrong with a snapshot, its single accounts left aside."""
    from reconciler.validation import check_instance, path_text

    format_ = head.get("format")
    if isinstance(format_, str) and format_ != FORMAT:
        return [f"{name}: format: {format_[:100]!r} isn't a form that this version reads; it reads {FORMAT}"]
    checked = {**head, "accounts": []} if isinstance(head.get("accounts"), list) else head
    problems = [f"{name}: {path_text(path)}: {text}" for path, text in check_instance("known-state", checked)]
    if "account_id" in head:
        problems.append(f"{name}: the first line must hold the heads (format, environment, …), not an account")
    if not problems:
        problems += [f"{name}: observed_at: {text}" for text in _bad_clock(head.get("observed_at"))]
        for key in ("environment", "lineage"):
            problems += [f"{name}: {key}: {text}" for text in _bad_word(head.get(key))]
    return problems


def check_account(data: object) -> list[tuple[DataPath, str]]:
    """What is wrong with an account, each with the path to it."""
    if is_plainly_fine(data):
        return []
    from reconciler.validation import check_instance

    wrapped = {"format": FORMAT, "accounts": [data]}
    found = [(path[2:], text) for path, text in check_instance("known-state", wrapped)]
    told = {path for path, _ in found}
    beyond = _beyond_schema(data) if isinstance(data, dict) else ()
    return [*found, *((path, text) for path, text in beyond if path not in told)]


def is_plainly_fine(data: object) -> bool:
    """True if an account surely passes schema and `_beyond_schema`; False means that they have to be asked."""
    if not isinstance(data, dict) or not data.keys() <= _ACCOUNT_KEYS:
        return False
    products = data.get("user_products")
    return (
        _fits(_ID, data.get("account_id"))
        and ("observed_at" not in data or _is_clock(data["observed_at"]))
        and _is_word(data, "customer_number")
        and ("synced" not in data or _is_synced(data["synced"]))
        and isinstance(products, list)
        and all(_is_product(product) for product in products)
    )


def _is_synced(synced: object) -> bool:
    return isinstance(synced, dict) and all(_fits(_WORD, text) for item in synced.items() for text in item)


def _is_product(product: object) -> bool:
    if not isinstance(product, dict):
        return False
    ids = [product[key] for key in ("product_id", "user_product_id") if key in product]
    return (
        bool(ids)
        and all(_fits(_ID, value) for value in ids)
        and all(_is_word(product, key) for key in _WORDS)
        and all(_is_time(product.get(key)) for key in _TIMES)
    )


def _is_word(data: dict[str, Any], key: str) -> bool:
    value = data.get(key)
    return value is None or _fits(_WORD, value)


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= 100 and not any(_bad_time(value)))


def _is_clock(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 100 and not any(_bad_clock(value))


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _beyond_schema(data: dict[str, Any]) -> Iterator[tuple[DataPath, str]]:
    """What the schema can't see; values of a wrong type are left to it."""
    yield from ((("observed_at",), text) for text in _bad_clock(data.get("observed_at")))
    yield from _bad_words((), data, ("customer_number",))
    for kind, word in _items(data.get("synced")):
        yield from ((("synced",), text) for text in _bad_characters(f"{kind}{word}"))
    for index, doubt in _entries(data.get("in_doubt")):
        yield from _bad_words(("in_doubt", index), doubt, ("action", "run"))
    for index, product in _entries(data.get("user_products")):
        path = ("user_products", index)
        if product.keys() & _PRODUCT_IDS and all(product.get(key) is None for key in _PRODUCT_IDS):
            yield path, "needs product_id or user_product_id"
        yield from _bad_words(path, product, _WORDS)
        yield from (((*path, key), text) for key in _TIMES for text in _bad_time(product.get(key)))


def _entries(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    items = enumerate(value) if isinstance(value, list) else ()
    return ((index, item) for index, item in items if isinstance(item, dict))


def _items(value: object) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _bad_words(path: DataPath, data: dict[str, Any], keys: Iterable[str]) -> Iterator[tuple[DataPath, str]]:
    return (((*path, key), text) for key in keys for text in _bad_word(data.get(key)))


def _bad_word(value: object) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if not value.isprintable():
        yield f"{value[:60]!r} holds characters that can't be shown"
    elif value != value.strip():
        yield f"{value[:60]!r} has spaces around it"


def _bad_characters(value: str) -> Iterator[str]:
    if any("\ud800" <= character <= "\udfff" for character in value):
        yield f"{value[:60]!r} holds half a character"


def _bad_time(value: object) -> Iterator[str]:
    if isinstance(value, str):
        try:
            parse_known(value)
        except BadTime as error:
            yield _said(error)


def _bad_clock(value: object) -> Iterator[str]:
    if isinstance(value, str):
        try:
            parse_clock(value)
        except BadTime as error:
            yield _said(error)


def _said(error: BadTime) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)
