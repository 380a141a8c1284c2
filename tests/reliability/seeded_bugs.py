"""Breaks the applier, the planner and the stores in one line each, and sees whether the tests notice.

``seeded_bugs.py`` plants every bug of `BUGS` in a copy of the checkout and runs the tests of what it breaks; with
words, only the bugs that name them. A bug that survives is a hole in the tests; an old line that isn't there any more
is a bug of this file, and fails too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = (
    "reconciler", "schemas", "tests", "manifests", "examples", "docs", "pyproject.toml", "README.md", "Makefile",
)  # fmt: skip
PATIENCE = 600

_RUNNING = (
    "tests/test_applier.py", "tests/test_journaling.py", "tests/test_learning.py", "tests/test_retries.py",
    "tests/test_settling.py", "tests/test_preflight.py", "tests/test_verdicts.py", "tests/test_runreport.py",
    "tests/test_killed_runs.py", "tests/reliability/test_found_by_simulation.py",
    "tests/reliability/test_simulation.py",
)  # fmt: skip
_PLANNING = (
    "tests/planning", "tests/test_planfile.py", "tests/test_expectations.py", "tests/journeys/test_altered_plans.py",
)  # fmt: skip
_STORES = (
    "tests/state/test_store_contract.py", "tests/state/test_sqlite.py", "tests/state/test_merge.py",
    "tests/state/test_model.py", "tests/state/test_snapshot.py", "tests/test_killed_runs.py",
    "tests/reliability/test_found_by_simulation.py", "tests/reliability/test_simulation.py",
)  # fmt: skip

#: Which tests know each part.
TESTS = {
    "applying": _RUNNING, "verdicts": _RUNNING, "judging": _RUNNING, "answers": _RUNNING, "operations": _RUNNING,
    "planning": _PLANNING, "planfile": _PLANNING, "expectations": _PLANNING, "state": _STORES,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bug:
    """One line of one file, and what to put in its place. ``why`` says what a user would suffer."""

    file: str
    old: str
    new: str
    why: str


CALLS = "applying/calls.py"
APPLIER = "applying/applier.py"
JOURNALING = "applying/journaling.py"
LEARNING = "applying/learning.py"
RETRIES = "applying/retries.py"
PREFLIGHT = "applying/preflight.py"
SETTLING = "applying/settling.py"
SQL = "state/sqlstore.py"

BUGS = (
    # --- One call ---
    Bug(CALLS, "with self.store.change(self.lock) as change:\n            account = change.account",
        "with self.store.change() as change:\n            account = change.account",
        "a holder whose lock was taken away goes on sending"),
    Bug(CALLS, "first_try = standing is None or not standing.in_doubt", "first_try = True",
        "a reactivation that worked is called rejected, since its repeat is"),
    Bug(CALLS, "minute_of(now) >= step.not_after", "minute_of(now) > step.not_after",
        "a call is sent in the minute in which it can't work any more"),
    Bug(CALLS, "return self.patience.wait(min(max(cool_down - since, 0.0), cool_down))", "return True",
        "a sync runs beside its lost twin"),
    Bug(CALLS, "judgement.verdict is Verdict.REPEAT:", "judgement.verdict is Verdict.DOUBT:",
        "a sync runs beside the lost one of another account"),
    Bug(CALLS, "                self.emergency(entry)", "                pass",
        "an outcome that the store can't take is lost"),
    Bug(CALLS, "overtaken=self._is_overtaken(intent)", "overtaken=False",
        "a late answer reopens a step that another process has settled"),
    Bug(CALLS, "attempt = 1 + (standing.attempts if standing is not None else 0)", "attempt = 1",
        "tries can't be told apart"),
    Bug(CALLS, "            raise StoreFailed(\n                f\"Payway's answer",
        "            return entry\n            raise StoreFailed(\n                f\"Payway's answer",
        "a run goes on although its outcomes aren't written"),
    Bug(CALLS, "                    return self._once(step)", "                    return judgement",
        "a token that ran out stops the run"),
    # --- The course of a run ---
    Bug(APPLIER, "            if standing.is_failed:\n", "            if False:\n",
        "after a resume, steps are sent behind one that failed"),
    Bug(APPLIER, "        if account_id in self.behind:", "        if False:",
        "steps are sent behind one that failed or isn't settled"),
    Bug(APPLIER, "self.stale[account_id] = expected != known", "self.stale[account_id] = False",
        "a resume overwrites what became known since"),
    Bug(APPLIER, "if self.settle_only and not in_doubt:", "if False:",
        "a resume sends the rest of an expired plan"),
    Bug(APPLIER, "if len(self.out_of_tries) >= self.applier.settings.max_unclear:",
        "if len(self.out_of_tries) > self.applier.settings.max_unclear:",
        "the circuit breaker comes one call too late"),
    Bug(APPLIER, "if len(self.failed) >= self.applier.settings.max_failures:",
        "if len(self.failed) > self.applier.settings.max_failures:",
        "a run fails for one account more than it may"),
    Bug(APPLIER, "self.sent >= applier.limit", "self.sent > applier.limit", "--limit sends one step more"),
    Bug(APPLIER, "            verify(plan, self.store", "            False and verify(plan, self.store",
        "any plan is run, whatever became known or happened since"),
    Bug(APPLIER, "self.out_of_tries.clear()\n            self.refused_fields.clear()\n            return",
        "return", "calls that worked don't close the circuit again"),
    # --- The journal and what it does ---
    Bug(JOURNALING, 'if entry.status in ("intent", "in_doubt"):\n        marked',
        'if entry.status == "in_doubt":\n        marked',
        "a killed call leaves no doubt on its account"),
    Bug(JOURNALING, "if before is None or entry.attempt >= before.attempts:", "if True:",
        "a late answer decides where a step stands"),
    Bug(JOURNALING, 'return last.status == "in_doubt" and (other_object or', 'return last.status == "in_doubt" and (',
        "a call is repeated although Payway answered for another object"),
    Bug(JOURNALING, "if standing is None or standing.in_doubt:", "if standing is None:",
        "a run with a doubt counts as finished"),
    Bug(JOURNALING, "else replace(marked, unverified=True)", "else marked",
        "what Payway changed instead is taken as known"),
    Bug(JOURNALING, 'return self.last.status in ("applied", "assumed")', 'return self.last.status == "applied"',
        "a step that is assumed done is sent again"),
    # --- What is learned ---
    Bug(LEARNING, 'product = replace(product, state="activated")', "pass",
        "a reactivation isn't known, so the next plan holds it again"),
    Bug(LEARNING, "doubts=(*known.doubts, doubt), observed_at=_later(known.observed_at, at)",
        "doubts=(*known.doubts, doubt)", "an export from before the call settles its doubt"),
    Bug(LEARNING, "user_product_id=product.user_product_id or step.user_product_id or answered_id",
        "user_product_id=product.user_product_id or step.user_product_id", "an id that Payway answers isn't learned"),
    Bug(LEARNING, "if _has_ended(before, now) and not _has_ended(after, now):", "if False:",
        "a term that was over is said to live again"),
    # --- Patience ---
    Bug(RETRIES, "doubts >= _DOUBTS", "doubts > _DOUBTS", "a reactivation in doubt is repeated twice"),
    Bug(RETRIES, "seconds = max(seconds, self.settings.cool_down)", "pass", "a sync is repeated without cooling down"),
    Bug(RETRIES, "self.waited + seconds > self.settings.max_wait", "False", "a run waits for ever"),
    Bug(RETRIES, "seconds = max(seconds, judgement.retry_after)", "pass", "Retry-After isn't heeded"),
    # --- Before the first call, and after the last ---
    Bug(PREFLIGHT, "if digest_of(account, step.account_id) != step.known:", "if False:",
        "a stale plan is run"),
    Bug(PREFLIGHT, "return now >= parse_clock(plan.expires_at)", "return False", "an expired plan is run"),
    Bug(PREFLIGHT, 'run.status == "finished"), None)', 'run.status == "abandoned"), None)', "a plan is run twice"),
    Bug(PREFLIGHT, "if plan.known_state.lineage != head.lineage:", "if False:", "a plan is run on another store"),
    Bug(SETTLING, "or last.attempt != entry.attempt", "", "an outcome of an older try is folded in"),
    # --- What answers mean ---
    Bug("verdicts.py", '"unclear-once", _UNKNOWN, Verdict.DOUBT, "in_doubt"',
        '"unclear-once", _UNKNOWN, Verdict.REPEAT, "in_doubt"', "a reactivation is repeated until it looks rejected"),
    Bug("verdicts.py", 'statuses=(429,), later="in_doubt"', "statuses=(429,)",
        "a doubt is forgotten because a repeat was throttled"),
    Bug("judging.py", "(expected_id is None and found_id not in taken)", "expected_id is None",
        "an adopted product is given the id of another one"),
    # --- Planning ---
    Bug("planning/drafting.py", "TAKING_GROUP: Final = 4", "TAKING_GROUP: Final = 0",
        "a reader loses the old product before the new one stands"),
    Bug("planning/accounts.py", "if any(product.misses_gain for product in products):", "if False:",
        "a reader loses the old product although the new one is blocked"),
    Bug("planning/tally.py", "key=lambda outcome: (outcome.deadline is None, outcome.deadline or 0)",
        "key=lambda outcome: 0", "calls with a deadline wait behind all others"),
    Bug("planning/blocks.py", "doubt = _doubt(facts) if facts.due else None", "doubt = None",
        "another body is sent after a call in doubt"),
    Bug("planning/transitions.py", "and known.valid_to <= now\n\n\ndef transition",
        "and known.valid_to < now\n\n\ndef transition",
        "a term is reactivated in the minute in which it is over"),
    Bug("planning/guards.py", "if count <= allowed.count:", "if count <= allowed.count + 1:",
        "a guard lets one product more through"),
    Bug("planning/matching.py", "if elsewhere is not None and elsewhere != account.account_id:", "if False:",
        "a product of another account is adopted"),
    Bug("planfile.py", "if not same or list(rebuilt.body.items()) != list(step.request.body.items()):", "if not same:",
        "a body that no operation makes is sent"),
    Bug("expectations.py", "if place < last:", "if False:", "a reviewed plan is run in another order"),
    # --- Stores ---
    Bug(SQL, "if fence is not None and fence != (present := self.lock()):", "if False:\n                present = None",
        "a lock that was taken away still counts"),
    Bug(SQL, "self.sequence, self.end = placed.sequence, placed.hash", "self.sequence = placed.sequence",
        "entries of one change aren't chained"),
    Bug(SQL, 'self.database.all("UPDATE meta SET serial = serial + 1, mark = ?", (uuid.uuid4().hex,))', "pass",
        "the serial doesn't rise"),
    Bug(SQL, "            if present is not None:\n                raise locking.held(present)\n", "",
        "two processes hold the lock"),
    Bug(SQL, "(broken.epoch + 1, *_FREE)", "(0, *_FREE)", "an old holder's lock counts again"),
    Bug("state/sqlite_file.py", 'database.all("PRAGMA synchronous = FULL")',
        'database.all("PRAGMA synchronous = NORMAL")', "a commit isn't durable"),
    Bug("state/memory.py", "if fence is not None and fence != self._lock:", "if False:",
        "a lock that was taken away still counts in memory"),
    Bug("state/fieldmerge.py", "if not newer or _leaves_open(doubt, untold)", "if not newer",
        "an export settles a doubt of which it says nothing"),
    Bug("state/fieldmerge.py", "doubt for doubt in known.doubts if not newer or",
        "doubt for doubt in known.doubts if newer and",
        "an older export settles a doubt"),
    Bug("state/fieldmerge.py", "return known if isinstance(seen, Unknown) else seen", "return seen",
        "a column that an export lacks empties what was known"),
    Bug("state/journal.py", "if entry.chained(entry.sequence, entry.previous).hash != entry.hash:", "if False:",
        "an altered entry isn't noticed"),
)  # fmt: skip


def plant(bug: Bug, tree: Path) -> None:
    """Put ``bug`` into a copy. Raises `LookupError` if its line isn't there, or there twice."""
    path = tree / "reconciler" / bug.file
    text = path.read_text()
    if text.count(bug.old) != 1:
        raise LookupError(f"{bug.file}: {bug.old!r} stands there {text.count(bug.old)} times")
    path.write_text(text.replace(bug.old, bug.new))


def copy_to(tree: Path) -> None:
    """Copy what the tests need, without what they leave behind."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, tree / name)


def tests_of(bug: Bug) -> tuple[str, ...]:
    """The tests that should notice ``bug``."""
    return TESTS[bug.file.partition("/")[0].removesuffix(".py")]


def hunt(bug: Bug | None, tests: tuple[str, ...]) -> tuple[str, float]:
    """Plant ``bug`` (or none) in a copy and run ``tests``: what happened, and the seconds it took."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_to(tree)
        try:
            if bug is not None:
                plant(bug, tree)
        except LookupError as error:
            return f"NOT FOUND: {error}", 0.0
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
        try:
            done = subprocess.run(
                command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return "caught: the tests don't end", time.monotonic() - started
    took = time.monotonic() - started
    if done.returncode == 0:
        return "SURVIVED", took
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode != 1 or not failed:
        return f"BROKEN: {(done.stdout + done.stderr)[-800:]}", took
    return f"caught: {failed[0].split(' - ')[0]}", took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only bugs whose file or reason holds one of these")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--find", action="store_true", help="only see whether every line is still there")
    given = parser.parse_args()
    chosen = [bug for bug in BUGS if not given.words or any(word in bug.file + bug.why for word in given.words)]
    sets = sorted({tests_of(bug) for bug in chosen})
    if given.find:
        lost = [bug for bug in chosen if (ROOT / "reconciler" / bug.file).read_text().count(bug.old) != 1]
        for bug in lost:
            print(f"{bug.file}: not there, or not once: {bug.old!r}")
        return 1 if lost else 0
    caught = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for tests, (what, _) in zip(sets, pool.map(hunt, [None] * len(sets), sets), strict=True):
            if what != "SURVIVED":
                print(f"without any bug, {' '.join(tests)} fails: {what}")
                return 1
        for bug, (what, took) in zip(chosen, pool.map(hunt, chosen, map(tests_of, chosen)), strict=True):
            caught += what.startswith("caught")
            print(f"{took:5.0f} s  {what}\n         {bug.file}: {bug.why}", flush=True)
    print(f"{caught} of {len(chosen)} seeded bugs were caught.")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
