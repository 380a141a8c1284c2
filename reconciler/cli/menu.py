"""What there is to type: the commands and the options that each of them takes, as words.

Nothing here needs click, so that ``reconciler --help`` is there at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

TAGLINE = "Declare Payway user products in YAML, review the plan, apply exactly that."
FIRST_STEPS = "Begin with `reconciler validate`, then `reconciler plan -e stage`."

_WIDTH = 80


class Entry(NamedTuple):
    """A command: the module of this package and the attribute that hold it, and what it does in a few words."""

    module: str
    attribute: str
    words: str


class Common(NamedTuple):
    """An option that every command takes: how it is written, what it takes (``None`` for a flag), what it does."""

    names: tuple[str, ...]
    takes: str | tuple[str, ...] | None
    words: str


#: The variable by which a shell's completion asks; whoever sources the script of `completion` needn't know it.
COMPLETION_VARIABLE = "_RECONCILER_COMPLETE"

#: The commands, in the order in which they are listed.
COMMANDS = {
    "init": Entry("init", "init", "Make a working repository, ready for a rehearsal."),
    "validate": Entry("validate", "validate", "Check manifests; no state, no token, no network."),
    "plan": Entry("plan", "plan", "Show which calls would be made, and why."),
    "show": Entry("plan", "show", "Show a saved plan or a run again."),
    "explain": Entry("plan", "explain", "Say why each call of a saved plan is made."),
    "requests": Entry("plan", "requests", "Print the exact requests of a saved plan as curl."),
    "reveal": Entry("sharing", "reveal", "Put readers' ids back into output of --pseudonymize."),
    "apply": Entry("apply", "apply", "Run a saved plan, or plan and run."),
    "resume": Entry("runs", "resume", "Go on with a run that was stopped or killed."),
    "runs": Entry("runs", "runs", "List runs, or show one."),
    "resolve": Entry("runs", "resolve", "Settle a call whose outcome isn't known."),
    "abandon": Entry("runs", "abandon", "Give up an unfinished run."),
    "unlock": Entry("runs", "unlock", "Take the lock away from a holder that is gone."),
    "state": Entry("state", "state", "Known state: import, export, look at it, mend it."),
    "simulate": Entry("simulate", "simulate", "Payway on a loopback port, for rehearsals."),
    "schema": Entry("info", "schema", "Print a JSON schema."),
    "config": Entry("info", "config", "Show the settings, and where each comes from."),
    "doctor": Entry("doctor", "doctor", "Look what is wrong here, and say how to mend it."),
    "completion": Entry("info", "completion", "Print what makes a shell complete commands and options."),
    "version": Entry("info", "version", "Print the version."),
}

#: The options of every command, in the order in which they are listed.
COMMON = (
    Common(("-e", "--environment"), "NAME", "stage, production, simulator or a declared one."),
    Common(("--config",), "FILE", "The settings (default: reconciler.toml)."),
    Common(("--state",), "URL", "The state store, or file:PATH for a snapshot."),
    Common(("--color",), ("auto", "always", "never"), "Colour; auto asks the terminal."),
    Common(("-v", "--verbose"), None, "Say more."),
    Common(("-q", "--quiet"), None, "Only documents, warnings and errors."),
    Common(("--log-format",), ("text", "json"), "How messages on standard error look."),
)

#: What each exit code means (contract, section 6).
EXIT_CODES = {
    0: "done, or nothing to do",
    1: "a bug of this program",
    2: "the plan holds changes (only with `plan --detailed-exitcode`)",
    3: "input that can't be used: a manifest, plan, snapshot, setting or file",
    4: "a plan that is stale, expired, altered, foreign or a what-if",
    5: "refused: a guard, a protection, or a journal that would be lost",
    6: "the store is locked, or an unfinished run is in the way",
    7: "the apply is incomplete: some step failed or was skipped",
    8: "at least one step's outcome isn't known",
    9: "nobody approved",
    64: "the command line can't be understood",
    69: "Payway can't be reached, or refuses the credentials",
    74: "the state store failed",
    130: "interrupted by a signal; the journal is consistent",
}

_MORE_OPTIONS = (
    Common(("--version",), None, "Print the version."),
    Common(("-h", "--help"), None, "Print this, or what a command does: reconciler COMMAND --help."),
)


def help_page() -> Iterator[str]:
    """The lines of ``reconciler --help``."""
    yield "Usage: reconciler [OPTIONS] COMMAND [ARGS]..."
    yield ""
    yield TAGLINE
    yield FIRST_STEPS
    yield ""
    yield "Commands:"
    yield from _columns((name, entry.words) for name, entry in COMMANDS.items())
    yield ""
    yield "Options of every command, before or after its name:"
    yield from _columns((_written(option), option.words) for option in COMMON)
    yield ""
    yield "More:"
    yield from _columns((_written(option), option.words) for option in _MORE_OPTIONS)


def _written(option: Common) -> str:
    names = ", ".join(option.names) if option.names[0][1] != "-" else f"    {option.names[0]}"
    takes = option.takes
    return f"{names} {takes if isinstance(takes, str) else '|'.join(takes)}" if takes else names


def _columns(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    import textwrap

    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, words in rows:
        first, *rest = textwrap.wrap(words, _WIDTH - width - 4)
        yield f"  {name:<{width}}  {first}"
        for line in rest:
            yield " " * (width + 4) + line
