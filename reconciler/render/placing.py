"""Findings as forges want them: named from the top of the repository, and each with a fingerprint of its own.

Editors want paths from the working folder; GitHub and GitLab look them up in the repository, wherever in it
the command was run.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from reconciler import canonical
from reconciler.diagnostics import Diagnostic, Position, sort_key
from reconciler.manifests.files import STDIN_NAME
from reconciler.render.escape import visible

#: Hex digits of a fingerprint: 128 bits are enough to tell any number of findings apart.
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Base:
    """``top`` is the folder that paths shall start from, ``here`` the one that they start from now; both absolute."""

    top: str
    here: str

    def path(self, file: str) -> str:
        """``file`` from the top; absolute if it lies elsewhere, and standard input keeps its name."""
        if file == STDIN_NAME:
            return file
        whole = posixpath.normpath(posixpath.join(self.here, file))
        inside = self.top.rstrip("/") + "/"
        return whole.removeprefix(inside) if whole.startswith(inside) else whole


def rebased(diagnostics: Iterable[Diagnostic], base: Base) -> Iterator[Diagnostic]:
    """The same findings with paths from the top of ``base``."""

    def moved(position: Position) -> Position:
        return replace(position, file=base.path(position.file))

    for one in diagnostics:
        related = moved(one.related) if one.related is not None else None
        yield replace(one, position=moved(one.position), related=related)


@dataclass(frozen=True, slots=True)
class Identified:
    """A finding and what it is recognised by when lines move.

    ``nth`` counts those of one file that have the same rule and message, from 1 and by place; ``fingerprint`` is the
    same in any two runs in which file, rule, message and ``nth`` are.
    """

    diagnostic: Diagnostic
    nth: int
    fingerprint: str


def identified(diagnostics: Iterable[Diagnostic]) -> list[Identified]:
    """All findings by place, each with its fingerprint; no two have the same."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for one in sorted(diagnostics, key=sort_key):
        key = (one.position.file, one.rule, visible(one.message))
        seen[key] += 1
        text = canonical.dumps([*key, seen[key]])
        found.append(Identified(one, seen[key], hashlib.sha256(text.encode("ascii")).hexdigest()[:_DIGITS]))
    return found
