"""How commands read manifests: whatever cache there is, and with however many processes, plans are the same bytes."""

import logging
import os
import random
import shutil
import sqlite3
import time
from unittest.mock import patch

import pytest
from support.commands import call, run
from support.killing import Child, timed
from support.largefleet import AT, LargeFleet, account, manifest

from reconciler import reading
from reconciler.manifests import loading, rebuilding, rows, spread
from reconciler.manifests.cache import Cache


@pytest.fixture
def fleet(tmp_path):
    return LargeFleet(tmp_path)


def opened(fleet, *options):
    """The plan, and the manifests that it opened."""
    seen = []
    opening = os.open

    def noting(path, *rest, **more):
        if str(path).endswith(".yaml"):
            seen.append(os.path.basename(path))  # noqa: PTH119
        return opening(path, *rest, **more)

    with patch.object(os, "open", noting):
        plan = fleet.plan("--jobs", "1", *options)
    return plan, sorted(seen)


def is_old(monkeypatch):
    """As if the manifests had been written long before they are read."""
    monkeypatch.setattr(loading, "_RACY", -(10**12))


def test_cold_warm_and_without_a_cache_plans_are_the_same_bytes(fleet):
    plain = fleet.plan("--no-cache")
    assert not fleet.cache.exists()
    for options in ((), (), ("--full-hash",), ("--jobs", "1"), ("--jobs", "3"), ("--no-cache", "--jobs", "2"), ()):
        assert fleet.plan(*options) == plain, options
    assert fleet.cache.exists()
    fleet.declare(3, "deactivated")
    changed = fleet.plan("--no-cache")
    assert changed != plain
    for options in ((), (), ("--full-hash",), ("--jobs", "2"), ("--jobs", "1")):
        assert fleet.plan(*options) == changed, options


@pytest.mark.parametrize("jobs", ["1", "2", "3"])
def test_a_cold_plan_with_any_number_of_processes_is_the_same(tmp_path, jobs):
    fleet = LargeFleet(tmp_path, files=9, each=5, padding=80_000)
    fleet.declare(7, "deactivated")
    expected = fleet.plan("--no-cache", "--jobs", "1")
    assert fleet.plan("--jobs", jobs, runner=run) == expected
    shutil.rmtree(fleet.cache.parent)
    with patch.object(loading, "_CHUNK_BYTES", 10_000), patch.object(spread, "AHEAD", 2):
        assert fleet.plan("--jobs", jobs) == expected


def test_an_unchanged_file_is_not_opened_again(fleet, monkeypatch):
    is_old(monkeypatch)
    # What isn't known at all is looked up each time: it may be another account's.
    fleet.know(serial=1, missing=0)
    every = [f"{file:03}.yaml" for file in range(4)]
    cold, first = opened(fleet)
    assert first == every
    assert opened(fleet) == (cold, [])
    assert opened(fleet, "--full-hash") == (cold, every)
    fleet.declare(0, "deactivated")
    changed, again = opened(fleet)
    assert set(again) == {"000.yaml"}
    assert changed == fleet.plan("--no-cache")
    (fleet.path(1)).touch()
    assert opened(fleet) == (changed, ["001.yaml"])
    assert opened(fleet) == (changed, [])


def test_other_bytes_of_the_same_size_and_time_are_noticed(fleet, monkeypatch):
    is_old(monkeypatch)
    fleet.states.update(dict.fromkeys(fleet.states, "  activated"))
    for file in range(4):
        fleet.write(file)
    fleet.plan()
    before = fleet.path(0).stat()
    fleet.declare(0, "deactivated")
    os.utime(fleet.path(0), ns=(before.st_atime_ns, before.st_mtime_ns))
    after = fleet.path(0).stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert b"deactivated" in fleet.plan()
    assert fleet.plan() == fleet.plan("--no-cache")


def test_validating_and_planning_share_a_cache(fleet, monkeypatch):
    is_old(monkeypatch)
    fleet.path(0).write_text(manifest(0, more=", ovner: x") + "#" * 150_000)
    cold = call("validate", "--format", "json", cwd=fleet.folder)
    assert cold.code == 3
    with patch.object(rows, "rows_of_files", side_effect=AssertionError("read again")):
        assert call("validate", "--format", "json", "--jobs", "1", cwd=fleet.folder) == cold
        refused = fleet.run("--jobs", "1")
    assert (refused.code, "unknown-key" in refused.err) == (3, True)
    assert call("validate", "--format", "json", "--no-cache", cwd=fleet.folder) == cold
    fleet.write(0)
    assert call("validate", cwd=fleet.folder).code == 0
    assert fleet.plan() == fleet.plan("--no-cache")


def test_a_few_manifests_make_no_cache(tmp_path):
    fleet = LargeFleet(tmp_path, padding=0)
    fleet.plan()
    assert not fleet.cache.parent.exists()


def test_a_folder_that_is_a_link_is_no_place_for_a_cache(fleet, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    theirs = elsewhere / "cache.db"
    theirs.write_text("somebody's")
    shutil.rmtree(fleet.cache.parent, ignore_errors=True)
    fleet.cache.parent.symlink_to(elsewhere)
    assert fleet.plan() == fleet.plan("--no-cache")
    assert [path.name for path in elsewhere.iterdir()] == ["cache.db"]
    assert theirs.read_text() == "somebody's"


def test_the_cache_s_folder_keeps_itself_out_of_repositories(fleet):
    fleet.plan()
    assert (fleet.cache.parent / ".gitignore").read_text() == "*\n"
    assert fleet.cache.parent.stat().st_mode & 0o777 == 0o700
    assert fleet.cache.stat().st_mode & 0o777 == 0o600


def a_file(fleet):
    fleet.cache.parent.write_text("x")


def a_folder_in_its_place(fleet):
    fleet.cache.mkdir(parents=True)


def a_link_to_nowhere(fleet):
    fleet.cache.parent.symlink_to("nowhere")


def readable_by_all(fleet):
    fleet.plan()
    with sqlite3.connect(fleet.cache) as connection:
        connection.execute("UPDATE settled SET outcome = NULL, rest = NULL")
        connection.execute("UPDATE rows SET wanted = '{}'")
    fleet.cache.chmod(0o644)


def of_another_program(fleet):
    fleet.plan()
    with sqlite3.connect(fleet.cache) as connection:
        connection.execute("UPDATE settled SET outcome = NULL, rest = NULL")
        connection.execute("UPDATE meta SET value = 'other' WHERE name = 'program'")


def cut_off(fleet):
    fleet.plan()
    os.truncate(fleet.cache, fleet.cache.stat().st_size // 2)


def garbage(fleet):
    fleet.plan()
    fleet.cache.write_bytes(b"garbage" * 9999)


def locked(fleet):
    fleet.plan()
    fleet.held = Cache.open(fleet.cache, "other")


@pytest.mark.parametrize(
    "spoil",
    [a_file, a_folder_in_its_place, a_link_to_nowhere, readable_by_all, of_another_program, cut_off, garbage, locked],
)
def test_whatever_is_wrong_with_the_cache_the_plan_is_right(fleet, spoil):
    fleet.declare(3, "deactivated")
    plain = fleet.plan("--no-cache")
    spoil(fleet)
    assert fleet.plan() == plain
    assert fleet.plan() == plain
    assert call("validate", cwd=fleet.folder).code == 0


def test_a_folder_that_can_t_be_written_is_no_matter(fleet, monkeypatch):
    plain = fleet.plan("--no-cache")

    def refusing(*_, **__):
        raise PermissionError(13, "Permission denied")

    with patch.object(type(fleet.cache), "mkdir", refusing):
        assert fleet.plan() == plain
    assert not fleet.cache.exists()


def damaged(data, rng):
    """The bytes of a cache with some of them wrong."""
    page = rng.randrange(len(data) // 4096) * 4096
    match rng.choice(["page", "zeros", "head", "end", "bytes"]):
        case "page":
            return data[:page] + rng.randbytes(4096) + data[page + 4096 :]
        case "zeros":
            return data[:page] + bytes(4096) + data[page + 4096 :]
        case "head":
            place = rng.randrange(100)
            return data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
        case "end":
            return data[: rng.randrange(len(data))]
    for _ in range(20):
        place = rng.randrange(len(data))
        data = data[:place] + b"\xff" + data[place + 1 :]
    return data


def test_a_cache_that_turns_out_to_be_damaged_is_thrown_away(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    fleet = LargeFleet(tmp_path, files=8, each=30, padding=70_000)
    fleet.declare(3, "deactivated")
    plain = fleet.plan()
    whole = fleet.cache.read_bytes()
    rng = random.Random(6)
    for _ in range(50):
        fleet.cache.write_bytes(damaged(whole, rng))
        before = len(caplog.records)
        assert fleet.plan("--jobs", "1") == plain
        if len(caplog.records) > before:
            assert not fleet.cache.exists()
            fleet.cache.touch(mode=0o600)
    told = [record.getMessage() for record in caplog.records]
    assert told
    assert all(text.startswith(".reconciler/cache.db is damaged and was thrown away (") for text in told)


def test_standard_input_is_there_again_when_the_cache_is_damaged(fleet):
    given = manifest(50) + "#" * 600_000

    def planned(*options):
        result = call(*fleet.arguments("-", "manifests", *options), cwd=fleet.folder, stdin=given)
        assert result.code in (0, 5), result.said
        return (fleet.folder / "plan.json").read_bytes()

    plain = planned("--no-cache")
    assert account(50).encode() in plain
    for _ in range(2):
        assert planned() == plain
    with sqlite3.connect(fleet.cache) as connection:
        connection.execute("UPDATE settled SET outcome = 'x'")
    assert planned() == plain


def test_no_room_for_temporary_files_is_told(fleet):
    made = Cache.temporary

    def small(**options):
        cache = made(**options)
        cache.execute("PRAGMA max_page_count = 20")
        return cache

    with patch.object(Cache, "temporary", small):
        fleet.path(0).write_text("---\n".join(manifest(number) for number in range(900)) + "#" * 500_000)
        result = fleet.run("--no-cache")
    assert result.code == 3
    assert "there is no room left for what is read of the manifests" in result.err


def test_a_bug_is_told_although_there_is_a_cache(fleet):
    fleet.plan()
    with patch("reconciler.fleetplan.plan_fleet", side_effect=ZeroDivisionError):
        assert fleet.run().code == 1


def test_what_a_command_refuses_is_not_done_twice(fleet):
    fleet.plan()
    fleet.path(0).write_text(manifest(0, more=", ovner: x") + "#" * 140_000)
    with patch.object(reading, "_temporary", side_effect=AssertionError):
        assert fleet.run().code == 3
    assert fleet.cache.exists()


def test_a_place_that_is_kept_wrongly_stops_no_plan(fleet, monkeypatch):
    is_old(monkeypatch)
    fleet.plan()
    with sqlite3.connect(fleet.cache) as connection:
        connection.execute("UPDATE rows SET offset = offset + 1, length = 30")
    fleet.know(serial=2, state="deactivated")
    assert fleet.plan() == fleet.plan("--no-cache")


def test_a_manifest_that_keeps_changing_is_told(fleet):
    fleet.declare(0, "deactivated")

    def changing(*_, **__):
        raise rebuilding.changed_meanwhile("m.yaml")

    with patch.object(rebuilding, "rebuild", changing):
        result = fleet.run()
    assert (result.code, "m.yaml changed while it was read" in result.err) == (3, True)


def test_sets_of_paths_and_known_states_don_t_disturb_each_other(tmp_path, monkeypatch):
    is_old(monkeypatch)
    fleet = LargeFleet(tmp_path, padding=260_000)
    fleet.declare(3, "deactivated")
    files = [f"manifests/{file:03}.yaml" for file in range(4)]
    sets = (["manifests"], files, files[:2], files[2:])
    for turn in range(5):
        for paths in sets:
            assert fleet.plan(*paths) == fleet.plan(*paths, "--no-cache")
        if turn == 1:
            fleet.declare(4, "deactivated")
        if turn == 2:
            fleet.know(serial=2, state="deactivated")
        if turn == 3:
            fleet.know(serial=3, state="deactivated", hour=8)


def test_a_snapshot_that_was_edited_under_its_serial_is_noticed(fleet, monkeypatch):
    is_old(monkeypatch)
    fleet.plan()
    fleet.know(serial=1, state="deactivated", missing=3)
    assert fleet.plan() == fleet.plan("--no-cache")


def test_another_version_of_the_program_reads_everything_again(fleet, monkeypatch):
    is_old(monkeypatch)
    plain = fleet.plan()
    program = reading._program()
    assert program == reading._program()
    monkeypatch.setattr(reading, "__version__", "0.0.0")
    assert reading._program() != program
    plan, seen = opened(fleet)
    assert (plan, len(set(seen))) == (plain, 4)


def test_a_program_that_was_edited_is_another_version(tmp_path, monkeypatch):
    (tmp_path / "reconciler").mkdir()
    module = tmp_path / "reconciler" / "reading.py"
    module.write_text("a")
    monkeypatch.setattr(reading, "__file__", str(module))
    found = [reading._program()]
    for change in (lambda: module.write_text("ab"), lambda: os.utime(module, (1, 1)), (tmp_path / "schemas").mkdir):
        change()
        found.append(reading._program())
    assert found[3] == found[2]
    (tmp_path / "schemas" / "account.schema.json").write_text("{}")
    found[3] = reading._program()
    assert len(set(found)) == 4


def test_plans_for_other_moments_are_those_without_a_cache(fleet, monkeypatch):
    is_old(monkeypatch)
    ended = ", state: activated, valid_to: 2026-11-24 11:00 +0000"
    text = manifest(0).replace(", state: activated", ended)
    fleet.path(0).write_text(text + "#" * 300_000)
    moments = ("2026-11-24T10:59:00Z", "2026-11-24T11:00:00Z", "2026-11-24T10:59:00Z", AT, "2030-01-01T00:00:00Z")
    for moment in moments:
        out = {}
        for options in ((), ("--no-cache",)):
            result = call(*fleet.arguments(*options), "--at", moment, cwd=fleet.folder)
            out[options] = (result.code, result.out, result.err, (fleet.folder / "plan.json").read_bytes())
        assert out[()] == out["--no-cache",]
        assert ("window-over" in out[()][2] or "its window ended" in out[()][2]) == (moment > "2026-11-24T10:59:30Z")


def test_a_plan_that_is_killed_at_any_moment_leaves_a_cache_that_is_right(tmp_path):
    """Real processes; half of them find manifests that have changed since."""
    fleet = LargeFleet(tmp_path, files=12, each=25, padding=50_000)
    rng = random.Random(6)
    # What this process has loaded, none of its children has to load.
    fleet.plan("--jobs", "1", "--no-cache")
    # How long a plan takes, without a cache, and with one after a change.
    took = []
    for _ in range(2):
        fleet.declare(rng.randrange(300), "deactivated")
        took.append(timed(lambda: Child(fleet.arguments("--jobs", "1"), fleet.folder).go().end()))
    killed = 0
    for turn in range(16):
        fleet.declare(rng.randrange(300), rng.choice(["deactivated", "activated"]))
        anew = turn % 4 == 0
        if anew:
            shutil.rmtree(fleet.cache.parent, ignore_errors=True)
        child = Child(fleet.arguments("--jobs", "1"), fleet.folder).go()
        time.sleep((took[0] if anew else took[1]) * rng.random())
        child.kill()
        killed += child.end() == -9
        assert fleet.plan("--jobs", "1") == fleet.plan("--no-cache", "--jobs", "1")
    assert killed > 5
