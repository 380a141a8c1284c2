"""``plan --shard`` and ``plan merge``: several jobs come to the plan of one, and what isn't right is told in words."""

import json
import shutil

import pytest
from support.commands import ROOT, call, run
from support.largefleet import LargeFleet

from reconciler.manifests.fleetdigest import bucket_of

AT = ("--at", "2026-11-24T10:00:00Z")
HERE = ("-e", "stage", "--state", "file:known-state.json")


@pytest.fixture
def fleet(tmp_path):
    """A folder with the worked fleet and what is known of it."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copy(ROOT / "examples" / "known-state.json", tmp_path)
    return tmp_path


def make(folder, of, *options, runner=call, at=AT):
    """Plan all shards; the names of their files."""
    files = []
    for number in range(1, of + 1):
        files.append(f"shard-{number}.json")
        result = runner("plan", *HERE, *at, "--shard", f"{number}/{of}", "-o", files[-1], *options, cwd=folder)
        assert result.code == 0, result.said
        assert result.out == ""
        assert f"wrote shard {number} of {of} to {files[-1]}: " in result.err
    return files


def test_a_journey_through_real_commands(fleet):
    whole = run("plan", *HERE, *AT, "-o", "whole.json", cwd=fleet)
    assert whole.code == 0, whole.said
    merged = run("plan", "merge", *make(fleet, 3, runner=run), "-o", "merged.json", cwd=fleet)
    assert merged.code == 0, merged.said
    assert (fleet / "merged.json").read_bytes() == (fleet / "whole.json").read_bytes()
    assert (fleet / "merged.json").stat().st_mode & 0o777 == 0o600
    assert (fleet / "shard-1.json").stat().st_mode & 0o777 == 0o600
    assert merged.out.partition("Next:")[0] == whole.out.partition("Next:")[0]
    dry = run("apply", "-e", "stage", "--expect", "merged.json", *HERE[2:], "--dry-run", cwd=fleet)
    assert "differs" not in dry.err


@pytest.mark.parametrize("form", ["json", "markdown", "html"])
def test_the_merged_plan_is_shown_in_every_form(fleet, form):
    files = make(fleet, 2)
    merged = call("plan", "merge", *files, "--format", form, "-o", "plan.json", cwd=fleet)
    shown = call("show", "plan.json", "--format", form, cwd=fleet)
    assert merged.out == shown.out


def test_exit_codes_are_those_of_plan(fleet):
    files = make(fleet, 2)
    assert call("plan", "merge", *files, "--detailed-exitcode", cwd=fleet).code == 2
    (fleet / "reconciler.toml").write_text("[guards]\nchanged = 1\n")
    files = make(fleet, 3)
    refused = call("plan", "merge", *files, "-o", "plan.json", cwd=fleet)
    assert refused.code == 5
    assert json.loads((fleet / "plan.json").read_text())["refusals"][0]["accepted"] is False
    assert call("plan", "merge", *files, "--accept", "changed", "-o", "plan.json", cwd=fleet).code == 0
    whole = call("plan", *HERE, *AT, "--accept", "changed", "-o", "whole.json", cwd=fleet)
    assert whole.code == 0
    assert (fleet / "plan.json").read_bytes() == (fleet / "whole.json").read_bytes()
    assert call("plan", "merge", *files, "--accept", "chnged", cwd=fleet).code == 64


def test_stand_ins_are_for_what_is_shown(fleet):
    files = make(fleet, 2, "--pseudonymize")
    merged = call("plan", "merge", *files, "-o", "plan.json", "--pseudonymize", cwd=fleet)
    assert merged.code == 0
    some = json.loads((fleet / "plan.json").read_text())["steps"][0]["account_id"]
    assert some not in merged.out
    assert "acc-" in merged.out or "stand-ins" in merged.err


# What was typed.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*AT, "--shard", "1/2"), "--shard needs --out"),
        (("--shard", "1/2", "-o", "s.json"), "--shard needs --at"),
        ((*AT, "--shard", "1/2", "-o", "s.json", "--accept", "changed"), "--accept doesn't go with --shard"),
        ((*AT, "--shard", "1/2", "-o", "s.json", "--format", "json"), "--format doesn't go with --shard"),
        ((*AT, "--shard", "1/2", "-o", "s.json", "--detailed-exitcode"), "--detailed-exitcode doesn't go"),
        ((*AT, "--shard", "1/2", "-o", "-"), "--out takes a file"),
        *(
            ((*AT, "-o", "s.json", "--shard", part), f"{part!r} isn't one of several parts")
            for part in ("0/2", "3/2", "1", "1/", "a/b", "1/257", "-1/2", "1/2/3", "１/2")
        ),
    ],
)
def test_shards_that_make_no_sense(fleet, options, words):
    result = call("plan", *HERE, *options, cwd=fleet)
    assert result.code == 64, result.said
    assert words in result.err
    assert not (fleet / "s.json").exists()


def test_merge_comes_first_and_a_folder_of_that_name_is_written_with_its_path(fleet):
    files = make(fleet, 2)
    shutil.copytree(fleet / "manifests", fleet / "merge")
    assert call("plan", "-q", "--color=never", "-e", "stage", "merge", *files, cwd=fleet).code == 0
    assert call("-e", "stage", "plan", "-estage", "merge", *files, cwd=fleet).code == 0
    for late in (("-o", "x.json", "merge", *files), ("--", "merge", *files), ("--format", "json", "merge", *files)):
        result = call("plan", *late, cwd=fleet)
        assert result.code == 64, result.said
        assert "merge has to stand right behind plan" in result.err
        assert "./merge" in result.err
    for path in ("./merge", "merge/", "manifests"):
        assert call("plan", *HERE, *AT, path, cwd=fleet).code == 0
        assert call("plan", path, *HERE, *AT, cwd=fleet).code == 0
    assert call("plan", "merge", cwd=fleet).code == 64
    nothing = call("plan", "merge", "--shard", "1/2", *files, cwd=fleet)
    assert nothing.code == 64


def test_settings_of_the_surroundings_do_not_matter_to_merge(fleet):
    files = make(fleet, 2)
    env = {"RECONCILER_JOBS": "nonsense", "RECONCILER_SHARD": "nonsense", "RECONCILER_SELECT": "x", "CI": "true"}
    assert call("plan", "merge", *files, cwd=fleet, env=env).code == 0
    (fleet / "elsewhere").mkdir()
    for file in files:
        shutil.copy(fleet / file, fleet / "elsewhere")
    assert call("plan", "merge", *files, cwd=fleet / "elsewhere").code == 0


# What the files hold.


def test_a_shard_is_no_plan(fleet):
    [file, _] = make(fleet, 2)
    for command in (("apply", file, "--yes"), ("show", file), ("explain", file), ("requests", file)):
        result = call(*command, cwd=fleet)
        assert result.code == 3, result.said
        assert f"{file} isn't a plan" in result.err
        assert "plan merge" in result.err
    result = call("apply", *HERE, "--expect", file, "--yes", cwd=fleet)
    assert result.code == 3, result.said


def test_all_shards_once(fleet):
    one, two, three = make(fleet, 3)
    for files, words in (
        ((one, three), "the shard 2/3 is missing"),
        ((two,), "the shards 1/3, 3/3 are missing"),
        ((one, two, three, one), "are both shard 1/3"),
    ):
        result = call("plan", "merge", *files, "-o", "plan.json", cwd=fleet)
        assert result.code == 3, result.said
        assert words in result.err
        assert not (fleet / "plan.json").exists()
    shutil.copy(fleet / one, fleet / "old.json")
    files = make(fleet, 2)
    result = call("plan", "merge", *files, "old.json", cwd=fleet)
    assert result.code == 4
    assert "old.json is shard 1/3, but shard-1.json is shard 1/2" in result.err


def test_shards_of_different_moments_say_how_to_agree(fleet):
    make(fleet, 2)
    shutil.copy(fleet / "shard-1.json", fleet / "first.json")
    make(fleet, 2, at=("--at", "2026-11-24T10:00:01Z"))
    result = call("plan", "merge", "first.json", "shard-2.json", cwd=fleet)
    assert result.code == 4
    assert "moment (--at)" in result.err
    assert "give the same --at TIME to every job" in result.err


def test_shards_of_different_known_state_commits_or_options(fleet):
    make(fleet, 2)
    shutil.copy(fleet / "shard-1.json", fleet / "first.json")

    def differs(word):
        result = call("plan", "merge", "first.json", "shard-2.json", cwd=fleet)
        assert result.code == 4, result.said
        assert word in result.err, result.err

    make(fleet, 2, "--select", "owner=anna")
    differs("--select")
    (fleet / "reconciler.toml").write_text("max_plan_age = '2h'\n[guards]\nchanged = 1\n")
    make(fleet, 2)
    differs("guards")
    differs("max_plan_age")
    (fleet / "reconciler.toml").unlink()
    known = json.loads((fleet / "known-state.json").read_text())
    (fleet / "known-state.json").write_text(json.dumps(known | {"serial": 4711, "lineage": "e" * 32}))
    make(fleet, 2)
    differs("known state (lineage), known state (serial)")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", 3, "isn't a shard of a plan"),
        ("[]", 3, "it holds no object"),
        ("{}", 3, "isn't a shard of a plan of this program"),
        ('{"format": "reconciler.plan/v1"}', 3, "is a whole plan"),
        ('{"a": 1, "a": 2}', 3, "stands twice"),
    ],
)
def test_files_that_are_no_shards(fleet, text, code, words):
    (fleet / "s.json").write_text(text)
    result = call("plan", "merge", "s.json", cwd=fleet)
    assert result.code == code, result.said
    assert words in result.err


def test_files_that_cannot_be_read(fleet):
    assert call("plan", "merge", "nowhere.json", cwd=fleet).code == 3
    assert call("plan", "merge", "manifests", cwd=fleet).code == 3
    (fleet / "s.json").write_bytes(b"\xff")
    assert "isn't UTF-8" in call("plan", "merge", "s.json", cwd=fleet).err


# What the manifests hold.

PRODUCT = "56e1741a6fc9365306000002"


def account(number):
    return f"52a781d6400e06897c00000{number:x}"


def apart(numbers, of):
    """True if these accounts are in as many shards."""
    return len({bucket_of(account(number)) % of for number in numbers}) == len(numbers)


def declare(folder, *documents):
    shutil.rmtree(folder / "manifests")
    (folder / "manifests").mkdir()
    for number, more in enumerate(documents):
        head = f"apiVersion: payway/v1\nkind: Account\naccount_id: {account(number)}\n"
        (folder / "manifests" / f"{number}.yaml").write_text(f"# {number}\n{head}{more}")


def test_what_two_shards_declare_refuses_the_plan_with_both_places(fleet):
    number = 'customer_number: "17"\nuser_products: []\n'
    product = "user_products:\n  - user_product_id: 56e1741a6fc9365306000034\n"
    declare(fleet, number, product, number, product, "user_products: []\n", number)
    alone = call("plan", *HERE, *AT, cwd=fleet)
    assert alone.code == 3
    assert apart([0, 1, 2, 3, 5], 16)
    result = call("plan", "merge", *make(fleet, 16), "-o", "plan.json", cwd=fleet)
    assert result.code == 3, result.said
    assert not (fleet / "plan.json").exists()
    places = [line.partition(": error")[0] for line in result.err.splitlines() if ": error: " in line]
    assert places == ["manifests/2.yaml:2:1", "manifests/3.yaml:2:1", "manifests/5.yaml:2:1"]
    assert [place.split(":")[0] for place in places] == [
        line.split(":")[0] for line in alone.err.splitlines() if ": error: " in line
    ]
    assert "manifests/2.yaml:2:1: error: one customer_number stands on two accounts" in result.err
    assert "manifests/0.yaml:2:1" in result.err


def test_what_is_only_warned_about_is_warned_about(fleet):
    number = f"user_products:\n  - product_id: {PRODUCT}\n    subscription_number: '0042'\n    state: activated\n"
    declare(fleet, number, "user_products: []\n", number, number)
    assert apart([0, 2, 3], 16)
    whole = call("plan", *HERE, *AT, "-o", "whole.json", cwd=fleet)
    merged = call("plan", "merge", *make(fleet, 16), "-o", "plan.json", cwd=fleet)
    assert merged.code == whole.code
    assert (fleet / "plan.json").read_bytes() == (fleet / "whole.json").read_bytes()
    told = "[duplicate-subscription-number]"
    assert merged.err.count(told) == whole.err.count(told) == 2


def test_what_is_wrong_fails_one_shard_and_so_all(fleet):
    declare(fleet, *["user_products: []\n"] * 3, "sate: x\n")
    codes = [
        call("plan", *HERE, *AT, "--shard", f"{number}/4", "-o", "s.json", cwd=fleet).code for number in range(1, 5)
    ]
    assert sorted(codes) == [0, 0, 0, 3]


# What is kept.


def test_each_shard_keeps_what_it_read_in_a_file_of_its_own(tmp_path):
    fleet = LargeFleet(tmp_path)
    whole = fleet.plan()
    for _ in range(2):
        for number in (1, 2):
            result = fleet.run("--shard", f"{number}/2")
            assert result.code == 0, result.said
            (tmp_path / "plan.json").rename(tmp_path / f"s{number}.json")
        merged = call("plan", "merge", "s1.json", "s2.json", "-o", "merged.json", cwd=tmp_path)
        assert merged.code in (0, 5), merged.said
        assert (tmp_path / "merged.json").read_bytes() == whole
        fleet.declare(0, "deactivated")
        whole = fleet.plan()
    kept = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / ".reconciler").glob("*.db")}
    assert kept == {"cache.db": 0o600, "cache-1-of-2.db": 0o600, "cache-2-of-2.db": 0o600}
