"""Square's own promises: shapes, schedule, squares of each image's own. What all share is in test_properties.py."""

import math

import pytest
import torch

from notbugs.attacks.square import Square, _proposal, _pyramids, _side, _start
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import flip_sizes, linear_logits
from notbugs.threats import L2, Linf

every_threat = pytest.mark.parametrize("threat", [L2(0.7), Linf(0.05)], ids=str)
GREY = torch.full((6, 3, 32, 32), 0.5)


def test_the_smallest_shape_is_that_of_the_paper():
    """Equation 2, by hand: a row of (1/4, 1 + 1/4, 1/4), below it two rows of the same peak, negative."""
    upper, lower = torch.tensor([[1.0, 5.0, 1.0]]), torch.tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0]])
    both = torch.cat([upper / upper.norm(), -lower / lower.norm()]) / math.sqrt(2)
    torch.testing.assert_close(_pyramids(3), torch.stack([both, both.T]).double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 5, 6, 21])
def test_a_shape_has_length_one(side):
    shapes = _pyramids(side)
    assert shapes.shape == (2, side, side)
    torch.testing.assert_close(shapes.square().sum((1, 2)), torch.ones(2).double())


def test_the_squares_shrink_as_in_the_paper():
    """p from 0.8 to 0.8 / 512 of 32 x 32 pixels, halved after 10, 50, 200 ... of 10000 queries."""
    ends = [0, 10, 11, 50, 51, 200, 201, 8000, 8001, 9999]
    shares = [1, 1, 2, 2, 4, 4, 8, 256, 512, 512]
    sides = [round(math.sqrt(0.8 / share * 1024)) for share in shares]
    assert [_side(GREY, Linf(0.1), query, 10000) for query in ends] == sides
    assert [_side(GREY, Linf(0.1), -(-query // 2), 5000) for query in ends[::2]] == sides[::2]
    odd = [max(side, 3) // 2 * 2 + 1 for side in sides]
    assert [_side(GREY, L2(0.1), query, 10000) for query in ends] == odd


def test_a_linf_query_changes_one_square_of_each_image_to_the_ends_of_the_ball():
    start = _start(GREY, Linf(0.1), generator(0))
    assert torch.equal(start, start[:, :, :1].expand_as(start))  # stripes
    torch.testing.assert_close((start - GREY).abs(), torch.full_like(GREY, 0.1))
    tried = _proposal(GREY, GREY, Linf(0.1), 7, generator(1))
    places = set()
    for change in tried - GREY:
        rows, columns = (change != 0).any(0).nonzero().T
        assert (rows.max() - rows.min(), columns.max() - columns.min()) == (6, 6)
        square = change[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].flatten(1)
        assert torch.equal(square, square[:, :1].expand_as(square))  # one sign a channel
        places.add((rows.min().item(), columns.min().item()))
    torch.testing.assert_close((tried - GREY).abs().amax((1, 2, 3)), torch.full((6,), 0.1))
    assert len(places) > 3


def test_an_l2_query_moves_the_mass_of_one_square_to_another_and_spends_the_budget():
    threat = L2(0.5)
    start = _start(GREY, threat, generator(0))
    torch.testing.assert_close(threat.size(start, GREY), torch.full((6,), 0.5))
    tried = _proposal(start, GREY, threat, 5, generator(1))
    torch.testing.assert_close(threat.size(tried, GREY), torch.full((6,), 0.5))
    moved = (tried - start).abs().amax(1) > 1e-6
    assert ((moved.sum((1, 2)) > 25) & (moved.sum((1, 2)) <= 50)).all()  # two squares of 25 pixels
    emptied = (tried - GREY).abs().amax(1) < 1e-6
    assert (emptied.sum((1, 2)) > (start - GREY == 0).all(1).sum((1, 2))).all()


@every_threat
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (1, 4, 9), (3, 28, 28)])
def test_every_shape_of_image_is_searched(threat, shape):
    centers = torch.rand(4, *shape, generator=generator(0))
    queries = []

    def model(shown):
        queries.append(len(shown))
        return torch.stack([0 * shown.flatten(1)[:, 0], shown.flatten(1).mean(1) - 9], dim=1)

    labels = torch.zeros(4, dtype=torch.int64)
    found = Square(threat=threat, queries=60)(model, centers, labels, generator=generator(0))
    assert threat.contains(found, centers).all()
    assert (found.flatten(1).mean(1) > centers.flatten(1).mean(1)).all()  # a higher loss, if no success
    assert queries == [4] * 61  # and one to see which are wrong already


def test_it_fools_a_linear_model_whose_boundary_is_near():
    """L2 steps by squares do not reach the best direction: here with three times the size that is needed."""
    draw = generator(0, "linear")
    weights = torch.nn.functional.interpolate(torch.randn(2, 3, 3, 3, generator=draw), (12, 12))
    images = 0.3 + 0.4 * torch.rand(40, 3, 12, 12, generator=draw)
    biases = -linear_logits(images, weights, torch.zeros(2)).mean(0)

    def model(shown):
        return linear_logits(shown, weights, biases)

    labels = model(images).argmax(1)
    sizes = flip_sizes(images, labels, weights, biases, L2(0.1)).amin(1)
    threat = L2(float(sizes.median()))
    found = Square(threat=threat, queries=500)(model, images, labels, generator=generator(0))
    fooled = model(found).argmax(1) != labels
    assert fooled[sizes < threat.eps / 3].all()
    assert not fooled[sizes > threat.eps].any()


@every_threat
def test_no_gradient_is_asked_for_and_fooled_images_leave(threat, curved, images):
    labels, seen = curved(images).argmax(1), []

    def model(shown):
        seen.append(len(shown))
        return curved(shown.round(decimals=3)).detach()

    found = Square(threat=threat, queries=100)(model, images, labels, generator=generator(0))
    fooled = model(found).argmax(1) != labels
    assert fooled.any()
    assert seen[-2] == len(images) - fooled.sum() or fooled.all()


def test_images_that_are_wrong_already_are_left_alone(curved, images):
    wrong = (curved(images).argmax(1) + 1) % 4
    found = Square(threat=L2(0.7), queries=10)(curved, images, wrong, generator=generator(0))
    assert torch.equal(found, images)


@every_threat
def test_a_later_restart_takes_no_success_away(threat, curved, images):
    labels = curved(images).argmax(1)

    def fooled(restarts):
        attack = Square(threat=threat, queries=8, restarts=restarts)
        return curved(attack(curved, images, labels, generator=generator(0))).argmax(1) != labels

    once, more = fooled(1), fooled(8)
    assert (more | ~once).all()
    assert more.sum() > once.sum()


@pytest.mark.parametrize(
    "options, text",
    [
        ({"threat": L2(0.5)}, "square:l2:0.5:5000"),
        ({"threat": Linf(8 / 255), "queries": 100, "restarts": 2}, "square:linf:8/255:100x2"),
        ({"threat": L2(0.5), "loss": "cross_entropy"}, "square-cross-entropy:l2:0.5:5000"),
    ],
)
def test_its_name(options, text):
    assert str(Square(**options)) == text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"queries": 0}, "queries >= 1"),
        ({"restarts": 0}, "restarts >= 1"),
        ({"loss": "margins"}, "unknown loss 'margins'; did you mean 'margin'"),
        ({"threat": L2(math.inf)}, "finite eps"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        Square(**{"threat": L2(0.5), **options})
