"""Running ``reconciler`` in a step: its arguments, its exit code, its text.

It gets no token of the forge. What it says on standard error goes to the log as it is, since it escapes that itself.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.runner import Failed, Runner
from reconciler.errors import ExitCode

#: Exit codes of `plan` with which there is a plan.
PLANNED: Final = frozenset({ExitCode.DONE, ExitCode.CHANGES, ExitCode.REFUSED})

#: Variables that the program has no use for and a defect of it could tell.
_KEPT_BACK: Final = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")

_MEANINGS: Final = {
    ExitCode.BUG: "a bug of this program",
    ExitCode.INVALID: "input that can't be used",
    ExitCode.STALE: "not what was reviewed, or out of date",
    ExitCode.REFUSED: "refused by a guard",
    ExitCode.LOCKED: "locked, or an unfinished run is in the way",
    ExitCode.INCOMPLETE: "incomplete: some step failed or was skipped",
    ExitCode.UNKNOWN_OUTCOME: "the outcome of at least one step isn't known",
    ExitCode.NOT_APPROVED: "nobody approved",
    ExitCode.USAGE: "a command line that can't be understood",
    ExitCode.UNREACHABLE: "Payway or the forge can't be reached, or refuses the credentials",
    ExitCode.STORE_FAILED: "the state store failed",
    ExitCode.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, what it wrote to standard output and, where that was kept, to standard error."""

    code: int
    out: str
    err: str = ""


def run(runner: Runner, *arguments: str, keep_err: bool = False, without: tuple[str, ...] = ()) -> Ended:
    """Run ``reconciler ARGUMENTS`` to its end; ``without`` names variables that it doesn't get."""
    hidden = {*_KEPT_BACK, *without}
    environ = {name: value for name, value in runner.environ.items() if name not in hidden and value != ""}
    runner.say("$ reconciler " + " ".join(arguments))
    ended = start(arguments, environ, keep_err)
    for line in ended.err.splitlines():
        runner.say(line)
    return ended


def start(arguments: tuple[str, ...], environ: dict[str, str], keep_err: bool) -> Ended:
    """Run the program in a process of its own; standard error is the step's unless it is to be kept."""
    done = subprocess.run(  # noqa: S603 - no shell reads the arguments
        ["reconciler", *arguments],  # noqa: S607 - the install step put it into the PATH
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if keep_err else None,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    # A process that a signal ended has a negative code here.
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Ended(code, done.stdout, done.stderr or "")


def paths(runner: Runner) -> tuple[str, ...]:
    """The manifest paths that the workflow was given, as the last arguments."""
    found = [line.strip() for line in runner.said("PIPELINE_PATHS").splitlines() if line.strip()]
    return ("--", *found) if found else ()


def meaning(code: int) -> str:
    """What an exit code means, in a few words."""
    return _MEANINGS.get(ExitCode(code), "done") if code in ExitCode._value2member_map_ else "stopped from outside"


def succeed(what: str, code: int, good: frozenset[ExitCode] = frozenset({ExitCode.DONE})) -> None:
    """Raise `Failed` with the exit code unless it is a good one."""
    if code not in good:
        raise Failed(f"{what} ended with exit code {code}: {meaning(code)}", code)


def refuse_committed_state() -> None:
    """Raise `Failed` if the repository holds files in ``.reconciler/``.

    The program keeps its stores and caches there and trusts them. Whoever can push must not write them.
    """
    if committed(".reconciler"):
        raise Failed(
            "the folder .reconciler/ is committed, but what is in it is written by the program alone; take it out of "
            "the repository and put it into .gitignore",
            int(ExitCode.INVALID),
        )


def committed(path: str) -> bool:
    """True if git keeps anything at ``path`` of the working folder's repository."""
    return bool(git("ls-files", "-z", "--", path))


def git(*arguments: str) -> bytes:
    """The output of a git command that changes nothing. Raises `Failed`."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "backslashreplace").strip()
        raise Failed(f"git {arguments[0]} failed: {said}", int(ExitCode.INVALID))
    return done.stdout


def write(path: Path, text: str) -> Path:
    """``path``, with ``text`` in it and readable by its owner alone."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
