"""Parts of a batch side by side: in order, with the settings of the caller, and leaving its threads alone."""

import os
import threading
import time

import pytest
import torch

from notbugs.threads import over_parts


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_are_in_order_and_parts_run_at_the_same_time():
    both_there = threading.Barrier(2, timeout=30)

    def meet(part):
        both_there.wait()
        return -part

    assert over_parts(meet, [1, 2], threads=2) == [-1, -2]
    assert over_parts(lambda part: -part, [], threads=2) == []


def test_after_an_error_nobody_is_still_at_work():
    begun, done = threading.Event(), []

    def work(part):
        if part == 0:
            begun.wait(30)
            raise ValueError("no")
        begun.set()
        time.sleep(0.5)
        done.append(part)

    with pytest.raises(ValueError, match="no"):
        over_parts(work, [0, 1], threads=2)
    assert done == [1]


def test_one_thread_is_this_one():
    assert set(over_parts(lambda part: threading.get_ident(), [1, 2], threads=1)) == {threading.get_ident()}


@pytest.mark.parametrize("threads", [2, 3])
def test_every_part_has_one_thread_and_the_caller_keeps_his(threads):
    assert over_parts(lambda part: torch.get_num_threads(), [0, 1, 2], threads=threads) == [1, 1, 1]
    assert torch.get_num_threads() == 2
    seen = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [2]


@pytest.mark.parametrize("wanted", [True, False])
def test_gradients_are_wanted_where_the_caller_wants_them(wanted):
    with torch.set_grad_enabled(wanted):
        assert over_parts(lambda part: torch.is_grad_enabled(), [0, 1], threads=2) == [wanted, wanted]


def test_an_error_is_raised_here():
    def fail(part):
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"):
        over_parts(fail, [0, 1], threads=2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_makes_its_own():
    over_parts(lambda part: part, [0, 1], threads=2)
    child = os.fork()
    if child == 0:
        os._exit(0 if over_parts(lambda part: part, [0, 1], threads=2) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
