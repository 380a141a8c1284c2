"""The same kind of work by octoDNS and Terraform, in the same rounds as ours.

Every program gets as many objects, of which one percent differs from what is known, and plans without applying. One
object of ours is an account with one to three products. Beside it stands octoDNS's record of as many fields (a NAPTR
record with a value a product) and its smallest one (an A record with one value), and Terraform's smallest resource.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.fleet import Fleet, products
from benchmarks.parts import Say, Workspace
from benchmarks.processes import ROOT, Failed, Measured, environment, measure
from benchmarks.results import Part, machine

#: octoDNS lives in an environment of its own, with its own dependencies.
_PEERS = ROOT / "build" / "bench" / "peers"
_ZONE = 1000


def octodns(objects: int, rounds: int, folder: Path, say: Say) -> Part | None:
    """Measure octoDNS with a file a zone of 1,000 records, planning without applying; ours in the same rounds."""
    python = _installed(say)
    if python is None:
        return None
    part = Part("octodns", machine=machine() | {"octoDNS": _version(python, "octodns")})
    part.machine["its PyYAML"] = _version(python, "pyyaml")
    part.facts |= {"objects": objects, "differing": objects // 100}
    for shape in ("full", "small"):
        write_octodns(objects, folder / shape, small=shape == "small")
    space = _ours(objects, folder, say)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        part.add("cold", space.plan(cold=True))
        part.add("full-yaml", _sync(python, folder / "full", "yaml.yaml", objects))
        part.add("full-json", _sync(python, folder / "full", "json.yaml", objects))
        part.add("full-json-c", _sync(python, folder / "full", "json.yaml", objects, "--c-loader"))
        part.add("small-json", _sync(python, folder / "small", "json.yaml", objects))
        part.add("warm", space.plan())
    return part


def write_octodns(objects: int, folder: Path, *, small: bool) -> None:
    """Zones of 1,000 records, what is known of them as YAML and as JSON, and a configuration for each of the two."""
    zones = {}
    fleet = Fleet(objects, "packed")
    make = _small if small else _full
    for kind in ("desired", "known"):
        (folder / kind).mkdir(parents=True)
    for first in range(0, objects, _ZONE):
        zone = f"zone-{first // _ZONE}.example."
        numbers = range(first, min(first + _ZONE, objects))
        desired = {f"r{number}": make(fleet, number, differs=False) for number in numbers}
        known = {f"r{number}": make(fleet, number, differs=number % 100 == 50) for number in numbers}
        (folder / "desired" / f"{zone}yaml").write_text(_as_yaml(desired), encoding="ascii")
        (folder / "known" / f"{zone}yaml").write_text(_as_yaml(known), encoding="ascii")
        (folder / "known" / f"{zone}json").write_text(json.dumps(known), encoding="ascii")
        zones[zone] = {"sources": ["desired"], "targets": ["known"]}
    yaml_provider = {"class": "octodns.provider.yaml.YamlProvider", "enforce_order": False, "root_ns_warnings": False}
    for form, target in (
        ("yaml", yaml_provider | {"directory": "known"}),
        ("json", {"class": "octodns_peer.JsonTarget", "directory": "known", "root_ns_warnings": False}),
    ):
        providers = {"desired": yaml_provider | {"directory": "desired"}, "known": target}
        # JSON is YAML, and octoDNS reads it as that.
        text = json.dumps({"providers": providers, "zones": zones}, indent=1)
        (folder / f"{form}.yaml").write_text(text, encoding="ascii")


def _small(fleet: Fleet, number: int, *, differs: bool) -> dict[str, Any]:
    """The smallest record there is."""
    return {"ttl": 300, "type": "A", "value": f"192.0.{1 if differs else 2}.{1 + number % 250}"}


def _full(fleet: Fleet, number: int, *, differs: bool) -> dict[str, Any]:
    """A record in the shape of an account: a value of six fields for each product, and four more fields."""
    values = [
        {
            "flags": "U",
            "order": 2041 if differs and index == 0 else 2042,
            "preference": index,
            "regexp": f"!^.*$!sip:info@{product.user_product_id}!",
            "replacement": f"a{product.product_id}.example.",
            "service": "SIP+D2U",
        }
        for index, product in enumerate(products(fleet, number))
    ]
    about = {"owner": "circulation@example.com", "number": f"n{number}", "region": "north", "title": "daily"}
    return {"octodns": about, "ttl": 300, "type": "NAPTR", "values": values}


def _as_yaml(records: Mapping[str, Mapping[str, Any]]) -> str:
    return "".join(f"{name}:\n" + "".join(_lines(record, 1)) for name, record in records.items())


def _lines(record: Mapping[str, Any], depth: int) -> Iterator[str]:
    """A record as people write it: blocks, and quotes only where they are needed."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield f"{'  ' * depth}{key}:\n"
            yield from _lines(value, depth + 1)
        elif isinstance(value, list):
            yield f"{'  ' * depth}{key}:\n"
            for item in value:
                first, *rest = _lines(item, depth + 1)
                yield f"{'  ' * depth}- {first.lstrip()}"
                yield from rest
        else:
            yield f"{'  ' * depth}{key}: " + (f"'{value}'\n" if str(value).startswith("!") else f"{value}\n")


def _sync(python: Path, folder: Path, config: str, objects: int, *more: str) -> Measured:
    command = [str(python), str(ROOT / "benchmarks" / "octodns_peer.py"), *more, "--config-file", config]
    run = measure(command, folder=folder, out=folder / "out.txt")
    said = (folder / "out.txt").read_text(encoding="utf-8") + (folder / "errors.txt").read_text(encoding="utf-8")
    updates = sum(line.strip("* ").startswith("Update") for line in said.splitlines())
    if updates != objects // 100:
        raise Failed(f"octoDNS planned {updates} updates of {objects // 100}:\n{said[-1000:]}")
    return run


def _installed(say: Say) -> Path | None:
    """The Python that has octoDNS, made if need be; None if it can't be had."""
    python = _PEERS / "bin" / "python"
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["bench"]
    if not python.exists():
        say("installing octoDNS into an environment of its own")
        venv.create(_PEERS, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", *asked]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(_PEERS)
            say(f"octoDNS can't be installed, so it isn't measured: {done.stderr.strip()[-500:]}")
            return None
    return python


def _version(python: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def terraform(objects: int, rounds: int, folder: Path, say: Say) -> Part | None:
    """Measure Terraform: its built-in `terraform_data` in one file, its state in another; ours in the same rounds."""
    program = shutil.which("terraform")
    if program is None:
        say("terraform isn't on this machine, so it isn't measured")
        return None
    theirs = folder / "terraform"
    theirs.mkdir()
    (theirs / "empty.tfrc").touch()
    part = Part("terraform", machine=machine())
    part.facts |= {"objects": objects, "differing": max(1, objects // 100)}
    asked = [program, "version", "-json"]
    told = subprocess.run(asked, env=environment(_quiet(theirs)), capture_output=True, check=True).stdout
    part.machine["Terraform"] = json.loads(told)["terraform_version"]
    say(f"applying {objects:,} resources once")
    write_terraform(objects, theirs, known=True)
    _terraform(program, theirs, "init")
    _terraform(program, theirs, "apply", "-auto-approve")
    write_terraform(objects, theirs, known=False)
    space = _ours(objects, folder, say)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        part.add("cold", space.plan(cold=True))
        part.add("terraform", _terraform(program, theirs, "plan", "-out=plan.tfplan"))
        said = (theirs / "out.txt").read_text(encoding="utf-8")
        if f"Plan: 0 to add, {part.facts['differing']} to change, 0 to destroy" not in said:
            raise Failed(f"terraform planned something else:\n{said[-1000:]}")
        part.add("warm", space.plan())
    return part


def write_terraform(objects: int, folder: Path, *, known: bool) -> None:
    """So many resources with one input of two values; what is known differs in one percent."""
    share = max(1, objects // max(1, objects // 100))
    with (folder / "main.tf").open("w", encoding="ascii") as file:
        for number in range(objects):
            year = 2041 if known and number % share == share // 2 else 2042
            file.write(
                f'resource "terraform_data" "a{number}" {{\n  input = {{\n    state    = "activated"\n'
                f'    valid_to = "{year}-12-01 00:00 +0100"\n  }}\n}}\n'
            )


def _terraform(program: str, folder: Path, *arguments: str) -> Measured:
    command = [program, arguments[0], "-no-color", "-input=false", *arguments[1:]]
    return measure(command, folder=folder, out=folder / "out.txt", more=_quiet(folder))


def _quiet(folder: Path) -> dict[str, str]:
    """Nothing but what stands in the folder: no settings of a user, no question whether there is a newer version."""
    return {"TF_CLI_CONFIG_FILE": str(folder / "empty.tfrc"), "CHECKPOINT_DISABLE": "1"}


def _ours(objects: int, folder: Path, say: Say) -> Workspace:
    ours = folder / "ours"
    ours.mkdir()
    space = Workspace(Fleet(objects, "packed"), ours, say)
    space.fill()
    return space
