"""NES's own promises: how good its gradients are, what they cost, and what they see that PGD does not."""

import math

import pytest
import torch

from notbugs.attacks.ascent import projected_ascent
from notbugs.attacks.nes import NES, EstimatedGradient
from notbugs.attacks.objectives import LabelObjective, cross_entropy, margin
from notbugs.attacks.pgd import PGD
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import flip_sizes, linear_logits
from notbugs.threats import L2, Linf

SHAPE = (3, 4, 4)
WEIGHTS = torch.randn(2, *SHAPE, generator=generator(0, "weights"))
GRADIENT = (WEIGHTS[1] - WEIGHTS[0]).flatten()  # of the margin of label 0


class Recorder:
    """A linear model that writes down how many images it is shown, and refuses what is no image."""

    def __init__(self):
        self.counts = []

    def __call__(self, images):
        assert images.min() >= 0
        assert images.max() <= 1
        self.counts.append(len(images))
        return linear_logits(images, WEIGHTS.to(images.dtype), torch.zeros(2, dtype=images.dtype))


def estimated(images, pairs, *, sigma=0.001, model=None, **options):
    """The estimates of the margin's gradient at each image."""
    labels = torch.zeros(len(images), dtype=torch.int64)
    objective = EstimatedGradient(
        objective=LabelObjective(model or Recorder(), labels, margin), pairs=pairs, sigma=sigma,
        generator=generator(0, "draws"), **options,
    )  # fmt: skip
    images = images.clone().requires_grad_()
    values = objective(images)
    (found,) = torch.autograd.grad(values, images, torch.ones_like(values))
    return found.flatten(1)


# The estimate


def expected_cosine(pairs, size):
    """The mean of sqrt(B), B ~ Beta(pairs / 2, (size - 1) / 2): of n Gaussian directions the n shares along the
    gradient add up to a chi square of n, and all that the others add to the estimate to one of size - 1."""
    n, d = pairs, size
    return math.exp(
        math.lgamma((n + 1) / 2)
        + math.lgamma((n + d - 1) / 2)
        - math.lgamma(n / 2)
        - math.lgamma((n + d) / 2)
    )


@pytest.mark.parametrize("pairs", [1, 5, 25, 200])
def test_the_cosine_to_the_true_gradient_is_the_known_one(pairs):
    count = 400
    cosines = torch.cosine_similarity(
        estimated(torch.full((count, *SHAPE), 0.5).double(), pairs), GRADIENT.double(), dim=1
    )
    error = 4 * float(cosines.std()) / math.sqrt(count)
    assert error < 0.03
    assert float(cosines.mean()) == pytest.approx(expected_cosine(pairs, GRADIENT.numel()), abs=error)
    mean_square = pairs / (pairs + GRADIENT.numel() - 1)
    assert float(cosines.square().mean()) == pytest.approx(mean_square, abs=2 * error)


@pytest.mark.parametrize("sigma", [0.001, 0.1, 1.0])
def test_it_is_right_on_average_also_where_the_box_stops_the_samples(sigma):
    place = torch.tensor([0.0, 0.0005, 0.02, 0.5, 0.97, 0.9999, 1.0, 0.3]).repeat(6).view(SHAPE).double()
    count, pairs = 3000, 25
    found = estimated(place.expand(count, *SHAPE), pairs, sigma=sigma).mean(0)
    spread = GRADIENT.norm() / math.sqrt(count * pairs) * (1 if sigma < 0.5 else 3)
    assert (found - GRADIENT).abs().max() < 6 * spread
    assert spread < 0.15


def test_values_are_those_of_the_objective(curved, images):
    labels = torch.arange(10) % 4
    plain = LabelObjective(curved, labels)
    objective = EstimatedGradient(objective=plain, pairs=2, sigma=0.01, generator=generator(0))
    for given in (images, images.clone().requires_grad_()):
        values, leads = objective.values_and_leads(given)
        assert torch.equal(values.detach(), plain(images).detach())
        assert torch.equal(objective(given).detach(), values.detach())
        assert torch.equal(leads, plain.values_and_leads(images)[1])
    rows = torch.tensor([7, 2])
    assert torch.equal(objective.take(rows)(images[rows]), plain.take(rows)(images[rows]).detach())


def test_it_comes_near_the_gradient_of_a_network(curved, images):
    curved, images = curved.double(), images.double().clamp(0.05, 0.95)
    labels = torch.arange(10) % 4
    objective = LabelObjective(curved, labels, cross_entropy)
    shown = images.clone().requires_grad_()
    (true,) = torch.autograd.grad(objective(shown).sum(), shown)
    guess = EstimatedGradient(objective=objective, pairs=2000, sigma=0.001, generator=generator(0))
    (found,) = torch.autograd.grad(guess(shown).sum(), shown)
    cosines = torch.cosine_similarity(found.flatten(1), true.flatten(1))
    assert (cosines > 0.95).all()  # sqrt(2000 / 2107) is 0.974


def test_without_early_exit_it_climbs_on_from_a_success(curved, images):
    labels = (curved(images).argmax(1) + 1) % 4
    plain = LabelObjective(curved, labels)
    found = projected_ascent(
        EstimatedGradient(objective=plain, pairs=100, sigma=0.01, generator=generator(0)),
        images, threat=L2(0.5), centers=images, steps=8, step_size=0.1,
    )  # fmt: skip
    assert (plain(found) > plain(images)).all()


# What it costs


def never_fooled(model):
    def answer(images):
        return model(images) * torch.tensor([0.01, 0.01]) + torch.tensor([100.0, 0.0])

    return answer


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64, 1000])
def test_the_model_is_shown_so_many_images_and_never_more_at_once(batch_size):
    model = Recorder()
    images, labels = torch.full((5, *SHAPE), 0.5), torch.zeros(5, dtype=torch.int64)
    attack = NES(threat=L2(0.1), steps=3, step_size=0.1, samples=10, batch_size=batch_size)
    attack(never_fooled(model), images, labels, generator=generator(0))
    assert sum(model.counts) == 5 * (3 * (10 + 1) + 1)
    assert max(count for count in model.counts) <= max(2, 5, batch_size)  # the images themselves go together


def test_images_that_are_fooled_cost_no_more_samples():
    model = Recorder()
    images = torch.full((6, *SHAPE), 0.5)
    labels = model(images).argmax(1)
    labels[:4] = 1 - labels[:4]
    model.counts.clear()
    attack = NES(threat=L2(0.001), steps=2, step_size=0.001, samples=10)
    found = attack(model, images, labels, generator=generator(0))
    assert model.counts == [6, 20, 2, 20, 2]
    assert torch.equal(found[:4], images[:4])


# What it finds


def quantised(images):
    """A linear model that sees 33 levels of each value: its gradient is zero wherever there is one."""
    levels = (images * 32).round() / 32
    centered = linear_logits(torch.full((1, *SHAPE), 0.5), WEIGHTS, torch.zeros(2))
    return linear_logits(levels, WEIGHTS, torch.zeros(2)) - centered


def test_it_fools_a_model_that_hides_its_gradients():
    images = 0.25 + 0.5 * torch.rand(100, *SHAPE, generator=generator(0, "images"))
    labels, threat = quantised(images).argmax(1), Linf(0.1)
    shown = images.clone().requires_grad_()
    assert not torch.autograd.grad(quantised(shown).sum(), shown)[0].any()
    white = PGD(threat=threat, steps=40, step_size=0.01, random_start=False)
    assert torch.equal(quantised(white(quantised, images, labels, generator=generator(0))).argmax(1), labels)

    biases = -linear_logits(torch.full((1, *SHAPE), 0.5), WEIGHTS, torch.zeros(2))[0]
    sizes = flip_sizes(
        images, linear_logits(images, WEIGHTS, biases).argmax(1), WEIGHTS, biases, threat
    ).amin(1)
    # Rounding shifts a value by 1/64 at most, at both ends of the way.
    surely = sizes < threat.eps - 2 / 64
    assert surely.sum() > 50
    black = NES(threat=threat, steps=40, step_size=0.01, samples=50, sigma=0.03)
    found = black(quantised, images, labels, generator=generator(0))
    assert (quantised(found).argmax(1) != labels)[surely].all()


def test_the_margin_leads_on_where_the_cross_entropy_is_flat():
    images, labels = torch.full((1, *SHAPE), 0.5), torch.tensor([0])

    def sure(shown):
        return linear_logits(shown - images, WEIGHTS, torch.tensor([40.0, 0.0]))

    def moved(loss):
        attack = NES(threat=L2(0.1), steps=5, step_size=0.05, loss=loss)
        return not torch.equal(attack(sure, images, labels, generator=generator(0)), images)

    assert moved("margin")
    assert not moved("cross_entropy")


@pytest.mark.parametrize("threat", [L2(math.inf), Linf(math.inf), L2(1e6)], ids=str)
def test_a_threat_without_bound_is_the_box(threat, curved, images):
    labels = curved(images).argmax(1)
    attack = NES(threat=threat, steps=10, step_size=0.5, samples=20, sigma=0.01)
    with torch.no_grad():
        found = attack(curved, images, labels, generator=generator(0))
        assert found.min() >= 0
        assert found.max() <= 1
        assert (curved(found).argmax(1) != labels).sum() > 5


# Names and mistakes


@pytest.mark.parametrize(
    "options, text",
    [
        ({}, "nes-margin:l2:0.5:7x50"),
        ({"loss": "cross_entropy", "samples": 100}, "nes:l2:0.5:7x100"),
        ({"targeted": True, "threat": Linf(8 / 255)}, "nes-targeted-margin:linf:8/255:7x50"),
    ],
)
def test_its_name(options, text):
    assert str(NES(**{"threat": L2(0.5), "steps": 7, "step_size": 0.1, **options})) == text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps >= 1, got 0"),
        ({"samples": 0}, "even number >= 2, got samples=0"),
        ({"samples": 51}, "even number >= 2, got samples=51"),
        ({"sigma": 0.0}, "0 < sigma <= 1, got 0.0"),
        ({"sigma": 2.0}, "0 < sigma <= 1, got 2.0"),
        ({"sigma": math.nan}, "0 < sigma <= 1, got nan"),
        ({"step_size": 0.0}, "step_size must be positive, got 0.0"),
        ({"batch_size": 0}, "batch_size must be positive, got 0"),
        ({"loss": "margins"}, "unknown loss 'margins'; did you mean 'margin'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        NES(**{"threat": L2(0.5), "steps": 7, "step_size": 0.1, **options})


def test_it_is_a_value():
    first, second = (NES(threat=L2(0.5), steps=7, step_size=0.1) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
