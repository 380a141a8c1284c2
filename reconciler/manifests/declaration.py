"""One document to one declared account, with every finding that the document by itself allows.

The schema says what a value has to be (`reconciler.validation`); times, windows and what only warns are
judged here. What needs other documents is left to `reconciler.manifests.desired`: for that each account hands on its
claims. Nothing here depends on the clock, so the outcome of a file can be kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from reconciler.diagnostics import Diagnostic, Position, Severity, shown
from reconciler.instants import BadTime, Minute, Moment, parse_declared
from reconciler.manifests.nodes import Document, ListNode, MappingNode, Node
from reconciler.manifests.text import Mark, Places, place
from reconciler.model import SYNC_KINDS, DeclaredAccount, DeclaredProduct, Source
from reconciler.predicates import accepts
from reconciler.validation import boolean_paths, findings

if TYPE_CHECKING:
    from reconciler.validation import Finding, Path

_SCHEMA: Final = "account"
_TIMES: Final = ("valid_from", "valid_to")
_ID: Final = re.compile("[0-9a-fA-F]{24}")
_BOOLEANS: Final = {"true": True, "false": False}

ClaimKind: TypeAlias = Literal["account", "customer_number", "user_product", "subscription_number"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that only one place may hold. ``account`` is the account that claims it, if its id can be read."""

    kind: ClaimKind
    value: str
    account: str | None
    position: Position


@dataclass(frozen=True, slots=True)
class Ending:
    """Where an activated product's window ends, and when."""

    minute: Minute
    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class Declaration:
    """What came of one document; ``account`` is ``None`` if it has an error, and then it has no ``endings``."""

    account: DeclaredAccount | None
    diagnostics: tuple[Diagnostic, ...] = ()
    claims: tuple[Claim, ...] = ()
    endings: tuple[Ending, ...] = ()


def declare(document: Document) -> Declaration:
    """The account that ``document`` declares, or every reason why it declares none."""
    root = document.root
    if root is None:  # refused as a whole, with a finding
        return Declaration(None)
    _set_booleans(document)
    times: dict[int, Moment] = {}
    refused = [] if accepts(_SCHEMA)(root) else findings(_SCHEMA, root)
    found = [*_times(document, times), *_refused_by_schema(document, refused)]
    if not isinstance(root, MappingNode):
        return Declaration(None, tuple(found))
    found += _products(document, root, times)
    sound = document.sound and not any(diagnostic.is_error for diagnostic in found)
    found += _ambiguous(document, {diagnostic.position for diagnostic in found})
    return Declaration(
        account=_account(document, root, times) if sound else None,
        diagnostics=tuple(found),
        claims=tuple(_claims(document, root)),
        endings=tuple(_endings(document, root, times)) if sound else (),
    )


def _set_booleans(document: Document) -> None:
    """Plain ``true`` and ``false`` become booleans where the schema has them, and only there."""
    for path in boolean_paths(_SCHEMA):
        key = path[-1]
        assert isinstance(key, str)
        for node in _nodes(document.root, path[:-1]):
            value = node.get(key)
            if isinstance(value, str) and value in _BOOLEANS:
                mark = place(node.value_marks[key])
                if mark not in document.quoted and mark not in document.refused:
                    node[key] = _BOOLEANS[value]


def _nodes(node: Node, path: Path) -> Iterator[MappingNode]:
    """The mappings at ``path``, in which ``*`` stands for every item of a list."""
    if not path:
        if isinstance(node, MappingNode):
            yield node
    elif path[0] == "*":
        for item in node if isinstance(node, ListNode) else ():
            yield from _nodes(item, path[1:])
    elif isinstance(node, MappingNode):
        yield from _nodes(node.get(str(path[0])), path[1:])


def _product_nodes(root: Node) -> Iterator[MappingNode]:
    return _nodes(root, ("user_products", "*"))


def _times(document: Document, times: dict[int, Moment]) -> Iterator[Diagnostic]:
    """Reads every time into ``times``, by the identity of its text; yields those that can't be read.

    The texts stay where they are, since the schema has yet to see them; they live as long as the document.
    """
    for node in _product_nodes(document.root):
        for key in _TIMES:
            text = node.get(key)
            if not isinstance(text, str) or place(node.value_marks[key]) in document.refused:
                continue
            try:
                times[id(text)] = parse_declared(text)
            except BadTime as error:
                yield Diagnostic(error.rule, f"{key} {error}", document.places.at(node.value_marks[key]), error.hint)


def _refused_by_schema(document: Document, found: list[Finding]) -> Iterator[Diagnostic]:
    idless = {finding.path for finding in found if finding.rule == "missing-key" and not finding.absent}
    for finding in found:
        path, rule, hint = finding.path, finding.rule, finding.hint
        if finding.absent and path[:-1] in idless:
            continue  # the product has no id at all, which is told
        if path == ("customer_number",) and finding.absent:
            assert isinstance(document.root, MappingNode)
            at = document.places.at(document.root.key_marks["sync"])
            hint = "add customer_number: both syncs address the account by it"
            yield Diagnostic("sync-without-customer-number", "sync needs customer_number", at, hint)
            continue
        mark = _mark(document, finding)
        if place(mark) in document.refused and not (finding.absent or finding.of_key):
            continue
        if path in idless:
            rule, hint = "missing-product-id", "add product_id, or user_product_id if that is all that is needed"
        elif rule == "bad-pattern" and path[-1] in _TIMES:
            if _is_bad_time(_value(document.root, path)):
                continue  # told with what exactly is wrong
            rule = "bad-time"
        yield Diagnostic(rule, f"{_label(finding)} {finding.text}", document.places.at(mark), hint)


def _is_bad_time(value: Node) -> bool:
    try:
        parse_declared(str(value))
    except BadTime:
        return True
    return False


def _value(node: Node, path: Path) -> Node:
    for part in path:
        if isinstance(node, MappingNode):
            node = node[str(part)]
        elif isinstance(node, ListNode):
            node = node[int(part)]
    return node


def _mark(document: Document, finding: Finding) -> Mark:
    if not finding.path:
        return document.at
    holder, last = _value(document.root, finding.path[:-1]), finding.path[-1]
    if isinstance(holder, ListNode):
        return holder.marks[int(last)]
    assert isinstance(holder, MappingNode)
    if finding.absent:
        return holder.at
    return (holder.key_marks if finding.of_key else holder.value_marks)[str(last)]


def _label(finding: Finding) -> str:
    if not finding.path:
        return "a manifest"
    last = finding.path[-1]
    if isinstance(last, int):
        return f"item {last + 1} of {finding.path[-2]}"
    return shown(last) if finding.of_key or not last.isidentifier() or not last.isascii() else last[:60]


def _products(document: Document, root: MappingNode, times: dict[int, Moment]) -> Iterator[Diagnostic]:
    """What is wrong or doubtful of products beyond the schema."""
    first: dict[str, Mark] = {}
    for node in _product_nodes(root):
        marks = node.value_marks
        product_id = node.get("product_id")
        if isinstance(product_id, str) and _ID.fullmatch(product_id):
            mark = marks["product_id"]
            earlier = first.setdefault(product_id.lower(), mark)
            if earlier is not mark:
                message = f"the product_id {product_id.lower()} stands twice in this account"
                yield _finding(document, "duplicate-product", message, mark, "keep one of the two", earlier)
        start, end = times.get(id(node.get("valid_from"))), times.get(id(node.get("valid_to")))
        if start is not None and end is not None and start.minute >= end.minute:
            message = f"valid_to {end.text} isn't later than valid_from {start.text}"
            hint = "valid_from has to be before valid_to"
            yield _finding(document, "window-inverted", message, marks["valid_to"], hint, marks["valid_from"])
        if node.get("subscription_type") == "limited" and "valid_to" not in node:
            yield Diagnostic(
                "limited-without-end",
                "a limited product has no valid_to here, so its end isn't managed",
                document.places.at(marks["subscription_type"]),
                "add valid_to if it is to end at a certain time",
                severity=Severity.WARNING,
            )


def _finding(document: Document, rule: str, message: str, mark: Mark, hint: str, related: Mark) -> Diagnostic:
    return Diagnostic(rule, message, document.places.at(mark), hint, document.places.at(related))


def _ambiguous(document: Document, told: set[Position]) -> Iterator[Diagnostic]:
    booleans = {
        place(node.value_marks[str(path[-1])])
        for path in boolean_paths(_SCHEMA)
        for node in _nodes(document.root, path[:-1])
        if isinstance(node.get(str(path[-1])), bool)
    }
    for mark, text, reading in document.ambiguous:
        position = document.places.at(mark)
        if place(mark) in booleans or position in told:
            continue
        message = f"{shown(text)} without quotes is {reading} to YAML 1.1 tools; here it is text"
        hint = f'put it in quotes: "{text}"' if len(text) <= 60 else "put it in quotes"
        yield Diagnostic("ambiguous-scalar", message, position, hint, severity=Severity.WARNING)


def _claims(document: Document, root: MappingNode) -> Iterator[Claim]:
    def claim(kind: ClaimKind, node: MappingNode, key: str) -> Iterator[Claim]:
        value = node.get(key)
        if not isinstance(value, str) or not value or place(node.value_marks[key]) in document.refused:
            return
        if kind in ("account", "user_product"):
            if not _ID.fullmatch(value):
                return
            value = value.lower()
        yield Claim(kind, value, account, document.places.at(node.value_marks[key]))

    account_id = root.get("account_id")
    account = account_id.lower() if isinstance(account_id, str) and _ID.fullmatch(account_id) else None
    yield from claim("account", root, "account_id")
    yield from claim("customer_number", root, "customer_number")
    for node in _product_nodes(root):
        yield from claim("user_product", node, "user_product_id")
        yield from claim("subscription_number", node, "subscription_number")


def _endings(document: Document, root: MappingNode, times: dict[int, Moment]) -> Iterator[Ending]:
    for node in _product_nodes(root):
        end = times.get(id(node.get("valid_to")))
        if end is not None and node.get("state") == "activated":
            yield Ending(end.minute, end.text, document.places.at(node.value_marks["valid_to"]))


def window_over(text: str, position: Position) -> Diagnostic:
    """The warning about an activated product whose window ended at ``text``."""
    message = f"this product is activated, but its window ended at {text}"
    hint = "set a later valid_to, or state: deactivated"
    return Diagnostic("window-over", message, position, hint, severity=Severity.WARNING)


def _account(document: Document, root: MappingNode, times: dict[int, Moment]) -> DeclaredAccount:
    """The account of a document that has no error."""
    file = document.places.file
    sync, labels, products = root.get("sync"), root.get("labels"), root["user_products"]
    fields: dict[str, int] = {}
    if "customer_number" in root:
        fields["customer_number"] = document.places.line(root.value_marks["customer_number"])
    words: dict[str, str] = {}
    if isinstance(sync, MappingNode):
        for kind in SYNC_KINDS:
            if kind in sync:
                words[kind] = str(sync[kind])
                fields[f"sync.{kind}"] = document.places.line(sync.value_marks[kind])
    assert isinstance(products, ListNode)
    nodes = [node for node in products if isinstance(node, MappingNode)]
    return DeclaredAccount(
        account_id=str(root["account_id"]).lower(),
        source=Source(file, document.places.line(document.at), MappingProxyType(fields)),
        customer_number=_text(root, "customer_number"),
        owner=_text(root, "owner"),
        labels=MappingProxyType({k: str(v) for k, v in labels.items()} if isinstance(labels, MappingNode) else {}),
        sync=MappingProxyType(words),
        user_products=tuple(_product(document.places, node, times) for node in nodes),
    )


def _product(places: Places, node: MappingNode, times: dict[int, Moment]) -> DeclaredProduct:
    lines = {key: places.line(mark) for key, mark in node.value_marks.items()}
    return DeclaredProduct(
        source=Source(places.file, places.line(node.at), MappingProxyType(lines)),
        product_id=_lower(node, "product_id"),
        user_product_id=_lower(node, "user_product_id"),
        state=_text(node, "state"),
        subscription_type=_text(node, "subscription_type"),
        valid_from=times.get(id(node.get("valid_from"))),
        valid_to=times.get(id(node.get("valid_to"))),
        subscription_number=_text(node, "subscription_number"),
        protect=node.get("protect") is True,
    )


def _text(node: MappingNode, key: str) -> str | None:
    value = node.get(key)
    return value if isinstance(value, str) else None


def _lower(node: MappingNode, key: str) -> str | None:
    value = node.get(key)
    return value.lower() if isinstance(value, str) else None
