"""The manifests' schema takes in a field what the vendor's pages allow there, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "account.schema.json").read_text("utf-8"))
PRODUCT = SCHEMA["properties"]["user_products"]["items"]["properties"]

#: The schema of each field that the pages know too.
FIELDS = {
    "account_id": SCHEMA["properties"]["account_id"],
    "customer_number": SCHEMA["properties"]["customer_number"],
    **{name: PRODUCT[name] for name in ("product_id", "user_product_id", "subscription_number")},
    **{name: PRODUCT[name] for name in ("state", "subscription_type", "valid_from", "valid_to")},
}


def schema_accepts(schema: dict, value: str) -> bool:
    """As a JSON Schema validator reads the text keywords that are used there."""
    assert set(schema) <= {"title", "description", "examples", "type", "enum", "minLength", "maxLength", "pattern"}
    if value not in schema.get("enum", [value]):
        return False
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    return "pattern" not in schema or re.search(schema["pattern"], value) is not None


def test_every_field_of_the_pages_can_be_declared(pages):
    assert {field["name"] for page in pages for field in page["fields"]} == set(FIELDS)


def test_patterns_sizes_and_words_are_those_of_the_page(page, edges, accepts):
    for field in page["fields"]:
        if "pattern" not in field and "words" not in field:
            continue
        for value in edges:
            assert schema_accepts(FIELDS[field["name"]], value) == accepts(field, value), (field["name"], value)


def test_fields_without_a_pattern_take_the_examples(page):
    for name, value in page["example"]["body"].items():
        assert schema_accepts(FIELDS[name], value)


@pytest.mark.parametrize("name", ["state", "subscription_type"])
def test_words_stand_in_the_pages_order(pages, name):
    [field] = [field for page in pages for field in page["fields"] if field["name"] == name]
    assert FIELDS[name]["enum"] == field["words"]
