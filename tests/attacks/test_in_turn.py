"""Search after search: what is kept of each, and who is asked again."""

import torch

from notbugs.attacks.in_turn import Climb, best_of, in_turn


def climb(marks, values, finished):
    """Each image is one value, its mark."""
    images = torch.tensor(marks).float().view(-1, 1, 1, 1)
    return Climb(images, torch.tensor(values), torch.tensor(finished))


def after(begun, *answers, **options):
    asked = []

    def search(answer):
        def run(rows):
            asked.append(rows.tolist())
            return Climb(*(part[rows] for part in vars(answer).values()))

        return run

    return in_turn(begun, map(search, answers), **options).flatten().tolist(), asked


def test_a_success_comes_before_any_value_and_is_not_searched_again():
    begun = climb([0, 0, 0], [1.0, 1.0, 5.0], [True, False, False])
    again = climb([1, 1, 1], [9.0, 0.5, 4.0], [False, True, False])
    assert after(begun, again, again) == ([0, 1, 0], [[1, 2], [2]])


def test_the_finished_too_may_be_searched_again_and_lose_no_success():
    begun = climb([0, 0, 0, 0], [1.0, 1.0, 1.0, 1.0], [True, True, False, False])
    again = climb([1, 1, 1, 1], [9.0, 2.0, 0.5, 2.0], [False, True, True, False])
    assert after(begun, again, finished_too=True) == ([0, 1, 1, 1], [[0, 1, 2, 3]])


def test_nan_is_no_higher_value():
    begun = climb([0, 0], [1.0, -torch.inf], [False, False])
    again = climb([1, 1], [torch.nan, 0.0], [False, False])
    assert after(begun, again)[0] == [0, 1]


def test_without_anything_left_nothing_is_asked():
    assert after(climb([0], [1.0], [True]), climb([1], [2.0], [True])) == ([0], [])


def test_of_searches_side_by_side_the_best_is_kept_for_each_image():
    side_by_side = climb(
        [0, 1, 2, 10, 11, 12], [1.0, 5.0, -1.0, 2.0, 3.0, -2.0], [True, False, False, False, True, False]
    )
    best = best_of(side_by_side, 2)
    assert best.images.flatten().tolist() == [0, 11, 2]
    assert best.values.tolist() == [1.0, 3.0, -1.0]
    assert best.finished.tolist() == [True, True, False]
