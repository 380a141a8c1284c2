"""How long a run will take, told before it begins."""

import pytest

from reconciler.applying.estimates import ASSUMED, seconds_of
from reconciler.state.store import Run


def run(steps=100, status="finished", started="2026-11-24T10:00:00Z", ended="2026-11-24T10:00:20Z"):
    return Run("r", "p", "d", "stage", status, started, "anna", "desk", "apply", steps, "{}", ended_at=ended)


@pytest.mark.parametrize(
    ("runs", "rate", "seconds"),
    [
        ([], None, 1000 * ASSUMED),
        ([run()], None, 200.0),
        ([run(ended="2026-11-24T10:01:40Z"), run()], None, 200.0),
        ([run(), run(status="stopped", ended="2026-11-24T11:00:00Z")], None, 200.0),
        ([run(), run(steps=3, ended="2026-11-24T11:00:00Z")], None, 200.0),
        ([run(ended="2026-11-24T09:00:00Z")], None, 0.0),
        ([run()], 2.0, 500.0),
        ([run()], 100.0, 200.0),
    ],
    ids=["nothing known", "as last time", "the newest counts", "a stopped run says nothing", "a short run says nothing",
         "a clock that was set back", "slower by --rate", "--rate that is no bound"],
)  # fmt: skip
def test_the_estimate(runs, rate, seconds):
    assert seconds_of(1000, runs, rate=rate) == pytest.approx(seconds)
