"""Manifests to desired state: every account that is declared, and every finding, at once.

Files are read one after another in the order of their names; what two documents can't both hold is
checked across all of them. `--select` narrows accounts here too.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final, Literal, TypeAlias

from reconciler import canonical
from reconciler.diagnostics import Diagnostic, Position, Severity, sort_key
from reconciler.errors import UsageError
from reconciler.instants import Minute
from reconciler.manifests.declaration import Claim, Declaration, declare
from reconciler.manifests.documents import parse
from reconciler.manifests.files import find_manifests, read_manifest
from reconciler.model import DeclaredAccount

SELECTOR_FORMS: Final = "account=ID, label.NAME=VALUE, owner=TEXT or file=GLOB"


@dataclass(frozen=True, slots=True)
class Desired:
    """What the manifests say. ``accounts`` are sorted by id, ``diagnostics`` by place; ``files`` were read.

    With any error in ``diagnostics`` the accounts are incomplete and only good for looking at.
    """

    accounts: tuple[DeclaredAccount, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: int

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that refuse the manifests."""
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.is_error)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The findings that only warn."""
        return tuple(diagnostic for diagnostic in self.diagnostics if not diagnostic.is_error)


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file by itself, whatever the time is."""

    declarations: tuple[Declaration, ...]
    diagnostics: tuple[Diagnostic, ...]


def load_desired(paths: Sequence[str], *, now: Minute, stdin: BinaryIO | None = None) -> Desired:
    """The desired state under ``paths`` (``-`` is ``stdin``), with warnings as of ``now``.

    Findings come back as diagnostics. Raises `reconciler.errors.InvalidInput` if a path doesn't exist or
    no manifest is found.
    """
    found = find_manifests(paths)
    gathered = _Gathered(now, list(found.diagnostics))
    files = 0
    for file in found.files:
        data = read_manifest(file, stdin)
        if isinstance(data, Diagnostic):
            gathered.diagnostics.append(data)
        else:
            gathered.add(load_file(file.name, data))
            files += 1
    return Desired(
        accounts=tuple(sorted(gathered.accounts.values(), key=lambda account: account.account_id)),
        diagnostics=tuple(sorted(gathered.diagnostics, key=sort_key)),
        files=files,
    )


def load_file(name: str, data: bytes) -> FileOutcome:
    """What the file ``name`` with the bytes ``data`` declares: the same bytes always give the same outcome."""
    diagnostics: list[Diagnostic] = []
    declarations = tuple(declare(document) for document in parse(name, data, diagnostics.append))
    return FileOutcome(declarations, tuple(diagnostics))


def digest(accounts: Iterable[DeclaredAccount]) -> str:
    """One digest of what is declared, wherever it is written: files, order and comments don't matter."""
    ordered = sorted(accounts, key=lambda account: account.account_id)
    return canonical.digest([account.to_json() for account in ordered])


class _Gathered:
    """What was gathered of the files so far. The first place of a claim is kept, each later one is a finding."""

    def __init__(self, now: Minute, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = diagnostics
        self.accounts: dict[str, DeclaredAccount] = {}
        self._now = now
        self._claims: dict[tuple[str, str], Claim] = {}

    def add(self, outcome: FileOutcome) -> None:
        """Take one more file."""
        self.diagnostics.extend(outcome.diagnostics)
        for declaration in outcome.declarations:
            self.diagnostics.extend(declaration.diagnostics)
            for claim in declaration.claims:
                self._claim(claim)
            for ending in declaration.endings:
                if ending.minute <= self._now:
                    message = f"this product is activated, but its window ended at {ending.text}"
                    hint = "set a later valid_to, or state: deactivated"
                    self._warn("window-over", message, ending.position, hint)
            account = declaration.account
            if account is not None:
                self.accounts.setdefault(account.account_id, account)

    def _claim(self, claim: Claim) -> None:
        first = self._claims.setdefault((claim.kind, claim.value), claim)
        if first is claim:
            return
        if claim.kind == "customer_number" and claim.account is not None and claim.account == first.account:
            return  # one account in two documents, which is told
        rule, message, hint = _DUPLICATES[claim.kind]
        severity = Severity.WARNING if claim.kind == "subscription_number" else Severity.ERROR
        text = message.format(claim.value)
        self.diagnostics.append(Diagnostic(rule, text, claim.position, hint, first.position, severity))

    def _warn(self, rule: str, message: str, position: Position, hint: str) -> None:
        self.diagnostics.append(Diagnostic(rule, message, position, hint, severity=Severity.WARNING))


_DUPLICATES: Final = {
    "account": ("duplicate-account", "the account {} is declared twice", "bring both documents into one"),
    "customer_number": (
        "duplicate-customer-number",
        "the customer_number {} stands on two accounts",
        "check which account it belongs to",
    ),
    "user_product": (
        "duplicate-user-product",
        "the user_product_id {} stands in two places",
        "check which account and product it belongs to",
    ),
    "subscription_number": (
        "duplicate-subscription-number",
        "the subscription_number {} stands on two products",
        "check that both products belong to one subscription",
    ),
}


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


def selects(selectors: Sequence[Selector], account: DeclaredAccount) -> bool:
    """True if any of ``selectors`` takes ``account``, or if there are none."""
    return not selectors or any(_TAKES[selector.kind](selector, account) for selector in selectors)


def _takes_file(selector: Selector, account: DeclaredAccount) -> bool:
    # A whole path with * across folders, or its end: north.yaml takes manifests/north.yaml.
    file = account.source.file
    return fnmatch.fnmatchcase(file, selector.value) or PurePosixPath(file).match(selector.value)


_TAKES: Final[dict[SelectorKind, Callable[[Selector, DeclaredAccount], bool]]] = {
    "account": lambda selector, account: account.account_id == selector.value,
    "label": lambda selector, account: account.labels.get(selector.name) == selector.value,
    "owner": lambda selector, account: account.owner == selector.value,
    "file": _takes_file,
}
