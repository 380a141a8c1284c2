"""Findings about input, as values: where (file, line, column), which rule, what is wrong, how to mend it.

Rule ids are kebab case and stable: people put them into filters. `RULES` is the closed list of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reconciler.rules import RULES


class Severity(Enum):
    """An error refuses the input; a warning doesn't (unless ``--strict``)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file: ``line`` and ``column`` count from 1, columns in characters."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. ``hint`` says how to mend it; ``related`` is the other place of a duplicate."""

    rule: str
    message: str
    position: Position
    hint: str | None = None
    related: Position | None = None
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"no such rule: {self.rule}")

    @property
    def is_error(self) -> bool:
        """True if this finding refuses the input."""
        return self.severity is Severity.ERROR


def sort_key(diagnostic: Diagnostic) -> tuple[Position, str, str]:
    """The order in which findings are shown: by place, then rule."""
    return (diagnostic.position, diagnostic.rule, diagnostic.message)


def shown(text: str, limit: int = 60) -> str:
    """``text`` in quotes, escaped and cut, for a message."""
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "…"
