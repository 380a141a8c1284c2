"""Lets plans grow stale in a thousand ways, and alters every byte of one: ``stale_plans.py --seeds 0:1000``.

Run it with ``PYTHONPATH=tests:.``; ``--seed N`` plays one again. What doesn't concern a plan is played,
too, and mustn't refuse it. The last lines are the figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from functools import partial

from support.flips import flip_every_byte
from support.stale import CONTROLS, STALE, play, play_control, play_many

_CHUNK = 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="play this interleaving alone")
    parser.add_argument("--seeds", default="0:1000", help="from:to")
    parser.add_argument("--controls", type=int, default=300)
    parser.add_argument("--every", type=int, default=1, help="alter only each so many bytes")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if given.seed is not None:
        print(play(given.seed))
        return 0
    started = time.monotonic()
    first, last = (int(part) for part in given.seeds.split(":"))
    chunks = [range(start, min(start + _CHUNK, last)) for start in range(first, last, _CHUNK)]
    with multiprocessing.Pool(given.jobs) as pool:
        stale, wrong = _added(pool.map(play_many, chunks, chunksize=1))
        controls, wrong_too = _added(pool.map(partial(play_many, player=play_control), [range(given.controls)]))
    flips, made = flip_every_byte(every=given.every)
    wrong += wrong_too + made
    print("\n".join(wrong), end="\n" if wrong else "")
    print(
        f"{last - first:,} interleavings of {len(STALE)} kinds: {stale['applied']} applied, {stale['sent']} calls "
        f"sent. {given.controls} of {len(CONTROLS)} kinds that don't concern the plan: "
        f"{given.controls - controls['applied']} refused."
    )
    print(
        f"{flips['flips']:,} altered bytes: {flips['refused']:,} refused, {flips['equivalent']} equivalent, "
        f"{len(made)} another plan. {time.monotonic() - started:.0f} s."
    )
    return 1 if wrong else 0


def _added(parts: list[tuple[Counter[str], list[str]]]) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for part, found in parts:
        counts += part
        wrong += found
    return counts, wrong


if __name__ == "__main__":
    sys.exit(main())
