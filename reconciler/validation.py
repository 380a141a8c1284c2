"""Holds values against the JSON schemas, and says in plain words what doesn't fit and where.

This is the only home of jsonschema (Draft 2020-12), which has the last word on every value; its own
messages are never shown. A finding's text continues its place: ``accounts[3].account_id`` + ``must be text``.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from reconciler.diagnostics import shown
from reconciler.schemafiles import load_schema

if TYPE_CHECKING:
    from jsonschema import ValidationError

#: Keys and list indexes (from 0) that lead to a value.
Path: TypeAlias = tuple[str | int, ...]

#: Of several findings on one value, the first of these is told.
_BY_WEIGHT: Final = ("wrong-type", "bad-pattern", "unknown-word", "bad-length")

_TYPES: Final = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}
_TYPE_HINTS: Final = {
    "string": "write one text; put it in quotes if it holds ': '",
    "object": "write it as lines of the form name: value",
    "array": "write each item on a line that starts with '- ', or [] for none",
    "boolean": "write true or false, small and without quotes",
}
# A pattern that is nothing but a set of characters; $ would let a line break pass, so (?!\n) may stand after it.
_CHARACTERS: Final = re.compile(r"\^\[[^\]]+\][*]\$(?:\(\?!\\n\))?")
# A nearest key is looked for in this many unknown keys of one value; a file of nothing else costs no minutes.
_GUESSES: Final = 50
_LONGEST_GUESS: Final = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doesn't fit: ``text`` goes on from the last part of ``path``.

    ``of_key`` is true if the key that ends the path is meant, not its value; ``absent`` if that key is missing.
    """

    rule: str
    path: Path
    text: str
    hint: str | None = None
    of_key: bool = False
    absent: bool = False


def findings(name: str, instance: object) -> list[Finding]:
    """Everything in ``instance`` that the schema ``name`` refuses, one finding a place, in the schema's order."""
    return list(_one_a_place(_translated(_validator(name), instance)))


def check_instance(name: str, instance: object) -> list[tuple[Path, str]]:
    """The places in ``instance`` that the schema ``name`` refuses, each with the words that go on from it."""
    return [(finding.path, _text_alone(finding)) for finding in findings(name, instance)]


def schema_errors(name: str, instance: object, limit: int = 50) -> list[str]:
    """What the schema ``name`` refuses, one line each: ``accounts[3].user_products[0].state: must be text``.

    After ``limit`` lines the search ends with the line ``… and more``.
    """
    found = _one_a_place(_translated(_validator(name), instance))
    lines = [f"{path_text(finding.path)}: {_text_alone(finding)}" for finding in islice(found, limit + 1)]
    return lines if len(lines) <= limit else [*lines[:limit], "… and more"]


def _text_alone(finding: Finding) -> str:
    """The text with its guess, for where hints aren't shown."""
    guess = finding.hint if finding.hint is not None and finding.hint.startswith("did you mean") else None
    return finding.text if guess is None else f"{finding.text}; {guess}"


def path_text(path: Iterable[str | int]) -> str:
    """A path for people: ``accounts[3].labels["a b"]``; the whole value is ``(top)``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch("[A-Za-z_][A-Za-z0-9_-]{0,99}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part[:60])}]"
    return text or "(top)"


@cache
def boolean_paths(name: str) -> frozenset[Path]:
    """The places that the schema ``name`` calls boolean; ``*`` stands for every item of a list."""
    return frozenset(_boolean_paths(load_schema(name), ()))


def _boolean_paths(schema: Mapping[str, Any], path: Path) -> Iterator[Path]:
    if schema.get("type") == "boolean":
        yield path
    for key, below in schema.get("properties", {}).items():
        yield from _boolean_paths(below, (*path, key))
    if isinstance(schema.get("items"), dict):
        yield from _boolean_paths(schema["items"], (*path, "*"))


@cache
def _validator(name: str) -> Callable[[object], Iterator[ValidationError]]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # An empty registry: a reference to another document is an error, never a request.
    return Draft202012Validator(load_schema(name), registry=Registry()).iter_errors


def _translated(iter_errors: Callable[[object], Iterator[ValidationError]], instance: object) -> Iterator[Finding]:
    guesses = iter(range(_GUESSES))
    # jsonschema reports each missing key by itself, but doesn't say which one it is.
    whole: set[tuple[Path, str]] = set()
    for error in iter_errors(instance):
        keyword = str(error.validator)
        if keyword in ("required", "dependentRequired"):
            place = (tuple(error.absolute_path), keyword)
            if place in whole:
                continue
            whole.add(place)
        yield from _translate(error, guesses)


def _one_a_place(found: Iterator[Finding]) -> Iterator[Finding]:
    """The same findings, but only the weightiest of those on one value; jsonschema gives a value's in a row."""
    held: Finding | None = None
    for finding in found:
        if (
            held is not None
            and finding.rule in _BY_WEIGHT
            and (held.path, held.of_key) == (finding.path, finding.of_key)
        ):
            held = min(held, finding, key=lambda each: _BY_WEIGHT.index(each.rule))
            continue
        if held is not None:
            yield held
            held = None
        if finding.rule in _BY_WEIGHT:
            held = finding
        else:
            yield finding
    if held is not None:
        yield held


def _translate(error: ValidationError, guesses: Iterator[int]) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    keyword = str(error.validator)
    asked: Any = error.validator_value
    value: Any = error.instance
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if keyword == "required":
        for key in asked:
            if key not in value:
                yield Finding("missing-key", (*path, key), "is missing", _said(schema, key), absent=True)
    elif keyword == "dependentRequired":
        yield from _dependent(path, asked, value, schema)
    elif keyword == "additionalProperties" and asked is False:
        yield from _unknown_keys(path, schema, value, guesses)
    elif "propertyNames" in error.absolute_schema_path:
        yield replace(_of_value((*path, value), keyword, asked, value, schema), of_key=True)
    elif keyword in ("anyOf", "oneOf"):
        yield from _alternatives(error, path, guesses)
    else:
        yield _of_value(path, keyword, asked, value, schema)


def _of_value(path: Path, keyword: str, asked: Any, value: Any, schema: Mapping[str, Any]) -> Finding:
    if keyword == "type":
        types = [asked] if isinstance(asked, str) else list(asked)
        text = "must be " + " or ".join(_TYPES.get(kind, kind) for kind in types)
        return Finding("wrong-type", path, text, _TYPE_HINTS.get(types[0]))
    if keyword in ("enum", "const"):
        return _unknown_word(path, asked if keyword == "enum" else [asked], value)
    if keyword == "pattern":
        return Finding("bad-pattern", path, _bad_character(asked, value), _said(schema))
    if keyword in ("minLength", "maxLength"):
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        text = f"has {_count(len(value), 'character')}, but must have {_range(low, high)}"
        return Finding("bad-length", path, text, _said(schema))
    if keyword in ("minItems", "maxItems", "minProperties", "maxProperties"):
        noun = "item" if keyword.endswith("Items") else "key"
        low, high = schema.get(f"min{keyword[3:]}", 0), schema.get(f"max{keyword[3:]}")
        return Finding("bad-length", path, f"has {_count(len(value), noun)}, but must have {_range(low, high)}")
    bounds = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
    }
    if keyword in bounds:
        return Finding("wrong-type", path, f"must be {bounds[keyword]} {asked}")
    if keyword == "uniqueItems":
        return Finding("wrong-type", path, "holds the same item twice")
    return Finding("wrong-type", path, "isn't of a form that is allowed here", _said(schema))


def _unknown_word(path: Path, words: list[Any], value: Any) -> Finding:
    allowed = " or ".join(str(word) if isinstance(word, str) else json.dumps(word) for word in words)
    shown_value = shown(value) if isinstance(value, str) else "this"
    near = _nearest(value, [word for word in words if isinstance(word, str)]) if isinstance(value, str) else None
    hint = f"did you mean {near}?" if near is not None and len(words) > 1 else f"write {allowed}"
    return Finding("unknown-word", path, f"can't be {shown_value}; it must be {allowed}", hint)


def _bad_character(pattern: str, value: str) -> str:
    """What is wrong with a text; if the pattern is a set of characters, the first one that isn't in it."""
    if _CHARACTERS.fullmatch(pattern):
        index, character = next(
            (index, character) for index, character in enumerate(value) if re.search(pattern, character) is None
        )
        what = {"\n": "a line break", " ": "a space", "\t": "a tab"}.get(character) or shown(character)
        return f"has {what} as character {index + 1} of {shown(value)}, which isn't allowed here"
    return f"can't be {shown(value)}: it hasn't the form that is needed here"


def _dependent(path: Path, asked: Mapping[str, list[str]], value: Any, schema: Mapping[str, Any]) -> Iterator[Finding]:
    beside: dict[str, list[str]] = {}
    for key, needed in asked.items():
        for other in needed if key in value else ():
            if other not in value:
                beside.setdefault(other, []).append(key)
    for other, keys in beside.items():
        text = f"is missing; it is needed beside {' and '.join(keys)}"
        yield Finding("missing-key", (*path, other), text, _said(schema, other), absent=True)


def _unknown_keys(path: Path, schema: Mapping[str, Any], value: Any, guesses: Iterator[int]) -> Iterator[Finding]:
    known = list(schema.get("properties", {}))
    for key in value:
        if key in known:
            continue
        near = _nearest(key, known) if next(guesses, None) is not None else None
        hint = f"did you mean {near}?" if near is not None else f"the keys here are {', '.join(known)}"
        yield Finding("unknown-key", (*path, key), "is an unknown key", hint, of_key=True)


def _alternatives(error: ValidationError, path: Path, guesses: Iterator[int]) -> Iterator[Finding]:
    branches: Any = error.validator_value
    if all(list(branch) == ["required"] for branch in branches):
        keys = [" and ".join(branch["required"]) for branch in branches]
        yield Finding("missing-key", path, f"needs {' or '.join(keys)}")
        return
    # The branch that the value came closest to: the one whose first error lies deepest.
    deepest = max(error.context or (), key=lambda each: len(each.absolute_path), default=None)
    if deepest is None or len(deepest.absolute_path) <= len(path):
        yield Finding("wrong-type", path, "isn't of a form that is allowed here", _said(error.schema))
    else:
        yield from _translate(deepest, guesses)


def _nearest(word: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(word[:_LONGEST_GUESS], known, n=1)
    if not near:
        near = [each for each in known if each.lower() == word.lower()]
    return near[0] if near else None


def _said(schema: object, key: str | None = None) -> str | None:
    """The first sentence of a schema's description (or of that of its property ``key``)."""
    if isinstance(schema, dict) and key is not None:
        schema = schema.get("properties", {}).get(key)
    said = schema.get("description") if isinstance(schema, dict) else None
    return said.partition(". ")[0].rstrip(".") if isinstance(said, str) else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    if low == high:
        return str(low)
    return f"at most {high}" if low == 0 else f"{low} to {high}"
