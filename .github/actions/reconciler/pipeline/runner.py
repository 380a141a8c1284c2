"""The runner that a step runs on: its variables, its event, its outputs, its log."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.render.escape import command_message, copyable


class Failed(Exception):
    """What ends a step: a message for its log and the exit code, which has the meaning that `reconciler`'s has."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @classmethod
    def by(cls, error: ReconcilerError) -> Failed:
        """The same as an error of the program itself."""
        hint = f" ({error.hint})" if error.hint else ""
        return cls(f"{error.message}{hint}", int(error.exit_code))


@dataclass(frozen=True, slots=True)
class Runner:
    """What a step gets and where it says things. ``environ`` may hold the token, so it isn't shown."""

    environ: Mapping[str, str] = field(repr=False)

    def said(self, name: str) -> str:
        """The variable ``name``, without the blanks around it; "" if it isn't set."""
        return self.environ.get(name, "").strip()

    def needed(self, name: str) -> str:
        """The variable ``name``. Raises `Failed` if it isn't set."""
        value = self.said(name)
        if not value:
            raise Failed(f"the variable {name} isn't set", 64)
        return value

    @property
    def environment(self) -> str:
        """The environment's name. Raises `Failed` for one that could be something else in a URL, marker or option."""
        name = self.needed("PIPELINE_ENVIRONMENT")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise Failed(f"{name!r} can't be an environment's name", 64)
        return name

    def event(self) -> dict[str, Any]:
        """What started the workflow, as the forge tells it."""
        data = json.loads(Path(self.needed("GITHUB_EVENT_PATH")).read_text(encoding="utf-8"))
        return data if isinstance(data, dict) else {}

    def pull_request(self) -> dict[str, Any]:
        """The pull request that started the workflow. Raises `Failed` if none did."""
        pull = self.event().get("pull_request")
        if not isinstance(pull, dict):
            raise Failed("this step is for a workflow on `pull_request`", 64)
        return pull

    def folder(self, name: str) -> Path:
        """An empty folder of that kind, readable by its owner alone."""
        base = self.said("RUNNER_TEMP") or tempfile.gettempdir()
        return Path(tempfile.mkdtemp(prefix=f"payway-{name}-", dir=base))

    def output(self, **values: str | bool | int | Path) -> None:
        """Set outputs of the step; ``_`` in a name becomes ``-``."""
        lines = []
        for name, value in values.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if not text.isprintable():
                raise ValueError(f"the output {name} must be one line")
            lines.append(f"{name.replace('_', '-')}={text}\n")
        self._append("GITHUB_OUTPUT", "".join(lines))

    def summary(self, markdown: str) -> None:
        """Add to the job's summary."""
        self._append("GITHUB_STEP_SUMMARY", markdown.rstrip("\n") + "\n\n")

    def say(self, text: str) -> None:
        """A line of the log, which gives the runner no order."""
        _write(copyable(text))

    def pass_on(self, text: str) -> None:
        """Workflow commands that the program has written, with what is strange in them escaped."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """A notice beside the run."""
        _write(f"::notice::{command_message(text)}")

    def warning(self, text: str) -> None:
        """A warning beside the run."""
        _write(f"::warning::{command_message(text)}")

    def error(self, text: str) -> None:
        """An error beside the run."""
        _write(f"::error::{command_message(text)}")

    def _append(self, variable: str, text: str) -> None:
        path = self.said(variable)
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)


def this_runner() -> Runner:
    """The runner of this process."""
    return Runner(dict(os.environ))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
