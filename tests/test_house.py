"""The habits of the house as tests: pure floors, short files, a light start, pages and packages that are complete."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import reconciler
from reconciler.operations import OPERATIONS
from reconciler.rules import RULES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reconciler"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Files past 350 lines that had their second look, with what it found.
LONG_FILES: dict[str, str] = {}

#: Functions past 60 lines that had their second look, by file and name, with what it found.
LONG_FUNCTIONS: dict[str, str] = {}

#: What pure modules may import from outside: nothing here reaches a file, clock, network, environment or random source.
#: `datetime` can read the clock; the calls that do are looked for by name.
PURE_IMPORTS = {
    "__future__", "bisect", "collections", "contextlib", "dataclasses", "datetime", "deepdiff", "difflib", "enum",
    "fnmatch", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "string", "textwrap",
    "types", "typing", "unicodedata",
}  # fmt: skip
#: Imports of pure modules that go down to one that isn't, with the reason that makes them good.
EXPLAINED_IMPORTS = {
    ("planfile", "validation"): "a plan is held to the schema that ships with the package",
}
IMPURE_NAMES = {"open", "input", "print", "eval", "exec", "__import__", "breakpoint"}
IMPURE_METHODS = {"now", "utcnow", "today"}

#: Slow to import or of use to few: none of them may be paid for by `reconciler --help`.
SLOW = {
    "dask", "deepdiff", "distributed", "httpx", "jinja2", "jsonschema", "psycopg", "referencing", "stamina", "yaml",
}  # fmt: skip


def floors() -> list[set[str]]:
    """The modules of each floor, top first, as the contract on imports has them."""
    [contract] = [contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["type"] == "layers"]
    return [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def top_name(path: Path) -> str:
    """`model` of `reconciler/model.py`, `state` of `reconciler/state/store.py`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def pure_modules() -> list[Path]:
    """The files of ground, nouns, verbs and thinking."""
    *_, verbs, nouns, ground = floors()
    [thinking] = [floor for floor in floors() if "planning" in floor]
    return [path for path in modules() if top_name(path) in thinking | verbs | nouns | ground]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def tracked_texts() -> list[tuple[Path, str]]:
    return [(path, path.read_text(encoding="utf-8", errors="replace")) for path in tracked_files()]


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, at most a minute."""
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


# --- The street ---


@pytest.mark.parametrize("path", pure_modules(), ids=relative)
def test_pure_floors_import_nothing_that_reaches_outside(path):
    pure = {top_name(other) for other in pure_modules()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            module = node.module or ""
            names = [f"reconciler.{alias.name}" for alias in node.names] if module == "reconciler" else [module]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "reconciler":
                used = rest.partition(".")[0]
                explained = (top_name(path), used) in EXPLAINED_IMPORTS
                assert used in pure or explained, f"line {node.lineno}: {name} isn't pure"
            else:
                assert top in PURE_IMPORTS, f"line {node.lineno}: {name} may reach outside"


@pytest.mark.parametrize("path", pure_modules(), ids=relative)
def test_pure_floors_call_nothing_that_reaches_outside(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(name):
                    assert name not in IMPURE_NAMES, f"line {node.lineno}: {name}"
                case ast.Attribute(attr=name):
                    assert name not in IMPURE_METHODS, f"line {node.lineno}: {name}"


def test_files_stay_short_or_say_why_not():
    long = {relative(path) for path in modules() if len(path.read_text().splitlines()) > 350}
    assert long == set(LONG_FILES)


def test_functions_stay_short_or_say_why_not():
    long = {
        f"{relative(path)}:{node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 60
    }
    assert long == set(LONG_FUNCTIONS)


# --- The start ---


def imported_by(*arguments: str) -> set[str]:
    """The top-level modules that a fresh Python imports while it runs ``arguments``."""
    done = run(sys.executable, "-X", "importtime", *arguments)
    timed = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    said = "\n".join(line for line in done.stderr.splitlines() if line not in timed)
    assert done.returncode == 0, said
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in timed}


def test_the_check_of_the_start_sees_imports():
    assert "json" in imported_by("-c", "import json.decoder")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "import reconciler"),
        ("-c", "import reconciler.cli"),
        ("-m", "reconciler", "--help"),
        ("-m", "reconciler", "version"),
    ],
    ids=" ".join,
)
def test_the_start_imports_nothing_slow(arguments):
    assert imported_by(*arguments) & SLOW == set()


# --- Public names and pages ---


def test_public_names_are_few_and_there():
    assert 0 < len(reconciler.__all__) <= 20
    assert [name for name in reconciler.__all__ if not hasattr(reconciler, name)] == []


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(generator):
    stale = [name for name, page in generator.PAGES.items() if (ROOT / "docs" / name).read_text() != page()]
    assert not stale, "make docs"


def test_every_rule_stands_in_the_docs():
    page = (ROOT / "docs" / "rules.md").read_text()
    assert [rule for rule in RULES if f"| `{rule}` |" not in page] == []


def test_every_call_stands_in_the_docs():
    page = (ROOT / "docs" / "calls.md").read_text()
    assert [call.action for call in OPERATIONS if f"## `{call.action}`" not in page] == []


# --- What is in the repository ---

#: Paths of one machine, and the shapes of credentials.
LEAKS = re.compile(
    r"(?<![\w./-])/(?:work|farm|root|home/\w+|Users/\w+)/"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bgh[opsu]_[A-Za-z0-9]{30}|\bgithub_pat_\w{20}|\bglpat-[\w-]{20}|\bAKIA[A-Z0-9]{16}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."
)


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("see /" + "work/main/x", True),
        ("'/" + "home/anna/.config'", True),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", True),
        ("gh" + "p_" + "a1" * 18, True),
        ("https://example.com/" + "work/shop", False),
        ("framework/home", False),
    ],
)
def test_leaks_are_recognised(text, leaks):
    assert bool(LEAKS.search(text)) is leaks


def test_no_machine_paths_and_no_secrets():
    found = [f"{relative(path)}: {match[0]}" for path, text in tracked_texts() for match in LEAKS.finditer(text)]
    assert found == []


def test_shell_scripts_parse():
    scripts = [path for path, text in tracked_texts() if re.match(r"#!.*\b(?:ba)?sh\b", text) or path.suffix == ".sh"]
    assert scripts
    for script in scripts:
        checked = run("bash", "-n", str(script))
        assert checked.returncode == 0, checked.stderr
        assert os.access(script, os.X_OK), f"{relative(script)} can't be executed"


def test_actions_are_pinned_and_permissions_are_small():
    workflows = [path for path in tracked_files() if path.match(".github/workflows/*.y*ml")]
    assert workflows
    for path in workflows:
        text = path.read_text()
        assert re.search(r"^permissions: \{\}$", text, re.MULTILINE), f"{relative(path)}: no permissions by default"
        for used in re.findall(r"uses: (.*)", text):
            ours = used.startswith("$/.github/actions/")  # this repository at the commit of the workflow itself
            assert ours or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[0-9.]+", used), f"{relative(path)}: {used}"


def test_the_lock_covers_what_is_asked_for():
    lock = (ROOT / "requirements.lock").read_text()
    locked = {
        name.replace("_", "-").lower(): body
        for name, body in re.findall(r"^([\w.-]+)==(.*(?:\n[ ]+.*)*)", lock, re.MULTILINE)
    }
    asked = (
        PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"] + PROJECT["build-system"]["requires"]
    )
    assert {re.split(r"[<>=!~;\[ ]", each)[0].lower() for each in asked} <= set(locked)
    assert [name for name, body in locked.items() if "--hash=sha256:" not in body] == []
    assert "://" not in lock, "a lock that names no host works with any index"


# --- The wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_schemas(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {relative(path) for path in modules()} | {"reconciler/py.typed"}
    schemas = {f"reconciler/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.schema.json")}
    scaffold = {relative(path) for path in (PACKAGE / "scaffold" / "files").iterdir()}
    templates = {relative(path) for path in (PACKAGE / "render" / "html").iterdir()}
    assert schemas
    assert templates
    assert scaffold
    assert expected | schemas | scaffold | templates <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"reconciler"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_works_away_from_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    shown = run(sys.executable, "-m", "reconciler", "schema", "account", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == (ROOT / "schemas" / "account.schema.json").read_text().strip()
