"""Manifests as compact rows: what a plan needs of an account for which nothing is due.

A file becomes rows in any process that can read it; rows hold no objects of the parser and are cheap to send and to
keep. A row leads back to its document, which is built in full only for an account that differs from what is known.
"""

from __future__ import annotations

import codecs
import gc
import hashlib
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.manifests.declaration import Claim, Declaration, declare
from reconciler.manifests.documents import composed, parse
from reconciler.manifests.facts import Place, Row, claim_key, digest_of, endings_of, facts_of
from reconciler.manifests.files import ManifestFile, read_manifest, read_whole
from reconciler.manifests.findings import findings_text
from reconciler.manifests.nodes import Document
from reconciler.manifests.quickrows import quick_row
from reconciler.manifests.shards import Own, Shard, own
from reconciler.manifests.text import Mark
from reconciler.model import DeclaredAccount
from reconciler.predicates import accepts


class FileRows(NamedTuple):
    """What came of one file: its ``signature`` before it was read and when that was, its bytes' digest, its rows.

    ``read_at`` is in nanoseconds since 1970. ``claims`` are `claim_key` numbers of all documents, 8 bytes each;
    ``findings`` is `findings_text`, if there are any. ``same`` says that its bytes are those that are known already, so
    that nothing else was looked at.
    """

    name: str
    signature: tuple[int, ...] = ()
    read_at: int = 0
    content: bytes = b""
    rows: tuple[Row, ...] = ()
    claims: bytes = b""
    findings: str | None = None
    same: bool = False


def rows_of_files(files: Sequence[tuple[ManifestFile, bytes | None]], shard: Shard | None = None) -> list[FileRows]:
    """The rows of ``files``, each with the digest of the bytes that are known already, in their order.

    Of a ``shard``, if it is only about that. Findings are part of the rows; nothing is raised.
    """
    with _no_collections():
        return [_rows_of_file(file, known, shard) for file, known in files]


def warm_up() -> None:
    """Load what reading needs."""
    accepts("account")
    rows_of_bytes("", b"")


def _rows_of_file(file: ManifestFile, known: bytes | None, shard: Shard | None) -> FileRows:
    read_at = time.time_ns()
    found = read_whole(file)
    if isinstance(found, Diagnostic):
        return unreadable(file.name, found, shard)
    # The signature is of before: a change while the file is read gives it another one.
    data, signature = found
    if known is not None and hashlib.sha256(data).digest() == known:
        return FileRows(file.name, signature, read_at, known, same=True)
    return rows_of_bytes(file.name, data, shard, signature, read_at)


def unreadable(name: str, finding: Diagnostic, shard: Shard | None = None) -> FileRows:
    """What came of a file that can't be read; one of the shards says so."""
    told = shard is None or shard.takes_text(name)
    return FileRows(name, findings=findings_text([finding]) if told else None)


def rows_of_bytes(
    name: str, data: bytes, shard: Shard | None = None, signature: tuple[int, ...] = (), read_at: int = 0
) -> FileRows:
    """The rows of a file with the bytes ``data``."""
    gathered = _gathered(name, data) if shard is None else _gathered_of_shard(name, data, shard)
    findings = findings_text(gathered.found) if gathered.found else None
    content = hashlib.sha256(data).digest()
    return FileRows(name, signature, read_at, content, tuple(gathered.rows), gathered.claims.tobytes(), findings)


def _gathered(name: str, data: bytes, mine: _Mine | None = None) -> _Gathered:
    gathered = _Gathered(name, data, mine)
    if not gathered.quickly():
        gathered = _Gathered(name, data, mine)
        gathered.slowly()
    return gathered


def _gathered_of_shard(name: str, data: bytes, shard: Shard) -> _Gathered:
    """What belongs to ``shard``: as if the file were read as a whole, and what is of others then left out."""
    parts = own(data, shard)
    gathered = _gathered(name, parts.text, _Mine(parts, shard, ending=not parts.whole or shard.takes_text(name)))
    if not parts.whole and any(finding.rule in _ENDS_FILE for finding in gathered.found):
        # What is wrong may depend on what stands around it.
        gathered = _Gathered(name, data, _Mine(parts, shard, ending=True))
        gathered.slowly()
    return gathered


#: What may end the file that it is found in.
_ENDS_FILE: Final = frozenset({"bad-yaml", "nesting-too-deep", "not-utf8", "nul-character"})


class _Mine(NamedTuple):
    """Which documents are kept; ``ending`` says whether what ends a file is told."""

    parts: Own
    shard: Shard
    ending: bool


class _Gathered:
    """The rows, claims and findings of one file, in one of two ways that come to the same."""

    def __init__(self, name: str, data: bytes, mine: _Mine | None = None) -> None:
        self.rows: list[Row] = []
        self.claims = array("Q")
        self.found: list[Diagnostic] = []
        self._name, self._data, self._mine = name, data, mine
        self._spans = _Spans(data)

    def quickly(self) -> bool:
        """Go through the file, slowly only where a document needs it; false if the whole file does."""
        for root in composed(self._data):
            if root is None:
                return False
            place = self._spans.of(root.start_mark, root.end_mark)
            told, claimed = len(self.found), len(self.claims)
            row = quick_row(root, place, self.claims)
            if row is not None:
                self.rows.append(row)
                self._leave_out(place[0], row.account_id, told, claimed)
                continue
            offset, length, line = place
            for document in parse(self._name, self._data[offset : offset + length], self.found.append, first_line=line):
                self._take(document, place, place[0], told)
            if self.found and self.found[-1].rule == "nesting-too-deep":
                return False  # which ends the file
        return True

    def slowly(self) -> None:
        """Go through the file with everything that there is to say."""
        # Byte order marks after the first are skipped by the parser, some without counting them.
        marked = self._data.rfind(codecs.BOM_UTF8) > 0
        told = 0
        for document in parse(self._name, self._data, self.found.append):
            place = self._spans.of(document.at, document.end)
            self._take(document, (0, 0, 1) if marked or document.places.altered else place, place[0], told)
            told = len(self.found)
        if self._mine is not None and not self._mine.ending:
            del self.found[told:]

    def _take(self, document: Document, place: Place, offset: int, told: int) -> None:
        """Take a document that begins at ``offset``; before it, ``told`` findings were known."""
        claimed = len(self.claims)
        declaration = declare(document)
        self.found += declaration.diagnostics
        self.claims.extend([claim_key(claim.kind, claim.value) for claim in declaration.claims])
        if declaration.account is not None:
            self.rows.append(row_of(declaration, declaration.account, place))
        if self._mine is not None:
            account_id = next((claim.value for claim in declaration.claims if claim.kind == "account"), None)
            self._leave_out(offset, account_id, told, claimed, with_row=declaration.account is not None)

    def _leave_out(
        self, offset: int, account_id: str | None, told: int, claimed: int, *, with_row: bool = True
    ) -> None:
        """Forget the last document, if it belongs to another shard."""
        if self._mine is None or self._mine.parts.takes(self._mine.shard, self._name, offset, account_id):
            return
        del self.found[told:], self.claims[claimed:]
        if with_row:
            self.rows.pop()


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


def row_of(declaration: Declaration, account: DeclaredAccount, place: Place) -> Row:
    """The row of a declaration that stands at ``place``."""
    facts = facts_of(account)
    ends = [(each.minute, each.text, each.position.line, each.position.column) for each in declaration.endings]
    return Row(
        account.account_id,
        digest_of(account.account_id, facts),
        *place,
        len(account.user_products),
        *endings_of(ends),
        *facts,
    )


class _Spans:
    """Turns the parser's places, which count characters, into bytes; documents come in their order."""

    def __init__(self, data: bytes) -> None:
        self._mark = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        # Where a character may be several bytes: how far both were counted.
        self._text = None if data.isascii() else data[self._mark :].decode("utf-8", "replace")
        self._characters = self._bytes = 0

    def of(self, start: Mark, end: Mark) -> Place:
        """The place of what begins and ends there, from the beginning of its line."""
        offset = self._at(start.index - start.column)
        return offset, self._at(end.index) - offset, start.line + 1

    def _at(self, index: int) -> int:
        if self._text is None:
            return self._mark + index
        if index < self._characters:
            self._characters = self._bytes = 0
        self._bytes += len(self._text[self._characters : index].encode())
        self._characters = index
        return self._mark + self._bytes


def _ignore(diagnostic: Diagnostic) -> None:
    """Findings were told when the file was read first."""


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
