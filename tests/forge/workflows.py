"""Runs a job of a workflow file as the forge's runner would: the steps as the YAML has them, in its order.

Each `run:` gets the step's own variables, outputs and conditions: in a bash of its own, or in this process, which is
faster and does the same as long as a script is one command. The actions of others are played:
a check-out fetches from a repository on this machine, no deeper than the step says, and an upload goes to the
stand-in of the forge. Only the expressions that the workflows use are understood; anything else is an error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from forge.standin import REPOSITORY, TOKEN, Forge, archive
from support import commands

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
ACTION = ROOT / ".github" / "actions" / "reconciler"

_TOKENS = re.compile(r"\s*(?:(\()|(\))|(&&|\|\||==|!=|!)|('(?:[^']|'')*')|([A-Za-z_][\w.-]*)(\(\))?|$)")
_HOLE = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_STATUS = re.compile(r"\b(?:success|failure|cancelled|always)\(\)")


class Expression:
    """The forge's expressions, as far as the workflows use them."""

    def __init__(self, text: str, look_up: Callable[[str], Any]) -> None:
        self._look_up = look_up
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = _TOKENS.match(text, at)
            assert match, f"{text!r} isn't understood from {text[at:]!r}"
            kinds = ("(", ")", "operator", "text", "name")
            kind = next((kind for kind, found in zip(kinds, match.groups(), strict=False) if found), None)
            if kind is not None:
                self._tokens.append((kind, match[match.lastindex] if kind != "name" else match[5] + (match[6] or "")))
            at = match.end()
        self._at = 0

    def value(self) -> Any:
        found = self._any()
        assert self._at == len(self._tokens), self._tokens[self._at :]
        return found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self) -> Any:
        left = self._all()
        while self._peek()[1] == "||":
            self._next()
            right = self._all()
            left = left or right
        return left

    def _all(self) -> Any:
        left = self._same()
        while self._peek()[1] == "&&":
            self._next()
            right = self._same()
            left = left and right
        return left

    def _same(self) -> Any:
        left = self._one()
        while self._peek()[1] in ("==", "!="):
            _, operator = self._next()
            right = self._one()
            same = ("" if left is None else left) == ("" if right is None else right)
            left = same if operator == "==" else not same
        return left

    def _one(self) -> Any:
        kind, text = self._next()
        if text == "!":
            return not self._one()
        if kind == "(":
            found = self._any()
            assert self._next()[0] == ")"
            return found
        if kind == "text":
            return text[1:-1].replace("''", "'")
        assert kind == "name", text
        return self._look_up(text)


@dataclass
class Result:
    """How a job ended: whether it failed, the outputs of its steps, the exit code of each that ran, and its log."""

    failed: bool = False
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        return f"failed: {self.failed}\n{self.codes}\n{self.log}"


class Job:
    """The only job of a reusable workflow, called with inputs and secrets for an event."""

    def __init__(
        self,
        name: str,
        folder: Path,
        forge: Forge,
        *,
        origin: Path,
        sha: str,
        event_name: str,
        event: dict[str, Any],
        run: dict[str, Any],
        inputs: dict[str, str],
        secrets: dict[str, str],
    ) -> None:
        self.workflow = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
        [self.job] = self.workflow["jobs"].values()
        self.folder, self.forge, self.origin, self.sha, self.run_record = folder, forge, origin, sha, run
        called = self.workflow[True]["workflow_call"]  # YAML 1.1 reads `on` as true
        assert set(inputs) <= set(called["inputs"]) and set(secrets) <= set(called["secrets"])
        missing = {key for key, wanted in called["secrets"].items() if wanted.get("required")} - set(secrets)
        assert not missing, missing
        self.inputs = {key: wanted.get("default", "") for key, wanted in called["inputs"].items()} | inputs
        self.secrets = dict.fromkeys(called["secrets"], "") | secrets
        self.event, self.event_name = event, event_name
        self.result = Result()
        self.workspace, self.temp = folder / "workspace", folder / "temp"
        for made in (self.workspace, self.temp):
            made.mkdir(parents=True)
        (folder / "event.json").write_text(json.dumps(event))
        self.path = os.environ["PATH"]
        self.in_process = True
        self.killer: tuple[str, Callable[[], bool]] | None = None

    def kill_in(self, step: str, when: Callable[[], bool]) -> None:
        """Kill the processes of a step, as a lost machine does, once ``when`` says so."""
        self.killer = (step, when)
        self.in_process = False

    def run(self) -> Result:
        """Run all steps; the run is over for the forge afterwards."""
        for number, step in enumerate(self.job["steps"]):
            if not self._due(step):
                continue
            key = step.get("id") or step.get("name") or str(number)
            known = {"id", "name", "if", "uses", "with", "run", "env", "working-directory", "shell"}
            assert set(step) <= known, f"{key}: {set(step) - known}"
            if "uses" in step:
                self.result.steps[key] = self._use(step)
            else:
                self._shell(key, step)
            if self.result.codes.get(key) == -signal.SIGKILL:
                break  # nothing of a lost machine runs on
        outputs = {name: self._filled(text) for name, text in self.job["outputs"].items()}
        self.result.outputs = outputs
        self.run_record["status"] = "completed"
        return self.result

    def _due(self, step: dict[str, Any]) -> bool:
        condition = str(step.get("if", "success()"))
        condition = condition.removeprefix("${{").removesuffix("}}").strip()
        if not _STATUS.search(condition) and self.result.failed:
            return False
        return bool(Expression(condition, self._look_up).value())

    def _look_up(self, name: str) -> Any:
        if name in ("success()", "failure()", "cancelled()", "always()"):
            failed = self.result.failed
            return {"success()": not failed, "failure()": failed, "cancelled()": False, "always()": True}[name]
        head, *rest = name.split(".")
        values: Any = {
            "inputs": self.inputs,
            "secrets": self.secrets,
            "github": {"token": TOKEN, "event": self.event, "sha": self.sha},
            "steps": {key: {"outputs": outputs} for key, outputs in self.result.steps.items()},
        }[head]
        for key in rest:
            values = values.get(key) if isinstance(values, dict) else None
        return values

    def _filled(self, text: object) -> str:
        def fill(match: re.Match[str]) -> str:
            value = Expression(match[1], self._look_up).value()
            return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)

        return _HOLE.sub(fill, str(text))

    def _environment(self, step: dict[str, Any], files: dict[str, Path]) -> dict[str, str]:
        given = {**(self.job.get("env") or {}), **(step.get("env") or {})}
        branch = self.event["pull_request"]["base"]["ref"] if "pull_request" in self.event else "main"
        return {
            "PATH": self.path,
            "HOME": str(self.folder),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.forge.url,
            "GITHUB_SERVER_URL": "https://forge.example",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_ACTOR": "somebody",
            "GITHUB_EVENT_NAME": self.event_name,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_RUN_ID": str(self.run_record["id"]),
            "GITHUB_SHA": self.sha,
            "GITHUB_REF_NAME": f"{self.event['pull_request']['number']}/merge"
            if "pull_request" in self.event
            else branch,
            "RUNNER_TEMP": str(self.temp),
            **{name: str(path) for name, path in files.items()},
            **{name: self._filled(value) for name, value in given.items()},
        }

    def _shell(self, key: str, step: dict[str, Any]) -> None:
        text = step["run"]
        assert "${{" not in text, f"{key}: an expression inside a script"
        files = {
            name: self.temp / f"{name}-{len(self.result.codes)}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        for path in files.values():
            path.touch()
        if self.in_process:
            code, said = self._call(text, self._environment(step, files))
        else:
            code, said = self._start(key, step, text, self._environment(step, files))
        self.result.log += f"### {key}\n{said}"
        self.result.codes[key] = code
        self.result.failed |= code != 0
        self.result.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        self.result.steps[key] = dict(line.split("=", 1) for line in lines)

    def _call(self, text: str, environ: dict[str, str]) -> tuple[int, str]:
        """The same in this process, which is faster: the scripts are one command each."""
        from pipeline import __main__ as pipeline
        from pipeline import tool

        words = text.split()
        assert words[0] == "reconciler-pipeline" and len(words) == 2, text
        out = io.StringIO()

        def start(arguments: tuple[str, ...], environ: dict[str, str], keep_err: bool) -> tool.Ended:
            ended = commands.call(*arguments, cwd=self.workspace, env=environ)
            if not keep_err:
                out.write(ended.err)
            return tool.Ended(ended.code, ended.out, ended.err if keep_err else "")

        with (
            contextlib.chdir(self.workspace),
            mock.patch.dict(os.environ, environ, clear=True),
            mock.patch.object(tool, "start", start),
            contextlib.redirect_stdout(out),
        ):
            code = pipeline.main(words[1:])
        return code, out.getvalue()

    def _start(self, key: str, step: dict[str, Any], text: str, environ: dict[str, str]) -> tuple[int, str]:
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text],
            cwd=self.workspace / step.get("working-directory", "."),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        if self.killer is not None and self.killer[0] == key:
            until = time.monotonic() + 20
            while not self.killer[1]() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            assert process.poll() is None, process.communicate()[0]
            os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def _use(self, step: dict[str, Any]) -> dict[str, str]:
        name = step["uses"].partition("@")[0]
        given = {key: self._filled(value) for key, value in step.get("with", {}).items()}
        if name == "actions/checkout":
            return self._check_out(given)
        if name == "actions/setup-python":
            return {}
        if name == "$/.github/actions/reconciler":
            return self._install(given)
        assert name == "actions/upload-artifact", name
        return self._upload(given)

    def _check_out(self, given: dict[str, str]) -> dict[str, str]:
        assert set(given) <= {"fetch-depth", "persist-credentials"} and given["persist-credentials"] == "False"
        for command in (
            ("init", "-q"),
            ("fetch", "-q", "--depth", given.get("fetch-depth", "1"), f"file://{self.origin}", self.sha),
            ("-c", "advice.detachedHead=false", "checkout", "-q", "FETCH_HEAD"),
        ):
            subprocess.run(["git", *command], cwd=self.workspace, check=True, capture_output=True)
        return {}

    def _install(self, given: dict[str, str]) -> dict[str, str]:
        """Put the commands into the PATH as the action's `install` does, but of this very Python."""
        assert given == {"command": "install"}
        programs = self.folder / "bin"
        programs.mkdir()
        for module, name in (("reconciler", "reconciler"), ("pipeline", "reconciler-pipeline")):
            path = programs / name
            call = f"exec '{sys.executable}' -P -X utf8 -m {module}"
            path.write_text(f"#!/bin/sh\nexport PYTHONPATH='{ROOT}:{ACTION}'\n{call} \"$@\"\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.path = f"{programs}:{self.path}"
        return {}

    def _upload(self, given: dict[str, str]) -> dict[str, str]:
        files: dict[str, bytes | str] = {}
        for line in given["path"].splitlines():
            place = self.workspace / line.strip()
            if place.is_dir():
                files |= {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*"))}
            elif place.is_file():
                files[place.name] = place.read_bytes()
        if not files:
            assert given.get("if-no-files-found") == "ignore", f"nothing at {given['path']}"
            return {}
        made = self.forge.upload(self.run_record, given["name"], archive(files))
        url = f"https://forge.example/{REPOSITORY}/actions/runs/{self.run_record['id']}/artifacts/{made['id']}"
        return {"artifact-id": str(made["id"]), "artifact-url": url}
