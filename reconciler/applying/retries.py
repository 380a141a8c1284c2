"""Patience: how often one call is sent, how long is waited in between, and when it is enough.

The counting is stamina's; the waiting is done here, with the sleeper that was handed in, so that a signal
cuts it short and tests don't sleep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.judging import Judgement
from reconciler.limits import ApplySettings
from reconciler.operations import Operation
from reconciler.verdicts import AGAIN, Verdict

#: Between two looks for a signal, in seconds.
SLICE: Final = 0.25

#: `reactivate` in doubt is sent once more in one process, and then it is a person's turn.
_DOUBTS: Final = 2


class _Again(Exception):
    """An answer after which the call may be sent again."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.row)
        self.judgement = judgement


@dataclass(slots=True)
class Patience:
    """The waiting of one run.

    ``sleeper`` takes seconds; ``jitter`` gives a number from 0 to below 1; ``stop_requested`` is asked before and
    while waiting; ``waiting`` is told of every wait before it begins. ``waited`` counts the seconds of
    ``settings.max_wait`` that are used up.
    """

    settings: ApplySettings
    sleeper: Callable[[float], None]
    jitter: Callable[[], float]
    stop_requested: Callable[[], bool]
    waiting: Callable[[float], None]
    waited: float = 0.0

    def pursue(self, operation: Operation, call: Callable[[], Judgement], *, in_doubt: bool = False) -> Judgement:
        """Send a call until its answer is clear, tries or waiting run out, or a stop is asked for.

        ``call`` sends once and judges. ``in_doubt`` says that an earlier try, of another process, may have been
        carried out. Returns the last judgement; its verdict is one of `AGAIN` if patience ran out.
        """
        import stamina

        tries = 0
        doubts = 1 if in_doubt else 0

        def wait_or_give_up(error: Exception) -> bool | float:
            nonlocal doubts
            if not isinstance(error, _Again):
                return False
            doubts += error.judgement.verdict is Verdict.DOUBT
            if tries >= self.settings.tries or (error.judgement.verdict is Verdict.DOUBT and doubts >= _DOUBTS):
                return False
            # The waiting happens here; nothing is left for stamina to wait.
            return 0.0 if self.wait(self._delay(operation, error.judgement, tries)) else False

        def once() -> Judgement:
            nonlocal tries
            tries += 1
            judgement = call()
            if judgement.verdict in AGAIN:
                raise _Again(judgement)
            return judgement

        caller = stamina.RetryingCaller(attempts=max(1, self.settings.tries), timeout=None)
        try:
            with _unwatched():
                return caller(wait_or_give_up, once)
        except _Again as last:
            return last.judgement

    def wait(self, seconds: float) -> bool:
        """Wait; False if the run's waiting is used up (then nothing was waited) or a stop was asked for."""
        if self.stop_requested() or self.waited + seconds > self.settings.max_wait:
            return False
        if seconds <= 0:
            return True
        self.waited += seconds
        return self.pause(seconds)

    def pause(self, seconds: float) -> bool:
        """Wait without counting it against the run's waiting: for a pace that was asked for. False if stopped."""
        self.waiting(seconds)
        left = seconds
        while left > 0:
            if self.stop_requested():
                return False
            part = min(left, SLICE)
            self.sleeper(part)
            left -= part
        return not self.stop_requested()

    def _delay(self, operation: Operation, judgement: Judgement, tries: int) -> float:
        delays = self.settings.delays
        seconds = delays[min(tries, len(delays)) - 1] if delays else 0.0
        if self.settings.jitter:
            # From half to one and a half times the delay, so that several runners don't come back together.
            seconds *= 0.5 + self.jitter()
        if judgement.retry_after is not None:
            seconds = max(seconds, judgement.retry_after)
        if operation.cool_down and judgement.verdict is not Verdict.RETRY:
            seconds = max(seconds, self.settings.cool_down)
        return seconds


@contextmanager
def _unwatched() -> Iterator[None]:
    """Keep stamina from logging or counting: what is told of a run is told by its journal and events."""
    from stamina import instrumentation

    hooks = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks(())
    try:
        yield
    finally:
        instrumentation.set_on_retry_hooks(hooks)
