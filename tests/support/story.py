"""One story from a seed: a world, manifests, runs, deaths and people, in process and on a virtual clock.

After each event every promise of `support.promises` is checked. In the end all trouble stops, somebody tidies up,
and the plan must come to nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from reconciler import canonical
from reconciler.applying.applier import Applier
from reconciler.applying.journaling import standings
from reconciler.applying.runreport import Event, RunReport, report_from_journal
from reconciler.applying.settling import abandon, recover, resolve
from reconciler.errors import InvalidInput, Locked, Refused, StalePlan, StoreFailed
from reconciler.instants import clock_text, minute_of
from reconciler.limits import ApplySettings
from reconciler.model import KnownAccount, KnownHead
from reconciler.payway.simulator import Simulator
from reconciler.payway.worldmodel import state_at
from reconciler.plan import Plan
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.planning import PlanContext, guards, make_plan
from reconciler.state.memory import MemoryStore
from reconciler.state.merge import import_accounts
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Holder, JournalEntry, Run, Store
from support import promises, worlds
from support.perils import LONGEST_TWIN, Call, Clock, Crash, Fate, MortalStore, Payway, Weather, Wrong
from support.planning import HOST

SETTINGS = ApplySettings()


@dataclass
class Figures:
    """What stories were made of, added up."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, count: int = 1) -> None:
        self.counts[name] += count


class Story:
    """One seed's story. ``folder`` is where a story that plays on SQLite keeps its store."""

    def __init__(self, seed: int, folder: Path | None = None, figures: Figures | None = None) -> None:
        self.seed = seed
        self.figures = figures or Figures()
        self.rng = Random(seed)
        self.clock = Clock()
        self.told: list[str] = []
        self.exporter = worlds.Exporter.by_chance(self.rng)
        # Who exports twins without their own ids can't be helped: nothing tells the two apart.
        twins = not self.exporter.without_own_id
        self.world = worlds.make_world(self.rng, accounts=self.rng.choice((1, 1, 2, 2, 3, 4)), twins=twins)
        self.service = self.rng.choice((None, None, "kayak"))
        self.declared = worlds.declare(self.rng, self.world, by_own_id=twins)
        self.store: Store = self._store(folder)
        self.payway = Payway(
            Simulator(self.world, clock=self.clock, provision_service=self.service),
            self.clock,
            Random(self.rng.random()),
            self.store,
            self.wrong,
            self._watch,
        )
        self.payway.sticky = self.rng.choice((0.0, 0.0, 0.1, 0.3))
        self.payway.can_renew = self.rng.random() < 0.5
        self.made: dict[str, Plan] = {}
        self.drawer: list[Plan] = []
        self.exports: list[tuple[datetime, list[KnownAccount]]] = []
        self.put_aside: list[JournalEntry] = []
        self.touched: dict[tuple[str, str], datetime] = {}
        self.ever_touched: set[tuple[str, str]] = set()
        self.imported: dict[str, datetime] = {}
        self.processes = 0

    def _store(self, folder: Path | None) -> Store:
        if folder is not None:
            return SqliteStore.open(folder / f"{self.seed}.db", create=True, environment="stage")
        return MemoryStore("stage", lineage="f" * 32)

    # --- The course of the story ---

    def play(self) -> None:
        """Play the story to its end. Raises `Wrong` for a broken promise."""
        try:
            self._take_export()
            self._import(self.exports[-1])
            for _ in range(self.rng.randint(3, 16)):
                self._event()
                self._check()
            self._calm_down()
            self._tidy_up()
            self._check()
        except Wrong:
            raise
        except Exception as error:
            self.wrong(f"{type(error).__name__}: {error}", error)
        finally:
            self.store.close()

    def wrong(self, what: str, cause: BaseException | None = None) -> None:
        """A promise was broken: say so, with the story so far."""
        raise Wrong("\n".join([f"seed {self.seed}: {what}", *self.told])) from cause

    def tell(self, line: str) -> None:
        self.told.append(f"  {self.clock():%d %H:%M:%S} {line}")

    def _event(self) -> None:
        unfinished = self._unfinished()
        doubts = self._doubts()
        events: list[tuple[int, Callable[[], object]]] = [
            (8, self._plan_and_apply),
            (6 if unfinished else 0, self._resume),
            (3 if doubts else 0, self._resolve),
            (1 if unfinished else 0, self._abandon),
            (3, self._import_new),
            (2, self._import_old),
            (2, self._change_outside),
            (3, self._wait),
            (3, self._edit),
            (3 if self.put_aside else 0, self._recover),
            (1 if self.drawer else 0, self._apply_old_plan),
        ]
        [chosen] = self.rng.choices([event for _, event in events], [weight for weight, _ in events])
        chosen()

    def _calm_down(self) -> None:
        self.tell("all trouble stops")
        self.payway.sticky = 0.0
        self.payway.refuses.clear()
        self.payway.can_renew = True

    def _tidy_up(self) -> None:
        """Somebody settles all that is open and applies until nothing is due."""
        left: list[str] | None = None
        for _ in range(12):
            while self.put_aside:
                self._recover()
            self._finish_open_run()
            self._take_export(whole=True)
            self._import(self.exports[-1])
            plan = self._plan()
            due = [f"{step.action} {canonical.dumps(dict(step.request.body))}" for step in plan.steps]
            if not due or due == left:
                return
            report = self._apply(plan, calm=True)
            if report is None or report.exit_code not in (0, 7, 8):
                self.wrong(f"in calm weather, the run ended with {report.exit_code if report else 'an error'}")
                return
            done = {step.number for step in report.steps if step.status in ("applied", "assumed")}
            # What Payway refuses for good stays due; what it took may not, if the export tells what came of it.
            left = [
                text
                for step, text in zip(plan.steps, due, strict=True)
                if step.number not in done or not self.exporter.tells_all
            ]
        self.wrong("it never comes to rest")

    def _finish_open_run(self) -> None:
        for _ in range(4):
            run = self._unfinished()
            if run is None:
                return
            self._process("resume", lambda applier, holder, run=run: applier.resume(
                run, self.plans[run.run_id], holder, expired=True), calm=True)  # fmt: skip
            for doubt in self._doubts():
                if doubt[0] == run.run_id:
                    self._settle(*doubt)
        run = self._unfinished()
        if run is not None:
            self.wrong(f"run {run.run_id} can't be finished: {run.stopped_by}")

    # --- What can happen ---

    def _plan_and_apply(self) -> None:
        plan = self._plan()
        if not plan.steps:
            self.tell("nothing is due")
            return
        if self.rng.random() < 0.2:
            self.tell("a plan is put into a drawer")
            self.drawer.append(plan)
            return
        self._apply(plan)

    def _apply(self, plan: Plan, what: str = "apply", *, calm: bool = False, inner: bool = False) -> RunReport | None:
        return self._process(
            what, lambda applier, holder: applier.run(plan, plan_text(plan), holder), calm=calm, inner=inner
        )

    def _apply_old_plan(self) -> None:
        self._apply(self.drawer.pop(self.rng.randrange(len(self.drawer))), "apply an old plan")

    def _resume(self) -> None:
        run = self._unfinished()
        assert run is not None
        # The command takes the plan from the run itself; that costs most of a story's time.
        plan = read_plan(run.plan, name="the run") if self.rng.random() < 0.1 else self.plans[run.run_id]
        expired = self.rng.random() < 0.5
        self._process("resume", lambda applier, holder: applier.resume(run, plan, holder, expired=expired))

    def _resolve(self) -> None:
        doubts = self._doubts()
        self._settle(*self.rng.choice(doubts))

    def _settle(self, run_id: str, number: int) -> None:
        """Somebody looks it up in Payway, once nothing can be under way any more, and says the truth."""
        self.clock.sleep(LONGEST_TWIN + 1)
        run = next(run for run in self.store.runs() if run.run_id == run_id)
        carried = any(call.carried for call in self.payway.calls if (call.run_id, call.step) == (run_id, number))
        self.tell(f"resolve {run_id} {number} {'applied' if carried else 'not-applied'}")
        self.figures.add("resolved")
        resolve(
            self.store, run, self.plans[run_id], number, applied=carried, holder=self._holder("resolve"),
            now=self.clock(),
        )  # fmt: skip

    def _abandon(self) -> None:
        run = self._unfinished()
        assert run is not None
        self.tell(f"abandon {run.run_id}")
        self.figures.add("abandoned")
        abandon(self.store, run, self.plans[run.run_id], holder=self._holder("abandon"), now=self.clock())

    def _import_new(self) -> None:
        self._take_export()
        if self.rng.random() < 0.7:
            self._import(self.exports[-1])

    def _import_old(self) -> None:
        self._import(self.rng.choice(self.exports))

    def _change_outside(self) -> None:
        self.clock.sleep(2)
        found = worlds.change_outside(self.rng, self.world)
        if found is not None:
            self.tell(f"somebody else changes {found}")
            self.touched[found] = self.clock()
            self.ever_touched.add(found)

    def _wait(self) -> None:
        seconds = self.rng.choice((60 * self.rng.randint(1, 300), 3600 * self.rng.randint(1, 30), 86400 * 30))
        self.clock.sleep(seconds)
        self.tell(f"{timedelta(seconds=seconds)} go by")

    def _edit(self) -> None:
        accounts = list(self.world.accounts())
        account = self.rng.choice(accounts)
        self.tell(f"the manifest of {account.account_id} changes")
        self.declared[account.account_id] = worlds.declare_account(
            self.rng, account, by_own_id=not self.exporter.without_own_id
        )

    def _recover(self) -> None:
        entry = self.put_aside.pop(0)
        self.tell(f"recover {entry.run_id} step {entry.step} ({entry.status})")
        try:
            recover(self.store, entry, self.plans[entry.run_id], holder=self._holder("recover"))
            self.figures.add("recovered")
        except InvalidInput:
            # It was written after all, or the run has gone on since.
            now = standings(self.store.entries(entry.run_id))[entry.step]
            if now.last.status == "intent" and now.attempts == entry.attempt:
                self.wrong("an outcome that was put aside can't be folded in")

    # --- How it happens ---

    def _take_export(self, *, whole: bool = False) -> None:
        # An export is made when nothing is under way any more, and nothing begins in the same second.
        self.clock.sleep(LONGEST_TWIN + 2)
        at = self.clock()
        accounts = self.exporter.export(self.rng, self.world, minute_of(at), clock_text(at), whole=whole)
        self.tell(f"an export is made: {len(accounts)} accounts")
        self.exports.append((at, accounts))
        self.clock.sleep(2)

    def _import(self, export: tuple[datetime, list[KnownAccount]]) -> None:
        at, accounts = export
        report = import_accounts(
            self.store, KnownHead("stage", observed_at=clock_text(at)), accounts,
            holder=self._holder("import"), now_text=clock_text(self.clock()),
        )  # fmt: skip
        self.tell(f"import of {at:%d %H:%M:%S}: {len(report.older)} accounts are older")
        for account in accounts:
            if account.account_id in report.older:
                continue
            self.imported[account.account_id] = at
            for product in account.user_products if self.exporter.tells_all else ():
                key = (account.account_id, product.user_product_id or "")
                if key in self.touched and self.touched[key] < at:
                    del self.touched[key]

    def _plan(self) -> Plan:
        declared = [self.declared[account_id] for account_id in sorted(self.declared)]
        context = PlanContext(
            "stage", HOST, self.clock(), provision_service=self.service, accepted=frozenset(guards.DEFAULTS)
        )
        digest = canonical.digest([account.to_json() for account in declared])
        plan = seal(make_plan(declared, self.store.view(), context, manifests_digest=digest))
        self.made[plan.plan_id] = plan
        self.tell(f"plan: {', '.join(f'{s.number} {s.action} {s.account_id[2:4]}' for s in plan.steps) or 'nothing'}")
        self.clock.sleep(2)
        return plan

    def _process(
        self, what: str, run: Callable[[Applier, Holder], RunReport], *, calm: bool = False, inner: bool = False
    ) -> RunReport | None:
        """One process: it applies or resumes, and may die, fail, be stopped or lose its lock on the way."""
        fate = Fate() if calm else self._fate()
        self.payway.fate = fate
        self.payway.weather = Weather() if calm else Weather.by_chance(self.rng)
        self.payway.intrude = self._intrude if not (calm or inner) and self.rng.random() < 0.08 else None
        applier = self._applier(fate, calm=calm)
        holder = self._holder(what)
        self.tell(f"{holder.lock_id}: {what}")
        report = None
        before = len(self.payway.calls)
        try:
            report = run(applier, holder)
            self._check_report(report)
            self.tell(f"{holder.lock_id}: exit {report.exit_code}, {report.status} ({report.stopped_by})")
        except Crash:
            self.tell(f"{holder.lock_id}: dies")
            self.figures.add("deaths")
        except (Locked, StalePlan, Refused, StoreFailed) as error:
            self.tell(f"{holder.lock_id}: {type(error).__name__}: {error}")
            self.figures.add(type(error).__name__)
            if isinstance(error, StalePlan | Refused) and len(self.payway.calls) > before:
                self.wrong("a plan was refused after calls were made")
        self.figures.add("processes")
        self._unlock(holder)
        return report

    def _unlock(self, holder: Holder) -> None:
        """Somebody sees that the process is gone, and takes its lock away."""
        lock = self.store.lock()
        if lock is not None and lock.holder == holder:
            self.clock.sleep(5)
            self.store.break_lock(lock.holder.lock_id)

    def _intrude(self) -> None:
        """Somebody takes the lock away although the process is alive, and goes on with another one."""
        lock = self.store.lock()
        assert lock is not None
        self.tell(f"the lock of {lock.holder.lock_id} is taken away")
        self.figures.add("locks taken away")
        self.store.break_lock(lock.holder.lock_id)
        run = self._unfinished()
        assert run is not None
        act = self.rng.choice(("nothing", "resume", "abandon", "edit", "import"))
        if act == "import":
            # Made while the call is on its way: it may tell of what the call has done, or not. Should the process die
            # now, nobody would ever know: that is what `unlock` warns of.
            self.payway.fate.dies_at = None
            self._take_export()
            self._import(self.exports[-1])
        elif act == "resume":
            plan = self.plans[run.run_id]
            self._process("resume", lambda applier, holder: applier.resume(run, plan, holder), inner=True)
        elif act in ("abandon", "edit"):
            self._abandon()
            if act == "edit":
                self._edit()
                self._apply(self._plan(), inner=True)

    def _fate(self) -> Fate:
        fate = Fate()
        chance = self.rng.random()
        if chance < 0.3:
            fate.dies_at = self.rng.choice((self.rng.randint(0, 8), self.rng.randint(0, 60)))
        elif chance < 0.45:
            fate.fails_at = self.rng.randint(1, 20)
            fate.failures = self.rng.choice((1, 1, 2, 1000))
            fate.fails_after_commit = self.rng.random() < 0.3
        elif chance < 0.55:
            fate.stops_at = self.rng.randint(0, 30)
        return fate

    def _applier(self, fate: Fate, *, calm: bool) -> Applier:
        bounds: dict[str, float | int | None] = {"limit": None, "max_duration": None, "rate": None}
        if not calm and self.rng.random() < 0.2:
            name = self.rng.choice(sorted(bounds))
            bounds[name] = self.rng.randint(1, 4)
        jitter = Random(self.rng.random())
        return Applier(
            store=MortalStore(self.store, fate),  # type: ignore[arg-type]  # it hands all else on
            sender=self.payway,
            settings=SETTINGS,
            environment="stage",
            host=HOST,
            clock=self.clock,
            sleeper=self._sleeper(fate),
            jitter=jitter.random,
            emergency=self.put_aside.append,
            events=self._on_event,
            stop_requested=fate.stop_requested,
            **bounds,  # type: ignore[arg-type]
        )

    def _sleeper(self, fate: Fate) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            fate.point()
            self.clock.sleep(seconds)

        return sleep

    def _holder(self, command: str) -> Holder:
        self.processes += 1
        return Holder(f"p{self.processes}", "anna", "runner", self.processes, command, clock_text(self.clock()))

    # --- What is watched ---

    def _on_event(self, event: Event) -> None:
        if event.kind == "outcome" and event.entry is not None:
            self.tell(
                f"    {event.run_id} step {event.entry.step} try {event.entry.attempt}: {event.entry.status} "
                f"{event.entry.code or ''} (really: {self._really(event.entry)})"
            )
            account = self.store.account(event.entry.account_id)
            if account is not None:
                now, told = minute_of(self.clock()), self.exporter.tells_all
                for what in promises.unlike(account, self.world, now, self.touched, told=told):
                    self.wrong(what)

    def _really(self, entry: JournalEntry) -> str:
        mine = [call for call in self.payway.calls if (call.run_id, call.step) == (entry.run_id, entry.step)]
        return f"{mine[-1].answered}, carried out {sum(call.carried for call in mine)}x" if mine else "not sent"

    def _watch(self, call: Call) -> None:
        """Steps are sent in the plan's order, and none before all earlier ones of its account are done."""
        fate, plan = self.payway.fate, self.plans[call.run_id]
        self.figures.add("calls")
        if fate.sent and max(fate.sent) > call.step:
            self.wrong(f"step {call.step} is sent after step {max(fate.sent)}")
        fate.sent[call.step] = fate.sent.get(call.step, 0) + 1
        if fate.sent[call.step] > SETTINGS.tries + 1:
            self.wrong(f"step {call.step} is sent {fate.sent[call.step]} times")
        found = standings(self.store.entries(call.run_id))
        step = plan.steps[call.step - 1]
        for earlier in plan.steps[: call.step - 1]:
            standing = found.get(earlier.number)
            if earlier.account_id == step.account_id and (standing is None or not standing.is_done):
                self.wrong(f"step {call.step} is sent before step {earlier.number} of its account is done")
        if step.not_after is not None and minute_of(self.clock()) >= step.not_after:
            self.wrong(f"step {call.step} is sent too late")
        self._mark_assumption(call)

    def _mark_assumption(self, call: Call) -> None:
        """What Payway's pages leave unknown isn't compared.

        What ``state: activated`` does to a running cancellation, and which of several user products of one
        catalogue id an `update` means (unknown 3 and 1).
        """
        if call.action != "update":
            return
        body = json.loads(call.body)
        account = self.world.account(call.account_id)
        products = account.user_products if account is not None else ()
        meant = [product for product in products if product.product_id == body["product_id"]]
        lifts = body.get("state") == "activated"
        for product in meant:
            if len(meant) > 1 or (lifts and state_at(product, minute_of(self.clock())) == "cancelled"):
                self.touched[call.account_id, product.user_product_id] = self.clock()

    def _check_report(self, report: RunReport) -> None:
        [run] = [run for run in self.store.runs() if run.run_id == report.run_id]
        if report != report_from_journal(run, self.store.entries(run.run_id), self.plans[run.run_id]):
            self.wrong("the report isn't what the journal says")
        if sum(report.counts.values()) != len(self.plans[run.run_id].steps):
            self.wrong("the report doesn't count every step")
        done = report.counts["applied"] + report.counts["assumed"] == len(report.steps)
        if (report.exit_code == 0) != (done and report.status == "finished"):
            self.wrong(f"exit {report.exit_code}, but {dict(report.counts)}")
        if report.counts["in_doubt"] and report.exit_code in (0, 7):
            self.wrong(f"exit {report.exit_code} with a doubt")

    def _check(self) -> None:
        for what in promises.broken(
            self.store, self.world, self.plans, self.payway.calls, self.touched, self.ever_touched, self.clock(),
            self.imported, told=self.exporter.tells_all,
        ):  # fmt: skip
            self.wrong(what)

    # --- What is open ---

    @property
    def plans(self) -> dict[str, Plan]:
        """The plan of each run."""
        return {run.run_id: self.made[run.plan_id] for run in self.store.runs()}

    def _unfinished(self) -> Run | None:
        return next((run for run in self.store.runs() if run.unfinished), None)

    def _doubts(self) -> list[tuple[str, int]]:
        return [
            (run.run_id, number)
            for run in self.store.runs()
            for number, standing in standings(self.store.entries(run.run_id)).items()
            if standing.in_doubt
        ]


# --- Playing them ---

#: One story in so many plays on SQLite, the others in memory.
SQLITE_EVERY = 25


def play(seed: int, figures: Figures | None = None) -> None:
    """Play one story. Raises `Wrong`, which tells the story, if a promise was broken."""
    if seed % SQLITE_EVERY:
        Story(seed, None, figures).play()
        return
    with tempfile.TemporaryDirectory() as folder:
        Story(seed, Path(folder), figures).play()


def play_many(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Play stories one after the other; returns what they were made of, and what went wrong."""
    figures, wrong = Figures(), []
    for seed in seeds:
        try:
            play(seed, figures)
        except Wrong as error:
            wrong.append(str(error))
    return figures.counts, wrong
