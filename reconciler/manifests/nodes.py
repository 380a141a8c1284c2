"""A document as it was written: text, mappings and lists, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.manifests.text import Mark, Place, Places


class MappingNode(dict[str, "Node"]):
    """A mapping with the place of each key and value. A refused value stands in it as ``None``."""

    __slots__ = ("at", "key_at", "marks", "pending", "waiting")

    def __init__(self, at: Mark) -> None:
        super().__init__()
        self.at = at
        # The places of the first key and value, then of the second, and so on.
        self.marks: list[Mark] = []
        # While it is built: whether a value comes next, for which key (None: it isn't kept) and where that stands.
        self.waiting = False
        self.pending: str | None = None
        self.key_at: Mark = at

    @property
    def key_marks(self) -> dict[str, Mark]:
        """Where each key stands."""
        return dict(zip(self, self.marks[0::2], strict=True))

    @property
    def value_marks(self) -> dict[str, Mark]:
        """Where each value stands."""
        return dict(zip(self, self.marks[1::2], strict=True))


class ListNode(list["Node"]):
    """A list with the place of each item. A refused item stands in it as ``None``."""

    __slots__ = ("at", "marks")

    def __init__(self, at: Mark) -> None:
        super().__init__()
        self.at = at
        self.marks: list[Mark] = []


Node: TypeAlias = "MappingNode | ListNode | str | bool | None"


@dataclass(slots=True, eq=False)
class Document:
    """One YAML document that isn't empty; ``sound`` if its text has no error.

    ``at`` and ``end`` are where its root begins and ends. ``refused`` are the places of values that already have a
    finding, ``quoted`` those of a quoted ``true`` or ``false``, ``ambiguous`` the plain scalars that YAML 1.1 tools
    read as something else than text.
    """

    places: Places
    at: Mark
    end: Mark
    root: Node = None
    sound: bool = True
    refused: set[Place] = field(default_factory=set)
    quoted: set[Place] = field(default_factory=set)
    ambiguous: list[tuple[Mark, str, str]] = field(default_factory=list)
