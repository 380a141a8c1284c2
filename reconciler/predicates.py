"""The short way past a JSON schema: a predicate that says *accepted*, or else that the schema has to be asked.

Compiled from the schema itself into nested functions, thirty times as fast as jsonschema on a good value. It never
refuses: whatever it doesn't accept, and every schema with a keyword that it doesn't know, is
`reconciler.validation`'s to judge and to word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

from reconciler.schemafiles import load_schema

#: True: the schema accepts this value. False: ask the schema.
Predicate: TypeAlias = Callable[[Any], bool]

#: Keywords that say nothing about values.
_NOTES: Final = frozenset({"$schema", "$id", "title", "description", "examples", "default", "$comment"})
_OF_TEXT: Final = frozenset({"minLength", "maxLength", "pattern", "enum", "const"})
_OF_MAPPINGS: Final = frozenset(
    {"required", "dependentRequired", "additionalProperties", "properties", "propertyNames", "anyOf"}
)

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
    keywords = schema.keys() - _NOTES
    kind = schema.get("type")
    if kind == "string":
        return _text(schema) if keywords <= _OF_TEXT | {"type"} else _ask
    if kind == "boolean":
        return _boolean if keywords == {"type"} else _ask
    if kind == "array":
        return _list(schema) if keywords <= {"type", "items"} else _ask
    if kind == "object":
        return _mapping(schema) if keywords <= _OF_MAPPINGS | {"type"} else _ask
    return _ask


def _ask(value: Any) -> bool:
    return False


def _boolean(value: Any) -> bool:
    return value is True or value is False


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


def _list(schema: Mapping[str, Any]) -> Predicate:
    if "items" not in schema:
        return lambda value: isinstance(value, list)
    item = compile_predicate(schema["items"])
    return lambda value: isinstance(value, list) and all(map(item, value))


def _mapping(schema: Mapping[str, Any]) -> Predicate:
    if any(not isinstance(branch, Mapping) or branch.keys() != {"required"} for branch in schema.get("anyOf", ())):
        return _ask
    of_keys = _keys(schema)
    by_key = {key: compile_predicate(below) for key, below in schema.get("properties", {}).items()}
    others = _others(schema.get("additionalProperties", True))

    @lru_cache(maxsize=1024)
    def checks(keys: tuple[Any, ...]) -> tuple[Predicate, ...] | None:
        """What the values of a mapping with these keys have to pass; a fleet has a few dozen such mappings."""
        return tuple(by_key.get(key, others) for key in keys) if of_keys(keys) else None

    def mapping(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        asked = checks(tuple(value))
        if asked is None:
            return False
        for check, below in zip(asked, value.values(), strict=True):  # noqa: SIM110 (a call of all() costs more)
            if not check(below):
                return False
        return True

    return mapping


def _keys(schema: Mapping[str, Any]) -> Predicate:
    """What can be said of a mapping by its keys."""
    required = frozenset(schema.get("required", ()))
    dependent = [(key, frozenset(needed)) for key, needed in schema.get("dependentRequired", {}).items()]
    choices = [frozenset(branch["required"]) for branch in schema.get("anyOf", ())]
    names = _names(schema.get("propertyNames"))

    def keys(value: Any) -> bool:
        there = frozenset(value)
        return (
            required <= there
            and all(needed <= there for key, needed in dependent if key in there)
            and (not choices or any(choice <= there for choice in choices))
            and (names is None or all(map(names, value)))
        )

    return keys


def _others(schema: object) -> Predicate:
    """What a key that isn't among the properties may hold."""
    if isinstance(schema, bool):
        return (lambda value: True) if schema else _ask
    return compile_predicate(schema)


def _names(schema: object) -> Predicate | None:
    """What a key may be; keys are text already."""
    if schema is None:
        return None
    return compile_predicate({"type": "string", **schema}) if isinstance(schema, Mapping) else _ask
