"""``--select``: which accounts a plan is about."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple, TypeAlias

from reconciler.errors import UsageError
from reconciler.model import DeclaredAccount

SELECTOR_FORMS: Final = "account=ID, label.NAME=VALUE, owner=TEXT or file=GLOB"

SelectorKind: TypeAlias = Literal["account", "label", "owner", "file"]


@dataclass(frozen=True, slots=True)
class Selector:
    """One ``--select``: accounts whose ``kind`` (for labels: the label ``name``) is ``value``, or matches it."""

    kind: SelectorKind
    value: str
    name: str = ""


def parse_selector(text: str) -> Selector:
    """The selector that ``text`` writes, in one of `SELECTOR_FORMS`. Raises `UsageError`."""
    key, equals, value = text.partition("=")
    if equals and key.startswith("label.") and key != "label.":
        return Selector("label", value, key.removeprefix("label."))
    if key == "account" and re.fullmatch("[0-9a-fA-F]{24}", value):
        return Selector("account", value.lower())
    if key == "owner" and value:
        return Selector("owner", value)
    if key == "file" and value and PurePosixPath(value).name:
        return Selector("file", str(PurePosixPath(value)))
    reason = "an account id has 24 hexadecimal digits" if key == "account" and equals else "it has none of the forms"
    raise UsageError(f"--select {text!r} can't be used: {reason}", hint=f"write {SELECTOR_FORMS}")


class Selectable(NamedTuple):
    """What selectors look at."""

    account_id: str
    owner: str | None
    labels: Mapping[str, str]
    file: str


def selectable(account: DeclaredAccount) -> Selectable:
    """What selectors look at of ``account``."""
    return Selectable(account.account_id, account.owner, account.labels, account.source.file)


def selects(selectors: Sequence[Selector], account: Selectable) -> bool:
    """True if any of ``selectors`` takes ``account``, or if there are none."""
    return not selectors or any(_TAKES[selector.kind](selector, account) for selector in selectors)


def _takes_file(selector: Selector, account: Selectable) -> bool:
    # A whole path with * across folders, or its end: north.yaml takes manifests/north.yaml.
    file = account.file
    return fnmatch.fnmatchcase(file, selector.value) or PurePosixPath(file).match(selector.value)


_TAKES: Final[dict[SelectorKind, Callable[[Selector, Selectable], bool]]] = {
    "account": lambda selector, account: account.account_id == selector.value,
    "label": lambda selector, account: account.labels.get(selector.name) == selector.value,
    "owner": lambda selector, account: account.owner == selector.value,
    "file": _takes_file,
}
