"""What the applier costs a call, above a raw client that is kept alive: ``python benchmarks/apply_overhead.py``.

Both send the same requests to the same simulator, which runs in a process of its own on the loopback interface. The
applier writes an intent and an outcome of each, durably, into an SQLite store. In each round the raw client goes
first, then the applier, then a plain SQLite file that is given two durable one-row commits a call: what no journal
that is written before and after each call can be cheaper than. Medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from reconciler.applying.applier import Applier
from reconciler.instants import minute_of, parse_declared, payway_text
from reconciler.limits import ApplySettings
from reconciler.model import DeclaredAccount, DeclaredProduct, KnownAccount, KnownProduct, Source
from reconciler.operations import body_bytes
from reconciler.payway.auth import find_credentials
from reconciler.payway.client import HttpSender
from reconciler.payway.server import SimulatorServer
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
from reconciler.plan import Plan
from reconciler.planfile import plan_text, seal
from reconciler.planning import PlanContext, guards, make_plan
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Holder


def clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def accounts(count: int, end: int) -> list[KnownAccount]:
    """So many accounts with a product each, whose term ends at the minute ``end``."""
    return [
        KnownAccount(
            f"{number:024x}",
            user_products=(
                KnownProduct(f"1{number:023x}", f"2{number:023x}", "activated", "limited", end - 100_000, end),
            ),
        )
        for number in range(1, count + 1)
    ]


def declared(known: Sequence[KnownAccount], end: int) -> list[DeclaredAccount]:
    """Manifests that move all these terms to ``end``: an `update` each."""
    moment = parse_declared(payway_text(end, 60))
    source = Source("manifests/all.yaml", 1)
    return [
        DeclaredAccount(
            account.account_id,
            source,
            user_products=(
                DeclaredProduct(source, account.user_products[0].product_id, state="activated", valid_to=moment),
            ),
        )
        for account in known
    ]


@contextmanager
def payway(known: Sequence[KnownAccount]) -> Iterator[str]:
    """The simulator in a process of its own; gives its URL."""
    to_read, to_write = os.pipe()
    process = os.fork()
    if process == 0:
        server = SimulatorServer(Simulator(World.from_known(known, clock), clock=clock))
        os.write(to_write, server.url.encode() + b"\n")
        server.serve_forever()
    try:
        yield os.read(to_read, 200).decode().strip()
    finally:
        os.kill(process, 15)
        os.waitpid(process, 0)


def raw(url: str, plan: Plan) -> float:
    """Seconds a call of a plain httpx client that is kept alive."""
    import httpx

    headers = {"authorization": "Bearer any", "content-type": "application/json"}
    calls = [(url + step.request.path, body_bytes(step.request)) for step in plan.steps]
    with httpx.Client() as client:
        client.put(calls[0][0], content=calls[0][1], headers=headers)
        started = time.perf_counter()
        for address, body in calls:
            assert client.put(address, content=body, headers=headers).status_code == 200
        return (time.perf_counter() - started) / len(calls)


def applied(url: str, plan: Plan, store: SqliteStore, round_: int) -> float:
    """Seconds a call of the applier, all that a run does included."""
    text = plan_text(plan)
    credentials = find_credentials("stage", {"PAYWAY_TOKEN": "any"})
    sender = HttpSender(url, credentials)
    applier = Applier(
        store=store, sender=sender, settings=ApplySettings(), environment="stage", host=url, clock=clock,
        sleeper=time.sleep, jitter=lambda: 0.5, emergency=lambda _: None,
    )  # fmt: skip
    holder = Holder(f"run-{round_}", "benchmark", "here", os.getpid(), "benchmark", "2026-01-01T00:00:00Z")
    started = time.perf_counter()
    report = applier.run(plan, text, holder)
    took = time.perf_counter() - started
    sender.close()
    assert report.exit_code == 0
    return took / len(plan.steps)


def commits(folder: Path, count: int) -> float:
    """Seconds that two durable commits of one small row take."""
    path = folder / "plain.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS line (number INTEGER PRIMARY KEY, text TEXT)")
    started = time.perf_counter()
    for _ in range(2 * count):
        connection.execute("INSERT INTO line (text) VALUES (?)", ("x" * 400,))
    took = time.perf_counter() - started
    connection.close()
    return took / count


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    now = clock()
    ends = [minute_of(now + timedelta(days=days)) for days in (300, 400)]
    known = accounts(given.calls, ends[0])
    times: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder, payway(known) as url:
        store = SqliteStore.open(Path(folder, "stage.db"), create=True, environment="stage")
        with store.change() as change:
            change.mark_filled()
            for account in known:
                change.put_account(account)
        for round_ in range(given.rounds):
            context = PlanContext("stage", url, clock(), accepted=frozenset(guards.DEFAULTS))
            wanted = declared(known, ends[(round_ + 1) % 2])
            plan = seal(make_plan(wanted, store.view(), context, manifests_digest="sha256:" + "0" * 64))
            times.append((raw(url, plan), applied(url, plan, store, round_), commits(Path(folder), given.calls)))
        store.close()
    above = median(apply - plain for plain, apply, _ in times)
    floor = median(commit for _, _, commit in times)
    figures = {
        "raw ms a call": median(plain for plain, _, _ in times) * 1000,
        "applier ms a call": median(apply for _, apply, _ in times) * 1000,
        "above the raw call, ms": above * 1000,
        "of it two durable commits, ms": floor * 1000,
        "of it all else, ms": (above - floor) * 1000,
    }
    if given.json:
        print(json.dumps(figures))
    else:
        print(f"{given.calls} calls in each of {given.rounds} rounds, medians:")
        for name, value in figures.items():
            print(f"  {name:32} {value:6.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
