"""Plays the simulation's stories: ``simulate.py --seeds 0:20000``, or tells one of them: ``simulate.py 4711``.

Run it with the tests' folder on the path: ``PYTHONPATH=tests:. python tests/reliability/simulate.py``. Every story is
made from its seed alone, so what went wrong once goes wrong again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from support.perils import Wrong
from support.story import play, play_many

_CHUNK = 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="play this one, and tell it if a promise is broken")
    parser.add_argument("--seeds", default="0:1000", help="from:to")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if given.seed is not None:
        return _again(given.seed)
    first, last = (int(part) for part in given.seeds.split(":"))
    chunks = [range(start, min(start + _CHUNK, last)) for start in range(first, last, _CHUNK)]
    started = time.monotonic()
    counts: Counter[str] = Counter()
    broken = 0
    with multiprocessing.Pool(given.jobs) as pool:
        for part, wrong in pool.imap_unordered(play_many, chunks):
            counts += part
            broken += len(wrong)
            for text in wrong:
                print(text.splitlines()[0], f"(again: make simulate SEED={text.split()[1].rstrip(':')})", flush=True)
    took = time.monotonic() - started
    made = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    print(f"{last - first:,} seeds in {took:.0f} s: {broken} with a broken promise. In them: {made}.")
    return 1 if broken else 0


def _again(seed: int) -> int:
    try:
        play(seed)
    except Wrong as error:
        print(error)
        raise
    print(f"seed {seed}: every promise was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
