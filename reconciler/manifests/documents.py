"""YAML text to plain documents with places, and every finding about the text itself.

This is the only home of PyYAML. Its C parser gives events; what they become is decided here: every scalar
is text, nothing is shared, merged or tagged, and each key and value keeps its place. What a value has to
be is not known here (`reconciler.validation` asks the schema).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, Final, Protocol

from reconciler.diagnostics import Diagnostic, shown
from reconciler.manifests.nodes import Document, ListNode, MappingNode, Node
from reconciler.manifests.text import WRITE_OUT, Mark, Places, place, prepare, syntax_error

#: How deep lists and mappings may be nested.
MAX_DEPTH: Final = 16

#: The plain texts that YAML calls null.
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = frozenset({"true", "false"})
_MERGE: Final = "<<"
# What may be a tag, an anchor or an alias, or a directive.
_UNUSUAL: Final = re.compile(rb"(?:^|[\s,\[\]{}:?-])(?:[&*]\S|!)|^%", re.MULTILINE)

_LEAVE_OUT: Final = "leave the line out if it isn't to be managed; put the word in quotes if the text is meant"


def parse(file: str, data: bytes, report: Callable[[Diagnostic], None], *, first_line: int = 1) -> Iterator[Document]:
    """The documents of ``data`` one after another; findings about the text go to ``report``.

    ``first_line`` is the line of ``file`` that ``data`` begins with.

    A syntax error, a byte that isn't UTF-8, a NUL or too deep a nesting ends the file; nothing is raised.
    """
    prepared = prepare(file, data, first_line)
    if isinstance(prepared, Diagnostic):
        report(prepared)
    else:
        yield from _documents(*prepared, report)


def _documents(data: bytes, places: Places, report: Callable[[Diagnostic], None]) -> Iterator[Document]:
    import yaml
    from yaml import events

    builder = _Builder(places, report)
    take: dict[type[events.Event], Callable[[Any], None]] = {
        events.ScalarEvent: builder.scalar,
        events.MappingStartEvent: builder.mapping,
        events.SequenceStartEvent: builder.sequence,
        events.MappingEndEvent: builder.close,
        events.SequenceEndEvent: builder.close,
        events.AliasEvent: builder.alias,
        events.DocumentStartEvent: builder.begin,
        events.StreamStartEvent: builder.begin,
    }
    try:
        get_event = _parser()(data).get_event
        while True:
            event = get_event()
            kind = type(event)
            if kind in take:
                take[kind](event)
            elif kind is events.DocumentEndEvent:
                document = builder.end()
                if document is not None:
                    yield document
            else:
                return
    except _TooDeep as error:
        message = f"lists and mappings are nested more than {MAX_DEPTH} deep; the rest of the file isn't read"
        report(Diagnostic("nesting-too-deep", message, places.at(error.mark), "a manifest needs four levels"))
    except yaml.YAMLError as error:
        report(syntax_error(error, data, places, builder.innermost))


def composed(data: bytes) -> Iterator[Any]:
    """The root nodes of a text without tags, anchors, aliases and escapes, as PyYAML's C parser composes them.

    Nodes have ``value``, ``style`` ("" for no quotes), ``start_mark`` and ``end_mark``. This is the short way for texts
    with nothing to say about: whatever else it meets, it gives ``None`` once and ends, and the text has to be parsed.
    """
    import yaml

    if not yaml.__with_libyaml__ or _is_unusual(data):
        yield None
        return
    try:
        data.decode("utf-8")
        loader = _composer()(data)
        while loader.check_node():
            yield loader.get_node()
    except (yaml.YAMLError, UnicodeDecodeError):
        yield None


def _is_unusual(data: bytes) -> bool:
    """True for a text that may hold what `composed` gives up on. Single characters are found a hundred times faster."""
    if b"\\" in data or b"\0" in data or data.startswith(b"\xef\xbb\xbf"):
        return True
    return any(sign in data for sign in (b"&", b"*", b"!", b"%")) and _UNUSUAL.search(data) is not None


@cache
def _composer() -> Callable[[bytes], Any]:
    import yaml

    class Composer(yaml.cyaml.CParser):  # type: ignore[name-defined, misc]  # the stubs don't know it
        """Composes nodes without looking for their tags: these three are called for each of them."""

        def resolve(self, kind: object, value: object, implicit: object) -> None:
            """No tag."""

        # Nothing to do, said by two that Python needn't run.
        descend_resolver = operator.is_
        ascend_resolver = tuple

    return Composer


def has_fast_parser() -> bool:
    """True if PyYAML was built with libyaml; without it, manifests are read many times slower."""
    import yaml

    return bool(yaml.__with_libyaml__)


@cache
def _parser() -> Callable[[bytes], Any]:
    import yaml

    return yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


class _Event(Protocol):
    """What is read of the parser's events; ``value`` and ``implicit`` are those of scalars alone."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


class _TooDeep(Exception):
    """Nesting went past `MAX_DEPTH` at ``mark``."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark


class _Builder:
    """Builds one document at a time from events."""

    def __init__(self, places: Places, report: Callable[[Diagnostic], None]) -> None:
        self._places = places
        self._report = report
        self._stack: list[MappingNode | ListNode] = []
        self._top: MappingNode | ListNode | None = None
        self._document: Document | None = None
        self._read_as = other_readings()

    @property
    def innermost(self) -> Mark | None:
        """Where the list or mapping begins that is being read."""
        return None if self._top is None else self._top.at

    def begin(self, event: _Event) -> None:
        """A document starts (or the stream, which changes nothing)."""
        self._document = None

    def end(self) -> Document | None:
        """The document that has ended; ``None`` for one that is empty."""
        document, self._document = self._document, None
        return document

    def scalar(self, event: _Event) -> None:
        """A key or a value that is one text."""
        text, mark, top = event.value, event.start_mark, self._top
        if type(top) is MappingNode and not top.waiting:
            if is_harmless(text) and text not in top and event.anchor is None and event.tag is None:
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

    def mapping(self, event: _Event) -> None:
        """A mapping starts."""
        self._open(event, MappingNode(event.start_mark))

    def sequence(self, event: _Event) -> None:
        """A list starts."""
        self._open(event, ListNode(event.start_mark))

    def close(self, event: _Event) -> None:
        """A list or mapping ends."""
        self._stack.pop()
        self._top = self._stack[-1] if self._stack else None
        if self._top is None and self._document is not None:
            self._document.end = event.end_mark

    def alias(self, event: _Event) -> None:
        """An alias stands where a key or a value is expected."""
        mark = event.start_mark
        self._refuse("alias", f"*{event.anchor} is an alias", mark, WRITE_OUT)
        if type(self._top) is MappingNode and not self._top.waiting:
            self._top.waiting, self._top.pending = True, None
        else:
            self._attach(None, mark)

    def _open(self, event: _Event, node: MappingNode | ListNode) -> None:
        mark, top = event.start_mark, self._top
        if len(self._stack) >= MAX_DEPTH:
            raise _TooDeep(mark)
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

    def _key(self, event: _Event, top: MappingNode, text: str, mark: Mark) -> None:
        top.waiting, top.pending = True, None
        plain = event.implicit[0] and event.tag is None
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        if plain and text in NULLS:
            self._finding("non-text-key", "a key has to be text, not null", mark, "put the key in quotes")
            return
        if plain and text == _MERGE:
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

    def _properties(self, event: _Event) -> None:
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
            self._document.ambiguous.append((mark, text, _READINGS[match.lastgroup or ""]))

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


@lru_cache(maxsize=1024)
def is_harmless(text: str) -> bool:
    """True for a key with nothing to say about, with quotes or without; a fleet has a few dozen of them."""
    if text in NULLS or text == _MERGE or not (text.isascii() and text.isprintable()):
        return False
    read_as = other_readings().get(text[0])
    return read_as is None or read_as(text) is None


#: What YAML 1.1 tools read some plain scalars as, by the tag of it.
_READINGS: Final = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "merge": "a merge key",
    "value": "a default value",
}


@cache
def other_readings() -> dict[str, Callable[[str], re.Match[str] | None]]:
    """By first character: what finds out whether YAML 1.1 tools read a plain scalar as something else than text.

    The group that matched is named by the tag.
    """
    import yaml

    found: dict[str, Callable[[str], re.Match[str] | None]] = {}
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        kinds = {tag.rpartition(":")[2]: pattern for tag, pattern in resolvers}
        parts = [f"(?P<{kind}>{kinds[kind].pattern})" for kind in kinds if kind in _READINGS]
        if parts:
            # One pattern instead of several, tried in their order; PyYAML writes them with spaces.
            found[first] = re.compile("|".join(parts), re.VERBOSE).match
    return found
