"""Manifests to desired state: every account that is declared, and every finding, at once.

Files are read one after another in the order of their names; what two documents can't both hold is
checked across all of them. This is the plain way, all in memory; `reconciler.manifests.fleet` comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from reconciler.diagnostics import Diagnostic, sort_key
from reconciler.instants import Minute
from reconciler.manifests.declaration import Claim, Declaration, declare, window_over
from reconciler.manifests.documents import parse
from reconciler.manifests.facts import digest_of, facts_of
from reconciler.manifests.files import read_manifest
from reconciler.manifests.fleetdigest import FleetDigest
from reconciler.manifests.uniqueness import duplicates
from reconciler.manifests.walk import find_manifests
from reconciler.model import DeclaredAccount


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
    gathered.diagnostics.extend(duplicates(gathered.claims))
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
    found = FleetDigest()
    for account in sorted(accounts, key=lambda account: account.account_id):
        found.add(account.account_id, digest_of(account.account_id, facts_of(account)))
    return found.value()


class _Gathered:
    """What was gathered of the files so far."""

    def __init__(self, now: Minute, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = diagnostics
        self.accounts: dict[str, DeclaredAccount] = {}
        self._now = now
        self.claims: list[Claim] = []

    def add(self, outcome: FileOutcome) -> None:
        """Take one more file."""
        self.diagnostics.extend(outcome.diagnostics)
        for declaration in outcome.declarations:
            self.diagnostics.extend(declaration.diagnostics)
            self.claims.extend(declaration.claims)
            for ending in declaration.endings:
                if ending.minute <= self._now:
                    self.diagnostics.append(window_over(ending.text, ending.position))
            account = declaration.account
            if account is not None:
                self.accounts.setdefault(account.account_id, account)
