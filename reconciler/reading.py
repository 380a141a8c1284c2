"""How a command reads manifests: with how many processes, and with which cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler import __version__
from reconciler.canonical import digest

if TYPE_CHECKING:
    from reconciler.manifests.cache import Cache
    from reconciler.manifests.fleet import Fleet
    from reconciler.manifests.loading import Workers

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


@contextmanager
def open_fleet(paths: Sequence[str], reading: Reading) -> Iterator[Fleet]:
    """The manifests under ``paths`` (``-`` is standard input), as long as the block lasts.

    What was found out by its end is kept. Raises `reconciler.errors.InvalidInput` if a path doesn't exist or there is
    no manifest, `reconciler.errors.UsageError` if the cluster can't be reached.
    """
    from reconciler.manifests.files import find_manifests
    from reconciler.manifests.loading import SMALL, estimated_documents, load_fleet

    found = find_manifests(paths)
    large = estimated_documents(found) >= SMALL
    cache = _cache() if reading.cache and large else None
    if cache is None:
        cache = _temporary(large=large)
    stdin = sys.stdin.buffer if "-" in paths else None
    try:
        with _fewer_collections():
            yield load_fleet(found, cache, _workers(reading), stdin=stdin, full_hash=reading.full_hash)
            cache.save()
    finally:
        cache.close()


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


def _cache() -> Cache | None:
    """The cache of the current folder; ``None`` if it can't be had."""
    from reconciler.manifests.cache import Cache

    with suppress(OSError):
        if not CACHE.parent.exists():
            CACHE.parent.mkdir(mode=0o700)
            (CACHE.parent / ".gitignore").write_text("*\n", encoding="ascii")
        return Cache.open(CACHE, _program())
    return None


def _program() -> str:
    """What tells this program from another version of it, an edited one too: what it read may be wrong by now."""
    root = Path(__file__).parent
    files = [*root.rglob("*.py"), *root.rglob("*.json"), *root.parent.glob("schemas/*.json")]
    stats = sorted((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return digest([__version__, sys.version, [list(each) for each in stats]])
