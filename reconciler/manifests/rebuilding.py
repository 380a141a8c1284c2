"""From a row back to the whole account: the document that it was made of is read again."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic
from reconciler.manifests.declaration import declare
from reconciler.manifests.documents import composed, parse
from reconciler.manifests.facts import Row, digest_of, facts_of
from reconciler.manifests.files import ManifestFile, changed_meanwhile, read_part
from reconciler.manifests.quickrows import quick_account
from reconciler.model import DeclaredAccount


def account_at(file: ManifestFile, row: Row) -> DeclaredAccount:
    """The account of ``row`` in ``file``, which has a path. Raises `ChangedMeanwhile` if it isn't there any more."""
    data = read_part(file, row.offset, row.length)
    if isinstance(data, Diagnostic):
        raise changed_meanwhile(file.name)
    return rebuild(file.name, data, row)


def part_of(data: bytes, row: Row) -> bytes:
    """The document of ``row`` in its file, or the whole file if it has to be looked for."""
    return data[row.offset : row.offset + row.length] if row.length else data


def rebuild(name: str, part: bytes, row: Row) -> DeclaredAccount:
    """The account that ``row`` was made of; ``part`` is the `part_of` its file.

    Raises `ChangedMeanwhile` if the file holds another one there by now.
    """
    root = next(composed(part), None) if row.length else None
    account = quick_account(root, row, name) if root is not None else None
    if account is not None:
        return account
    try:
        for document in parse(name, part, _ignore, first_line=row.line if row.length else 1):
            account = declare(document).account
            if account is not None and digest_of(account.account_id, facts_of(account)) == row.digest:
                return account
    except UnicodeError:
        pass  # cut in the middle of a character
    raise changed_meanwhile(name)


def _ignore(diagnostic: Diagnostic) -> None:
    """Findings were told when the file was read first."""
