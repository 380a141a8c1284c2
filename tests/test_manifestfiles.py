"""Which files are manifests, and that nothing else is opened."""

import io
import os
import socket
from pathlib import Path

import pytest

from reconciler.diagnostics import Diagnostic
from reconciler.errors import InvalidInput
from reconciler.manifests.files import MAX_BYTES, ManifestFile, read_manifest
from reconciler.manifests.walk import display_name, find_manifests


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(*paths: str) -> list[str]:
    found = find_manifests(paths)
    assert found.diagnostics == ()
    return [file.name for file in found.files]


def refused(*paths: str) -> list[tuple[str, str]]:
    found = find_manifests(paths)
    late = [read_manifest(file) for file in found.files]
    diagnostics = [*found.diagnostics, *(each for each in late if isinstance(each, Diagnostic))]
    assert all(each.hint for each in diagnostics)
    return [(each.rule, each.position.file) for each in diagnostics]


def test_a_folder_is_walked_in_sorted_order_without_hidden_names(here):
    make(
        here,
        "m/b.yaml",
        "m/a.yml",
        "m/c/d.json",
        "m/B.yaml",
        "m/.hidden.yaml",
        "m/.git/x.yaml",
        "m/read.md",
        "m/n.YAML",
    )
    assert names("m") == ["m/B.yaml", "m/a.yml", "m/b.yaml", "m/c/d.json"]


def test_a_file_by_name_is_taken_whatever_its_name(here):
    make(here, "a.txt", ".b")
    assert names("a.txt", ".b") == [".b", "a.txt"]


def test_a_file_reached_twice_is_read_once(here):
    make(here, "m/a.yaml", "m/n/b.yaml")
    assert names("m", "m/a.yaml", "./m/../m", str(here / "m/n"), "m/n/b.yaml") == ["m/a.yaml", "m/n/b.yaml"]


def test_names_are_relative_to_the_current_folder_where_they_can_be(here):
    make(here, "m/a.yaml")
    make(here.parent, "beside/b.yaml")
    assert names(str(here / "m")) == ["m/a.yaml"]
    assert names("../beside") == ["../beside/b.yaml"]
    assert names(str(here.parent / "beside")) == [(here.parent / "beside/b.yaml").as_posix()]
    assert names("m/.//a.yaml") == ["m/a.yaml"]


def test_a_name_that_is_no_text_is_escaped(here):
    assert display_name(os.fsdecode(b"a\xff.yaml")) == "a\\xff.yaml"


def test_a_link_inside_the_given_path_is_followed_under_its_own_name(here):
    make(here, "m/.data/a.yaml", "m/b.yaml", "m/.more/c.yaml")
    (here / "m/a.yaml").symlink_to(".data/a.yaml")
    (here / "m/again.yaml").symlink_to("b.yaml")
    (here / "m/more").symlink_to(".more")
    assert names("m") == ["m/a.yaml", "m/b.yaml", "m/more/c.yaml"]


def test_links_that_go_round_end(here):
    make(here, "m/a.yaml")
    (here / "m/self").symlink_to(".")
    (here / "m/up").symlink_to("../m")
    (here / "m/loop.yaml").symlink_to("loop.yaml")
    assert refused("m") == [("not-a-file", "m/loop.yaml")]
    assert len(find_manifests(["m"]).files) == 1


def test_many_links_between_folders_take_no_time(here):
    for number in range(30):
        make(here, f"m/f{number}/a.yaml")
        for way in "xy":
            (here / f"m/f{number}/{way}").symlink_to(f"../f{(number + 1) % 30}")
    assert len(names("m")) == 30


def test_links_that_leave_the_given_path_are_refused(here):
    make(here, "m/a.yaml", "out/b.yaml", "m2/c.yaml", "out/read.md")
    (here / "m/b.yaml").symlink_to("../out/b.yaml")
    (here / "m/folder").symlink_to("../out")
    (here / "m/beside").symlink_to("../m2")  # a name that starts alike is still outside
    (here / "m/read.md").symlink_to("../out/read.md")  # no manifest: no matter
    assert refused("m") == [("outside-path", "m/b.yaml"), ("outside-path", "m/beside"), ("outside-path", "m/folder")]


def test_a_link_given_as_the_path_is_its_target(here):
    make(here, "out/b.yaml")
    (here / "link").symlink_to("out")
    (here / "file").symlink_to("out/b.yaml")
    assert names("link") == ["link/b.yaml"]
    assert names("file") == ["file"]


def test_what_is_no_regular_file_is_refused_unopened(here):
    make(here, "m/a.yaml", "m/folder.yaml/b.yaml")
    os.mkfifo(here / "m/fifo.yaml")
    os.mkfifo(here / "m/fifo")
    (here / "m/null.json").symlink_to("/dev/null")
    (here / "m/gone.yml").symlink_to("nowhere")
    (here / "m/fifolink.yaml").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("m/socket.yaml")
    assert sorted(refused("m")) == [
        ("not-a-file", "m/fifo.yaml"),
        ("not-a-file", "m/fifolink.yaml"),
        ("not-a-file", "m/gone.yml"),
        ("not-a-file", "m/socket.yaml"),
        ("outside-path", "m/null.json"),
    ]
    assert refused("m/fifo", "m/gone.yml", "/dev/null") == [
        ("not-a-file", "m/fifo"),
        ("not-a-file", "m/gone.yml"),
        ("not-a-file", "/dev/null"),
    ]


def test_a_file_that_became_a_link_or_fifo_after_the_walk_is_refused(here):
    make(here, "a.yaml", "b.yaml")
    found = find_manifests(["."]).files
    (here / "a.yaml").unlink()
    (here / "a.yaml").symlink_to("b.yaml")
    (here / "b.yaml").unlink()
    os.mkfifo(here / "b.yaml")
    assert [getattr(read_manifest(file), "rule", None) for file in found] == ["not-a-file", "not-a-file"]


def test_a_file_over_the_limit_is_refused_before_it_is_read(here):
    for name, size in (("fits.yaml", MAX_BYTES), ("large.yaml", MAX_BYTES + 1), ("huge.yaml", 1 << 40)):
        with (here / name).open("wb") as file:
            file.truncate(size)
    assert refused(".") == [("file-too-large", "huge.yaml"), ("file-too-large", "large.yaml")]


@pytest.mark.parametrize("more", [-3, 0, 1, 5, 5000])
def test_a_file_that_changes_its_size_while_it_is_opened_is_read_to_its_end(here, monkeypatch, more):
    make(here, "changes.yaml")
    [file] = find_manifests(["."]).files
    stat, read = os.fstat, os.read
    sizes, asked = [], []

    def then_changed(descriptor):
        status = stat(descriptor)
        if not sizes:
            os.truncate("changes.yaml", status.st_size + more)
        sizes.append(status.st_size)
        return status

    def reading(descriptor, length):
        asked.append(length)
        return read(descriptor, length)

    monkeypatch.setattr(os, "fstat", then_changed)
    monkeypatch.setattr(os, "read", reading)
    assert read_manifest(file) == b"changes.yaml"[: sizes[0] + min(more, 0)] + bytes(max(more, 0))
    # One that doesn't isn't asked for more.
    assert (len(asked) == 1) is (more == 0)


def test_standard_input_is_read_once_and_to_the_limit(here):
    [file] = find_manifests(["-", "-"]).files
    assert file == ManifestFile("<stdin>")
    assert read_manifest(file, io.BytesIO(b"a")) == b"a"
    assert isinstance(read_manifest(file, io.BytesIO(b"a" * (MAX_BYTES + 1))), Diagnostic)


def test_what_vanished_is_unreadable(here):
    make(here, "a.yaml")
    [file] = find_manifests(["."]).files
    (here / "a.yaml").unlink()
    finding = read_manifest(file)
    assert isinstance(finding, Diagnostic)
    assert (finding.rule, finding.message) == ("unreadable", "this can't be read: no such file or directory")


@pytest.mark.parametrize("path", ["nowhere", "", "a\0b", "x" * 5000, "a.yaml/b"])
def test_a_path_that_does_not_exist_is_an_error_of_the_input(here, path):
    make(here, "a.yaml")
    with pytest.raises(InvalidInput, match="doesn't exist") as raised:
        find_manifests([path])
    assert raised.value.hint


def test_paths_without_any_manifest_are_an_error_of_the_input(here):
    make(here, "m/read.md", "m/.a.yaml")
    with pytest.raises(InvalidInput, match="no manifest in m"):
        find_manifests(["m"])
    with pytest.raises(InvalidInput):
        find_manifests([])


def test_a_folder_keeps_its_names_in_one_text(here):
    make(here, "a.yaml", "b/aa.yaml", "b/c a.yml", "b/å.json")
    top, below = find_manifests(["."]).folders
    assert (top.entries, top.count) == (["a.yaml"], 1)
    assert (below.entries, below.count) == (["aa.yaml", "c a.yml", "å.json"], 3)
    assert [below.holds(name) for name in ("aa.yaml", "c a.yml", "å.json")] == [True] * 3
    assert not any(map(below.holds, ("a.yaml", "aa.yam", "a", "", "aa.yaml/c a.yml/x")))
