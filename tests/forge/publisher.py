"""A publisher's repository and store, pull requests included, for journeys through the workflows."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge.standin import Forge
from forge.workflows import Job, Result
from support import commands

ACCOUNT = "50f3ac249f6aef294d00000{}"
PRODUCT = "56e1741a6fc9365306000001"
OWN = "57a00000000000000000000{}"


def manifest(number: int, until: str = "2040-01-01", state: str = "activated") -> str:
    return (
        "apiVersion: payway/v1\nkind: Account\n"
        f"account_id: {ACCOUNT.format(number)}\nuser_products:\n"
        f"  - product_id: {PRODUCT}\n    user_product_id: {OWN.format(number)}\n    state: {state}\n"
        f"    subscription_type: limited\n    valid_from: 2020-01-01T00:00Z\n    valid_to: {until}T00:00Z\n"
    )


def known(environment: str, until: str = "2040-01-01", of: tuple[int, ...] = (1,), hour: int = 10) -> str:
    """A snapshot that was observed at that hour, in which the products of some accounts end at another time."""
    products = [
        {
            "account_id": ACCOUNT.format(number),
            "user_products": [
                {
                    "product_id": PRODUCT,
                    "user_product_id": OWN.format(number),
                    "state": "activated",
                    "subscription_type": "limited",
                    "valid_from": "2020-01-01T00:00:00Z",
                    "valid_to": f"{until if number in of else '2040-01-01'}T00:00:00Z",
                    "provision_service": "tulo",
                }
            ],
        }
        for number in (1, 2, 3)
    ]
    head = {
        "format": "reconciler.known-state/v1",
        "environment": environment,
        "observed_at": f"2026-11-24T{hour}:00:00Z",
    }
    return json.dumps({**head, "accounts": products})


@dataclass
class Publisher:
    """Three readers, each in a manifest of their own; everything on main is known and applied."""

    folder: Path
    forge: Forge
    environment: str = "simulator"
    settings: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    jobs: list[Result] = field(default_factory=list)
    head: str = ""
    merge: str = ""

    def __post_init__(self) -> None:
        self.origin = self.folder / "origin"
        self.origin.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.write({f"manifests/{number}.yaml": manifest(number) for number in (1, 2, 3)})
        if self.settings:
            self.write({"reconciler.toml": self.settings})
        self.commit("Begin")
        self.store = f"sqlite:///{self.folder}/store.db"
        self.secrets.setdefault("RECONCILER_STATE", self.store)
        self.learn(known(self.environment))

    def git(self, *arguments: str) -> str:
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
        who |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in who.items()}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **who}
        done = subprocess.run(
            ["git", *arguments], cwd=self.origin, env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            path = self.origin / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)

    def commit(self, message: str) -> str:
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def learn(self, snapshot: str) -> None:
        """Import a snapshot of known state."""
        path = self.folder / "export.json"
        path.write_text(snapshot)
        done = self.reconciler("state", "import", str(path))
        assert done.code == 0, done.said

    def reconciler(self, *arguments: str) -> commands.Result:
        config = ("--config", str(self.origin / "reconciler.toml")) if self.settings else ()
        return commands.call(
            *arguments, "-e", self.environment, *config, cwd=self.folder, env={"RECONCILER_STATE": self.store}
        )

    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.reconciler("runs", "list", "--format", "json").out.splitlines()]

    # --- Pull requests ---

    def push(self, files: dict[str, str | None]) -> None:
        """A commit on the pull request's branch, and the merge that the forge tries out."""
        begun = self.git("branch", "--list", "change")
        self.git("checkout", "-q", *(() if begun else ("-b",)), "change")
        self.write(files)
        self.head = self.commit("Change")
        self.git("checkout", "-q", "--detach", "main")
        self.git("merge", "-q", "--no-ff", "-m", "Merge", "change")
        self.merge = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")

    def pull(self) -> dict[str, Any]:
        return {"number": 7, "head": {"sha": self.head, "ref": "change"}, "base": {"ref": "main"}}

    def plan(self, action: str, *, before: Any = None, **secrets: str) -> Result:
        """plan.yml for what happened to the pull request."""
        run = self.forge.run(self.head, "pull_request", "change")
        event = {"action": action, "pull_request": self.pull()}
        given = secrets if secrets or not self.secrets else self.plan_secrets()
        return self._job("plan", self.merge, "pull_request", event, run, given, {}, before)

    def plan_secrets(self) -> dict[str, str]:
        return {key: value for key, value in self.secrets.items() if key == "RECONCILER_STATE"}

    def merged(self) -> None:
        """The pull request is merged."""
        self.git("merge", "-q", "--no-ff", "-m", "Merge #7", "change")
        self.merge = self.git("rev-parse", "HEAD")
        self.forge.pulls = [{**self.pull(), "merged_at": self.forge.now(), "merge_commit_sha": self.merge}]

    def apply(self, *, expect: str = "", before: Any = None) -> Result:
        """apply.yml for the newest commit of main."""
        sha = self.git("rev-parse", "main")
        run = self.forge.run(sha, "push", "main")
        inputs = {"expect": expect} if expect else {}
        return self._job("apply", sha, "push", {}, run, self.secrets, inputs, before)

    def drift(self) -> Result:
        """drift.yml, as the schedule starts it."""
        sha = self.git("rev-parse", "main")
        run = self.forge.run(sha, "schedule", "main")
        return self._job("drift", sha, "schedule", {}, run, self.plan_secrets(), {}, None)

    def _job(
        self,
        name: str,
        sha: str,
        event_name: str,
        event: dict[str, Any],
        run: dict[str, Any],
        secrets: dict[str, str],
        inputs: dict[str, str],
        before: Any,
    ) -> Result:
        folder = self.folder / f"job-{len(self.jobs)}-{name}"
        job = Job(
            name,
            folder,
            self.forge,
            origin=self.origin,
            sha=sha,
            event_name=event_name,
            event=event,
            run=run,
            inputs={"environment": self.environment, **inputs},
            secrets=secrets,
        )
        if before is not None:
            before(job)
        result = job.run()
        self.jobs.append(result)
        return result
