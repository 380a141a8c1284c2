"""Who reads manifests: this process, some more on this machine, or workers of a cluster.

All three are a `concurrent.futures.Executor` that maps files to rows (`reconciler.manifests.rows.rows_of_files`);
nothing else of a plan is made anywhere but here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from typing import Final

from reconciler.manifests.loading import SMALL, Workers
from reconciler.manifests.rows import warm_up


def cores() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def local_workers(jobs: int | None) -> Workers:
    """``jobs`` processes of this machine (as many as it has processors, unless said), once it is worth it."""

    @contextmanager
    def start(documents: int) -> Iterator[Executor | None]:
        count = jobs if jobs is not None else cores()
        if count < 2 or documents < SMALL:
            yield None
            return
        warm_up()  # before the fork, so that it is done once
        others = multiprocessing.active_children()
        with ProcessPoolExecutor(count, mp_context=_context(), initializer=_begin) as executor:
            try:
                with _signals_held():
                    executor.submit(os.getpid)  # starts them all
                yield executor
            except BaseException:
                # What they are reading is of no use any more.
                for process in multiprocessing.active_children():
                    if process not in others:
                        process.terminate()
                raise

    return start


def cluster_workers(address: str) -> Workers:
    """The workers of the Dask scheduler at ``address`` (``tcp://HOST:PORT``), which see the manifests as we do.

    Raises `UsageError` if there is no such scheduler, or Dask isn't installed.
    """

    @contextmanager
    def start(documents: int) -> Iterator[Executor | None]:
        if documents == 0:
            yield None
            return
        from reconciler.cluster import connected

        with connected(address) as executor:
            yield executor

    return start


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def _context() -> multiprocessing.context.BaseContext:
    """Forked processes begin at once and share what was imported; where there are none, new ones."""
    return multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let Ctrl-C wait, so that it doesn't reach a process that still does as this one does."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _begin() -> None:
    """What a worker does first: leave signals to its parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
