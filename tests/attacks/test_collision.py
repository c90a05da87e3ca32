"""Feature collisions: on linear embeddings the nearest one is a projection, and the search finds it."""

import math

import pytest
import torch
from torch import nn

from notbugs.attacks.collision import feature_collision
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import dual_norm
from notbugs.threats import L2, Linf

SHAPE, SIZE, FEATURES = (3, 4, 4), 48, 5
BOX = L2(math.inf)


class Linear(nn.Module):
    """An embedding A x, with layers whose state a search might disturb."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)
        self.drop = nn.Dropout(0.5)

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.drop(images.flatten(1) @ self.matrix.T)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.embed(images)


def orthonormal(features=FEATURES):
    rows = torch.randn(SIZE, features, generator=generator(0, "rows"), dtype=torch.float64)
    return torch.linalg.qr(rows).Q.T.contiguous()


def pairs(count=8):
    draw = generator(0, "pairs")
    start, target = (
        0.35 + 0.3 * torch.rand(count, *SHAPE, generator=draw, dtype=torch.float64) for _ in range(2)
    )
    return start, target


def projections(matrix, start, target):
    """How start gets to the nearest point that A maps to A target."""
    return ((target - start).flatten(1) @ (torch.linalg.pinv(matrix) @ matrix).T).view_as(start)


def residuals(matrix, images, target):
    gaps = (images - target).flatten(1) @ matrix.T
    return gaps.norm(dim=1) / (target.flatten(1) @ matrix.T).norm(dim=1)


@pytest.mark.parametrize("condition", [1.0, 3.0])
def test_with_the_box_alone_it_is_the_projection(condition):
    matrix = orthonormal() * torch.linspace(1, condition, FEATURES, dtype=torch.float64)[:, None]
    start, target = pairs()
    found = feature_collision(Linear(matrix), start, target, threat=BOX, steps=400, step_size=0.1)
    change = projections(matrix, start, target)
    torch.testing.assert_close(found.images, start + change, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.sizes, change.flatten(1).norm(dim=1), atol=2e-3, rtol=0)
    assert (found.after < 2e-3).all()
    assert (found.images - target).flatten(1).norm(dim=1).min() > 0.5  # collided, and far apart


def test_a_short_budget_is_spent_along_the_projection():
    matrix, (start, target) = orthonormal(), pairs()
    change = projections(matrix, start, target)
    lengths = change.flatten(1).norm(dim=1)
    threat = L2(float(lengths.median()))
    assert (lengths < threat.eps * 0.99).any()
    found = feature_collision(Linear(matrix), start, target, threat=threat, steps=400, step_size=0.1)
    share = (threat.eps / lengths).clamp_max(1).view(-1, 1, 1, 1)
    torch.testing.assert_close(found.images, start + share * change, atol=3e-3, rtol=0)
    torch.testing.assert_close(
        found.after, residuals(matrix, start + share * change, target), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("eps", [0.002, 0.1])
def test_in_linf_one_feature_is_brought_as_near_as_its_dual_norm_allows(eps):
    matrix, (start, target) = orthonormal(features=1), pairs()
    threat = Linf(eps)
    found = feature_collision(Linear(matrix), start, target, threat=threat, steps=200, step_size=eps / 4)
    reach = eps * dual_norm(matrix.view(1, *SHAPE), threat)
    length = (target.flatten(1) @ matrix.T).abs()[:, 0]
    least = (residuals(matrix, start, target) * length - reach).clamp_min(0)
    torch.testing.assert_close(found.after * length, least, atol=1e-3, rtol=0)
    assert (least > 0).any() if eps < 0.01 else not least.any()


def test_before_and_after_are_shares_of_the_targets_length():
    matrix, (start, target) = orthonormal(), pairs()
    found = feature_collision(Linear(matrix), start, target, threat=L2(0.1), steps=10, step_size=0.05)
    torch.testing.assert_close(found.before, residuals(matrix, start, target))
    torch.testing.assert_close(found.after, residuals(matrix, found.images, target))


class Counting(Linear):
    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__(matrix)
        self.counts: list[int] = []

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        self.counts.append(len(images))
        return super().embed(images)


def test_images_leave_when_they_are_close_enough():
    model, (start, target) = Counting(orthonormal()), pairs()
    found = feature_collision(model, start, target, threat=BOX, steps=400, step_size=0.05, close_enough=0.05)
    assert (found.after <= 0.05).all()
    assert (found.before > 0.05).all()
    assert found.after.min() > 0.001  # left there, not gone on
    assert sum(model.counts) < 8 * 100


@pytest.mark.parametrize("threat", [L2(0.7), Linf(0.05)], ids=str)
def test_what_holds_for_attacks_holds_here(threat, curved, images):
    """Ball and box, dtype, zero budget, no images, rows apart, and the model as it was."""
    curved.embed = lambda shown: curved.norm(curved.conv(shown)).tanh().flatten(1)
    start, target = images, images.flip(0)
    curved.train()
    state = {name: tensor.clone() for name, tensor in curved.state_dict().items()}
    drawn = torch.get_rng_state()

    def search(rows=slice(None), dtype=torch.float32, within=threat):
        curved.to(dtype)
        pair = start[rows].to(dtype), target[rows].to(dtype)
        return feature_collision(curved, *pair, threat=within, steps=10, step_size=within.eps / 4 or 1)

    with torch.no_grad():
        for dtype in (torch.float32, torch.float64):
            found = search(dtype=dtype)
            assert found.images.dtype == dtype
            assert not found.images.requires_grad
            assert threat.contains(found.images, start.to(dtype)).all()
            assert (found.after < found.before).all()
        alone = search(rows=slice(2, 3), dtype=torch.float64)
        torch.testing.assert_close(alone.images[0], found.images[2], atol=1e-6, rtol=0)
        assert torch.equal(search(within=threat.scaled(0)).images, start)
        assert search(rows=slice(0, 0)).images.shape == (0, 3, 6, 6)
    assert all(module.training for module in curved.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in curved.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in curved.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_an_image_that_is_its_own_target_stays(images):
    model = Linear(torch.eye(108))
    found = feature_collision(model, images, images, threat=BOX, steps=16, step_size=0.5)
    assert torch.equal(found.images, images)
    assert found.after.max() < 1e-5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"steps": 0}, "steps must be positive, got 0"),
        ({"step_size": 0.0}, "step_size must be positive, got 0.0"),
        ({"close_enough": -0.1}, "close_enough is a share of the target's length: give 0 or more, got -0.1"),
        ({"target": torch.zeros(3, *SHAPE)}, r"each start needs one target: shapes \(8, 3, 4, 4\) and"),
        ({"model": nn.Flatten()}, r"Flatten has no embed\(\); give it one: wrap"),
    ],
)
def test_mistakes_are_refused(changes, message):
    start, target = pairs()
    given = {"model": Linear(orthonormal()), "target": target, "steps": 8, "step_size": 0.1, **changes}
    with pytest.raises(NotbugsError, match=message):
        feature_collision(given.pop("model"), start, given.pop("target"), threat=BOX, **given)
