"""Lets each write of the store fail in turn over a whole run, in memory and on SQLite, and prints the figures.

Run it with ``PYTHONPATH=tests:.``; the last line adds everything up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.trials import FIGURES, SQLITE_ERRORS, in_memory, in_sqlite, on_a_full_disk


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        every = [
            in_memory(onward=False),
            in_memory(onward=True),
            in_memory(onward=False, aside_fails=True),
            *(in_sqlite(Path(folder), kind, onward=onward) for kind in SQLITE_ERRORS for onward in (False, True)),
            on_a_full_disk(Path(folder)),
        ]
    figures: Counter[str] = Counter()
    for trials in every:
        print(trials)
        for text in trials.wrong:
            print(f"  {text}")
        figures += trials.figures
    points, wrong = sum(trials.points for trials in every), sum(len(trials.wrong) for trials in every)
    counted = ", ".join(f"{name} {figures[name]:,}" for name in FIGURES)
    print(f"{points:,} store failures in {time.monotonic() - started:.0f} s: {counted}; broken promises {wrong}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
