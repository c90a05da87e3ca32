"""A region that decides is found, and only where there is one: matched filters of planted features are known to."""

import pytest
import torch

from notbugs.audits import moved_region, region_map
from notbugs.audits.saliency import (
    energy_inside,
    input_gradient,
    integrated_gradients,
    planted_masks,
    pointing_game,
    smooth_gradient,
)
from notbugs.data.labeled import LabeledImages
from notbugs.data.planted import planted, truth_of
from notbugs.errors import NotbugsError
from notbugs.seeds import generator

DATA = planted("train", count=250, spurious=True)
TRUTH = truth_of(DATA)
MASKS = planted_masks(DATA)


def test_a_tag_is_found_and_named():
    found = region_map(TRUTH.matched_filter("spurious"), DATA)
    assert found.described() == "rows 0 to 7, columns 0 to 7"
    assert found.strongest_share.value > 0.95
    flag = found.flag()
    assert flag is not None
    assert "rows 0 to 7, columns 0 to 7" in flag.found
    elsewhere = found.follows[3:, 3:]  # windows that hold nothing of the tag
    assert int(elsewhere.sum()) == 0


def test_a_tag_at_the_far_edge_is_found():
    """On sizes that the stride does not divide, too."""
    draw = generator(0)
    images, labels = torch.rand(60, 1, 63, 63, generator=draw) * 0.2, torch.arange(60) % 2
    images[:, :, -5:, -5:] = labels.view(-1, 1, 1, 1).float()

    def corner(shown):
        bright = shown[:, :, -5:, -5:].mean((1, 2, 3))
        return torch.stack([0.5 - bright, bright - 0.5], dim=1)

    found = region_map(corner, LabeledImages(images=images, labels=labels, class_names=("0", "1")))
    assert found.described() == "rows 48 to 62, columns 48 to 62"
    assert found.strongest_share.value == 1.0
    assert found.flag() is not None


def test_a_feature_that_is_everywhere_is_no_tag():
    found = region_map(TRUTH.matched_filter("robust"), DATA)
    assert found.flag() is None
    assert found.strongest_share.value < 0.1


def test_a_region_that_is_named_is_moved():
    mask = MASKS["spurious"][0]
    tag = moved_region(TRUTH.matched_filter("spurious"), DATA, mask)
    assert tag.follows.value > 0.95
    shape = moved_region(TRUTH.matched_filter("robust"), DATA, mask)
    assert shape.stays.value > 0.95
    assert shape.follows.n == shape.stays.n > 100


def test_everything_moved_is_another_image():
    whole = torch.ones(32, 32, dtype=torch.bool)
    assert moved_region(TRUTH.matched_filter("robust"), DATA, whole).follows.value == 1.0


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(NotbugsError, match="one bool per pixel"):
        moved_region(TRUTH.matched_filter("robust"), DATA, torch.ones(8, 8, dtype=torch.bool))


def test_a_model_with_one_answer_has_nothing_to_swap():
    def constant(images):
        return torch.eye(10)[0].expand(len(images), 10)

    found = region_map(constant, DATA)
    assert (found.n, int(found.follows.sum()), found.flag()) == (0, 0, None)
    with pytest.raises(NotbugsError, match="one answer"):
        moved_region(constant, DATA, MASKS["spurious"][0])


SALIENCIES = {
    "gradient": input_gradient,
    "smooth": lambda *asked: smooth_gradient(*asked, generator=generator(0), samples=4),
    "integrated": lambda *asked: integrated_gradients(*asked).abs().sum(1),
}


@pytest.mark.parametrize("method", SALIENCIES)
def test_saliency_lies_where_the_feature_does(method):
    data = DATA.first(40)
    tag, shape = (
        SALIENCIES[method](TRUTH.matched_filter(feature), data.images, data.labels)
        for feature in ("spurious", "robust")
    )
    mask = MASKS["spurious"][:40]
    assert float(energy_inside(tag, mask).min()) > 0.5  # in 2.4 % of the image
    assert pointing_game(tag, mask).value == 1.0
    assert float(energy_inside(shape, mask).mean()) < 0.1
    assert pointing_game(shape, MASKS["robust"][:40]).value > pointing_game(tag, MASKS["robust"][:40]).value


@pytest.mark.parametrize("answer", [lambda images: (images > 0.5).float(), lambda images: images * torch.nan])
def test_a_model_without_slopes_points_nowhere(answer):
    data, mask = DATA.first(5), MASKS["spurious"][:5]
    maps = input_gradient(
        lambda images: answer(images).mean((2, 3)).repeat(1, 4)[:, :10], data.images, data.labels
    )
    assert pointing_game(maps, mask).count == 0
    assert float(energy_inside(maps, mask).abs().max()) == 0


def test_integrated_gradients_of_a_linear_model_add_up():
    model, data = TRUTH.matched_filter("robust"), DATA.first(10)
    parts = integrated_gradients(model, data.images, data.labels, steps=64)
    logits = model(data.images)
    own = logits.gather(1, data.labels[:, None])[:, 0]
    others = logits.scatter(1, data.labels[:, None], -torch.inf).amax(1)
    torch.testing.assert_close(parts.flatten(1).sum(1), own - others, atol=0.05, rtol=0.02)


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(NotbugsError, match="do not fit"):
        energy_inside(torch.ones(2, 4, 4), torch.ones(2, 5, 5, dtype=torch.bool))
