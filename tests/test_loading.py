"""A fleet from a cache says what is said of the same manifests in memory, cold, warm and in any order."""

import io
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.planning import NOW
from support.written import document

from reconciler.errors import InvalidInput
from reconciler.instants import minute_of
from reconciler.manifests import files, loading, rows
from reconciler.manifests.cache import Cache
from reconciler.manifests.desired import digest, load_desired
from reconciler.manifests.loading import estimated_documents, load_fleet
from reconciler.manifests.walk import find_manifests
from reconciler.workers import local_workers

MINUTE = minute_of(NOW)
ROOT = Path(__file__).parents[1]


@contextmanager
def loaded(paths, cache=None, *, stdin=None, full_hash=False):
    kept = Cache.open(cache, "test") if cache is not None else Cache.temporary()
    assert kept is not None
    try:
        yield load_fleet(find_manifests(paths), kept, local_workers(1), stdin=stdin, full_hash=full_hash)
        kept.save()
    finally:
        kept.close()


def same(paths, cache=None, *, stdin=None, moments=(MINUTE,), full_hash=False):
    """Hold a fleet to the same manifests in memory; its findings."""
    with loaded(paths, cache, stdin=None if stdin is None else io.BytesIO(stdin), full_hash=full_hash) as fleet:
        for moment in moments:
            desired = load_desired(paths, now=moment, stdin=None if stdin is None else io.BytesIO(stdin))
            assert fleet.diagnostics(moment) == desired.diagnostics
            assert (fleet.files, fleet.accounts) == (desired.files, len(desired.accounts))
            if not desired.errors:
                assert fleet.digest() == digest(desired.accounts)
                for number, account in zip(
                    [each.number for each in fleet.cache.compared()], desired.accounts, strict=True
                ):
                    assert fleet.declared(number) == account
                assert [each.account_id for each in fleet.outlines()] == [each.account_id for each in desired.accounts]
    return [(each.rule, str(each.position)) for each in desired.diagnostics]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


def declare(account="52a781d6400e06897c00000f", *lines):
    return "\n".join(["apiVersion: payway/v1", "kind: Account", f"account_id: {account}", *lines, ""])


A, B, C = (declare(f"52a781d6400e06897c00000{last}") for last in "abc")
USER_PRODUCT, PRODUCT = "56e1741a6fc9365306000034", "56e1741a6fc9365306000002"
NONE = "user_products: []\n"
CUSTOMER = f"customer_number: '7'\n{NONE}"
USER = f"user_products:\n  - user_product_id: {USER_PRODUCT}\n"
NUMBER = f"user_products:\n  - product_id: {PRODUCT}\n    subscription_number: '7'\n"
ENDED = f"user_products:\n  - product_id: {PRODUCT}\n    state: activated\n    valid_to: 2026-11-24 10:00 +0000\n"
LATER = ENDED.replace("2026-11-24 10:00", "2026-11-24 10:01")

#: Manifests by name; what is wrong is spread over them.
FLEETS = {
    "sound": {"a.yaml": A + NONE, "b.yaml": B + USER},
    "the account twice": {"a.yaml": A + NONE, "b/c.yaml": A + NONE, "c.json": B + NONE},
    "the account twice with its customer": {
        "a.yaml": A + CUSTOMER,
        "b.yaml": A.replace("7c00000a", "7C00000A") + CUSTOMER,
    },
    "the customer twice": {"b.yaml": A + CUSTOMER, "a.yaml": B + CUSTOMER},
    "a user product twice": {"b.yaml": A + USER, "a.yaml": B + USER, "c.yaml": f"{C}{NONE}"},
    "a subscription number twice": {"b.yaml": A + NUMBER, "a.yaml": B + NUMBER.replace("7", "07"), "c.yml": C + NUMBER},
    "three times, in one file too": {"b.yaml": f"{A}{USER}---\n{B}{USER}", "a.yaml": C + USER},
    "of a document with errors": {"b.yaml": A + "ovner: x\n" + USER, "a.yaml": B + USER},
    "before a syntax error": {"b.yaml": f"{A}{USER}---\nowner: [\n", "a.yaml": B + USER},
    "ended": {"a.yaml": A + ENDED, "b.yaml": f"{B}{LATER}---\n{C}{NONE}"},
    "ended and wrong": {"a.yaml": A + "ovner: x\n" + ENDED, "b.yaml": B + LATER + "owner: [\n"},
    "ended twice": {"a.yaml": A + ENDED, "b.yaml": A + LATER},
    "warned": {"a.yaml": A + "owner: no\n" + NONE, "b.yaml": B + "labels: {a: 007}\n" + NONE},
    "every kind of error": {
        "a.yaml": A + "owner: &a x\n" + NONE, "b.yaml": "\ufeff" + B, "c.yaml": "- a\n", "d.yaml": "~",
        "e.yaml": A + "labels: " + "[" * 20, "f.yaml": b"\xff", "g.yaml": A.encode() + b"owner: \0", "h.yaml": "",
    },
    "a name that is no text": {os.fsdecode(b"\xff.yaml"): A + NONE, "é/ü.yaml": B + "ovner: x\n", "a\n.yaml": "~"},
    "ids that only look alike": {"a.yaml": A + CUSTOMER, "b.yaml": B + CUSTOMER.replace("7", "07")},
}  # fmt: skip


def put(folder, texts):
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("name", FLEETS)
@pytest.mark.parametrize("turned", [False, True])
def test_findings_are_the_same_cold_and_warm(here, tmp_path, monkeypatch, name, turned):
    monkeypatch.setattr(loading, "_RACY", -(10**12))
    texts = FLEETS[name]
    put(here, dict(zip(texts, reversed(texts.values()), strict=True)) if turned else texts)
    moments = [MINUTE - 1, MINUTE, MINUTE + 1, MINUTE - 1]
    cold = same(["m"], tmp_path / "cache.db", moments=moments)
    with patch.object(rows, "rows_of_files", side_effect=rows.rows_of_files) as reading:
        assert same(["m"], tmp_path / "cache.db", moments=moments) == cold
    again = [file.name for call in reading.call_args_list for file, _ in call.args[0]]
    assert again == []
    assert same(["m"], tmp_path / "cache.db", full_hash=True, moments=moments) == cold
    # In the other order of discovery, by their own names.
    names = sorted((f"m/{each}" for each in texts), reverse=True)
    assert same(names, tmp_path / "other.db", moments=moments) == cold


def test_the_table_holds_findings_of_each_kind(here):
    rules = set()
    for texts in FLEETS.values():
        put(here, texts)
        rules |= {rule for rule, _ in same(["m"])}
        shutil.rmtree(here)
        here.mkdir()
    assert {"duplicate-account", "duplicate-customer-number", "duplicate-user-product", "window-over"} <= rules
    assert {"duplicate-subscription-number", "ambiguous-scalar", "bad-yaml", "not-utf8", "nesting-too-deep"} <= rules


def test_files_that_can_t_be_used_are_told_the_same(here, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 3000)
    put(here, {"a.yaml": A + NONE, "large.yaml": A + NONE + "#" * 3000, "b.yaml": B + "ovner: x\n" + NONE})
    (here / "link.yaml").symlink_to("a.yaml")
    (here / "out.yaml").symlink_to("../../elsewhere.yaml")
    (tmp_path / "out").mkdir()
    put(tmp_path / "out", {"o.yaml": C + NONE})
    (here / "folder.yaml").symlink_to(tmp_path / "out")
    (here / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(here / "pipe.yaml")
    (here / "sub").mkdir()
    (here / "sub" / "back").symlink_to("..")
    paths = (["m"], ["m", "m/a.yaml"], ["m/a.yaml", "m"], ["m/link.yaml", "m/a.yaml"], ["m", "out"], ["m/sub", "m"])
    for given_paths in paths:
        cache = tmp_path / "cache.db"
        assert same(list(given_paths), cache) == same(list(given_paths), cache) == same(list(given_paths))


def test_a_file_that_may_not_be_read_is_told_the_same(here, tmp_path, monkeypatch):
    put(here, {"a.yaml": A + NONE, "b.yaml": B + NONE})
    opened = os.open

    def refusing(path, *rest, **more):
        if str(path).endswith("m/b.yaml"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", refusing)
    assert same(["m"], tmp_path / "cache.db") == [("unreadable", "m/b.yaml:1:1")]
    assert same(["m"], tmp_path / "cache.db") == [("unreadable", "m/b.yaml:1:1")]
    monkeypatch.setattr(os, "open", opened)
    assert same(["m"], tmp_path / "cache.db") == []


def test_standard_input_is_read_anew_each_time(here, tmp_path):
    put(here, {"a.yaml": A + USER})
    cache = tmp_path / "cache.db"
    texts = (B + NONE, B + USER, A + NONE, "", "owner: [", f"{B}{NONE}---\n{C}{LATER}")
    for text in (*texts, *reversed(texts)):
        for paths in (["-", "m"], ["m", "-"], ["-"]):
            same(paths, cache, stdin=text.encode())
    assert same(["m"], cache) == []


def test_sets_of_paths_share_a_cache_without_disturbing_each_other(here, tmp_path):
    put(here, {"a.yaml": A + USER, "b/b.yaml": B + USER, "b/c.yaml": C + ENDED, "d/d.yaml": A + NONE})
    cache = tmp_path / "cache.db"
    sets = (["m"], ["m/b"], ["m/a.yaml", "m/b/c.yaml"], ["m/d", "m/b/c.yaml"], ["m/d"], ["m/b", "m/b/b.yaml"])
    for _ in range(2):
        for paths in sets:
            assert same(list(paths), cache) == same(list(paths))
    put(here, {"b/b.yaml": B + NONE})
    for paths in reversed(sets):
        assert same(list(paths), cache) == same(list(paths))


def test_the_same_folder_by_another_name_has_its_findings_by_that_name(here, tmp_path, monkeypatch):
    put(here, {"a.yaml": A + "ovner: x\n" + ENDED})
    cache = tmp_path / "cache.db"
    (tmp_path / "way").symlink_to("m")
    assert same(["m"], cache)[0][1].startswith("m/a.yaml")
    assert same(["way"], cache)[0][1].startswith("way/a.yaml")
    monkeypatch.chdir(here)
    assert same(["."], cache)[0][1].startswith("a.yaml")
    assert same([str(here)], cache)[0][1].startswith("a.yaml")


def renamed(folder):
    (folder / "a.yaml").rename(folder / "z.yaml")


def swapped(folder):
    (folder / "a.yaml").rename(folder / "t")
    (folder / "b" / "b.yaml").rename(folder / "a.yaml")
    (folder / "t").rename(folder / "b" / "b.yaml")


def linked(folder):
    (folder / "a.yaml").rename(folder / "b" / "other.yaml")
    (folder / "a.yaml").symlink_to("b/other.yaml")


def folder_moved(folder):
    (folder / "b").rename(folder / "c")


def folder_linked(folder):
    (folder / "b").rename(folder / "c")
    (folder / "b").symlink_to("c")


def folder_is_a_file(folder):
    shutil.rmtree(folder / "b")
    (folder / "b").write_text(C)


def folder_named_as_a_file(folder):
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").mkdir()
    (folder / "a.yaml" / "a.yaml").write_text(A + NONE)


def replaced_keeping_its_times(folder):
    path = folder / "a.yaml"
    status = path.stat()
    text = path.read_text()
    path.write_text(text.replace("activated", "Activated"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def replaced_by_a_copy_with_its_times(folder):
    path = folder / "a.yaml"
    other = folder / "t"
    other.write_text(path.read_text().replace("activated", "Activated"))
    shutil.copystat(path, other)
    other.rename(path)


CHANGES = [
    renamed, swapped, linked, folder_moved, folder_linked, folder_is_a_file, folder_named_as_a_file,
    replaced_keeping_its_times, replaced_by_a_copy_with_its_times,
    lambda folder: (folder / "a.yaml").unlink(), lambda folder: shutil.rmtree(folder / "b"),
    lambda folder: (folder / "a.yaml").write_text(""), lambda folder: (folder / "a.yaml").write_text(B + NONE),
    lambda folder: (folder / "new.yaml").write_text(A + NONE), lambda folder: (folder / "b/.b.yaml").write_text("~"),
    lambda folder: (folder / "b/b.yaml").rename(folder / "b/.b.yaml"), lambda folder: (folder / "a.yaml").touch(),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_files_is_noticed(here, tmp_path, monkeypatch, change):
    # With no time between reading and changing counting as too short, the signature alone has to tell.
    monkeypatch.setattr(loading, "_RACY", -(10**12))
    put(here, {"a.yaml": A + ENDED, "b/b.yaml": B + USER, "b/c.yaml": C + NONE})
    cache = tmp_path / "cache.db"
    before = same(["m"], cache)
    same(["m/b"], cache)
    change(here)
    after = same(["m"], cache)
    assert after == same(["m"])
    assert same(["m"], cache) == after
    if (here / "b").is_dir():
        same(["m/b"], cache)
    if change in (replaced_keeping_its_times, replaced_by_a_copy_with_its_times):
        assert after != before


def opened_files(paths, cache, **options):
    """The manifests that a load opens."""
    seen = []
    opening = os.open

    def noting(path, *rest, **more):
        seen.append(os.path.basename(path))  # noqa: PTH119
        return opening(path, *rest, **more)

    with patch.object(os, "open", noting), loaded(paths, cache, **options) as fleet:
        fleet.diagnostics(MINUTE)
    return sorted(seen)


def test_an_unchanged_file_is_not_opened_again(here, tmp_path, monkeypatch):
    put(here, {"a.yaml": A + ENDED, "b/b.yaml": B + USER})
    cache = tmp_path / "cache.db"
    assert opened_files(["m"], cache) == ["a.yaml", "b.yaml"]
    # Both were changed too short before they were read: their bytes are looked at once more, but only these.
    with patch.object(rows, "rows_of_files", side_effect=rows.rows_of_files) as reading:
        assert opened_files(["m"], cache) == ["a.yaml", "b.yaml"]
    assert len(reading.call_args_list) == 1
    # As if they were read two seconds later.
    late = loading._RACY + 10**9
    monkeypatch.setattr(loading, "_RACY", 2 * 10**9 - late)
    assert opened_files(["m"], cache) == []
    assert opened_files(["m"], cache, full_hash=True) == ["a.yaml", "b.yaml"]
    (here / "a.yaml").touch()
    monkeypatch.setattr(loading, "_RACY", 2 * 10**9)
    assert "a.yaml" in opened_files(["m"], cache)


def test_sets_of_paths_keep_each_other_s_files(here, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_RACY", -(10**12))
    put(here, {"a.yaml": A + NONE, "b/b.yaml": B + USER, "c/c.yaml": C + NONE})
    cache = tmp_path / "cache.db"
    sets = (["m/a.yaml"], ["m/b"], ["m/c/c.yaml"], ["m/c"])
    assert [len(opened_files(paths, cache)) for paths in sets] == [1] * 4
    assert [len(opened_files(paths, cache)) for paths in sets] == [0] * 4


def test_what_is_gone_is_forgotten(here, tmp_path):
    put(here, {"a.yaml": A + NONE, "b/b.yaml": B + USER, "c/c.yaml": C + NONE})
    cache = tmp_path / "cache.db"
    same(["m/a.yaml"], cache)
    same(["m/b", "m/c", "-"], cache, stdin=b"")
    (here / "a.yaml").unlink()
    shutil.rmtree(here / "b")
    same(["m/c"], cache)
    with loaded(["m/c"], cache) as fleet:
        assert fleet.cache.execute("SELECT entry FROM files").fetchall() == [("c.yaml",)]
        assert len(fleet.cache.execute("SELECT * FROM rows").fetchall()) == 1


def test_a_file_with_an_old_time_that_was_just_put_there_is_looked_at_again(here, tmp_path):
    """As by ``cp -p``: what tells that it may change again is when it was put there."""
    put(here, {"a.yaml": A + NONE})
    os.utime(here / "a.yaml", (10**9, 10**9))
    cache = tmp_path / "cache.db"
    assert opened_files(["m"], cache) == ["a.yaml"]
    assert opened_files(["m"], cache) == ["a.yaml"]


def test_a_file_from_the_future_is_read_each_time(here, tmp_path, monkeypatch):
    put(here, {"a.yaml": A + NONE})
    os.utime(here / "a.yaml", (2**32, 2**32))
    monkeypatch.setattr(loading, "_RACY", 0)
    for _ in range(3):
        assert opened_files(["m"], tmp_path / "cache.db") == ["a.yaml"]


def test_a_change_in_the_same_tick_of_the_clock_is_noticed(here, tmp_path):
    """The signature stays as it was, as on a file system with coarse times."""
    put(here, {"a.yaml": A + ENDED})
    cache = tmp_path / "cache.db"
    signature = files.signature_of(os.lstat(here / "a.yaml"))
    with (
        patch.object(loading, "signature_of", return_value=signature),
        patch.object(files, "signature_of", return_value=signature),
    ):
        assert same(["m"], cache) == [("window-over", "m/a.yaml:7:15")]
        put(here, {"a.yaml": A + LATER})
        assert same(["m"], cache) == []


def test_many_chunks_come_back_whole(here, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_CHUNK_FILES", 3)
    monkeypatch.setattr(loading, "_CHUNK_BYTES", 700)
    put(here, {f"{n % 4}/{n:03}.yaml": declare(f"{n:023x}f") + NONE for n in range(40)})
    with loaded(["m"], tmp_path / "cache.db") as fleet:
        assert (fleet.files, fleet.accounts) == (40, 40)
    same(["m"], tmp_path / "cache.db")
    put(here, {"0/000.yaml": declare(f"{1:023x}f") + NONE})
    assert [rule for rule, _ in same(["m"], tmp_path / "cache.db")] == ["duplicate-account"]


def test_documents_are_counted_roughly_without_reading(here, monkeypatch):
    put(here, {"a.yaml": "#" * 600_000, "b.yaml": A})
    with patch.object(os, "open", side_effect=AssertionError):
        assert estimated_documents(find_manifests(["m"])) == 1200
        assert estimated_documents(find_manifests(["m/b.yaml"])) == 1
        assert estimated_documents(find_manifests(["-"])) == 1
    monkeypatch.setattr(loading, "_CHUNK_FILES", 2)
    assert estimated_documents(find_manifests(["m"])) == 2


def test_a_manifest_that_is_gone_when_its_document_is_asked_for_is_told(here):
    put(here, {"a.yaml": A + NONE})
    with loaded(["m"]) as fleet:
        [row] = fleet.cache.compared()
        (here / "a.yaml").unlink()
        with pytest.raises(InvalidInput, match="changed while it was read"):
            fleet.declared(row.number)


NAMES = ["a.yaml", "b.yaml", "s/a.yaml", "s/b.json", "t/u/c.yml"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 30), max_size=5), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    fleets(),
    st.booleans(),
)
def test_whatever_changes_findings_and_documents_are_those_in_memory(phases, fleet, racy):
    sound = [document(each, 2) for each in fleet.declared] or [A + NONE]
    texts = [*(text for each in FLEETS.values() for text in each.values()), *sound]
    texts += ["---\n".join(sound), A + ENDED, A + LATER]
    home = Path(tempfile.mkdtemp())
    before = Path.cwd()
    try:
        os.chdir(home)
        folder, cache = home / "m", home / "cache.db"
        for files_of_it, full_hash in phases:
            folder.mkdir(exist_ok=True)
            for path in list(folder.rglob("*.*")):
                if str(path.relative_to(folder)) not in files_of_it:
                    path.unlink()
            for name, number in files_of_it.items():
                path, text = folder / name, texts[number % len(texts)]
                data = text if isinstance(text, bytes) else text.encode()
                path.parent.mkdir(exist_ok=True, parents=True)
                if not path.exists() or path.read_bytes() != data:
                    path.write_bytes(data)
            if not files_of_it:
                continue
            with patch.object(loading, "_RACY", 2 * 10**9 if racy else -(10**12)):
                same(["m"], cache, moments=(MINUTE, MINUTE + 1), full_hash=full_hash)
    finally:
        os.chdir(before)
        shutil.rmtree(home)
