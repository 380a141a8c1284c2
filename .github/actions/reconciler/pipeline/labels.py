"""Accepting a guard by a label, ``accept:GUARD``, which a maintainer sets on the pull request.

A label counts if it is there, if whoever set it last may write to the repository (a label itself needs less than
that), and if that was after the first run for the pull request's present head began and after its last forced push:
so it is about what was seen, and the next push makes it void whether or not anybody takes it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pipeline.forge import Forbidden, Forge, Missing, forge_of, time_of
from pipeline.runner import Runner
from reconciler.planning.guards import DEFAULTS

PREFIX: Final = "accept:"

_MAY_ACCEPT: Final = ("admin", "write")  # the API tells `maintain` as write, and `triage` as read


@dataclass(frozen=True, slots=True)
class Accepted:
    """Guards that count as accepted, and labels that don't, each with the reason."""

    guards: tuple[str, ...]
    ignored: tuple[str, ...]


def labels(runner: Runner) -> None:
    """Say which guards are accepted; at anything but a change of labels, take the labels off."""
    pull = runner.pull_request()
    number, head = int(pull["number"]), str(pull["head"]["sha"])
    forge = forge_of(runner)
    try:
        names = present(forge, number)
        if runner.event().get("action") not in ("labeled", "unlabeled"):
            take_off(runner, forge, number, names)
            runner.output(accepted="")
            return
        found = accepted(forge, number, head, names) if names else Accepted((), ())
    finally:
        forge.close()
    for text in found.ignored:
        runner.warning(text)
    runner.say(f"accepted: {' '.join(found.guards) or 'none'}")
    runner.output(accepted=" ".join(found.guards))


def present(forge: Forge, number: int) -> list[str]:
    """The labels of the pull request that accept something. Raises `ForgeError`."""
    names = [str(label.get("name", "")) for label in forge.pages(f"/issues/{number}/labels")]
    return sorted(name for name in names if name.startswith(PREFIX))


def take_off(runner: Runner, forge: Forge, number: int, names: list[str]) -> None:
    """Take labels off: what they accepted was another state of the pull request."""
    for name in names:
        try:
            forge.delete(f"/issues/{number}/labels/{quote(name, safe='')}")
        except Missing:
            continue
        except Forbidden as error:
            runner.notice(f"the label {name} doesn't count any more, but it can't be taken off here: {error}")
            return
        runner.notice(f"the label {name} is taken off; look at the new plan, then set it again if it is meant")


def accepted(
    forge: Forge, number: int, head: str, names: list[str] | None = None, *, until: datetime | None = None
) -> Accepted:
    """What the labels accept for the commit ``head``, now or as it was at ``until``. Raises `ForgeError`."""
    since = first_seen(forge, head)
    setters: dict[str, tuple[str, datetime]] = {}
    for event in forge.pages(f"/issues/{number}/events"):
        at = time_of(event.get("created_at"))
        if at is None or (until is not None and at > until):
            continue
        kind, name = event.get("event"), str((event.get("label") or {}).get("name", ""))
        if kind == "head_ref_force_pushed":
            since = None if since is None else max(since, at)
        elif kind == "labeled" and name.startswith(PREFIX):
            setters[name] = (str((event.get("actor") or {}).get("login", "")), at)
        elif kind == "unlabeled":
            setters.pop(name, None)
    guards: list[str] = []
    ignored: list[str] = []
    for name in sorted(setters) if names is None else names:
        why = _why_not(forge, name.removeprefix(PREFIX), setters.get(name), since)
        if why is None:
            guards.append(name.removeprefix(PREFIX))
        else:
            ignored.append(f"the label {name} doesn't count: {why}")
    return Accepted(tuple(guards), tuple(ignored))


def first_seen(forge: Forge, head: str) -> datetime | None:
    """When the first run for the commit began, by the forge's clock; ``None`` if there is none."""
    runs = forge.pages("/actions/runs", "workflow_runs", head_sha=head, event="pull_request")
    times = [time_of(run.get("created_at")) for run in runs if run.get("head_sha") == head]
    return min((time for time in times if time is not None), default=None)


def _why_not(forge: Forge, guard: str, setter: tuple[str, datetime] | None, since: datetime | None) -> str | None:
    if guard not in DEFAULTS:
        return f"there is no guard {guard!r}; guards are {', '.join(DEFAULTS)}"
    if setter is None:
        return "nothing tells who set it"
    who, at = setter
    if since is None or at <= since:
        return "it was set before there was a plan of this head; take it off and set it again"
    if not may_accept(forge, who):
        return f"{who or 'whoever set it'} may not write to this repository"
    return None


def may_accept(forge: Forge, login: str) -> bool:
    """True if ``login`` may write to the repository. Raises `ForgeError`."""
    try:
        answer: Any = forge.get(f"/collaborators/{quote(login, safe='')}/permission") if login else None
    except Missing:
        return False
    return isinstance(answer, dict) and answer.get("permission") in _MAY_ACCEPT
