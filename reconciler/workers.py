"""Who does the work of a command: this process, some more on this machine, or workers of a cluster.

All three are a `concurrent.futures.Executor`. It maps files to rows (`reconciler.manifests.rows.rows_of_files`), and on
this machine accounts to what comes of them (`reconciler.fleetaccounts`); everything else is done in this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from reconciler.manifests.loading import SMALL

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from types import TracebackType


def cores() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class Workers:
    """The processes of one command: begun when there is enough to do for them, ended with the ``with`` block.

    What raises there ends them at once.
    """

    def __init__(self, start: Callable[[], AbstractContextManager[Executor]] | None, least: int = SMALL) -> None:
        self._start, self._least = start, least
        self._stack = ExitStack()
        self._executor: Executor | None = None

    def __call__(self, count: int) -> Executor | None:
        """Who is to work on about ``count`` documents or accounts; ``None`` if it is this process."""
        if self._executor is None and self._start is not None and count >= self._least:
            self._executor = self._stack.enter_context(self._start())
        return self._executor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor = None
        self._stack.__exit__(kind, error, trace)


def local_workers(jobs: int | None) -> Workers:
    """``jobs`` processes of this machine (as many as it has processors, unless said), once it is worth it."""
    count = jobs if jobs is not None else cores()

    @contextmanager
    def start() -> Iterator[Executor]:
        from reconciler.processes import Processes

        _warm_up()  # before processes are forked, so that it is done once
        executor = Processes(count)
        try:
            yield executor
        except BaseException:
            executor.kill()
            raise
        finally:
            executor.shutdown()

    return Workers(start if count > 1 else None)


def _warm_up() -> None:
    """Load what reading and planning need."""
    import reconciler.fleetaccounts  # noqa: F401
    from reconciler.manifests.rows import warm_up

    warm_up()


def cluster_workers(address: str) -> Workers:
    """The workers of the Dask scheduler at ``address`` (``tcp://HOST:PORT``), which see the manifests as we do.

    They raise `UsageError` if there is no such scheduler, or Dask isn't installed.
    """

    def start() -> AbstractContextManager[Executor]:
        from reconciler.cluster import connected

        return connected(address)

    return Workers(start, least=1)
