"""Writing files: whole or not at all, for their owner alone, and through links."""

import os
import stat
import threading

import pytest

from reconciler.errors import InvalidInput
from reconciler.files import check_writable, write_atomically


def test_a_new_file_is_its_owners_alone(tmp_path):
    write_atomically(tmp_path / "plan.json", b"plan")
    assert (tmp_path / "plan.json").read_bytes() == b"plan"
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600


def test_an_old_file_is_replaced_and_becomes_its_owners_alone(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as reader:
        write_atomically(str(path), b"new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidInput, match="can't be written: No space left on device"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_nothing_half_done(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "plan.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "plan.json").symlink_to("real.json")
    write_atomically(tmp_path / "plan.json", b"new")
    assert (tmp_path / "plan.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_dangling_link_makes_what_it_names(tmp_path):
    (tmp_path / "plan.json").symlink_to("real.json")
    write_atomically(tmp_path / "plan.json", b"new")
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"plan")
    reader.join(10)
    assert read == [b"plan"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_to():
    check_writable("/dev/null")
    write_atomically("/dev/null", b"plan")


def test_a_name_as_long_as_a_file_can_have(tmp_path):
    path = tmp_path / ("x" * 255)
    check_writable(path)
    write_atomically(path, b"plan")
    assert path.read_bytes() == b"plan"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", "Is a directory"),
        ("missing/plan.json", "No such file or directory"),
        ("file/plan.json", "(No such file or|Not a) directory"),
        ("x" * 256, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_told_beforehand_and_then(tmp_path, name, why):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=f"can't be written: {why}"):
        check_writable(tmp_path / name)
    with pytest.raises(InvalidInput, match="can't be written") as raised:
        write_atomically(tmp_path / name, b"x")
    assert raised.value.hint
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidInput, match="Permission denied"):
        check_writable(tmp_path / "plan.json")
    tmp_path.chmod(0o700)


def test_checking_writes_nothing(tmp_path):
    check_writable(tmp_path / "plan.json")
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    assert {path.name for path in tmp_path.iterdir()} == {"old"}
    assert (tmp_path / "old").read_text() == "old"
