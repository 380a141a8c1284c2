"""YAML text to plain documents with places, and every finding about the text itself.

This is the only home of PyYAML. Its C parser gives events; what they become is decided here: every scalar
is text, nothing is shared, merged or tagged, and each key and value keeps its place. What a value has to
be is not known here (`reconciler.validation` asks the schema).
"""

from __future__ import annotations

import codecs
import operator
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, Final

from reconciler.diagnostics import Diagnostic
from reconciler.manifests.building import MAX_DEPTH, MERGE, NULLS, READINGS, Builder, Readings, TooDeep
from reconciler.manifests.nodes import Document
from reconciler.manifests.text import Places, prepare, syntax_error

# What may be a tag, an anchor or an alias, or a directive. YAML breaks lines at some characters of several bytes, too.
_UNUSUAL: Final = re.compile(rb"(?:^|[\s,\[\]{}:?\x80-\xff-])(?:[&*]\S|!)|(?:^|[\r\x80-\xff])%", re.MULTILINE)


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

    builder = Builder(places, report, Readings(other_readings(), is_harmless))
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
    except TooDeep as error:
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
    if b"\\" in data or b"\0" in data or codecs.BOM_UTF8 in data:
        return True
    signed = b"&" in data or b"*" in data or b"!" in data or b"%" in data
    return signed and _UNUSUAL.search(data) is not None


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


def parser_version() -> str:
    """What tells one parser from another."""
    import yaml

    return f"{yaml.__version__} {yaml.__with_libyaml__}"


@cache
def _parser() -> Callable[[bytes], Any]:
    import yaml

    return yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


@lru_cache(maxsize=1024)
def is_harmless(text: str) -> bool:
    """True for a key with nothing to say about, with quotes or without; a fleet has a few dozen of them."""
    if text in NULLS or text == MERGE or not (text.isascii() and text.isprintable()):
        return False
    read_as = other_readings().get(text[0])
    return read_as is None or read_as(text) is None


@cache
def other_readings() -> dict[str, Callable[[str], re.Match[str] | None]]:
    """By first character: what finds out whether YAML 1.1 tools read a plain scalar as something else than text.

    The group that matched is named by the tag.
    """
    import yaml

    found: dict[str, Callable[[str], re.Match[str] | None]] = {}
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
        kinds = {tag.rpartition(":")[2]: pattern for tag, pattern in resolvers}
        parts = [f"(?P<{kind}>{kinds[kind].pattern})" for kind in kinds if kind in READINGS]
        if parts:
            # One pattern instead of several, tried in their order; PyYAML writes them with spaces.
            found[first] = re.compile("|".join(parts), re.VERBOSE).match
    return found
