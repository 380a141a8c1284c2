"""Patience: tries, delays, the run's waiting, cool-downs, and being cut short. Nothing here sleeps."""

import logging

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from reconciler.applying.retries import SLICE, Patience
from reconciler.judging import Judgement
from reconciler.limits import ApplySettings
from reconciler.operations import OPERATIONS, REACTIVATE, SYNC_ADDRESS, UPDATE
from reconciler.verdicts import AGAIN, Verdict

RETRY, REPEAT, DOUBT, DONE = Verdict.RETRY, Verdict.REPEAT, Verdict.DOUBT, Verdict.DONE


class Line:
    """Calls that answer with the given verdicts, and what was waited in between."""

    def __init__(self, *verdicts, retry_after=None, stop=lambda: False, jitter=0.5, settings=None):
        self.verdicts = list(verdicts)
        self.retry_after = retry_after
        self.calls = 0
        self.waits = []
        self.slept = []
        settings = settings or ApplySettings(jitter=False)
        self.patience = Patience(settings, self.slept.append, lambda: jitter, stop, self.waits.append)

    def call(self):
        self.calls += 1
        verdict = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
        return Judgement(verdict, "skipped", "row", "message", retry_after=self.retry_after)

    def pursue(self, operation=UPDATE, **more):
        return self.patience.pursue(operation, self.call, **more).verdict


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("slept") if seconds else None)


@pytest.mark.parametrize("verdict", [RETRY, REPEAT])
def test_a_call_is_tried_four_times_with_growing_delays(verdict):
    line = Line(verdict)
    assert line.pursue() is verdict
    assert line.calls == 4
    assert line.waits == [1, 2, 4]
    assert sum(line.slept) == 7
    assert max(line.slept) <= SLICE


@pytest.mark.parametrize("verdict", [v for v in Verdict if v not in AGAIN])
def test_a_clear_answer_ends_it_at_once(verdict):
    line = Line(verdict)
    assert line.pursue() is verdict
    assert (line.calls, line.waits) == (1, [])


def test_it_goes_on_until_the_answer_is_clear():
    line = Line(RETRY, REPEAT, DONE)
    assert line.pursue() is DONE
    assert (line.calls, line.waits) == (3, [1, 2])


def test_the_last_delay_serves_further_tries_and_none_is_needed():
    line = Line(RETRY, settings=ApplySettings(tries=6, delays=(1, 3), jitter=False))
    line.pursue()
    assert line.waits == [1, 3, 3, 3, 3]
    line = Line(RETRY, settings=ApplySettings(tries=3, delays=(), jitter=False))
    line.pursue()
    assert (line.calls, line.waits) == (3, [])


def test_one_try_is_one_try():
    line = Line(RETRY, settings=ApplySettings(tries=1))
    assert line.pursue() is RETRY
    assert (line.calls, line.waits) == (1, [])


@pytest.mark.parametrize(("jitter", "waits"), [(0.0, [0.5, 1, 2]), (0.5, [1, 2, 4]), (1.0, [1.5, 3, 6])])
def test_jitter_moves_a_delay_by_half_of_itself(jitter, waits):
    line = Line(RETRY, jitter=jitter, settings=ApplySettings())
    line.pursue()
    assert line.waits == waits


def test_what_payway_asks_for_is_waited_at_least():
    line = Line(RETRY, retry_after=3.0)
    line.pursue()
    assert line.waits == [3, 3, 4]


def test_a_sync_cools_down_before_a_repeat_but_not_before_a_retry():
    line = Line(REPEAT)
    line.pursue(SYNC_ADDRESS)
    assert line.waits == [30, 30, 30]
    line = Line(RETRY)
    line.pursue(SYNC_ADDRESS)
    assert line.waits == [1, 2, 4]


def test_a_doubtful_reactivate_is_sent_once_more_after_the_cool_down():
    line = Line(DOUBT)
    assert line.pursue(REACTIVATE) is DOUBT
    assert (line.calls, line.waits) == (2, [30])


def test_one_that_was_in_doubt_before_was_that_once_more():
    line = Line(DOUBT)
    assert line.pursue(REACTIVATE, in_doubt=True) is DOUBT
    assert (line.calls, line.waits) == (1, [])


def test_throttling_does_not_use_up_the_once_more():
    line = Line(DOUBT, RETRY, DONE)
    assert line.pursue(REACTIVATE) is DONE
    assert line.calls == 3


def test_the_waiting_of_a_run_has_an_end():
    line = Line(RETRY, settings=ApplySettings(max_wait=10, jitter=False))
    line.pursue()
    assert (line.calls, sum(line.waits)) == (4, 7)
    line.pursue()
    assert (line.calls, sum(line.waits)) == (4 + 3, 10)
    line.pursue()
    assert (line.calls, sum(line.waits)) == (4 + 3 + 1, 10)


def test_a_wait_that_is_too_long_is_not_begun():
    line = Line(REPEAT, settings=ApplySettings(max_wait=29))
    line.pursue(SYNC_ADDRESS)
    assert (line.calls, line.waits, line.slept) == (1, [], [])


def test_a_stop_cuts_a_wait_short():
    line = Line(RETRY, stop=lambda: len(line.slept) >= 2)
    assert line.pursue() is RETRY
    assert (line.calls, line.slept) == (1, [SLICE, SLICE])


def test_a_stop_before_a_wait_leaves_it_out():
    line = Line(RETRY, stop=lambda: True)
    line.pursue()
    assert (line.calls, line.waits) == (1, [])


def test_a_pace_is_not_counted_as_waiting():
    line = Line(RETRY)
    assert line.patience.pause(400)
    assert line.patience.waited == 0
    assert sum(line.slept) == 400


class Kill(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("problem", [Kill(), ValueError("a bug")])
def test_anything_else_that_is_raised_goes_straight_through(problem):
    def call():
        raise problem

    line = Line(RETRY)
    with pytest.raises(type(problem)):
        line.patience.pursue(UPDATE, call)
    assert line.waits == []


def test_stamina_says_nothing_and_gets_its_hooks_back(caplog):
    told = []
    stamina.instrumentation.set_on_retry_hooks((told.append,))
    try:
        with caplog.at_level(logging.DEBUG):
            Line(RETRY).pursue()
        assert (told, caplog.records) == ([], [])
        assert stamina.instrumentation.get_on_retry_hooks() == (told.append,)
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)


@given(
    st.lists(st.sampled_from([RETRY, REPEAT, DOUBT]), min_size=1, max_size=10),
    st.sampled_from(OPERATIONS),
    st.integers(1, 6),
    st.floats(0, 60),
    st.one_of(st.none(), st.floats(0, 120)),
    st.floats(0, 0.999),
)
def test_no_answer_makes_it_try_or_wait_more_than_allowed(verdicts, operation, tries, max_wait, retry_after, jitter):
    settings = ApplySettings(tries=tries, max_wait=max_wait)
    line = Line(*verdicts, retry_after=retry_after, jitter=jitter, settings=settings)
    line.pursue(operation)
    assert 1 <= line.calls <= tries
    assert sum(line.waits) <= max_wait
    assert sum(line.slept) == pytest.approx(sum(line.waits))
