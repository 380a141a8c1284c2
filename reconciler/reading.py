"""How a command reads manifests: with how many processes, and with which cache."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from reconciler import __version__
from reconciler.canonical import digest
from reconciler.errors import InvalidInput, ReconcilerError

if TYPE_CHECKING:
    from reconciler.manifests.cache import Cache
    from reconciler.manifests.fleet import Fleet
    from reconciler.manifests.shards import Shard
    from reconciler.manifests.walk import Found
    from reconciler.workers import Workers

_Result = TypeVar("_Result")

#: Where the cache is, from the current folder.
CACHE: Final = Path(".reconciler", "cache.db")

#: So many more values than were freed make the garbage collector look.
_COLLECT_AFTER: Final = 200_000


@dataclass(frozen=True, slots=True)
class Reading:
    """``jobs`` processes (``None``: as many as there are processors), or those of a Dask scheduler at ``cluster``.

    Without ``cache``, nothing is kept from one command to the next; with ``full_hash``, files count as unchanged only
    if their bytes are.
    """

    jobs: int | None = None
    cluster: str | None = None
    cache: bool = True
    full_hash: bool = False


def with_fleet(
    paths: Sequence[str], reading: Reading, use: Callable[[Fleet], _Result], *, shard: Shard | None = None
) -> _Result:
    """What ``use`` makes of the manifests under ``paths`` (``-`` is standard input); what it found out is kept.

    With ``shard`` it gets that part of them; what is kept of each stands in a file of its own.

    It is called a second time, without what was kept, if that turns out to be damaged. Raises
    `reconciler.errors.InvalidInput` if a path doesn't exist or there is no manifest, `reconciler.errors.UsageError` if
    the cluster can't be reached, and what ``use`` raises.
    """
    from reconciler.manifests.files import ChangedMeanwhile
    from reconciler.manifests.loading import SMALL, estimated_documents
    from reconciler.manifests.walk import find_manifests

    found = find_manifests(paths)
    stdin = _stdin() if "-" in paths else None
    large = estimated_documents(found) >= SMALL
    place = CACHE if shard is None else CACHE.with_name(f"cache-{shard.number}-of-{shard.of}.db")
    cache = _cache(place) if reading.cache and large else None
    if cache is not None:
        try:
            return _used(found, cache, reading, stdin, use, shard)
        except ChangedMeanwhile:
            pass  # so it looks, too, if the place that was kept is wrong
        except ReconcilerError:
            raise
        except Exception as error:
            import logging

            why = type(error).__name__  # what it says may hold any text
            logging.getLogger(__name__).warning("%s is damaged and was thrown away (%s)", place, why)
        with suppress(OSError):
            place.unlink()
        if stdin is not None:
            stdin.seek(0)
    import sqlite3

    try:
        return _used(found, _temporary(large=large), reading, stdin, use, shard)
    except sqlite3.OperationalError as error:
        if "is full" not in str(error):
            raise
        hint = "make room for temporary files, or let TMPDIR name a folder with more"
        raise InvalidInput("there is no room left for what is read of the manifests", hint=hint) from None


def _used(
    found: Found,
    cache: Cache,
    reading: Reading,
    stdin: BinaryIO | None,
    use: Callable[[Fleet], _Result],
    shard: Shard | None,
) -> _Result:
    from reconciler.manifests.loading import load_fleet

    try:
        with _fewer_collections(), _workers(reading) as workers:
            # Planning needs much from here for little work: a cluster would wait for it most of the time.
            planners = workers if reading.cluster is None else None
            fleet = load_fleet(found, cache, workers, planners, stdin=stdin, full_hash=reading.full_hash, shard=shard)
            result = use(fleet)
            cache.save()
            return result
    finally:
        cache.close()


def _stdin() -> BinaryIO:
    """Standard input, as far as it may be read, as often as it is needed."""
    from reconciler.manifests.files import MAX_BYTES

    try:
        return io.BytesIO(sys.stdin.buffer.read(MAX_BYTES + 1))
    except OSError:
        return sys.stdin.buffer  # whoever reads it says what is wrong


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """With a garbage collector that looks more rarely: of the many values that are made, few are in cycles."""
    import gc

    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _workers(reading: Reading) -> Workers:
    from reconciler.workers import cluster_workers, local_workers

    return local_workers(reading.jobs) if reading.cluster is None else cluster_workers(reading.cluster)


def _temporary(*, large: bool) -> Cache:
    from reconciler.manifests.cache import Cache

    return Cache.temporary(on_disk=large)


def _cache(place: Path) -> Cache | None:
    """The cache at ``place`` in the current folder; ``None`` if it can't be had."""
    from reconciler.manifests.cache import Cache

    with suppress(OSError):
        if place.parent.is_symlink():
            return None  # it may have come out of a repository, and lead anywhere
        if not place.parent.exists():
            place.parent.mkdir(mode=0o700)
            (place.parent / ".gitignore").write_text("*\n", encoding="ascii")
        return Cache.open(place, _program())
    return None


def _program() -> str:
    """What tells this program from another version of it, an edited one too: what it read may be wrong by now."""
    root = Path(__file__).parent
    schemas = root.parent / "schemas"  # in a checkout
    stats = sorted([*_stats(str(root)), *(_stats(str(schemas)) if schemas.is_dir() else ())])
    return digest([__version__, sys.version, [list(each) for each in stats]])


def _stats(folder: str) -> Iterator[tuple[str, int, int]]:
    """Place, size and time of each module and schema in ``folder`` and below; `Path.rglob` takes four times as long."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".py", ".json")):
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _stats(entry.path)
