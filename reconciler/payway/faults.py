"""Faults on purpose: which of the simulator's calls goes wrong, and how.

A faults file is a JSON list of rules, read from top to bottom; the first that matches a call decides::

    [{"call": 3, "fault": {"status": 503, "headers": {"Retry-After": "1"}}},
     {"action": "update", "account_id": "52a7…", "nth": 2, "fault": {"drop": "after"}},
     {"rate": 0.02, "seed": 7, "faults": [{"drop": "before"}, {"delay": 2}]}]

The project's page on the simulator has every key. The same file and the same calls give the same faults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias

from reconciler import canonical
from reconciler.errors import InvalidInput
from reconciler.payway.pages import JSON_TYPE, PAGES

#: Where a connection is cut: before the call is carried out, after it, or in the middle of the answer.
Drop: TypeAlias = Literal["before", "after", "body"]
_DROPS: Final[Mapping[str, Drop]] = {"before": "before", "after": "after", "body": "body"}

#: Waits that many seconds: `time.sleep`, or something that a server's end cuts short.
Sleep: TypeAlias = Callable[[float], object]

#: What a rule can ask of a call's body.
MATCHED: Final = ("account_id", "product_id", "user_product_id", "customer_number")
ACTIONS: Final = tuple(page.action for page in PAGES)

_LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Drip:
    """An answer in pieces: ``size`` bytes, then a pause of ``seconds``, and again."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call.

    ``status``, ``body`` and ``headers`` replace the answer; the call isn't carried out then unless
    ``carried_out``. ``delay`` (seconds) comes before everything else. ``refuse`` is a connection that was
    never made (in process; over HTTP it is cut before the call).
    """

    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    carried_out: bool = False
    drop: Drop | None = None
    refuse: bool = False
    delay: float = 0.0
    answer_id: str | None = None
    drip: Drip | None = None

    @property
    def lets_through(self) -> bool:
        """True if the world sees the call."""
        if self.refuse or self.drop == "before":
            return False
        return self.status is None or self.carried_out


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What rules can look at: the call's number from 1, its action and body (``None`` and empty if unreadable)."""

    number: int
    action: str | None
    values: Mapping[str, object]


@dataclass(slots=True)
class Rule:
    """Calls that match ``call``, ``action`` and ``values``; of these the ``nth``, the first ``times``, or all."""

    fault: Fault
    call: int | None = None
    action: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    nth: int | None = None
    times: int | None = None
    seen: int = 0

    def choose(self, info: CallInfo) -> Fault | None:
        """The fault for this call, if it is one of the rule's. Counts the calls that match."""
        if self.call not in (None, info.number) or self.action not in (None, info.action):
            return None
        if any(str(info.values.get(name)).lower() != value.lower() for name, value in self.values):
            return None
        self.seen += 1
        if self.nth is not None and self.seen != self.nth:
            return None
        if self.times is not None and self.seen > self.times:
            return None
        return self.fault


@dataclass(frozen=True, slots=True)
class Chance:
    """Each call goes wrong with probability ``rate``, decided by ``seed`` and the call's number alone."""

    rate: float
    seed: int
    faults: tuple[Fault, ...]

    def choose(self, info: CallInfo) -> Fault | None:
        """The fault for this call, if chance has it so."""
        dice = hashlib.sha256(f"{self.seed}:{info.number}".encode("ascii")).digest()
        if int.from_bytes(dice[:8], "big") >= self.rate * 2**64:
            return None
        return self.faults[int.from_bytes(dice[8:16], "big") % len(self.faults)]


class Faults:
    """The rules in their order; every rule counts every call it matches, the first fault wins."""

    def __init__(self, rules: tuple[Rule | Chance, ...] = ()) -> None:
        self.rules = rules

    def choose(self, info: CallInfo) -> Fault | None:
        """The fault for this call, if any."""
        chosen = [rule.choose(info) for rule in self.rules]
        return next((fault for fault in chosen if fault is not None), None)


def load_faults(path: Path) -> Faults:
    """The rules of a faults file. Raises `InvalidInput`."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the faults file {path} can't be read: {error}", hint="it is a JSON list of rules"
        ) from None
    return parse_faults(data, str(path))


def parse_faults(data: object, name: str = "faults") -> Faults:
    """The rules in ``data``, a faults file's JSON; ``name`` is its name in errors. Raises `InvalidInput`."""
    if not isinstance(data, list):
        _bad(name, "it must be a list of rules")
    return Faults(tuple(_rule(item, f"{name}: rule {number}") for number, item in enumerate(data, 1)))


def _rule(item: object, where: str) -> Rule | Chance:
    if isinstance(item, dict) and "rate" in item:
        data = _object(item, ("rate", "seed", "faults"), where)
        listed = data.get("faults")
        if not isinstance(listed, list) or not listed:
            _bad(where, "faults must be a list with at least one fault")
        return Chance(
            rate=_number(data, "rate", where, 0.0, 1.0),
            seed=_whole(data, "seed", where, -(2**63)) if "seed" in data else 0,
            faults=tuple(_fault(fault, where) for fault in listed),
        )
    data = _object(item, ("call", "action", *MATCHED, "nth", "times", "fault"), where)
    action = data.get("action")
    if action is not None and action not in ACTIONS:
        _bad(where, f"action must be one of {', '.join(ACTIONS)}")
    if "fault" not in data:
        _bad(where, "it has no fault")
    return Rule(
        fault=_fault(data["fault"], where),
        call=_whole(data, "call", where, 1) if "call" in data else None,
        action=None if action is None else str(action),
        values=tuple((key, _text(data, key, where)) for key in MATCHED if key in data),
        nth=_whole(data, "nth", where, 1) if "nth" in data else None,
        times=_whole(data, "times", where, 1) if "times" in data else None,
    )


def _fault(item: object, where: str) -> Fault:
    keys = ("status", "body", "headers", "carried_out", "drop", "refuse", "delay", "answer_id", "drip")
    data = _object(item, keys, f"{where}, fault")
    if not data:
        _bad(where, f"a fault needs at least one of {', '.join(keys)}")
    if "status" not in data and any(key in data for key in ("body", "headers", "carried_out")):
        _bad(where, "body, headers and carried_out need a status")
    for key in ("carried_out", "refuse"):
        if not isinstance(data.get(key, False), bool):
            _bad(where, f"{key} must be true or false")
    drop = data.get("drop")
    if drop is not None and drop not in tuple(_DROPS):
        _bad(where, f"drop must be one of {', '.join(_DROPS)}")
    status = _whole(data, "status", where, 200, 599) if "status" in data else None
    body, content_type = _body(data.get("body", ""), where)
    return Fault(
        status=status,
        body=body,
        headers=_headers(data.get("headers", {}), content_type, where) if status is not None else (),
        carried_out=data.get("carried_out") is True,
        drop=None if drop is None else _DROPS[str(drop)],
        refuse=data.get("refuse") is True,
        delay=_number(data, "delay", where, 0.0, _LONGEST) if "delay" in data else 0.0,
        answer_id=_text(data, "answer_id", where) if "answer_id" in data else None,
        drip=_drip(data["drip"], where) if "drip" in data else None,
    )


def _body(value: object, where: str) -> tuple[bytes, str]:
    """The bytes of a fault's ``body`` and their content type: text as it is, anything else as JSON."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8"), "text/plain; charset=utf-8"
        except UnicodeEncodeError:
            _bad(where, "body isn't text that can be sent")
    try:
        return canonical.dumps(value).encode("ascii"), JSON_TYPE
    except ValueError:
        _bad(where, "body can't be written as JSON")


def _headers(value: object, content_type: str, where: str) -> tuple[tuple[str, str], ...]:
    headers = {"Content-Type": content_type}
    for name, text in _object(value, None, f"{where}, headers").items():
        if not isinstance(text, str) or not (name + text).isascii() or not (name + text).isprintable() or not name:
            _bad(where, f"the header {name!r} must have printable ASCII text")
        if any(sign in name for sign in ' :"(),/;<=>?@[]{}\\'):
            _bad(where, f"{name!r} isn't a header's name")
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            _bad(where, f"the header {name!r} can't be set: drop and drip make broken answers")
        headers = {known: had for known, had in headers.items() if known.lower() != name.lower()}
        headers[name] = text
    return tuple(headers.items())


def _drip(value: object, where: str) -> Drip:
    data = _object(value, ("bytes", "seconds"), f"{where}, drip")
    return Drip(_whole(data, "bytes", where, 1), _number(data, "seconds", where, 0.0, _LONGEST))


def _object(value: object, keys: tuple[str, ...] | None, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        _bad(where, "it must be an object")
    for key in value:
        if keys is not None and key not in keys:
            _bad(where, f"there is no key {key!r}; it can hold {', '.join(keys)}")
    return value


def _text(data: Mapping[str, object], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        _bad(where, f"{key} must be text")
    return value


def _whole(data: Mapping[str, object], key: str, where: str, least: int, most: int = 2**63) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        _bad(where, f"{key} must be a whole number from {least} to {most}")
    return value


def _number(data: Mapping[str, object], key: str, where: str, least: float, most: float) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        _bad(where, f"{key} must be a number from {least:g} to {most:g}")
    return float(value)


def _bad(where: str, why: str) -> NoReturn:
    raise InvalidInput(f"{where}: {why}", hint="docs/simulator.md describes the faults file")
