"""Builds documents from the events of a YAML parser, and says what is wrong with the text on the way.

Every scalar is text, nothing is shared, merged or tagged, and each key and value keeps its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from reconciler.diagnostics import Diagnostic, shown
from reconciler.manifests.nodes import Document, ListNode, MappingNode, Node
from reconciler.manifests.text import WRITE_OUT, Mark, Places, place

#: How deep lists and mappings may be nested.
MAX_DEPTH: Final = 16
#: The plain texts that YAML calls null.
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = frozenset({"true", "false"})
MERGE: Final = "<<"
_LEAVE_OUT: Final = "leave the line out if it isn't to be managed; put the word in quotes if the text is meant"

#: What YAML 1.1 tools read some plain scalars as, by the tag of it.
READINGS: Final = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a merge key",
    "value": "a default value",
}


class Readings(NamedTuple):
    """What YAML 1.1 tools read as something else than text.

    ``by_first`` finds it out for plain scalars, by their first character; the group that matched is one of `READINGS`.
    ``is_harmless`` is true for a key with nothing to say about, with quotes or without.
    """

    by_first: Mapping[str, Callable[[str], re.Match[str] | None]]
    is_harmless: Callable[[str], bool]


class Event(Protocol):
    """What is read of the parser's events; ``value`` and ``implicit`` are those of scalars alone."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


class TooDeep(Exception):
    """Nesting went past `MAX_DEPTH` at ``mark``."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark


class Builder:
    """Builds one document at a time from events."""

    def __init__(self, places: Places, report: Callable[[Diagnostic], None], readings: Readings) -> None:
        self._places = places
        self._report = report
        self._is_harmless = readings.is_harmless
        self._stack: list[MappingNode | ListNode] = []
        self._top: MappingNode | ListNode | None = None
        self._document: Document | None = None
        self._read_as = readings.by_first

    @property
    def innermost(self) -> Mark | None:
        """Where the list or mapping begins that is being read."""
        return None if self._top is None else self._top.at

    def begin(self, event: Event) -> None:
        """A document starts (or the stream, which changes nothing)."""
        self._document = None

    def end(self) -> Document | None:
        """The document that has ended; ``None`` for one that is empty."""
        document, self._document = self._document, None
        return document

    def scalar(self, event: Event) -> None:
        """A key or a value that is one text."""
        text, mark, top = event.value, event.start_mark, self._top
        if type(top) is MappingNode and not top.waiting:
            if self._is_harmless(text) and text not in top and event.anchor is None and event.tag is None:
                top.waiting, top.pending, top.key_at = True, text, mark
            else:
                self._key(event, top, text, mark)
            return
        # A text without quotes; that with a tag counts as refused.
        plain = event.implicit[0] and event.tag is None
        document = self._document
        if document is None:
            if plain and not text and event.anchor is None:
                return
            document = self._document = self._begun(mark)
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        value: Node = text
        if plain:
            if text in NULLS:
                self._null(text, mark)
                value = None
            elif text[0] in self._read_as:
                self._ambiguous(text, mark)
        elif text in _BOOLEANS:
            document.quoted.add(place(mark))
        elif "\0" in text or not text.isascii():
            self._characters(text, mark)
        self._attach(value, mark)

    def mapping(self, event: Event) -> None:
        """A mapping starts."""
        self._open(event, MappingNode(event.start_mark))

    def sequence(self, event: Event) -> None:
        """A list starts."""
        self._open(event, ListNode(event.start_mark))

    def close(self, event: Event) -> None:
        """A list or mapping ends."""
        self._stack.pop()
        self._top = self._stack[-1] if self._stack else None
        if self._top is None and self._document is not None:
            self._document.end = event.end_mark

    def alias(self, event: Event) -> None:
        """An alias stands where a key or a value is expected."""
        mark = event.start_mark
        self._refuse("alias", f"*{event.anchor} is an alias", mark, WRITE_OUT)
        if type(self._top) is MappingNode and not self._top.waiting:
            self._top.waiting, self._top.pending = True, None
        else:
            self._attach(None, mark)

    def _open(self, event: Event, node: MappingNode | ListNode) -> None:
        mark, top = event.start_mark, self._top
        if len(self._stack) >= MAX_DEPTH:
            raise TooDeep(mark)
        if self._document is None:
            self._document = self._begun(mark)
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        if type(top) is MappingNode and not top.waiting:
            self._finding("non-text-key", "a key has to be text, not a list or mapping", mark, "write one word")
            top.waiting, top.pending = True, None
        else:
            self._attach(node, mark)
        self._stack.append(node)
        self._top = node

    def _begun(self, mark: Mark) -> Document:
        return Document(self._places, mark, mark)

    def _attach(self, value: Node, mark: Mark) -> None:
        top = self._top
        if type(top) is MappingNode:
            top.waiting = False
            if top.pending is not None:
                top[top.pending] = value
                top.marks += (top.key_at, mark)
        elif type(top) is ListNode:
            top.append(value)
            top.marks.append(mark)
        else:
            if self._document is None:
                self._document = self._begun(mark)
                self._document.refused.add(place(mark))
                self._document.sound = False
            self._document.root = value

    def _key(self, event: Event, top: MappingNode, text: str, mark: Mark) -> None:
        top.waiting, top.pending = True, None
        plain = event.implicit[0] and event.tag is None
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        if plain and text in NULLS:
            self._finding("non-text-key", "a key has to be text, not null", mark, "put the key in quotes")
            return
        if plain and text == MERGE:
            self._finding("merge-key", "<< would merge another mapping in here", mark, WRITE_OUT)
            return
        if text in top:
            message = f"the key {shown(text)} stands twice in this mapping"
            self._finding("duplicate-key", message, mark, "keep one of the two", top.key_marks[text])
            return
        if plain:
            if text[0] in self._read_as:
                self._ambiguous(text, mark)
        elif "\0" in text or not text.isascii():
            self._characters(text, mark)
        top.pending, top.key_at = text, mark

    def _properties(self, event: Event) -> None:
        mark = event.start_mark
        if event.anchor is not None:
            self._refuse("anchor", f"&{event.anchor} is an anchor", mark, "take the anchor away")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._refuse("tag", f"the tag {shown(str(tag))} stands before this value", mark, "take the tag away")

    def _null(self, text: str, mark: Mark) -> None:
        if self._top is None:
            self._refuse("empty-document", "this document is only null", mark, "take it away, or declare an account")
            return
        what = f"{text} is null, which no field can be" if text else "there is no value here, which means null"
        self._refuse("null-value", what, mark, _LEAVE_OUT)

    def _ambiguous(self, text: str, mark: Mark) -> None:
        assert self._document is not None
        match = self._read_as[text[0]](text)
        if match is not None:
            self._document.ambiguous.append((mark, text, READINGS[match.lastgroup or ""]))

    def _characters(self, text: str, mark: Mark) -> None:
        """Characters that an escape can bring into quotes, and that no text here may hold."""
        if "\0" in text:
            self._refuse("nul-character", "this text holds a NUL character", mark, "take the escape \\0 away")
        elif any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse("bad-yaml", "an escape here is half a character", mark, "write the character itself")

    def _refuse(self, rule: str, message: str, mark: Mark, hint: str) -> None:
        if self._document is not None:
            self._document.refused.add(place(mark))
        self._finding(rule, message, mark, hint)

    def _finding(self, rule: str, message: str, mark: Mark, hint: str, first: Mark | None = None) -> None:
        if self._document is not None:
            self._document.sound = False
        related = None if first is None else self._places.at(first)
        self._report(Diagnostic(rule, message, self._places.at(mark), hint, related))
