"""Work that is spread over processes: in order, never too much of it at once, and done here where nobody else does."""

from concurrent.futures import BrokenExecutor, Executor, Future

import pytest

from reconciler.manifests import spread
from reconciler.manifests.spread import spread as spread_over


class Slow(Executor):
    """Does nothing until its last task is waited for; ``breaks`` are the tasks at which a process is killed."""

    def __init__(self, breaks=(), gone_after=1000):
        self.asked, self.most, self.breaks, self.gone_after = [], 0, breaks, gone_after

    def submit(self, fn, /, *args):
        if len(self.asked) == self.gone_after:
            raise BrokenExecutor
        future = _Later(self, fn, args, broken=len(self.asked) in self.breaks)
        self.asked.append(future)
        self.most = max(self.most, sum(1 for each in self.asked if not each.done()))
        return future


class _Later(Future):
    def __init__(self, executor, fn, args, *, broken):
        super().__init__()
        self.executor, self.fn, self.args, self.broken = executor, fn, args, broken

    def result(self, timeout=None):
        if not self.done():
            for each in reversed(self.executor.asked):
                if not each.done() and each.broken:
                    each.set_exception(BrokenExecutor())
                elif not each.done():
                    each.set_result(each.fn(*each.args))
                if each is self:
                    break
        return super().result(timeout)


BATCHES = [(f"batch {number}", number) for number in range(20)]
DONE = [(f"batch {number}", number * 2) for number in range(20)]


def twice(number):
    return number * 2


@pytest.mark.parametrize("executor", [None, Slow(), Slow(breaks=(0, 7, 19)), Slow(gone_after=0), Slow(gone_after=12)])
@pytest.mark.parametrize("ahead", [0, 1, 8, 100])
def test_results_come_in_the_order_of_the_batches(executor, ahead, monkeypatch):
    monkeypatch.setattr(spread, "AHEAD", ahead)
    assert list(spread_over(executor, twice, iter(BATCHES))) == DONE


def test_no_more_is_under_way_than_said(monkeypatch):
    monkeypatch.setattr(spread, "AHEAD", 3)
    usual, more = Slow(), Slow()
    more.ahead = 6
    taken = []
    for executor, most in ((usual, 4), (more, 7)):
        for found in spread_over(executor, twice, iter(BATCHES)):
            taken.append(found)
        assert executor.most == most
    assert taken == DONE * 2


def fails(number):
    if number == 3:
        raise KeyError(number)
    return number


@pytest.mark.parametrize("executor", [None, Slow()])
def test_what_the_work_raises_is_raised(executor):
    with pytest.raises(KeyError):
        list(spread_over(executor, fails, iter(BATCHES)))


def test_nothing_is_done_before_it_is_asked_for():
    assert next(spread_over(None, twice, iter(BATCHES))) == DONE[0]
    assert list(spread_over(None, twice, iter(()))) == list(spread_over(Slow(), twice, iter(()))) == []
