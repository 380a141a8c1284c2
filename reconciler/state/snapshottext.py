"""What every way to read a snapshot shares: JSON as it must be, places for people, and how problems are told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from reconciler.canonical import Json
from reconciler.errors import InvalidInput
from reconciler.instants import clock_text, parse_clock
from reconciler.model import KnownAccount, KnownHead, known_account_from_json
from reconciler.state.accounts import arranged
from reconciler.state.snapshotcheck import Place

#: How many problems are told; the others are counted.
SHOWN_PROBLEMS: Final = 1000


@dataclass(slots=True)
class Problems:
    """What is wrong with a snapshot, in its order: the first ones, and how many there are."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, position: int, text: str) -> None:
        """Add one that stands at ``position`` (a line or an index) or behind the last."""
        self.count += 1
        if len(self.first) < SHOWN_PROBLEMS:
            self.first.append((position, text))

    def refusal(self, name: str) -> InvalidInput:
        """What is raised for them."""
        shown = [text for _, text in self.first]
        if self.count > len(shown):
            shown.append(f"… and {self.count - len(shown)} more")
        count = "1 problem" if self.count == 1 else f"{self.count} problems"
        return InvalidInput(
            f"{name}: the snapshot can't be used, {count}",
            hint="`reconciler schema known-state` tells the form; nothing was changed",
            details=shown,
        )


def known_head(head: dict[str, Any], observed_at: str | None) -> KnownHead:
    """The heads of a snapshot, which were checked before."""
    return KnownHead(head.get("environment") or "", head.get("lineage"), _whole(head.get("serial")), observed_at)


def account_in(data: dict[str, Json], observed_at: str | None) -> KnownAccount:
    """The account behind ``data``, which was checked before; ``observed_at`` counts where it has no time itself."""
    account = arranged(known_account_from_json(data))
    return replace(account, observed_at=clock(account.observed_at) or observed_at)


def clock(text: str | None) -> str | None:
    """A checked time to the second in UTC, as texts of times are compared."""
    return None if text is None else clock_text(parse_clock(text))


def place_in_document(name: str, index: int) -> Place:
    """Where the account at ``index`` of a JSON document stands."""
    from reconciler.validation import path_text

    return lambda path: f"{name}: {path_text(('accounts', index, *path))}"


def place_in_line(name: str, number: int) -> Place:
    """Where the account on line ``number`` of JSON Lines stands."""
    from reconciler.validation import path_text

    return lambda path: f"{name}:{number}: {path_text(path)}" if path else f"{name}:{number}"


def not_utf8(name: str, line: int) -> InvalidInput:
    """The refusal for a snapshot in another encoding, which shows on ``line``."""
    return InvalidInput(f"{name}:{line}: the snapshot isn't UTF-8 text", hint="save it as UTF-8")


def unreadable(name: str, error: OSError) -> InvalidInput:
    """The refusal for a snapshot that can't be read."""
    return InvalidInput(f"{name}: {error.strerror or error}", hint="check the snapshot's path")


def not_json(place: str, error: ValueError) -> str:
    """What is told of a line at ``place`` that `load` refused."""
    if isinstance(error, json.JSONDecodeError):
        return f"{place}:{error.colno}: this isn't JSON: {error.msg}"
    return f"{place}: this isn't JSON that can be used: {error}"


def load(text: str) -> object:
    """JSON as it must be: no key twice, no NaN. Raises `ValueError`."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def object_or_none(text: str) -> dict[str, Any] | None:
    """The JSON object that ``text`` is, if it is one."""
    try:
        value = load(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)  # JSON's 12.0 is 12


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return data


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
