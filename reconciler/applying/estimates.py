"""How long a run will take, before it begins: from how long calls took in this store's last runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.instants import parse_clock
from reconciler.state.store import Run

#: Seconds a call, while nothing is known of how long one takes here.
ASSUMED: Final = 0.5

#: Shorter runs say little: clock texts are whole seconds.
_LEAST_STEPS: Final = 20


def seconds_of(steps: int, runs: Iterable[Run], *, rate: float | None = None) -> float:
    """About how many seconds ``steps`` calls take, one after another, at no more than ``rate`` calls a second."""
    pace = _pace(runs)
    return steps * (pace if rate is None else max(pace, 1 / rate))


def _pace(runs: Iterable[Run]) -> float:
    """Seconds a call in the newest finished run that was long enough to tell."""
    told = [run for run in runs if run.status == "finished" and run.steps >= _LEAST_STEPS and run.ended_at]
    if not told:
        return ASSUMED
    last = told[-1]
    took = parse_clock(str(last.ended_at)) - parse_clock(last.started_at)
    return max(took.total_seconds(), 0.0) / last.steps
