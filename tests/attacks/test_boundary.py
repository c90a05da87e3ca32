"""Drawn onto the boundary: from beyond, from before, and from where there is none."""

import pytest
import torch

from notbugs.attacks.boundary import PRECISION, onto_the_boundary
from notbugs.attacks.objectives import LabelObjective


def beyond(place):
    """Class 1 where the first value is above `place`, one for each image."""

    def model(images):
        height = images[:, 0, 0, 0] - place
        return torch.stack([torch.zeros_like(height), height], dim=1)

    return model


@pytest.mark.parametrize("place", [0.51, 0.6, 0.699, 0.7, 0.701, 0.71, 0.74])
def test_the_crossing_is_found_from_either_side(place):
    images = torch.full((1, 1, 2, 2), 0.5)
    found = images + 0.2
    drawn = onto_the_boundary(LabelObjective(beyond(place), torch.tensor([0])), images, found)
    assert place < drawn[0, 0, 0, 0] <= place + 0.2 * 1.01 * PRECISION + 1e-6
    assert drawn.unique().numel() == 1  # on the line


def test_what_lies_far_from_any_success_stays_bit_by_bit():
    images, found = torch.full((2, 1, 1, 2), 0.5), torch.full((2, 1, 1, 2), 0.6)
    found[1] = images[1]
    drawn = onto_the_boundary(LabelObjective(beyond(0.9), torch.tensor([0, 0])), images, found)
    assert torch.equal(drawn, found)


def test_it_does_not_leave_the_box():
    images, found = torch.full((1, 1, 1, 2), 0.5), torch.full((1, 1, 1, 2), 0.95)
    drawn = onto_the_boundary(LabelObjective(beyond(1.0), torch.tensor([0])), images, found)
    assert torch.equal(drawn, found)


def test_no_images_are_no_work():
    none = torch.zeros(0, 1, 2, 2)
    assert (
        onto_the_boundary(LabelObjective(beyond(0.5), torch.zeros(0).long()), none, none).shape == none.shape
    )


def test_each_image_of_a_batch_has_its_own_crossing():
    places = torch.tensor([0.6, 0.702, 0.73, 0.99, 0.55, 0.699])
    images = torch.full((6, 1, 1, 2), 0.5)
    found = images + 0.2
    found[4] = images[4]  # nothing was found for it

    class Rows:
        """An objective whose places follow its rows."""

        def __init__(self, places):
            self.places = places

        def __call__(self, shown):
            return self.values_and_leads(shown)[1]

        def values_and_leads(self, shown):
            return shown[:, 0, 0, 0], shown[:, 0, 0, 0] - self.places

        def take(self, rows):
            return Rows(self.places[rows])

    drawn = onto_the_boundary(Rows(places), images, found)[:, 0, 0, 0]
    for row in (0, 1, 2, 5):
        assert places[row] < drawn[row] <= places[row] + 0.2 * 1.3 * PRECISION
    assert drawn[3] == found[3, 0, 0, 0]
    assert drawn[4] == 0.5
