"""Workers of a real Dask cluster, each a process of its own, that read manifests: the same bytes, or words."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from support.clusters import running
from support.commands import ROOT, call, run
from support.largefleet import LargeFleet, manifest

from reconciler import cluster

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A cluster that no test hurts."""
    with running(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def fleet(tmp_path):
    found = LargeFleet(tmp_path, files=9, padding=70_000)
    found.declare(20, "deactivated")
    return found


def test_the_plan_is_the_same(two, fleet):
    expected = fleet.plan("--no-cache", "--jobs", "1")
    result = fleet.run("--cluster", two.address, runner=run)
    assert result.code == 5, result.said
    assert (fleet.folder / "plan.json").read_bytes() == expected
    alone = fleet.run("--no-cache", "--jobs", "1", runner=run)
    assert (result.out, result.err) == (alone.out, alone.err), "nothing is said of the cluster"


def test_what_is_kept_of_it_is_kept_for_this_machine(two, fleet):
    expected = fleet.plan("--no-cache", "--jobs", "1")
    assert fleet.plan("--cluster", two.address) == expected
    os.sync()
    time.sleep(2.1)  # what was written just before it was read is read again
    assert fleet.plan("--cluster", two.address) == expected
    with patch.object(cluster, "connected", side_effect=AssertionError("asked, though nothing has changed")):
        assert fleet.plan("--cluster", two.address) == expected


def test_findings_are_the_same(two, fleet):
    fleet.path(3).write_text(manifest(9, more=", sate: x"))
    fleet.path(4).write_bytes(b"\xff")
    fleet.path(5).write_text("a: [")
    fleet.path(6).chmod(0)
    alone, through = (
        call("validate", "--no-cache", "--format", "json", *options, cwd=fleet.folder)
        for options in (("--jobs", "1"), ("--cluster", two.address))
    )
    assert (through.code, through.out, through.err) == (alone.code, alone.out, alone.err)
    assert alone.code == 3


def test_shards_go_through_it_too(two, fleet):
    made = {}
    for options in (("--jobs", "1"), ("--cluster", two.address)):
        result = fleet.run("--no-cache", "--shard", "1/2", *options)
        assert result.code == 0, result.said
        made[options[0]] = (fleet.folder / "plan.json").read_bytes()
    assert made["--jobs"] == made["--cluster"]


def test_tls_is_a_matter_of_dask_s_own_settings(fleet, tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl isn't installed")
    keys = tmp_path_factory.mktemp("keys")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=keys, check=True, capture_output=True,
    )  # fmt: skip
    tls = {"CA_FILE": "cert.pem"}
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        tls |= {f"{who}__KEY": "key.pem", f"{who}__CERT": "cert.pem"}
    env = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(keys / file) for name, file in tls.items()}
    expected = fleet.plan("--no-cache", "--jobs", "1")
    with running(keys, workers=1, env=env, protocol="tls") as found:
        assert found.address.startswith("tls://")
        result = run(*fleet.arguments("--no-cache", "--cluster", found.address), cwd=fleet.folder, env=env)
        assert result.code in (0, 5), result.said
        assert (fleet.folder / "plan.json").read_bytes() == expected
        (fleet.folder / "plan.json").unlink()
        refused(fleet, found.address, "TLS")


# Workers that aren't what they should be.


def refused(fleet, address, *words, code=64):
    result = fleet.run("--no-cache", "--cluster", address, runner=run)
    assert result.code == code, result.said
    assert "Traceback" not in result.err
    assert len(result.err.splitlines()) <= 3, result.err
    for word in words:
        assert word in result.err
    assert not (fleet.folder / "plan.json").exists()
    return result


def copied(folder):
    """Another place with this program, for workers of their own."""
    subprocess.run(["cp", "-r", ROOT / "reconciler", ROOT / "schemas", folder], check=True)
    return {"PYTHONPATH": str(folder)}


def test_workers_with_another_program(fleet, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running(elsewhere, workers=1, env=copied(elsewhere)) as found:
        expected = fleet.plan("--no-cache", "--jobs", "1")
        assert fleet.plan("--no-cache", "--cluster", found.address) == expected, "another place, the same program"
        with (elsewhere / "reconciler" / "manifests" / "rows.py").open("a") as file:
            file.write("# edited\n")
        found.end(found.workers.pop())
        found.add()
        refused(fleet, found.address, "its workers run another program: ", "install the same on both sides")


def test_workers_without_the_program(fleet, tmp_path_factory):
    bare = tmp_path_factory.mktemp("bare")
    # Hides one that is installed beside Dask.
    (bare / "reconciler.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'reconciler'\", name='reconciler')\n"
    )
    with running(bare, workers=1, env={"PYTHONPATH": str(bare)}) as found:
        refused(fleet, found.address, "its workers don't have this program", "install payway-reconciler")


#: A worker that sees other files below a folder than there are: what a machine without the share sees.
BLIND = """
import os
seen = os.open
def blind(path, *rest, **more):
    if isinstance(path, str) and path.startswith({folder!r}):
        path = {instead!r} + path[len({folder!r}):]
    return seen(path, *rest, **more)
os.open = blind
stat = os.lstat
def blind_stat(path, **more):
    if isinstance(path, str) and path.startswith({folder!r}):
        path = {instead!r} + path[len({folder!r}):]
    return stat(path, **more)
os.lstat = blind_stat
"""


@pytest.fixture
def seeing(fleet, tmp_path_factory):
    """Starts a worker that sees another folder in place of the fleet's."""
    home = tmp_path_factory.mktemp("blind")
    folder = str(fleet.folder / "manifests")

    @contextmanager
    def start(instead):
        (home / "sitecustomize.py").write_text(BLIND.format(folder=folder, instead=str(instead)))
        with running(home, workers=1, env={"PYTHONPATH": f"{home}:{ROOT}"}) as found:
            yield found

    return start


def test_workers_that_do_not_see_the_files(fleet, seeing):
    with seeing("/nowhere") as found:
        result = refused(fleet, found.address, "its workers don't see manifests/000.yaml as it is here")
        assert "unreadable" not in result.err
        assert "the same folder, at the same path" in result.err


def test_workers_that_see_other_files(fleet, seeing, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "manifests"
    subprocess.run(["cp", "-r", fleet.folder / "manifests", other], check=True)
    expected = fleet.plan("--no-cache", "--jobs", "1")
    with seeing(other) as found:
        assert fleet.plan("--cluster", found.address) == expected, "the same bytes with other times"
        (fleet.folder / ".reconciler" / "cache.db").unlink()
        (other / "004.yaml").write_text(manifest(12, "deactivated"))
        refused(fleet, found.address, "don't see manifests/004.yaml as it is here")
