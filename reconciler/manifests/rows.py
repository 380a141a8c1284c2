"""Manifests as compact rows: what a plan needs of an account for which nothing is due.

A file becomes rows in any process that can read it; rows hold no objects of the parser and are cheap to send and to
keep. A row leads back to its document, which is built in full only for an account that differs from what is known.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from reconciler import canonical
from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput
from reconciler.instants import BadTime, Minute, Moment, instant_text, parse_declared
from reconciler.manifests.declaration import Claim, ClaimKind, Declaration, declare
from reconciler.manifests.documents import Document, parse
from reconciler.manifests.files import ManifestFile, read_manifest, signature_of
from reconciler.model import SYNC_KINDS, DeclaredAccount, DeclaredProduct, product_order
from reconciler.predicates import accepts

#: What a claim is about, by its place in this list.
CLAIM_KINDS: Final[tuple[ClaimKind, ...]] = ("account", "customer_number", "user_product", "subscription_number")

_ACCOUNT, _CUSTOMER_NUMBER, _USER_PRODUCT, _SUBSCRIPTION_NUMBER = range(4)
_KEY_BITS: Final = (1 << 64) - 1

_PRODUCT_KEYS: Final = (
    "product_id",
    "user_product_id",
    "subscription_type",
    "valid_from",
    "valid_to",
    "subscription_number",
)


class Row(NamedTuple):
    """One declared account. ``digest`` covers all that is declared, wherever it stands.

    ``offset`` and ``length`` (bytes) and ``line`` (from 1) find its document in the file; ``length`` is 0 where the
    whole file has to be read for it. ``products`` counts its user products. ``ending`` is the first minute at which
    time alone makes a finding, ``endings`` are the minute, text, line and column of each such end, as JSON.
    ``facts`` is `facts_text`.
    """

    account_id: str
    digest: bytes
    offset: int
    length: int
    line: int
    products: int
    ending: Minute | None
    endings: str | None
    facts: str


class FileRows(NamedTuple):
    """What came of one file: its ``signature`` before it was read and when that was, its bytes' digest, its rows.

    ``read_at`` is in nanoseconds since 1970. ``documents`` counts those that aren't empty; ``claims`` are `claim_key`
    numbers of all of them, 8 bytes each; ``findings`` is `findings_text`, if there are any. ``same`` says that its
    bytes are those that are known already, so that nothing else was looked at.
    """

    name: str
    signature: tuple[int, ...] = ()
    read_at: int = 0
    content: bytes = b""
    documents: int = 0
    rows: tuple[Row, ...] = ()
    claims: bytes = b""
    findings: str | None = None
    same: bool = False


def rows_of_files(files: Sequence[tuple[ManifestFile, bytes | None]]) -> list[FileRows]:
    """The rows of ``files``, each with the digest of the bytes that are known already, in their order.

    Findings are part of the rows; nothing is raised.
    """
    with _no_collections():
        return [_rows_of_file(file, known) for file, known in files]


def _rows_of_file(file: ManifestFile, known: bytes | None) -> FileRows:
    assert file.path is not None
    # The signature is of before: a change while the file is read gives it another one.
    read_at = time.time_ns()
    signature: tuple[int, ...] = ()
    with suppress(OSError):
        signature = signature_of(os.lstat(file.path))
    data = read_manifest(file)
    if isinstance(data, Diagnostic):
        return unreadable(file.name, data)
    if known is not None and hashlib.sha256(data).digest() == known:
        return FileRows(file.name, signature, read_at, known, same=True)
    return rows_of_bytes(file.name, data)._replace(signature=signature, read_at=read_at)


def unreadable(name: str, finding: Diagnostic) -> FileRows:
    """What came of a file that can't be read."""
    return FileRows(name, findings=findings_text([finding]))


def rows_of_bytes(name: str, data: bytes) -> FileRows:
    """The rows of a file with the bytes ``data``."""
    found: list[Diagnostic] = []
    rows: list[Row] = []
    claims = array("Q")
    documents = 0
    spans = _Spans(data)
    for document in parse(name, data, found.append):
        documents += 1
        row = _row(document, spans, found, claims)
        if row is not None:
            rows.append(row)
    texts = findings_text(found) if found else None
    content = hashlib.sha256(data).digest()
    return FileRows(name, (), 0, content, documents, tuple(rows), claims.tobytes(), texts)


def claims_of_files(files: Sequence[ManifestFile], keys: frozenset[int]) -> list[Claim]:
    """The claims of ``files`` whose number is one of ``keys``, in the order in which they stand there."""
    found: list[Claim] = []
    with _no_collections():
        for file in files:
            data = read_manifest(file)
            if not isinstance(data, Diagnostic):
                found += claims_of_bytes(file.name, data, keys)
    return found


def claims_of_bytes(name: str, data: bytes, keys: frozenset[int]) -> list[Claim]:
    """The claims in ``data`` whose number is one of ``keys``."""
    claims = (claim for document in parse(name, data, _ignore) for claim in declare(document).claims)
    return [claim for claim in claims if claim_key(claim.kind, claim.value) in keys]


def claim_key(kind: ClaimKind, value: str) -> int:
    """A number of 64 bits for a claim: equal claims have the same one, others almost never."""
    place = CLAIM_KINDS.index(kind)
    return _id_key(place, value) if kind in ("account", "user_product") else _number_key(place, value)


def _id_key(kind: int, value: str) -> int:
    return (int(value[8:], 16) << 2 | kind) & _KEY_BITS


def _number_key(kind: int, value: str) -> int:
    if len(value) <= 18 and value.isascii() and value.isdigit():
        number = int(value)
    else:
        data = value.encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
    return (number << 2 | kind) & _KEY_BITS


def facts_text(account: DeclaredAccount) -> str:
    """All that is declared of ``account`` but its id, as JSON: equal declarations have equal facts.

    First what has to be known for nothing to be due: the syncs, and a list for each product (both ids, state,
    subscription type, both ends as instants, subscription number; ``null`` for what isn't declared), in the order in
    which known products stand. Then customer number, owner, labels, and of each product both ends as they would be
    sent and its protection.
    """
    products = sorted(account.user_products, key=product_order)
    labels = {name: account.labels[name] for name in sorted(account.labels)}
    sync = {kind: account.sync[kind] for kind in SYNC_KINDS if kind in account.sync}
    return canonical.dumps(
        [
            sync,
            [_wanted(product) for product in products],
            account.customer_number,
            account.owner,
            labels,
            [[_sent(product.valid_from), _sent(product.valid_to), product.protect] for product in products],
        ]
    )


def _wanted(product: DeclaredProduct) -> list[canonical.Json]:
    return [
        product.product_id,
        product.user_product_id,
        product.state,
        product.subscription_type,
        _instant(product.valid_from),
        _instant(product.valid_to),
        product.subscription_number,
    ]


@lru_cache(maxsize=4096)
def _instant(moment: Moment | None) -> str | None:
    return None if moment is None else instant_text(moment.minute)


def _sent(moment: Moment | None) -> str | None:
    return None if moment is None else moment.text


def digest_of(account_id: str, facts: str) -> bytes:
    """SHA-256 of all that is declared of an account."""
    return hashlib.sha256(f"{account_id}{facts}".encode("ascii")).digest()


def _row(document: Document, spans: _Spans, found: list[Diagnostic], claims: array[int]) -> Row | None:
    """The row of ``document``, if it is sound; its findings and claims are added to what is there."""
    offset, length = (0, 0) if document.places.altered else spans.of(document)
    place = (offset, length, document.places.line(document.start))
    row = quick_row(document, place, claims)
    if row is not None:
        return row
    declaration = declare(document)
    found.extend(declaration.diagnostics)
    claims.extend([claim_key(claim.kind, claim.value) for claim in declaration.claims])
    return None if declaration.account is None else row_of(declaration, declaration.account, place)


def row_of(declaration: Declaration, account: DeclaredAccount, place: tuple[int, int, int]) -> Row:
    """The row of a declaration; ``place`` are offset, length and line."""
    facts = facts_text(account)
    ends = [(each.minute, each.text, each.position.line, each.position.column) for each in declaration.endings]
    return Row(
        account.account_id,
        digest_of(account.account_id, facts),
        *place,
        len(account.user_products),
        *_endings(ends),
        facts,
    )


def _endings(ends: list[tuple[Minute, str, int, int]]) -> tuple[Minute | None, str | None]:
    return (min(ends)[0], canonical.dumps(ends)) if ends else (None, None)


def quick_row(document: Document, place: tuple[int, int, int], claims: array[int]) -> Row | None:
    """The row of a document with nothing to say about, straight from its nodes; ``None`` for all others.

    It comes to the same row as the long way through `declare` and to the same claims, which are added; a property
    test holds the two to each other.
    """
    root: Any = document.root
    if not document.sound or document.ambiguous or document.quoted or not accepts("account")(root):
        return None
    account_id, number, sync, labels = root["account_id"].lower(), *map(root.get, ("customer_number", "sync", "labels"))
    keys = [_id_key(_ACCOUNT, account_id)]
    if number is not None:
        keys.append(_number_key(_CUSTOMER_NUMBER, number))
    products = []
    ends: list[tuple[Minute, str, int, int]] = []
    for node in root["user_products"]:
        product = _quick_product(node, keys)
        if product is None:
            return None
        products.append(product)
        wanted, (_, end, _) = product
        if end is not None and wanted[2] == "activated":
            at = document.places.at(node.value_marks["valid_to"])
            ends.append((parse_declared(node["valid_to"]).minute, end, at.line, at.column))
    ids = [wanted[0] for wanted, _ in products if wanted[0] is not None]
    if len(set(ids)) < len(ids):
        return None
    if len(products) > 1:
        products.sort(key=_quick_order)
    facts = canonical.dumps(
        [
            {kind: sync[kind] for kind in SYNC_KINDS if kind in sync} if sync is not None else {},
            [wanted for wanted, _ in products],
            number,
            root.get("owner"),
            {name: labels[name] for name in sorted(labels)} if labels is not None else {},
            [sent for _, sent in products],
        ]
    )
    claims.extend(keys)
    return Row(account_id, digest_of(account_id, facts), *place, len(products), *_endings(ends), facts)


def _quick_product(node: Any, keys: list[int]) -> tuple[list[Any], list[Any]] | None:
    """Both lists of a product in `facts_text`; ``None`` if there is something to say about it. Its claims are added."""
    product_id, user_product_id, kind, start, end, number = map(node.get, _PRODUCT_KEYS)
    try:
        start = start and parse_declared(start)
        end = end and parse_declared(end)
    except BadTime:
        return None
    if end is None and kind == "limited":
        return None
    if start is not None and end is not None and start.minute >= end.minute:
        return None
    if user_product_id is not None:
        user_product_id = user_product_id.lower()
        keys.append(_id_key(_USER_PRODUCT, user_product_id))
    if number is not None:
        keys.append(_number_key(_SUBSCRIPTION_NUMBER, number))
    state = node.get("state")
    product_id = product_id and product_id.lower()
    wanted = [product_id, user_product_id, state, kind, _instant(start), _instant(end), number]
    return wanted, [start and start.text, end and end.text, False]


def _quick_order(product: tuple[list[Any], list[Any]]) -> tuple[str, str]:
    return (product[0][0] or "", product[0][1] or "")


class _Spans:
    """Turns the parser's places, which count characters, into bytes; documents come in their order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._mark = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        # Where a character may be several bytes: how far both were counted.
        self._text = None if data.isascii() else data[self._mark :].decode("utf-8", "replace")
        self._characters = self._bytes = 0

    def of(self, document: Document) -> tuple[int, int]:
        """Offset and length of ``document``, from the beginning of its line."""
        start = self._at(document.start.index - document.start.column)
        return start, self._at(document.end.index) - start

    def _at(self, index: int) -> int:
        if self._text is None:
            return self._mark + index
        if index < self._characters:
            self._characters = self._bytes = 0
        self._bytes += len(self._text[self._characters : index].encode())
        self._characters = index
        return self._mark + self._bytes


def rebuild(name: str, data: bytes, row: Row) -> Declaration:
    """The declaration that ``row`` was made of; ``data`` are the bytes of its file.

    Raises `InvalidInput` if the file holds another one there by now.
    """
    part, line = (data[row.offset : row.offset + row.length], row.line) if row.length else (data, 1)
    for document in parse(name, part, _ignore, first_line=line):
        declaration = declare(document)
        account = declaration.account
        if (
            account is not None
            and account.account_id == row.account_id
            and digest_of(row.account_id, facts_text(account)) == row.digest
        ):
            return declaration
    raise changed_meanwhile(name)


def changed_meanwhile(name: str) -> InvalidInput:
    """The refusal for a manifest that isn't any more what it was when it was read first."""
    return InvalidInput(f"{name} changed while it was read", hint="run the command again when nobody writes to it")


def _ignore(diagnostic: Diagnostic) -> None:
    """Findings were told when the file was read first."""


def findings_text(found: Iterable[Diagnostic]) -> str:
    """Findings as JSON, for keeping."""
    return canonical.dumps(
        [
            [
                diagnostic.rule,
                diagnostic.message,
                _place(diagnostic.position),
                diagnostic.hint,
                None if diagnostic.related is None else _place(diagnostic.related),
                diagnostic.severity.value,
            ]
            for diagnostic in found
        ]
    )


def findings_from(text: str) -> Iterator[Diagnostic]:
    """The findings behind `findings_text`."""
    for rule, message, place, hint, related, severity in json.loads(text):
        yield Diagnostic(
            rule, message, Position(*place), hint, None if related is None else Position(*related), Severity(severity)
        )


def _place(position: Position) -> list[canonical.Json]:
    return [position.file, position.line, position.column]


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without the garbage collector: documents hold no cycles, but enough objects to make it look again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
