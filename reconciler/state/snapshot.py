"""Reads a snapshot of known state: one JSON document, JSON Lines or CSV, told apart by their content.

Everything that is wrong with it is found before anything is done with it.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn

from reconciler.canonical import Json
from reconciler.errors import InvalidInput
from reconciler.instants import clock_text, parse_clock
from reconciler.model import KnownAccount, KnownHead, KnownView, known_account_from_json
from reconciler.state.accounts import arranged, user_product_ids
from reconciler.state.csvfile import read_csv
from reconciler.state.snapshotcheck import FORMAT, DataPath, Place, check_account, check_head

#: How many problems are told; the others are counted.
SHOWN_PROBLEMS: Final = 1000

_STDIN: Final = "standard input"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it was read. ``accounts`` are in order of their ids; ``notes`` say what was ignored.

    ``form`` is ``json``, ``jsonl`` or ``csv``. The head's environment is "" if the snapshot names none.
    """

    head: KnownHead
    accounts: tuple[KnownAccount, ...]
    form: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An account before it is checked: ``place`` tells where a path into ``data`` stands, for messages."""

    data: object
    place: Place


def read_snapshot(source: str | Path) -> Snapshot:
    """The snapshot in the file ``source``, or on standard input for ``-``.

    Raises `InvalidInput` with every problem and its place.
    """
    if str(source) == "-":
        return parse_snapshot(sys.stdin.buffer.read(), _STDIN)
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{source}: {error.strerror or error}", hint="check the snapshot's path") from None
    return parse_snapshot(data, str(source))


def parse_snapshot(data: bytes, name: str) -> Snapshot:
    """The snapshot in ``data``; ``name`` is what messages call it. Raises `InvalidInput` with every problem."""
    text = _decoded(data, name)
    start = text.lstrip()[:1]
    if start == "":
        raise InvalidInput(f"{name}: the snapshot is empty", hint="an empty one is made with `reconciler state init`")
    if start == "[":
        raise InvalidInput(
            f"{name}: the snapshot is a JSON list", hint=f'put it into {{"format": "{FORMAT}", "accounts": […]}}'
        )
    if start != "{":
        table = read_csv(text, name)
        found = (Found(account.data, account.place) for account in table.accounts)
        return _snapshot(name, {}, found, "csv", problems=table.problems, notes=table.notes)
    first, _, rest = text.lstrip().partition("\n")
    head = _json_or_none(first)
    if head is not None and "accounts" not in head:
        skipped = text.count("\n", 0, len(text) - len(text.lstrip()))
        return _json_lines(name, head, rest, skipped + 1)
    return _json_document(name, text)


def snapshot_view(snapshot: Snapshot) -> KnownView:
    """Known state for the planner, straight from a snapshot."""
    owners: dict[str, str] = {}
    for account in snapshot.accounts:
        for user_product_id in user_product_ids(account):
            owners[user_product_id] = account.account_id

    def find(account_id: str) -> KnownAccount | None:
        return find_account(snapshot, account_id)

    return KnownView(snapshot.head, lambda: iter(snapshot.accounts), owners.get, find=find)


def find_account(snapshot: Snapshot, account_id: str) -> KnownAccount | None:
    """What a snapshot knows of one account."""
    accounts = snapshot.accounts
    index = bisect_left(accounts, account_id, key=lambda account: account.account_id)
    return accounts[index] if index < len(accounts) and accounts[index].account_id == account_id else None


def _json_document(name: str, text: str) -> Snapshot:
    try:
        document = _load(text)
    except json.JSONDecodeError as error:
        raise _broken(name, [f"{name}:{error.lineno}:{error.colno}: this isn't JSON: {error.msg}"]) from None
    except ValueError as error:
        raise _broken(name, [f"{name}: this isn't JSON that can be used: {error}"]) from None
    assert isinstance(document, dict)  # it begins with {
    accounts = document.get("accounts")
    if not isinstance(accounts, list):
        raise _broken(name, check_head(document, name))
    found = (Found(data, _place_in_document(name, index)) for index, data in enumerate(accounts))
    return _snapshot(name, document, found, "json")


def _json_lines(name: str, head: dict[str, Any], rest: str, lines_before: int) -> Snapshot:
    problems: list[str] = []

    def found() -> Iterator[Found]:
        for number, line in enumerate(rest.split("\n"), lines_before + 1):
            if not line.strip():
                continue
            try:
                yield Found(_load(line), _place_in_line(name, number))
            except json.JSONDecodeError as error:
                problems.append(f"{name}:{number}:{error.colno}: this isn't JSON: {error.msg}")
            except ValueError as error:
                problems.append(f"{name}:{number}: this isn't JSON that can be used: {error}")

    return _snapshot(name, {**head, "accounts": []}, found(), "jsonl", problems=problems)


def _snapshot(
    name: str,
    head: dict[str, Any],
    found: Iterable[Found],
    form: str,
    *,
    problems: list[str] | None = None,
    notes: tuple[str, ...] = (),
) -> Snapshot:
    problems = [] if problems is None else problems
    if form != "csv":
        problems.extend(check_head(head, name))
    observed_at = None if problems else _clock(head.get("observed_at"))
    accounts: dict[str, KnownAccount] = {}
    places: dict[str, tuple[Place, DataPath]] = {}
    for each in found:
        wrong = check_account(each.data)
        if wrong:
            problems.extend(f"{each.place(path)}: {text}" for path, text in wrong)
            continue
        assert isinstance(each.data, dict)
        account = _account(each.data, observed_at)
        problems.extend(_twice(each.data, each.place, places))
        accounts[account.account_id] = account
    if problems:
        raise _broken(name, problems)
    known = KnownHead(head.get("environment") or "", head.get("lineage"), _whole(head.get("serial")), observed_at)
    return Snapshot(known, tuple(accounts[account_id] for account_id in sorted(accounts)), form, notes)


def _twice(data: dict[str, Any], place: Place, places: dict[str, tuple[Place, DataPath]]) -> Iterator[str]:
    """What an account names that was named before; ``places`` remembers where each id was first."""
    named: list[tuple[str, DataPath]] = [(f"account {data['account_id'].lower()}", ())]
    for index, product in enumerate(data["user_products"]):
        if product.get("user_product_id") is not None:
            named.append((f"user product {product['user_product_id'].lower()}", ("user_products", index)))
    for name, path in named:
        if name in places:
            first, first_path = places[name]
            yield f"{place(path)}: {name} stands here a second time, first at {first(first_path)}"
        else:
            places[name] = (place, path)


def _account(data: dict[str, Json], observed_at: str | None) -> KnownAccount:
    account = arranged(known_account_from_json(data))
    return replace(account, observed_at=_clock(account.observed_at) or observed_at)


def _clock(text: str | None) -> str | None:
    return None if text is None else clock_text(parse_clock(text))


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)  # JSON's 12.0 is 12


def _place_in_document(name: str, index: int) -> Place:
    from reconciler.validation import path_text

    return lambda path: f"{name}: {path_text(('accounts', index, *path))}"


def _place_in_line(name: str, number: int) -> Place:
    from reconciler.validation import path_text

    return lambda path: f"{name}:{number}: {path_text(path)}" if path else f"{name}:{number}"


def _broken(name: str, problems: list[str]) -> InvalidInput:
    shown = problems[:SHOWN_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"… and {len(problems) - len(shown)} more")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return InvalidInput(
        f"{name}: the snapshot can't be used, {count}",
        hint="`reconciler schema known-state` tells the form; nothing was changed",
        details=shown,
    )


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(f"{name}: the snapshot is UTF-16 text", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}:{line}: the snapshot isn't UTF-8 text", hint="save it as UTF-8") from None


def _json_or_none(line: str) -> dict[str, Any] | None:
    try:
        value = _load(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _load(text: str) -> object:
    """JSON as it must be: no key twice, no NaN. Raises `ValueError`."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return data


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
