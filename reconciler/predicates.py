"""The short way past a JSON schema: a predicate that says *accepted*, or else that the schema has to be asked.

Compiled from the schema itself into nested functions, thirty times as fast as jsonschema on a good value. It never
refuses: whatever it doesn't accept, and every schema with a keyword that it doesn't know, is
`reconciler.validation`'s to judge and to word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from reconciler.schemafiles import load_schema

#: True: the schema accepts this value. False: ask the schema.
Predicate: TypeAlias = Callable[[Any], bool]

#: Keywords that say nothing about values.
_NOTES: Final = frozenset({"$schema", "$id", "title", "description", "examples", "default", "$comment"})
_OF_TEXT: Final = frozenset({"minLength", "maxLength", "pattern", "enum", "const"})
_OF_NOTHING: Final[frozenset[str]] = frozenset()
_OF_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum"})
_OF_LISTS: Final = frozenset({"items", "minItems", "maxItems"})
_OF_MAPPINGS: Final = frozenset(
    {
        *("required", "dependentRequired", "additionalProperties", "properties", "propertyNames", "anyOf"),
        *("minProperties", "maxProperties"),
    }
)
#: Of the keywords above, those that bind values of every type.
_OF_ANYTHING: Final = frozenset({"enum", "const", "anyOf"})
_BY_TYPE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "string": _OF_TEXT,
        "boolean": _OF_NOTHING,
        "integer": _OF_NUMBERS,
        "number": _OF_NUMBERS,
        "array": _OF_LISTS,
        "object": _OF_MAPPINGS,
    }
)

#: What a schema calls by name, so far as it isn't inside it already.
_Definitions: TypeAlias = Mapping[str, Any]
_REFERENCE: Final = "#/$defs/"

_ANY: Final = 10**9
# A pattern that is nothing but a set of characters, up to the very end.
_CHARACTERS: Final = re.compile(r"\^(\[[^\]\\]+\])\*\$\(\?!\\n\)")


@cache
def accepts(name: str) -> Predicate:
    """The predicate of the schema ``name``."""
    return compile_predicate(load_schema(name))


def compile_predicate(schema: object) -> Predicate:
    """The predicate of ``schema``; what it holds that isn't known here accepts nothing."""
    if not isinstance(schema, Mapping):
        return _ask
    return _predicate({key: below for key, below in schema.items() if key != "$defs"}, schema.get("$defs", {}))


def _predicate(schema: object, definitions: _Definitions) -> Predicate:
    """The predicate of ``schema`` or a part of it."""
    if not isinstance(schema, Mapping):
        return _ask
    keywords = schema.keys() - _NOTES
    if keywords == {"$ref"}:
        return _referred(schema["$ref"], definitions)
    kind = schema.get("type")
    if isinstance(kind, list):
        return _one_of(kind, {key: schema[key] for key in keywords - {"type"}}, definitions)
    if not isinstance(kind, str) or not keywords <= _BY_TYPE.get(kind, _OF_NOTHING) | {"type"}:
        return _ask
    if kind == "object":
        return _mapping(schema, definitions)
    if kind == "array":
        return ListPredicate(schema, definitions)
    return _PLAIN[kind](schema) if kind in _PLAIN else _ask


def _referred(name: str, definitions: _Definitions) -> Predicate:
    """The predicate of what is defined under ``name``; what leads back to itself is asked about."""
    key = name.removeprefix(_REFERENCE)
    if key == name or key not in definitions:
        return _ask
    return _predicate(definitions[key], {other: below for other, below in definitions.items() if other != key})


def _one_of(kinds: list[str], schema: Mapping[str, Any], definitions: _Definitions) -> Predicate:
    """Several types; a keyword of one of them says nothing about values of another."""
    of_kinds = {kind: _BY_TYPE.get(kind, _OF_NOTHING) - _OF_ANYTHING for kind in kinds}
    if not schema.keys() <= _OF_NOTHING.union(*of_kinds.values()):
        return _ask
    checks = [
        _predicate({"type": kind} | {key: schema[key] for key in schema.keys() & known}, definitions)
        for kind, known in of_kinds.items()
    ]
    return lambda value: any(check(value) for check in checks)


def _ask(value: Any) -> bool:
    return False


def _anything(value: Any) -> bool:
    return True


def _boolean(schema: Mapping[str, Any]) -> Predicate:
    return lambda value: value is True or value is False


def _number(schema: Mapping[str, Any]) -> Predicate:
    # To a schema 4.0 is an integer, too; it is asked about.
    types = (int,) if schema["type"] == "integer" else (int, float)
    least, most, over = schema.get("minimum", -_ANY), schema.get("maximum", _ANY), schema.get("exclusiveMinimum", -_ANY)
    return lambda value: type(value) in types and least <= value <= most and value > over


def _text(schema: Mapping[str, Any]) -> Predicate:
    if "enum" in schema or "const" in schema:
        choices = schema["enum"] if "enum" in schema else [schema["const"]]
        if len(schema.keys() - _NOTES) > 2 or not all(isinstance(word, str) for word in choices):
            return _ask
        words = frozenset(choices)
        return lambda value: isinstance(value, str) and value in words
    least, most = schema.get("minLength", 0), schema.get("maxLength", _ANY)
    if type(least) is not int or type(most) is not int or least > most:
        return _ask
    if "pattern" not in schema:
        return lambda value: isinstance(value, str) and least <= len(value) <= most
    characters = _CHARACTERS.fullmatch(schema["pattern"])
    if characters is not None:
        # The same in one look: so many of these characters and nothing else.
        match = re.compile(f"{characters[1]}{{{least},{most if most != _ANY else ''}}}").fullmatch
        return lambda value: isinstance(value, str) and match(value) is not None
    # As jsonschema does it: the pattern may match anywhere.
    search = re.compile(schema["pattern"]).search
    if (least, most) == (0, _ANY):
        return lambda value: isinstance(value, str) and search(value) is not None
    return lambda value: isinstance(value, str) and least <= len(value) <= most and search(value) is not None


class ListPredicate:
    """What a list has to be: of a length that ``fits``, and each of its values accepted by ``item``."""

    def __init__(self, schema: Mapping[str, Any], definitions: _Definitions) -> None:
        self._least, self._most = schema.get("minItems", 0), schema.get("maxItems", _ANY)
        self.item: Predicate = _predicate(schema["items"], definitions) if "items" in schema else _anything

    def fits(self, length: int) -> bool:
        """True for a length that such a list may have."""
        return bool(self._least <= length <= self._most)

    def __call__(self, value: Any) -> bool:
        """True if ``value`` is such a list."""
        return isinstance(value, list) and self.fits(len(value)) and all(map(self.item, value))


class MappingPredicate:
    """What a mapping has to be."""

    def __init__(self, schema: Mapping[str, Any], definitions: _Definitions) -> None:
        self._of_keys = _keys(schema)
        self._by_key = {key: _predicate(below, definitions) for key, below in schema.get("properties", {}).items()}
        self._others = _others(schema.get("additionalProperties", True), definitions)
        # A fleet has a few dozen shapes of mappings.
        self._checks = lru_cache(maxsize=1024)(self.checks)

    def checks(self, keys: tuple[Any, ...]) -> tuple[Predicate, ...] | None:
        """What the values of a mapping with these keys have to pass, in their order; ``None``: ask the schema."""
        return tuple(self._by_key.get(key, self._others) for key in keys) if self._of_keys(keys) else None

    def __call__(self, value: Any) -> bool:
        """True if ``value`` is such a mapping."""
        if not isinstance(value, dict):
            return False
        asked = self._checks(tuple(value))
        if asked is None:
            return False
        for check, below in zip(asked, value.values(), strict=True):  # noqa: SIM110 (a call of all() costs more)
            if not check(below):
                return False
        return True


def _mapping(schema: Mapping[str, Any], definitions: _Definitions) -> Predicate:
    if any(not isinstance(branch, Mapping) or branch.keys() != {"required"} for branch in schema.get("anyOf", ())):
        return _ask
    return MappingPredicate(schema, definitions)


def _keys(schema: Mapping[str, Any]) -> Predicate:
    """What can be said of a mapping by its keys."""
    required = frozenset(schema.get("required", ()))
    dependent = [(key, frozenset(needed)) for key, needed in schema.get("dependentRequired", {}).items()]
    choices = [frozenset(branch["required"]) for branch in schema.get("anyOf", ())]
    names = _names(schema.get("propertyNames"))
    least, most = schema.get("minProperties", 0), schema.get("maxProperties", _ANY)

    def keys(value: Any) -> bool:
        there = frozenset(value)
        return (
            required <= there
            and least <= len(there) <= most
            and all(needed <= there for key, needed in dependent if key in there)
            and (not choices or any(choice <= there for choice in choices))
            and (names is None or all(map(names, value)))
        )

    return keys


def _others(schema: object, definitions: _Definitions) -> Predicate:
    """What a key that isn't among the properties may hold."""
    if isinstance(schema, bool):
        return _anything if schema else _ask
    return _predicate(schema, definitions)


def _names(schema: object) -> Predicate | None:
    """What a key may be; keys are text already."""
    if schema is None:
        return None
    return compile_predicate({"type": "string", **schema}) if isinstance(schema, Mapping) else _ask


#: What makes the predicates of values that hold no others.
_PLAIN: Final[Mapping[str, Callable[[Mapping[str, Any]], Predicate]]] = MappingProxyType(
    {"string": _text, "boolean": _boolean, "integer": _number, "number": _number}
)
