"""``python -m benchmarks``: measure, keep what was measured, write the page."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import page, parts, peers, results
from benchmarks.processes import Failed
from benchmarks.results import Part

#: Rounds of a fleet, by its accounts; larger fleets are steadier, and long.
_ROUNDS = ((20_000, 7), (200_000, 5), (sys.maxsize, 3))
_PARTS = ("startup", "overhead", "octodns", "terraform", "plan")

Make = Callable[[Path, parts.Say], "Part | None"]


def size(text: str) -> int:
    """10k and 1M as numbers."""
    found = re.fullmatch(r"(\d+)([kM]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a size such as 10k or 1M")
    return int(found[1]) * {"": 1, "k": 1000, "M": 1_000_000}[found[2]]


def arguments(given: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=size, default=[10_000, 100_000], help="accounts: 10k 100k 1M")
    parser.add_argument("--layouts", nargs="+", choices=("packed", "single"), default=["packed", "single"])
    parser.add_argument("--parts", nargs="*", choices=_PARTS, default=list(_PARTS), help="what to measure; none: page")
    parser.add_argument("--rounds", type=int, help="rounds of each part (default: by size)")
    parser.add_argument("--brief", action="store_true", help="of fleets, only what an aim is about")
    parser.add_argument("--missing", action="store_true", help="leave out what was measured before")
    parser.add_argument("--folder", type=Path, help="where fleets are written (default: a temporary folder)")
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="where results are kept")
    parser.add_argument("--page", type=Path, default=page.PAGE, help="the page to write; its chart stands beside it")
    return parser.parse_args(given)


def planned(given: argparse.Namespace) -> Iterator[tuple[str, Make]]:
    """The parts that were asked for, each with what measures it."""
    rounds = given.rounds
    if "startup" in given.parts:
        yield "startup", partial(parts.startup, rounds or 40)
    if "overhead" in given.parts:
        yield "overhead", partial(parts.overhead, 500, rounds or 7)
    if "octodns" in given.parts:
        yield "octodns", partial(peers.octodns, 10_000, rounds or 5)
    if "terraform" in given.parts:
        yield "terraform", partial(peers.terraform, 1000, rounds or 5)
    if "plan" in given.parts:
        for accounts in given.sizes:
            usual = next(count for limit, count in _ROUNDS if accounts <= limit)
            for layout in given.layouts:
                name = f"plan-{parts.short(accounts)}-{layout}"
                yield name, partial(parts.planning, accounts, layout, rounds or usual, given.brief)


def main(given: list[str] | None = None) -> int:
    """Measure what was asked for and write the page from all that is there."""
    options = arguments(given)
    failed = 0
    # A million files would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="warm-up-") as folder:
        if options.parts:
            parts.warm_up(Path(folder, "tiny"))
    for name, make in planned(options):
        if options.missing and (options.results / f"{name}.json").exists():
            continue
        say(f"{name}:")
        # Gone at the end, however it ends.
        with tempfile.TemporaryDirectory(dir=options.folder, prefix=f"{name}-") as folder:
            try:
                part = make(Path(folder), say)
            except Failed as error:
                print(f"benchmarks: {name}: {error}", file=sys.stderr)
                failed = 1
                continue
        if part is not None:
            results.save(part, options.results)
    page.write(results.load_all(options.results), options.page)
    say(f"wrote {options.page}")
    return failed


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
