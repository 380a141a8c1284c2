"""Work that is spread over processes and comes back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from typing import Final, TypeVar

_Batch = TypeVar("_Batch")
_Sent = TypeVar("_Sent")
_Result = TypeVar("_Result")

#: Batches that are under way at once, where an executor doesn't say it itself (``ahead``).
AHEAD: Final = 8


def spread(
    executor: Executor | None, work: Callable[[_Sent], _Result], batches: Iterable[tuple[_Batch, _Sent]]
) -> Iterator[tuple[_Batch, _Result]]:
    """Each batch with what ``work`` makes of what is sent of it, in the order of the batches.

    This process does it if there is no executor, and where a process of it was killed. Raises what ``work`` does.
    """
    if executor is None:
        for batch, sent in batches:
            yield batch, work(sent)
        return
    ahead = getattr(executor, "ahead", AHEAD)
    under_way: deque[tuple[_Batch, _Sent, Future[_Result] | None]] = deque()
    for batch, sent in batches:
        under_way.append((batch, sent, _begun(executor, work, sent)))
        if len(under_way) > ahead:
            yield _ended(work, *under_way.popleft())
    while under_way:
        yield _ended(work, *under_way.popleft())


def _begun(executor: Executor, work: Callable[[_Sent], _Result], sent: _Sent) -> Future[_Result] | None:
    """What another process is to do; ``None`` if one of them was killed, which ends all."""
    try:
        return executor.submit(work, sent)
    except BrokenExecutor:
        return None


def _ended(
    work: Callable[[_Sent], _Result], batch: _Batch, sent: _Sent, future: Future[_Result] | None
) -> tuple[_Batch, _Result]:
    if future is not None:
        with suppress(BrokenExecutor):
            return batch, future.result()
    return batch, work(sent)
