"""What a plan of 3,000 steps costs a reviewer: ``python benchmarks/review.py``.

A fleet of 2,500 accounts is planned: terms that grow, cancellations taken back, exchanges, ends, numbers and syncs.
Its plan is drawn as a Markdown comment, as the HTML report, which Chromium then opens from a file, and as text, of
which the first line must be there before the last account is drawn. Medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from support.browser import browsing, programs

from reconciler.instants import minute_of, parse_declared
from reconciler.model import DeclaredAccount, DeclaredProduct, KnownAccount, KnownHead, KnownProduct, KnownView, Source
from reconciler.plan import Plan
from reconciler.planfile import seal
from reconciler.planning import PlanContext, guards, make_plan
from reconciler.render import plan_to_html, plan_to_markdown, plan_to_text, view
from reconciler.render.to_markdown import BUDGET

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MOST_HTML = 5 * 1024 * 1024
#: Steps that ten accounts of the fleet give, one of each kind in turn.
STEPS_OF_TEN = 12

_BEGAN, _ENDS = (minute_of(datetime(year, 12, 1, tzinfo=UTC)) for year in (2025, 2027))
_LATER = parse_declared("2028-12-01 01:00 +0100")


def known(number: int) -> KnownAccount:
    """What is known of account ``number``: two products of a term that runs, or that the reader cancelled."""
    kind = number % 10
    products = tuple(
        KnownProduct(
            product_id=f"1{index}{number:022x}",
            user_product_id=f"2{index}{number:022x}",
            state="deactivated" if index else "cancelled" if kind == 0 else "activated",
            subscription_type="limited",
            valid_from=_BEGAN,
            valid_to=_ENDS,
            subscription_number="0012340000",
            provision_service="tulo",
        )
        for index in range(2 if kind == 9 else 1)
    )
    return KnownAccount(f"{number:024x}", customer_number=f"{number:010}", user_products=products)


def declared(number: int) -> DeclaredAccount:
    """What is declared for it."""
    kind = number % 10
    source = Source(f"manifests/{number // 100:03}.yaml", number % 100 * 12 + 1)

    def product(index: int, state: str, later: bool, new_number: bool = False) -> DeclaredProduct:
        return DeclaredProduct(
            Source(source.file, source.line + 8),
            f"1{index}{number:022x}",
            f"2{index}{number:022x}",
            state=state,
            valid_to=_LATER if later else None,
            subscription_number=f"{number:010}" if new_number else None,
        )

    products = {
        0: (product(0, "activated", later=True),),
        1: (product(0, "deactivated", later=False),),
        2: (product(0, "activated", later=False, new_number=True),),
        3: (),
        9: (product(0, "deactivated", later=False), product(1, "activated", later=False)),
    }
    return DeclaredAccount(
        account_id=f"{number:024x}",
        source=source,
        customer_number=f"{number:010}",
        owner=f"district {number % 37} <circulation@example.com>",
        labels={"region": ("north", "south", "east")[number % 3]},
        sync={"address": "2026-11-24 moved"} if kind == 3 else {},
        user_products=products.get(kind, (product(0, "activated", later=True),)),
    )


def make(steps: int) -> Plan:
    """A plan of so many steps, the same every time."""
    count = steps * 10 // STEPS_OF_TEN
    accounts = [known(number) for number in range(count)]
    owners = {product.user_product_id: one.account_id for one in accounts for product in one.user_products}
    have = KnownView(KnownHead("stage", "f" * 32, 12), lambda: iter(accounts), owners.get)
    context = PlanContext("stage", "https://payway-api.stage.adeprimo.se", NOW, accepted=frozenset(guards.DEFAULTS))
    wanted = (declared(number) for number in range(count))
    return seal(make_plan(wanted, have, context, manifests_digest="sha256:" + "0" * 64))


def timed(draw: Callable[[], Iterator[str]]) -> tuple[str, float, float]:
    """The whole text, and the milliseconds until its first piece and until its last."""
    started = time.perf_counter()
    pieces = draw()
    first = next(pieces)
    begun = time.perf_counter()
    whole = first + "".join(pieces)
    return whole, (begun - started) * 1000, (time.perf_counter() - started) * 1000


def streamed(plan: Plan) -> tuple[int, float, float]:
    """How many steps were drawn before the text's first line was there, its peak memory and its size in MiB."""
    drawn = 0
    draw_step = view.view_step

    def counting(step: view.Step) -> view.StepView:
        nonlocal drawn
        drawn += 1
        return draw_step(step)

    view.view_step = counting
    tracemalloc.start()
    try:
        lines = plan_to_text(plan)
        size = len(next(lines))
        before = drawn
        size += sum(len(line) for line in lines)
        return before, tracemalloc.get_traced_memory()[1] / 2**20, size / 2**20
    finally:
        tracemalloc.stop()
        view.view_step = draw_step


TIMINGS = """
const timing = performance.getEntriesByType("navigation")[0];
const started = performance.now();
document.getElementById("impact").value = "revoke";
document.getElementById("impact").dispatchEvent(new Event("change"));
document.body.getBoundingClientRect();
return [timing.domContentLoadedEventEnd, timing.loadEventEnd, performance.now() - started,
  document.querySelectorAll("*").length];
"""


def opened(page: str, rounds: int) -> dict[str, float]:
    """How long the browser takes to show ``page``, and to filter it."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        path = Path(folder, "report.html")
        path.write_text(page, encoding="utf-8")
        browser.device()
        times = []
        for _ in range(rounds):
            browser.open(path.as_uri())
            times.append(browser.run(TIMINGS))
    ready, loaded, filtered, nodes = (median(column) for column in zip(*times, strict=True))
    return {
        "browser: page read, ms": ready,
        "browser: page loaded, ms": loaded,
        "browser: filtered, ms": filtered,
        "browser: elements": nodes,
    }


def measure(plan: Plan, rounds: int) -> dict[str, float]:
    """All figures, by name."""
    figures: dict[str, float] = {"steps": len(plan.steps), "accounts": len(plan.accounts)}
    markdown = [timed(lambda: (line + "\n" for line in plan_to_markdown(plan))) for _ in range(rounds)]
    html = [timed(lambda: plan_to_html(plan)) for _ in range(rounds)]
    text = [timed(lambda: (line + "\n" for line in plan_to_text(plan))) for _ in range(rounds)]
    before, peak, size = streamed(plan)
    figures |= {
        "Markdown: characters": len(markdown[0][0]),
        "Markdown: drawn, ms": median(took for *_, took in markdown),
        "HTML: bytes": len(html[0][0].encode()),
        "HTML: first piece, ms": median(first for _, first, _ in html),
        "HTML: drawn, ms": median(took for *_, took in html),
        "text: first line, ms": median(first for _, first, _ in text),
        "text: drawn, ms": median(took for *_, took in text),
        "text: steps drawn before the first line": before,
        "text: size, MiB": size,
        "text: peak memory, MiB": peak,
    }
    assert figures["Markdown: characters"] <= BUDGET
    assert figures["HTML: bytes"] < MOST_HTML
    if programs() is None:
        print("There is no Chromium here, so nothing is said of the browser.", file=sys.stderr)
        return figures
    return figures | opened(html[0][0], rounds)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = measure(make(given.steps), given.rounds)
    if given.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"  {name:40} {value:12,.{0 if value == int(value) or value > 1000 else 1}f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
