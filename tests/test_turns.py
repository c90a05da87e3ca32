"""One at a time, in order of sending, and others go on while one waits."""

import threading
import time

import pytest

from notbugs.alone import alone_in
from notbugs.turns import Floor, Turn, interleave, my_turn, while_waiting


def test_one_goes_on_while_another_waits() -> None:
    said: list[str] = []
    second_is_done = threading.Event()

    def first() -> str:
        said.append("first begins")
        with while_waiting():
            assert second_is_done.wait(10)
        said.append("first ends")
        return "a"

    def second() -> str:
        said.append("second")
        second_is_done.set()
        return "b"

    assert interleave([first, second]) == ["a", "b"]
    assert said[0] == "first begins"
    assert said.index("second") < said.index("first ends")


def test_nobody_sends_before_those_in_front_have_sent_all() -> None:
    sent: list[int] = []

    def work(number: int) -> None:
        turn = my_turn()
        assert turn is not None
        for _ in range(3):
            while not turn.may_send():
                with while_waiting():
                    time.sleep(0.001)
            sent.append(number)
            with while_waiting():
                time.sleep(0.002)
        turn.has_sent = True
        with while_waiting():
            time.sleep(0.01)

    interleave([lambda number=number: work(number) for number in range(4)])
    assert sent == sorted(sent)
    assert len(sent) == 12


def test_the_first_error_ends_all() -> None:
    ended: list[str] = []

    def waits() -> None:
        try:
            for _ in range(1000):
                with while_waiting():
                    time.sleep(0.01)
        finally:
            ended.append("waits")

    def fails() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        interleave([waits, fails])
    assert ended == ["waits"]


def test_never_two_at_once() -> None:
    working: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            working.append(number)
            time.sleep(0.0005)
            assert working == [number]
            working.clear()
            with while_waiting():
                time.sleep(0.0005)

    interleave([lambda number=number: work(number) for number in range(4)])


def test_alone_nothing_is_waited_for() -> None:
    assert my_turn() is None
    with while_waiting():
        pass
    assert interleave([]) == []


def test_two_that_want_one_directory_have_it_one_after_the_other(tmp_path) -> None:
    """The claim is the kernel's, which knows of no threads: whoever waits for it lets the other go on."""
    inside: list[int] = []

    def work(number: int) -> None:
        with alone_in(tmp_path):
            inside.append(number)
            with while_waiting():
                time.sleep(0.3)
            inside.append(number)

    interleave([lambda: work(0), lambda: work(1)])
    assert inside in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_who_cannot_say_that_he_waits_does_not_go_in(tmp_path) -> None:
    def say(done, total, note) -> None:
        raise BrokenPipeError

    went_in = []
    with alone_in(tmp_path), pytest.raises(BrokenPipeError), alone_in(tmp_path, say):
        went_in.append(True)
    assert went_in == []


def test_work_inside_work_has_its_threads() -> None:
    def inside() -> int | None:
        turn = my_turn()
        assert turn is not None
        return turn.threads

    assert Turn(Floor(), threads=3).take(lambda: interleave([inside, inside])) == [3, 3]
    assert interleave([inside]) == [None]
