"""One of several parts of a fleet, for a job of its own: whole accounts, told apart by their ids.

A job reads the bytes of every manifest, but looks only into its own documents. Which these are is a matter of bytes
alone, so all jobs agree: each document, a broken one too, belongs to exactly one of them.
"""

from __future__ import annotations

import codecs
import re
import zlib
from bisect import bisect_right
from typing import Final, NamedTuple

from reconciler.manifests.fleetdigest import BUCKETS, bucket_of

#: What begins a document, wherever it stands.
_MARKER: Final = b"\n---"
_AFTER_MARKER: Final = (b"", b" ", b"\t", b"\r", b"\n")
#: Ends of documents and directives, which reach into the next one.
_REACHES_ON: Final = re.compile(rb"^(?:\.\.\.|%)", re.MULTILINE)
#: Line breaks of YAML that aren't a line feed, behind which a marker might stand.
_ODD_BREAK: Final = re.compile(rb"\r(?!\n)|\xc2\x85|\xe2\x80[\xa8\xa9]")
_KEY: Final = b"account_id"
_ID: Final = re.compile(rb"""account_id["']?[ \t]*:[ \t]*["']?([0-9a-fA-F]{24})(?![0-9A-Za-z])""")
_BLANK: Final = bytes(10 if byte == 10 else 32 for byte in range(256))
#: Ends a document without beginning another; as long as the marker that it takes the place of.
_END: Final = b"..."


class Shard(NamedTuple):
    """Part ``number`` (from 1) of ``of`` (at most `BUCKETS`)."""

    number: int
    of: int

    def takes(self, account_id: str) -> bool:
        """True if an account belongs to it."""
        return bucket_of(account_id) % self.of == self.number - 1

    def takes_text(self, text: str) -> bool:
        """The same for what belongs to no account, told apart by any text."""
        return zlib.crc32(text.encode("utf-8", "surrogatepass")) % self.of == self.number - 1

    @property
    def buckets(self) -> range:
        """The buckets of its accounts (`reconciler.manifests.fleetdigest`)."""
        return range(self.number - 1, BUCKETS, self.of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


class Own(NamedTuple):
    """A file as one shard sees it: documents that are surely another's are blank in ``text``, all else is in its place.

    Its parts begin at ``starts`` (bytes); ``accounts`` are their accounts, where the bytes leave no doubt. ``whole`` is
    true if the file couldn't be told apart.
    """

    text: bytes
    starts: tuple[int, ...]
    accounts: tuple[str | None, ...]
    whole: bool

    def takes(self, shard: Shard, name: str, offset: int, account_id: str | None) -> bool:
        """True if the document that begins at ``offset`` (bytes) of the file ``name`` belongs to ``shard``.

        ``account_id`` is the account that it turned out to be about, if any.
        """
        account = self.accounts[bisect_right(self.starts, offset) - 1] or account_id
        return shard.takes(account) if account is not None else shard.takes_text(f"{name} {offset}")


def own(data: bytes, shard: Shard) -> Own:
    """A file with the bytes ``data`` as ``shard`` sees it."""
    if not _can_be_told_apart(data):
        return Own(data, (0,), (None,), whole=True)
    starts = _starts(data)
    accounts: list[str | None] = []
    pieces: list[bytes] = []
    kept = False
    for place, (start, end) in enumerate(zip(starts, [*starts[1:], len(data)], strict=True)):
        piece = data[start:end]
        account = surely_about(piece)
        foreign = account is not None and not shard.takes(account)
        # What stands before the first marker may be no document at all; then there is none to be ended.
        if foreign and place == 1 and kept and accounts[0] is None and not pieces[0].startswith(_MARKER[1:]):
            foreign = False
        accounts.append(account)
        if foreign:
            # A text may go on over blank lines, so a document is ended where its end was.
            blank = piece.translate(_BLANK)
            pieces.append(_END + blank[len(_END) :] if kept else blank)
        else:
            pieces.append(piece)
        kept = not foreign
    return Own(b"".join(pieces), tuple(starts), tuple(accounts), whole=False)


def _can_be_told_apart(data: bytes) -> bool:
    """True if every document begins with a marker behind a line feed, or with the file."""
    if b"\0" in data or codecs.BOM_UTF8 in data or _REACHES_ON.search(data) is not None:
        return False
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return False
    elif b"\r" not in data:
        return True
    return _ODD_BREAK.search(data) is None


def _starts(data: bytes) -> list[int]:
    starts = [0]
    found = data.find(_MARKER)
    while found >= 0:
        after = found + len(_MARKER)
        if data[after : after + 1] in _AFTER_MARKER:
            starts.append(found + 1)
        found = data.find(_MARKER, after)
    return starts


def surely_about(document: bytes) -> str | None:
    """The account of a document, if it has to be that one or none.

    The id of a sound document stands behind its key, and the key stands there as it is: it can only be written
    otherwise with a backslash. If it stands there once, it is no other.
    """
    if document.count(_KEY) != 1 or b"\\" in document:
        return None
    found = _ID.search(document)
    return None if found is None else found[1].decode("ascii").lower()
