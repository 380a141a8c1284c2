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
from typing import NamedTuple

from reconciler import canonical
from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput
from reconciler.manifests.declaration import Claim, Declaration, declare
from reconciler.manifests.documents import parse
from reconciler.manifests.facts import Row, claim_key, digest_of, endings_of, facts_text
from reconciler.manifests.files import ManifestFile, read_manifest, signature_of
from reconciler.manifests.nodes import Document
from reconciler.manifests.quickrows import quick_row
from reconciler.model import DeclaredAccount
from reconciler.predicates import accepts


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


def warm_up() -> None:
    """Load what reading needs."""
    accepts("account")
    rows_of_bytes("", b"")


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
        *endings_of(ends),
        facts,
    )


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
