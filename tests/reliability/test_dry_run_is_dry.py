"""A dry run opens no socket, writes nothing anywhere and starts no program, though its settings name one.

`tests/journeys/test_dry_run.py` says what a dry run tells and that a process that tries to reach out would end there;
here each deed of it is noted, and what a real run does is noted beside it.
"""

from contextlib import closing

import pytest
from support.auditing import DRY_RUNS, NOWHERE, Place

from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Holder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place.prepare(tmp_path_factory.mktemp("audit"))


@pytest.mark.parametrize("how", DRY_RUNS.values(), ids=DRY_RUNS)
def test_a_dry_run_does_nothing_to_the_world(place, how):
    done = place.audit("apply", *how, "--dry-run")
    assert "nothing to Payway" in done.result.out, done.result.said
    assert (done.of("socket"), done.of("write"), done.of("program"), done.changed) == ([], [], [], ())


def test_a_dry_run_writes_the_report_that_is_asked_for_and_nothing_else(place, tmp_path):
    report = tmp_path / "report.json"
    done = place.audit("apply", "simulator.json", "--dry-run", "--report", str(report))
    assert done.result.code == 0, done.result.said
    assert report.exists()
    # Beside it alone; what is opened by a number was made there just before.
    assert [line for line in done.of("write") if str(tmp_path) not in line and "'" in line] == []
    assert (done.of("socket"), done.of("program"), done.changed) == ([], [], ())


def test_beside_a_run_that_is_under_way_a_dry_run_leaves_its_store_alone(place):
    path = place.here / ".reconciler" / "stage.db"
    with closing(SqliteStore.open(path, environment="stage")) as store:
        lock = store.acquire(Holder("run-1", "anna", "runner", 7, "reconciler apply", "2026-11-24T10:00:00Z"))
        assert path.with_name("stage.db-wal").stat().st_size > 0
        done = place.audit("apply", "--base-url", NOWHERE, "stage.json", "--dry-run")
        store.release(lock)
    assert done.result.code == 0, done.result.said
    assert (done.of("socket"), done.of("write"), done.of("program")) == ([], [], [])
    # SQLite's readers sign in in shared memory, which no state is in.
    assert set(done.changed) <= {"here/.reconciler/stage.db-shm"}


# --- That a deed would be seen ---


def test_the_sockets_and_programs_of_a_real_run_are_seen(tmp_path):
    sent = Place.prepare(tmp_path).audit("apply", "--base-url", NOWHERE, "stage.json")
    assert sent.result.code == 69, sent.result.said
    assert any(line.startswith("socket.connect") for line in sent.of("socket"))
    assert sent.of("program") == ["subprocess.Popen ('echo',)"]


def test_the_writes_of_a_real_run_are_seen(tmp_path):
    real = Place.prepare(tmp_path).audit("apply", "simulator.json")
    assert real.result.code == 0, real.result.said
    assert {"sqlite3.connect", "open", "os.rename"} <= {line.split()[0] for line in real.of("write")}
    assert {"here/.reconciler/simulator.db", "here/.reconciler/simulator.world.jsonl"} <= set(real.changed)
    assert real.of("socket") == []
