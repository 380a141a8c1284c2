"""Artifacts are hostile: which one is taken, and what of it is read."""

import io
import zipfile
from pathlib import Path

import pytest
from forge.standin import TOKEN, Fault, archive
from pipeline import artifacts
from pipeline.forge import ForgeError
from pipeline.runner import Failed

SNAPSHOT = archive({"known-state.json": b'{"format": "reconciler.known-state/v1"}'})
NAME = "payway-known-state-stage"


@pytest.fixture
def found(step):
    """Run the step; gives its outputs."""

    def run(**more):
        here = step()
        artifacts.known_state(here.runner(**more))
        return here.outputs()

    return run


def main_run(forge, event="push", **more):
    return forge.run("c" * 40, event, "main", status="completed", **more)


def test_a_store_needs_no_snapshot(forge, found):
    assert found(PIPELINE_HAS_STORE="true") == {"source": "store"}
    assert forge.requests == []


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_the_newest_snapshot_of_the_main_branch(forge, found, event):
    forge.upload(main_run(forge, event), NAME, archive({"known-state.json": "old"}))
    forge.upload(main_run(forge, event), NAME, SNAPSHOT)
    outputs = found()
    assert outputs["source"] == "snapshot"
    assert Path(outputs["snapshot"]).read_bytes() == b'{"format": "reconciler.known-state/v1"}'
    [storage] = [request for request in forge.requests if request.path.startswith("/storage")]
    assert storage.authorization is None


def test_none_in_a_public_repository(forge, found, capsys):
    forge.private = False
    forge.upload(main_run(forge), NAME, SNAPSHOT)
    assert found() == {"source": "none"}
    assert "public" in capsys.readouterr().out
    assert [request.path for request in forge.requests] == ["/repos/publisher/readers"]


@pytest.mark.parametrize(
    "run",
    [
        {"event": "pull_request"},
        {"event": "pull_request_target"},
        {"head_repository_id": 666},
        {"repository_id": 666},
        {"head_branch": "change"},
    ],
    ids=str,
)
def test_no_snapshot_of_a_pull_request(forge, found, run):
    made = main_run(forge)
    made.update(run)
    forge.upload(made, NAME, SNAPSHOT)
    assert found() == {"source": "none"}


def test_no_snapshot_that_has_expired(forge, found):
    forge.upload(main_run(forge), NAME, SNAPSHOT, expired=True)
    assert found() == {"source": "none"}


def test_a_digest_that_the_forge_noted_down(forge, found):
    forge.upload(main_run(forge), NAME, SNAPSHOT, digest="sha256:" + "0" * 64)
    with pytest.raises(Failed, match="noted down") as raised:
        found()
    assert raised.value.code == 4


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "http://elsewhere.example/x"}),
        (302, {}),
        (200, {}),
        (301, {"Location": "https://x.example/"}),
    ],
)
def test_the_forge_sends_elsewhere(forge, found, status, headers):
    forge.upload(main_run(forge), NAME, SNAPSHOT)
    forge.faults = [Fault("GET", "/zip$", status, headers=headers)]
    with pytest.raises(ForgeError) as raised:
        found()
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize("status", [302, 403, 404])
def test_the_storage_refuses(forge, found, status):
    forge.upload(main_run(forge), NAME, SNAPSHOT)
    forge.faults = [Fault("GET", "/storage/", status, headers={"Location": "https://elsewhere.example/"})]
    with pytest.raises(ForgeError):
        found()


def test_the_storage_is_busy_for_a_while(forge, found):
    forge.upload(main_run(forge), NAME, SNAPSHOT)
    forge.faults = [Fault("GET", "/storage/", 503, times=2)]
    assert found()["source"] == "snapshot"


def test_too_long_a_download(forge, found, monkeypatch):
    monkeypatch.setattr(artifacts, "LONGEST_ARCHIVE", 50)
    forge.upload(main_run(forge), NAME, SNAPSHOT)
    with pytest.raises(ForgeError, match="longer than 50 bytes"):
        found()


# --- The archive ---


def zipped(*entries, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries:
            opened.writestr(name, content)
        opened.comment = comment
    return buffer.getvalue()


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def lying(data, size):
    """The archive with another uncompressed size in its directory than it has."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        [info] = opened.infolist()
    old = info.file_size.to_bytes(4, "little")
    at = data.rindex(b"PK\x01\x02") + 24
    assert data[at : at + 4] == old
    return data[:at] + size.to_bytes(4, "little") + data[at + 4 :]


def encrypted(data):
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.rindex(mark) + offset
        data = data[:at] + b"\x01" + data[at + 1 :]
    return data


BOMB = zipped(("plan.json", b"0" * 5_000_000))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "can't be read"),
        (b"not a zip", "can't be read"),
        (zipped(), "no plan.json"),
        (zipped(("../plan.json", "x"), ("/etc/plan.json", "x"), ("a/plan.json", "x")), "no plan.json"),
        (zipped((link("plan.json"), "/etc/passwd")), "no plain file"),
        (BOMB, "more than 1,000"),
        (lying(BOMB, 10), "can't be read|longer than"),
        (encrypted(zipped(("plan.json", "x"))), "no plain file"),
        (zipped(*((f"{number}.json", "x") for number in range(101))), "101 entries"),
        (zipped(("plan.json", "x" * 200))[:-40], "can't be read"),
        (zipped(("plan.json", "x" * 200)).replace(b"plan.json", b"plan\x00json"), "no plan.json"),
    ],
    ids=range(11),
)
def test_hostile_archives(tmp_path, data, why):
    path = tmp_path / "artifact.zip"
    path.write_bytes(data)
    with pytest.raises(Failed, match=why) as raised:
        artifacts.read_entry(path, "plan.json", tmp_path / "out", 1_000)
    assert raised.value.code == 4
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size <= 1_000
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "out") == ["artifact.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path):
    path = tmp_path / "artifact.zip"
    path.write_bytes(zipped(("plan.json", "one"), ("plan.json", "two")))
    with pytest.raises(Failed, match=r"holds 2 plan\.json"):
        artifacts.read_entry(path, "plan.json", tmp_path / "out", 1_000)


def test_flipped_bytes_never_get_out(tmp_path):
    good = zipped(("plan.json", b'{"steps": []}' * 20), ("plan.md", "# Plan"))
    path, out = tmp_path / "artifact.zip", tmp_path / "out"
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            artifacts.read_entry(path, "plan.json", out, 1_000)
        except Failed:
            continue
        assert out.read_bytes() == b'{"steps": []}' * 20, at


def test_ours_is_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "artifact.zip"
    path.write_bytes(zipped(("plan.json", "x")))
    target = artifacts.read_entry(path, "plan.json", tmp_path / "out", 1_000)
    assert target.stat().st_mode & 0o777 == 0o600
