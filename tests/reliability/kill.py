"""Kills real processes at every point of every call, and at random moments: ``kill.py --seeds 30 --random 1000``.

Each is then gone on with as a person would, by `unlock` and `resume`; and each must end as the undisturbed run does:
no call lost, at most one repeated a kill. Run it with ``PYTHONPATH=tests:.``; the last line is its figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

from support.killing import POINTS, Child, Death, PaywayProcess, clean_environment, preload, run, timed
from support.planning import account_id, product_id, user_product_id

from reconciler.instants import minute_of
from reconciler.operations import OPERATIONS
from reconciler.payway.worldmodel import WorldAccount, WorldProduct
from reconciler.state.journal import verify_store
from reconciler.state.sqlite import SqliteStore

ACTIONS = tuple(operation.action for operation in OPERATIONS)

_SETTINGS = """
[apply]
delays = [0.01]
jitter = false
cool_down = 0.02
"""


def _manifests(later: str) -> str:
    """All five calls on one account, an update on two more: their terms end ``later``."""
    more = "".join(
        f"---\napiVersion: payway/v1\nkind: Account\naccount_id: {account_id(name)}\nuser_products:\n"
        f"  - product_id: {product_id(name)}\n    valid_to: {later}\n"
        for name in "bc"
    )
    return (
        f"apiVersion: payway/v1\nkind: Account\naccount_id: {account_id('a')}\ncustomer_number: a-1\n"
        f"sync: {{address: 1, subscriptions: 1}}\nuser_products:\n"
        f"  - product_id: {product_id('a')}\n    user_product_id: {user_product_id('a')}\n"
        f"    state: activated\n    valid_to: {later}\n    subscription_number: 0012345670\n{more}"
    )


def _world(now: datetime) -> list[WorldAccount]:
    until = minute_of(now + timedelta(days=30))

    def account(name: str, state: str) -> WorldAccount:
        product = WorldProduct(
            user_product_id(name), product_id(name), state, "limited", minute_of(now) - 10_000, until, "7", "tulo"
        )
        return WorldAccount(account_id(name), f"{name}-1", (product,))

    return [account("a", "cancelled"), account("b", "activated"), account("c", "activated")]


def _snapshot(accounts: list[WorldAccount], now: datetime) -> str:
    from reconciler.payway.worldmodel import account_to_known
    from reconciler.state.export import account_json

    known = [account_json(account_to_known(account, minute_of(now))) for account in accounts]
    head = {"format": "reconciler.known-state/v1", "environment": "stage", "observed_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps({**head, "accounts": known})


@dataclass
class Range:
    """The place where processes are killed: a folder as it is before the run, and Payway."""

    folder: Path
    payway: PaywayProcess
    end: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    takes: float = 0.0
    figures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def url(self) -> tuple[str, str]:
        return ("--base-url", self.payway.url)

    def prepare(self) -> None:
        """Import, plan, and see what an undisturbed run does."""
        imports = ("state", "import", "-e", "stage", "known.json")
        plans = ("plan", "-e", "stage", *self.url, "--accept", "changed", "-o", "plan.json")
        for command in (imports, plans):
            code = run(command, self.folder)
            assert code == 0, (self.folder / "output.txt").read_text()
        times = []
        for _ in range(3):
            case = self.fresh()
            times.append(timed(lambda case=case: run(("apply", "plan.json", *self.url), case)))
            self.end = self.payway.ask("world")
            self.known = self.known_in(case)
            self.calls = Counter((path, body) for path, body in self.payway.ask("calls"))
        assert sum(self.calls.values()) == len(json.loads((self.folder / "plan.json").read_text())["steps"]) == 7
        self.takes = median(times)

    def fresh(self) -> Path:
        """A copy of the folder, and the world as it was."""
        self.payway.ask("reset")
        case = self.folder.with_name("case")
        shutil.rmtree(case, ignore_errors=True)
        shutil.copytree(self.folder, case)
        return case

    def known_in(self, case: Path) -> list[str]:
        """What is known of each account, when it was learned apart."""
        store = SqliteStore.open(case / ".reconciler" / "stage.db", environment="stage")
        try:
            self.wrong += [f"{case}: {text}" for text in verify_store(store)]
            return [account.digest() for account in store.view().accounts()]
        finally:
            store.close()

    def go_on(self, case: Path) -> tuple[str, ...]:
        """What a person types after a death: take the lock away, and go on."""
        store = SqliteStore.open(case / ".reconciler" / "stage.db", environment="stage")
        lock, unfinished = store.lock(), any(each.unfinished for each in store.runs())
        store.close()
        if lock is not None and run(("unlock", lock.holder.lock_id, "-e", "stage"), case) != 0:
            self.wrong.append("the lock can't be taken away")
        return ("resume", "-e", "stage", *self.url) if unfinished else ("apply", "plan.json", *self.url)

    def judge(self, case: Path, what: str, kills: int) -> None:
        """Whether it all ended as without the deaths."""
        calls = Counter((path, body) for path, body in self.payway.ask("calls"))
        repeats = sum((calls - self.calls).values())
        lost = sum((self.calls - calls).values())
        converged = self.payway.ask("world") == self.end and self.known_in(case) == self.known
        self.figures["kills"] += kills
        self.figures["repeats"] += repeats
        self.figures["lost"] += lost
        self.figures["most repeats a kill"] = max(self.figures["most repeats a kill"], -(-repeats // max(kills, 1)))
        self.figures["converged"] += converged
        self.figures["cases"] += 1
        if repeats > kills or lost or not converged or self.payway.ask("overlaps"):
            self.wrong.append(f"{what}: {repeats} repeats, {lost} lost, {'' if converged else 'not '}converged")

    def at_point(self, action: str, point: str, seed: int) -> None:
        """Kill a run at one point of one call, and sometimes the run that goes on, too."""
        what = f"{action}, {point}, seed {seed}"
        rng = Random(f"{action} {point} {seed}")
        case = self.fresh()
        self.kill(("apply", "plan.json", *self.url), case, action, point, what)
        kills = 1
        if seed % 3 == 2:
            # And the one that goes on, at another point of a call that is still to come, if it gets there.
            kills += self.kill(self.go_on(case), case, rng.choice(ACTIONS), rng.choice(list(POINTS)), None)
        self.finish(case, what, kills)

    def kill(self, command: tuple[str, ...], case: Path, action: str, point: str, what: str | None) -> bool:
        """Run ``command`` until it dies at its point; False if it never came there, which ``what`` forbids."""
        itself = POINTS[point] == "itself"
        child = Child(command, case, Death(action, point) if itself else None)
        if not itself:
            self.payway.ask("aim", process=child.process, action=action, point=point)
        code = child.go().end()
        if what is not None and code != -9:
            self.wrong.append(f"{what}: it wasn't killed, but ended with {code}")
        return code == -9

    def at_random(self, seed: int) -> int:
        """Kill a run at a random moment, and some of those that go on; returns how many were still running."""
        rng = Random(seed)
        case = self.fresh()
        command: tuple[str, ...] = ("apply", "plan.json", *self.url)
        kills = 0
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            child = Child(command, case).go()
            time.sleep(rng.uniform(0, self.takes * 1.05))
            child.kill()
            if child.end() != -9:
                break
            kills += 1
            command = self.go_on(case)
        if kills:
            self.finish(case, f"random, seed {seed}", kills)
        return kills

    def finish(self, case: Path, what: str, kills: int) -> None:
        """Go on to the end, and judge it."""
        code = run(self.go_on(case), case)
        # After the last outcome and the run's end, there is nothing left to go on with: exit 4 says so.
        if code not in (0, 4):
            self.wrong.append(f"{what}: going on ended with {code}")
        self.judge(case, what, kills)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how often each point of each call")
    parser.add_argument("--random", type=int, default=20, help="how many kills at random moments")
    given = parser.parse_args()
    clean_environment({})
    preload()
    started = time.monotonic()
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    accounts = _world(now)
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        (before / "manifests").mkdir(parents=True)
        later = f"{now + timedelta(days=365):%Y-%m-%d %H:%M +0000}"
        (before / "manifests" / "all.yaml").write_text(_manifests(later))
        (before / "reconciler.toml").write_text(_SETTINGS)
        (before / "known.json").write_text(_snapshot(accounts, now))
        place = Range(before, PaywayProcess(accounts))
        place.prepare()
        for seed in range(given.seeds):
            for action in ACTIONS:
                for point in POINTS:
                    place.at_point(action, point, seed)
        at_points = place.figures.copy()
        seed = 0
        while place.figures["kills"] - at_points["kills"] < given.random:
            place.at_random(seed)
            seed += 1
        place.payway.close()
    for text in place.wrong:
        print(text)
    print(json.dumps({
        **place.figures, "kills at points": at_points["kills"],
        "kills at random": place.figures["kills"] - at_points["kills"],
        "wrong": len(place.wrong), "seconds": round(time.monotonic() - started),
    }))  # fmt: skip
    return 1 if place.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
