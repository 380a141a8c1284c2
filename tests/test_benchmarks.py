"""The benchmark's harness on tiny fleets: the same fleets every time, honest plans, a page from what was kept.

No figure is asserted: this machine may be busy.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import commands

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def benchmarks():
    """`benchmarks` isn't installed with the package: it is found in the checkout."""
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


def module(name: str):
    return importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def hurried(monkeypatch):
    """Without the wait that only honest figures need."""
    monkeypatch.setattr(module("parts"), "SETTLED", 0.0)


def silent(_: str) -> None:
    return None


# --- Fleets ---


@pytest.mark.parametrize("layout", ["packed", "single"])
def test_a_fleet_is_the_same_every_time(tmp_path, layout):
    fleets = module("fleet")
    fleet = fleets.Fleet(1200, layout)
    written = [fleets.write_manifests(fleet, tmp_path / name) for name in ("a", "b")]
    texts = [{path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.yaml")}
             for name in ("a", "b")]  # fmt: skip
    assert texts[0] == texts[1]
    assert written == [sum(map(len, each.values())) for each in texts]
    assert len(texts[0]) == fleet.files() == (2 if layout == "packed" else 1200)


def test_another_seed_makes_another_fleet():
    fleets = module("fleet")
    one, other = fleets.Fleet(10, "packed"), fleets.Fleet(10, "packed", seed=2)
    assert all(fleets.manifest(one, n) != fleets.manifest(other, n) for n in range(10))


def test_both_layouts_hold_the_same_accounts(tmp_path):
    fleets = module("fleet")
    for layout in ("packed", "single"):
        fleets.write_manifests(fleets.Fleet(1001, layout), tmp_path / layout)
    validated = [commands.run("validate", layout, cwd=tmp_path) for layout in ("packed", "single")]
    assert [result.code for result in validated] == [0, 0], validated[0].said + validated[1].said
    assert all("1,001 accounts" in result.said and "0 warnings" in result.said for result in validated)


@pytest.mark.parametrize("layout", ["packed", "single"])
def test_changing_touches_one_percent_and_can_be_undone(tmp_path, layout):
    fleets = module("fleet")
    fleet = fleets.Fleet(2000, layout)
    fleets.write_manifests(fleet, tmp_path / "m")

    def texts():
        return {path: path.read_text() for path in (tmp_path / "m").rglob("*.yaml")}

    before = texts()
    files = fleets.write_changed(fleet, tmp_path / "m", changed=True)
    after = texts()
    differing = [path for path in before if before[path] != after[path]]
    assert len(differing) == files == (1 if layout == "packed" else 20)
    lines = sum(
        a != b for path in differing for a, b in zip(before[path].split("\n"), after[path].split("\n"), strict=True)
    )
    assert lines == 20 == len(fleet.changed())
    fleets.write_changed(fleet, tmp_path / "m", changed=False)
    assert texts() == before


def test_a_fleet_without_room_is_refused(tmp_path):
    fleets = module("fleet")
    assert fleets.room_for(fleets.Fleet(100, "single"), tmp_path) is None
    assert "MiB are free" in fleets.room_for(fleets.Fleet(10**12, "packed"), tmp_path)


# --- Processes ---


def test_a_run_is_weighed_with_what_it_starts(tmp_path):
    processes = module("processes")
    child = "x = b'1' * 60_000_000; import time; time.sleep(0.8)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    run = processes.measure([sys.executable, "-c", code], folder=tmp_path)
    assert run.seconds > 0.8
    assert 0 < run.cpu < run.seconds
    assert run.processes == 2
    assert run.memory >= run.together > 57
    assert run.largest > 57


def test_a_run_that_fails_says_what_it_said(tmp_path):
    processes = module("processes")
    with pytest.raises(processes.Failed, match=r"ended with 3 (?s:.*)out of luck"):
        processes.measure(
            [sys.executable, "-c", "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"], folder=tmp_path
        )


def test_a_run_that_hangs_is_ended(tmp_path):
    processes = module("processes")
    with pytest.raises(processes.Failed, match="ended with -9"):
        processes.measure([sys.executable, "-c", "import time; time.sleep(60)"], folder=tmp_path, patience=0.3)


def test_settings_and_credentials_stay_outside(tmp_path, monkeypatch):
    processes = module("processes")
    monkeypatch.setenv("PAYWAY_TOKEN", "secret")
    monkeypatch.setenv("RECONCILER_STATE", "sqlite:///elsewhere.db")
    monkeypatch.setenv("CI", "true")
    assert not {"PAYWAY_TOKEN", "RECONCILER_STATE", "CI"} & set(processes.environment())


# --- Parts ---


@pytest.mark.parametrize("layout", ["packed", "single"])
@pytest.mark.usefixtures("hurried")
def test_a_part_measures_plans_that_hold_what_they_should(tmp_path, layout):
    parts = module("parts")
    part = parts.planning(200, layout, 1, False, tmp_path, silent)
    taken = {"raw", "both", "import", "cold", "warm", "changed", "cold-snapshot", "validate"}
    assert taken <= set(part.runs)
    assert [len(part.runs[name]) for name in ("raw", "cold", "warm", "changed")] == [1, 1, 1, 1]
    assert part.facts["accounts"] == 200
    assert part.facts["changed files"] == (1 if layout == "packed" else 2)
    assert part.ratio("cold", "raw") > 0
    assert 0 < part.cores() < 4
    assert part.memory("cold") > 10
    # Each stage has a name that is still there, and together they are all of a plan.
    for kind, stages in part.facts["stages"].items():
        assert set(stages) == {*module("stages").STAGES, "rest"}, kind
        assert min(stages.values()) >= 0
        assert 0.1 < sum(stages.values()) < 30


@pytest.mark.usefixtures("hurried")
def test_in_brief_only_what_an_aim_is_about_is_measured(tmp_path):
    part = module("parts").planning(100, "packed", 1, True, tmp_path, silent)
    assert set(part.runs) == {"import", "raw", "cold", "warm", "changed"}
    assert "stages" not in part.facts


@pytest.mark.usefixtures("hurried")
def test_a_plan_of_something_else_is_no_figure(tmp_path):
    parts, fleets, processes = module("parts"), module("fleet"), module("processes")
    space = parts.Workspace(fleets.Fleet(50, "packed", share=10), tmp_path, silent)
    space.fill()
    with pytest.raises(processes.Failed, match="5 updates; the fleet was made for 6"):
        space.plan(steps=6)


# --- Peers ---


def test_octodns_gets_as_many_objects_and_changes(tmp_path):
    yaml = pytest.importorskip("yaml")
    peers, fleets = module("peers"), module("fleet")
    peers.write_octodns(1100, tmp_path / "full", small=False)
    peers.write_octodns(1100, tmp_path / "small", small=True)
    for shape in ("small", "full"):
        records = {}
        for kind in ("desired", "known"):
            paths = sorted((tmp_path / shape / kind).glob("*.yaml"))
            assert [path.name for path in paths] == ["zone-0.example.yaml", "zone-1.example.yaml"]
            records[kind] = {k: v for path in paths for k, v in yaml.load(path.read_text(), yaml.CSafeLoader).items()}
        known = {
            name: record
            for path in (tmp_path / shape / "known").glob("*.json")
            for name, record in json.loads(path.read_text()).items()
        }
        assert known == records["known"]
        assert len(known) == 1100
        assert sum(known[name] != records["desired"][name] for name in known) == 11
    fleet = fleets.Fleet(1100, "packed")
    full = records["desired"]
    assert [len(full[f"r{n}"]["values"]) for n in range(50)] == [len(fleets.products(fleet, n)) for n in range(50)]
    assert len(yaml.safe_load((tmp_path / "full" / "json.yaml").read_text())["zones"]) == 2


def test_terraform_gets_as_many_objects_and_changes(tmp_path):
    peers = module("peers")
    texts = []
    for known in (True, False):
        peers.write_terraform(300, tmp_path, known=known)
        texts.append((tmp_path / "main.tf").read_text().splitlines())
    assert sum(line.startswith("resource") for line in texts[0]) == 300
    assert sum(a != b for a, b in zip(*texts, strict=True)) == 3


# --- What is kept and shown ---


def run(seconds: float, peak: float = 50.0) -> dict[str, float]:
    return {"seconds": seconds, "cpu": seconds, "largest": peak, "together": peak - 1, "processes": 1, "disk": 0}


def some_parts():
    results = module("results")
    parts = {}
    for accounts, size in ((10_000, "10k"), (100_000, "100k"), (1_000_000, "1M")):
        for layout in ("packed", "single"):
            part = results.Part(f"plan-{size}-{layout}", machine={"date": "2026-01-01", "commit": "abc", "Python": "3"})
            part.facts = {"accounts": accounts, "layout": layout, "files": 10, "bytes": accounts * 600}
            for factor in (1.0, 2.0, 4.0):  # a machine that gets slower
                second = factor * accounts / 10_000
                part.add("raw", run(second) | {"loading": second * 0.9, "whole": second * 1.25})
                part.add("cold", run(second * 0.7, accounts / 2500))
                part.add("warm", run(second * 0.07))
                part.add("changed", run(second * 0.14))
            parts[part.name] = part
    return parts


def test_parts_come_back_as_they_were_kept(tmp_path):
    results = module("results")
    parts = some_parts()
    for part in parts.values():
        results.save(part, tmp_path)
    assert results.load_all(tmp_path) == parts


def test_ratios_are_those_of_the_rounds():
    part = some_parts()["plan-10k-packed"]
    assert part.ratio("cold", "raw") == pytest.approx(0.7)
    assert part.cores() is None
    part.runs["both"] = [run | {"seconds": run["seconds"] * 1.25} for run in part.runs["raw"]]
    assert part.cores() == pytest.approx(1.6)
    assert part.value("cold") == pytest.approx(1.4)
    assert part.ratio("cold", "never") is None


def test_what_came_from_disk_is_told_where_it_is_much():
    page, parts = module("page"), some_parts()
    assert "read from disk" not in page.text(parts)
    parts["plan-1M-single"].runs["cold"][0]["disk"] = 19.0
    parts["plan-1M-single"].runs["cold"][1]["disk"] = 2700.0
    parts["plan-1M-single"].runs["cold"][2]["disk"] = 2600.0
    assert "read from disk: 1M, one file each: raw 0 MiB, cold 2,600 MiB." in page.text(parts)


def test_a_busy_machine_is_told(tmp_path):
    page, parts = module("page"), some_parts()
    assert parts["plan-10k-packed"].got() == pytest.approx(0.8)
    assert "waited for its disk,** during plan-10k-packed, plan-10k-single," in page.text(parts)
    for part in parts.values():
        for each in part.runs["raw"]:
            each["whole"] = each["cpu"] * 1.01
    assert "busy" not in page.text(parts)


def test_aims_are_judged():
    aims = module("aims").aims(some_parts())
    verdicts = [(aim.text, aim.verdict) for aim in aims]
    assert verdicts == [
        ("0.7 ×", "met"),
        ("0.7 ×", "met"),
        ("0.1 ×", "**not met**"),
        ("0.1 ×", "met"),
        ("0.2 ×", "**not met**"),
        ("0.2 ×", "met"),
        ("not measured", "–"),
        ("1 ×", "met"),
        ("1 ×", "met"),
        ("400 MiB", "met"),
        ("400 MiB", "met"),
        ("not measured", "–"),
    ]


def test_a_ratio_that_should_be_large_is_judged_so():
    aim = module("aims").Aim("what", "≥ 20 ×", 19.9, 20, "19.9 ×", at_least=True)
    assert aim.verdict == "**not met**"


def test_the_page_is_written_from_what_was_kept(tmp_path):
    page = module("page")
    page.write(some_parts(), tmp_path / "docs" / "page.md")
    text = (tmp_path / "docs" / "page.md").read_text()
    assert "| 1M, 1,000 a file | 140 µs | 0.7 × | 0.1 × | 0.2 × | 400 MiB | 50 MiB |" in text
    assert "octoDNS wasn't measured" in text
    assert "Terraform wasn't measured" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    tables = [line.count("|") for line in rows]
    assert all(count == tables[index - 1] for index, count in enumerate(tables) if "---" in rows[index])
    drawn = ElementTree.parse(tmp_path / "docs" / "images" / "benchmarks.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 2 * 4 + 4
    assert len(drawn.findall(".//{*}circle")) == 2 * 4 * 3 + 8


def test_a_page_of_nothing_says_so(tmp_path):
    page = module("page")
    page.write({}, tmp_path / "docs" / "page.md")
    assert "not measured" in (tmp_path / "docs" / "page.md").read_text()


@pytest.mark.usefixtures("hurried")
def test_the_command_measures_keeps_and_shows(tmp_path, capsys):
    main = module("__main__").main
    where = ["--results", str(tmp_path / "results"), "--page", str(tmp_path / "docs" / "page.md")]
    where += ["--folder", str(tmp_path / "fleets")]
    assert main(["--sizes", "100", "--layouts", "packed", "--rounds", "1", "--parts", "startup", "plan", *where]) == 0
    kept = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert kept == ["plan-100-packed.json", "startup.json"]
    text = (tmp_path / "docs" / "page.md").read_text()
    assert "| 100, 1,000 a file |" in text
    assert "| 100, 1,000 a file: ms | cold | warm | 1 % changed |" in text
    assert list((tmp_path / "fleets").iterdir()) == []
    capsys.readouterr()
    assert main(["--sizes", "100", "--layouts", "packed", "--parts", "plan", "--missing", *where]) == 0
    assert "round" not in capsys.readouterr().err
    assert main(["--parts", *where]) == 0
