"""The schemas are found from a checkout and from an installed wheel, and nowhere else."""

import json
from pathlib import Path

import pytest

from reconciler import schemafiles
from reconciler.errors import InvalidInput, UsageError
from reconciler.schemafiles import load_schema, schema_names, schema_text

CHECKOUT = Path(__file__).parents[1] / "schemas"


@pytest.fixture
def fresh():
    schemafiles._files.cache_clear()
    load_schema.cache_clear()
    yield
    schemafiles._files.cache_clear()
    load_schema.cache_clear()


def test_every_schema_of_the_checkout_is_there():
    assert schema_names() == tuple(sorted(path.name.removesuffix(".schema.json") for path in CHECKOUT.glob("*.json")))
    assert "account" in schema_names()


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".schema.json") for path in CHECKOUT.glob("*.json")))
def test_text_and_schema_are_those_of_the_file(name):
    text = (CHECKOUT / f"{name}.schema.json").read_text()
    assert schema_text(name) == text
    assert load_schema(name) == json.loads(text)
    assert load_schema(name) is load_schema(name)


@pytest.mark.parametrize("name", ["", "acount", "../schemas/account", "account.schema.json"])
def test_another_name_is_refused_with_those_there_are(name):
    with pytest.raises(UsageError) as raised:
        load_schema(name)
    assert "account" in (raised.value.hint or "")


def test_schemas_in_the_package_win_as_in_a_wheel(fresh, monkeypatch, tmp_path):
    shipped = tmp_path / "reconciler/schemas"
    shipped.mkdir(parents=True)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/others.schema.json").write_text("{}")
    (shipped / "only.schema.json").write_text('{"title": "å"}', encoding="utf-8")
    (shipped / ".hidden.schema.json").write_text("{}")
    (shipped / "notes.txt").write_text("")
    monkeypatch.setattr(schemafiles, "__file__", str(tmp_path / "reconciler/schemafiles.py"))
    assert schema_names() == ("only",)
    assert load_schema("only") == {"title": "å"}


def test_missing_schemas_are_a_broken_installation(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(schemafiles, "__file__", str(tmp_path / "site/reconciler/schemafiles.py"))
    with pytest.raises(InvalidInput, match="missing"):
        schema_names()
