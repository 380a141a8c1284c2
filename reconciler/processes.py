"""Some processes of this machine, each with a pipe, as an executor that outlives any of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

_P = ParamSpec("_P")
_Result = TypeVar("_Result")
_Task: TypeAlias = tuple[Future[Any], Callable[[], Any]]
_Pipe: TypeAlias = "connection.Connection"

_KILLED: Final = "a process that worked was killed"
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


class Processes(Executor):
    """Some processes with a pipe each.

    One that is killed breaks its own pipe, and nothing else: what it was to do fails with `BrokenExecutor`, the others
    go on. (A `ProcessPoolExecutor` has one pipe for all of them, and waits for ever for one that is killed while it
    writes into that.)
    """

    def __init__(self, count: int) -> None:
        context = _context()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._processes: list[BaseProcess] = []
        pipes = []
        with _signals_held():
            for _ in range(count):
                ours, theirs = context.Pipe()
                # Daemons end with this process, however often it is interrupted.
                process = context.Process(target=_serve, args=(theirs,), daemon=True)  # type: ignore[attr-defined]  # only its kinds have it
                process.start()
                theirs.close()
                self._processes.append(process)
                pipes.append(ours)
        # After the last fork: a process begins with no thread but its own.
        self._threads = [threading.Thread(target=self._hand_over, args=(pipe,), daemon=True) for pipe in pipes]
        self._left = count
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[_P, _Result], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_Result]:
        """Have one of the processes do something. Raises `BrokenExecutor` if there is none any more."""
        future: Future[_Result] = Future()
        with self._lock:
            if not self._left:
                raise BrokenExecutor(_KILLED)
            self._tasks.put((future, partial(fn, *args, **kwargs)))
        return future

    def kill(self) -> None:
        """End the processes at once, whatever they do: it is of no use any more."""
        for process in self._processes:
            process.terminate()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes end when they have done all that there is to do."""
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
            for process in self._processes:
                process.join()

    def _hand_over(self, pipe: _Pipe) -> None:
        """Hand tasks to one process until it is to end, or has."""
        with pipe:
            while (task := self._tasks.get()) is not None:
                future, call = task
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    pipe.send(call)
                    done, answer = pipe.recv()
                except (EOFError, OSError):
                    future.set_exception(BrokenExecutor(_KILLED))
                    break
                except Exception as error:  # it can't be sent, or what came can't be read
                    future.set_exception(error)
                    continue
                if done:
                    future.set_result(answer)
                else:
                    future.set_exception(answer)
            else:
                with suppress(OSError):
                    pipe.send(None)
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
            with suppress(Empty):
                while True:
                    task = self._tasks.get_nowait()
                    if task is not None and task[0].set_running_or_notify_cancel():
                        task[0].set_exception(BrokenExecutor(_KILLED))


def _serve(pipe: _Pipe) -> None:
    """The life of a process: do what comes through ``pipe``."""
    _begin()
    with suppress(EOFError, OSError):
        while (call := pipe.recv()) is not None:
            try:
                answer = True, call()
            except Exception as error:
                answer = False, error
            pipe.send(answer)


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
