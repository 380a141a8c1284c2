"""Brings the cache up to date with the files that were found, reading those that have changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from reconciler import canonical
from reconciler.diagnostics import Diagnostic
from reconciler.manifests.cache import Cache, CachedFile, FleetSummary, Read
from reconciler.manifests.files import STDIN_NAME, ManifestFile, read_manifest, signature_of
from reconciler.manifests.findings import findings_from, findings_text
from reconciler.manifests.fleet import SINGLE, Fleet, Inputs, Workers
from reconciler.manifests.shards import Shard
from reconciler.manifests.walk import Found

if TYPE_CHECKING:
    from reconciler.manifests.declaration import Claim
    from reconciler.manifests.rows import FileRows

#: How much is read in one go: bytes, and files.
_CHUNK_BYTES: Final = 512 * 1024
_CHUNK_FILES: Final = 500
#: The bytes of a document, roughly.
DOCUMENT_BYTES: Final = 500
#: So many documents are read in no time: neither more processes nor a cache would help.
SMALL: Final = 1000
#: Nanoseconds that a clock of files may be coarse by. What changed so short before it was read may have changed after.
_RACY: Final = 2_000_000_000
#: That nothing was found across files.
_NOTHING: Final = findings_text(())


class _Todo(NamedTuple):
    """A file to be read: where it goes in the cache, and what is there already."""

    folder: str
    entry: str
    file: ManifestFile
    size: int
    cached: CachedFile | None


def load_fleet(
    found: Found,
    cache: Cache,
    workers: Workers,
    planners: Workers | None = None,
    *,
    stdin: BinaryIO | None = None,
    full_hash: bool = False,
    shard: Shard | None = None,
) -> Fleet:
    """The fleet of the manifests that were ``found``, read as far as ``cache`` doesn't hold them as they are now.

    ``workers`` read, ``planners`` are who may work on its accounts after that (`Fleet.planners`).
    With ``full_hash`` a file counts as unchanged only if its bytes are, not by its signature. With ``shard`` it is that
    part of the fleet; a cache holds one part only.
    """
    return _Loading(found, cache, workers, stdin, full_hash, shard).load(planners or _nobody)


def _nobody(_: int) -> None:
    """This process does it."""


def estimated_documents(found: Found) -> int:
    """About how many documents there are, without reading them."""
    files = len(found.single) + sum(folder.count for folder in found.folders)
    if files >= _CHUNK_FILES:
        return files
    size = 0
    for folder in found.folders:
        size += sum(_size(f"{folder.path}{os.sep}{entry}") for entry in folder.entries)
    size += sum(_size(file.path) for file in found.single if file.path is not None)
    return max(files, size // DOCUMENT_BYTES)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _key(name: str, path: str | None) -> str:
    """What a folder or single file is called in the cache: names are relative, paths may be linked to."""
    return canonical.dumps([name, path])


class _Loading:
    """One refresh of a cache."""

    def __init__(
        self,
        found: Found,
        cache: Cache,
        workers: Workers,
        stdin: BinaryIO | None,
        full_hash: bool,
        shard: Shard | None,
    ) -> None:
        self._cache = cache
        self._workers = workers
        self._stream = stdin
        self._stdin: bytes | None = None
        self._full_hash = full_hash
        self._folders = {_key(folder.name, folder.path): folder for folder in found.folders}
        self._single = {_key(file.name, file.path): file for file in found.single}
        self._changed = False
        self._shard = shard
        self._diagnostics = [
            finding for finding in found.diagnostics if shard is None or shard.takes_text(finding.position.file)
        ]

    def load(self, planners: Workers) -> Fleet:
        """Bring the cache up to date."""
        self._read(self._compared())
        self._forget_gone()
        self._cache.refreshed(changed=self._changed)
        name = canonical.digest(sorted([*self._folders, *self._single]))
        summary = self._summary(name)
        found = (*self._diagnostics, *findings_from(summary.crossed))
        inputs = Inputs(self._folders, self._single, self._stdin)
        return Fleet(name, self._cache, summary.files, summary.accounts, found, inputs, planners)

    def _compared(self) -> Iterator[_Todo]:
        """The files that have to be read; those that are as they were are present by that, those that are gone go."""
        for key, folder in self._folders.items():
            cached = self._cache.files_in(key)
            present: list[int] = []
            for entry in folder.entries:
                path = f"{folder.path}{os.sep}{entry}"
                kept = cached.pop(entry, None)
                status = _status(path)
                if kept is not None and status is not None and self._unchanged(kept, signature_of(status)):
                    present.append(kept.number)
                else:
                    size = status.st_size if status is not None else 0
                    yield _Todo(key, entry, folder.file(entry), size, kept)
            self._cache.present(present)
            for gone in cached.values():
                self._forget(gone.number)
        cached = self._cache.files_in(SINGLE)
        for key, file in self._single.items():
            kept = cached.get(key)
            status = _status(file.path) if file.path is not None else None
            if kept is not None and status is not None and self._unchanged(kept, signature_of(status)):
                self._cache.present([kept.number])
            else:
                yield _Todo(SINGLE, key, file, status.st_size if status is not None else 0, kept)

    def _unchanged(self, kept: CachedFile, signature: tuple[int, ...]) -> bool:
        if self._full_hash or kept.signature != signature:
            return False
        _, modified, changed, *_ = signature
        return max(modified, changed) < kept.read_at - _RACY

    def _forget(self, number: int) -> None:
        self._cache.forget(number)
        self._changed = True

    def _forget_gone(self) -> None:
        """Drop what is kept of folders and files that don't exist any more; others may be of another fleet."""
        for key in self._cache.folders():
            if key != SINGLE and key not in self._folders and not _exists(key):
                for kept in self._cache.files_in(key).values():
                    self._forget(kept.number)
        for key, kept in self._cache.files_in(SINGLE).items():
            if key not in self._single and not _exists(key):
                self._forget(kept.number)

    def _read(self, todo: Iterator[_Todo]) -> None:
        head: list[_Todo] = []
        size = 0
        for each in todo:
            head.append(each)
            size += max(each.size, DOCUMENT_BYTES)
            if size >= SMALL * DOCUMENT_BYTES:
                break
        if not head:
            return
        # Slow to load, and not needed where nothing has changed.
        from reconciler.manifests import rows
        from reconciler.manifests.spread import spread

        read = rows.rows_of_files if self._shard is None else partial(rows.rows_of_files, shard=self._shard)
        executor = self._workers(size // DOCUMENT_BYTES)
        for chunk, found in spread(executor, read, self._asked(chain(head, todo))):
            self._take(chunk, found)

    def _asked(self, todo: Iterable[_Todo]) -> Iterator[tuple[list[_Todo], list[tuple[ManifestFile, bytes | None]]]]:
        """The files to be read, some at a time; standard input is read on the way."""
        for chunk in _chunks(todo):
            if chunk[0].file.path is None:
                self._take(chunk, [self._of_stdin()])
            else:
                yield chunk, [(each.file, None if each.cached is None else each.cached.content) for each in chunk]

    def _of_stdin(self) -> FileRows:
        from reconciler.manifests.rows import rows_of_bytes, unreadable

        file = ManifestFile(STDIN_NAME)
        data = read_manifest(file, self._stream)
        if isinstance(data, Diagnostic):
            return unreadable(file.name, data, self._shard)
        self._stdin = data
        return rows_of_bytes(file.name, data, self._shard)

    def _take(self, chunk: list[_Todo], found: list[FileRows]) -> None:
        present: list[int] = []
        new: list[Read] = []
        for todo, rows in zip(chunk, found, strict=True):
            old = todo.cached.number if todo.cached is not None else None
            if rows.same and old is not None:
                self._cache.still(old, rows.signature, rows.read_at)
                present.append(old)
            else:
                new.append(Read(todo.folder, todo.entry, old, rows))
        if new:
            self._changed = True
            present += self._cache.put(new)
        self._cache.present(present)

    def _summary(self, name: str) -> FleetSummary:
        """What is known of the fleet as a whole, as far as it was found before."""
        cache = self._cache
        kept, generation = cache.summary(name), cache.generation
        if kept is not None and kept.generation == generation:
            return kept
        summary = FleetSummary(generation, *cache.counts(), self._crossed(kept))
        cache.keep_summary(name, summary)
        return summary

    def _crossed(self, kept: FleetSummary | None) -> str:
        """What is found across files; ``kept`` is what was known before some of them changed."""
        from reconciler.manifests.uniqueness import duplicates, repeated, repeated_in

        numbers = self._cache.claim_numbers
        if kept is None or kept.crossed != _NOTHING:
            keys = repeated(numbers, self._cache.claim_count())
        else:
            # Nothing was: so one of the two places is in a file that changed since.
            keys = repeated_in(
                partial(numbers, after=kept.generation), partial(numbers, until=kept.generation), everywhere=numbers
            )
        return findings_text(duplicates(self._claims(keys)) if keys else ())

    def _claims(self, keys: frozenset[int]) -> Iterable[Claim]:
        """All claims with one of the numbers ``keys``, in the order of their files' names."""
        from reconciler.manifests.rows import claims_of_bytes, claims_of_files

        files = [
            self._single[entry] if folder == SINGLE else self._folders[folder].file(entry)
            for folder, entry, numbers in self._cache.claims()
            if not keys.isdisjoint(numbers)
        ]
        files.sort(key=lambda file: (file.name, file.path or ""))
        for file in files:
            if file.path is None:
                yield from claims_of_bytes(file.name, self._stdin or b"", keys)
            else:
                yield from claims_of_files([file], keys)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _exists(key: str) -> bool:
    path = json.loads(key)[1]
    return path is not None and os.path.lexists(path)


def _chunks(todo: Iterable[_Todo]) -> Iterator[list[_Todo]]:
    """Files to be read in one go; standard input goes by itself."""
    chunk: list[_Todo] = []
    size = 0
    for each in todo:
        if each.file.path is None:
            yield [each]
            continue
        chunk.append(each)
        size += each.size
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_FILES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
