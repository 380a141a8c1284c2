"""The command to type after a plan, so that nobody has to look it up."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from reconciler.plan import Plan

PROGRAM = "reconciler"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was typed: the plan's file, if it has one, the manifest paths, and options to repeat as they are.

    ``options`` are whole arguments such as ``--state=URL``; the environment, ``--select`` and ``--accept`` are
    taken from the plan.
    """

    saved_as: str | None = None
    paths: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Next:
    """``command`` is what to type, ready for a POSIX shell, if there is anything; ``note`` says why or what else."""

    command: str | None
    note: str


def next_command(plan: Plan, invocation: Invocation) -> Next:
    """What to type after ``plan``."""
    if plan.what_if:
        return Next(_planning(plan, invocation, "plan"), "a what-if for another moment can't be applied; plan for now")
    if plan.refused:
        accept = [f"--accept={refusal.guard}" for refusal in plan.refused]
        command = _planning(plan, invocation, "plan", *accept, "--out", invocation.saved_as or "plan.json")
        return Next(command, "only if what is refused is meant; otherwise mend it and plan again")
    if not plan.steps:
        if plan.blocked:
            return Next(
                _planning(plan, invocation, "plan"), "there is no call to make; mend what is blocked, then plan"
            )
        return Next(None, "nothing, no call is due")
    note = "then plan again for what is deferred" if plan.deferred else ""
    if plan.known_state.lineage is None:
        # Without a lineage the file can't be applied; only a fresh plan that turns out the same.
        return Next(_planning(plan, invocation, "apply", "--expect", plan.steps_digest), note)
    if invocation.saved_as is not None:
        return Next(_line("apply", *_written_to(invocation.options), invocation.saved_as), note)
    return Next(_planning(plan, invocation, "apply"), note)


def _planning(plan: Plan, invocation: Invocation, command: str, *more: str) -> str:
    """``plan`` or ``apply`` over the same manifests, with what was selected and accepted before."""
    accepted = [f"--accept={refusal.guard}" for refusal in plan.refusals if refusal.accepted]
    select = [f"--select={expression}" for expression in plan.manifests.select]
    options = _written_to(invocation.options) if command == "apply" else invocation.options
    return _line(command, "-e", plan.environment, *options, *invocation.paths, *select, *accepted, *more)


def _written_to(options: tuple[str, ...]) -> tuple[str, ...]:
    """``options`` without a snapshot as the store: enough to plan from, but no place for a journal."""
    return tuple(option for option in options if not option.startswith("--state=file:"))


def _line(*arguments: str) -> str:
    return shlex.join((PROGRAM, *arguments))
