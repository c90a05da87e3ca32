"""FMN reaches the nearest adversarial image where that is known; the other properties are in test_properties.py."""

import math
from itertools import pairwise

import pytest
import torch
from attacks.minimal import EVERYWHERE, PROBLEMS

from notbugs.attacks.fmn import FMN
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import linear_logits
from notbugs.threats import L1, L2, Linf, Threat


def run(attack, model, images, labels):
    return attack(model, images, labels, generator=generator(0))


@pytest.mark.parametrize("threat", EVERYWHERE, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_reaches_the_closed_form(problem, threat):
    model, images, labels, distance = PROBLEMS[problem]()
    found = run(FMN(threat=threat, steps=100), model, images, labels)
    assert (model(found).argmax(1) != labels).all()
    sizes, nearest = threat.size(found, images), distance(threat)
    assert (sizes >= nearest * (1 - 1e-3) - 1e-6).all()
    reached = sizes <= nearest * 1.02 + 1e-5
    if isinstance(threat, L1) and "inside" in problem:
        # Each value alone is a way out, and a local minimum: of two that are nearly as short either may be found.
        assert reached.float().mean() > 0.85
        assert (sizes <= nearest * 1.15).all()
    else:
        assert reached.all()


@pytest.mark.parametrize("threat", EVERYWHERE, ids=str)
def test_of_two_classes_the_other_one_is_the_target(threat):
    model, images, labels, _ = PROBLEMS["linear"]()
    found = run(FMN(threat=threat, steps=30), model, images, labels)
    assert torch.equal(run(FMN(threat=threat, steps=30, targeted=True), model, images, 1 - labels), found)


def test_among_many_classes_it_reaches_the_nearest_point_of_the_targets():
    """A polyhedron of a linear model; its nearest point by projections on each half-space in turn (Dykstra 1983)."""
    draw = generator(3, "targets")
    weights = torch.randn(5, 3, 5, 5, generator=draw)
    images = 0.35 + 0.3 * torch.rand(30, 3, 5, 5, generator=draw)
    biases = -linear_logits(images, weights, torch.zeros(5)).mean(0)

    def model(shown):
        return linear_logits(shown, weights, biases)

    targets = (model(images).argmax(1) + 2) % 5
    nearest, corrections = images.flatten(1).double(), torch.zeros(5, 30, 75, dtype=torch.float64)
    for _ in range(300):
        for other in range(5):
            towards = (weights[targets] - weights[other]).flatten(1).double()
            aim = nearest + corrections[other]
            short = (aim * towards).sum(1) + (biases[targets] - biases[other])
            length = towards.square().sum(1).clamp_min(1e-12)
            nearest = aim - (short.clamp_max(0) / length)[:, None] * towards
            corrections[other] = aim - nearest
    found = run(FMN(threat=L2(math.inf), targeted=True), model, images, targets)
    assert torch.equal(model(found).argmax(1), targets)
    sizes, least = ((one - images.flatten(1)).norm(dim=1) for one in (found.flatten(1), nearest.float()))
    assert (sizes >= least * (1 - 1e-3)).all()
    assert (sizes <= least * 1.02).all()


@pytest.mark.parametrize("threat", EVERYWHERE, ids=str)
def test_what_lies_outside_the_threat_comes_back_unchanged(threat):
    model, images, labels, _ = PROBLEMS["linear"]()
    everywhere = run(FMN(threat=threat, steps=30), model, images, labels)
    sizes = threat.size(everywhere, images)
    bounded = type(threat)(float(sizes.median()))
    found = run(FMN(threat=bounded, steps=30), model, images, labels)
    far = sizes > bounded.eps
    assert 10 < far.sum() < 20
    assert torch.equal(found[far], images[far])
    assert torch.equal(found[~far], everywhere[~far])


@pytest.mark.parametrize("threat", EVERYWHERE, ids=str)
def test_the_box_holds_where_the_nearest_point_lies_outside(threat):
    """Class 1 where the values sum to more than 1.7: from (0.9, 0.5) the straight way leaves the box."""

    def model(shown):
        return torch.stack([torch.full((len(shown),), 1.7), shown.flatten(1).sum(1)], dim=1)

    images = torch.tensor([0.9, 0.5]).view(1, 1, 1, 2)
    found = run(FMN(threat=threat, steps=200), model, images, torch.tensor([0]))
    best = {L2: math.hypot(0.1, 0.2), Linf: 0.2, L1: 0.3}[type(threat)]
    assert found.max() <= 1
    assert threat.size(found, images).item() == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize("threat", EVERYWHERE, ids=str)
def test_it_leaves_a_place_where_two_logits_are_equal(threat):
    """As bfloat16 makes them: the margin of 0 says that the boundary is here, and it is not."""

    def model(shown):
        lead = shown.flatten(1).sum(1) - 1.0
        return torch.stack([torch.zeros_like(lead), lead - lead.clamp(0, 0.05)], dim=1)

    images = torch.full((1, 1, 1, 2), 0.501)
    found = run(FMN(threat=threat, steps=100), model, images, torch.tensor([0]))
    assert model(images)[0].tolist() == [0, 0]
    assert model(found).argmax(1).item() == 0 or threat.size(found, images).item() < 0.2


def test_the_radius_comes_from_the_dual_norm(curved, images):
    """Found in each norm's own terms: nearer in that norm than what the other norms find."""
    with torch.no_grad():
        labels = curved(images).argmax(1)
    found = {str(threat): run(FMN(threat=threat), curved, images, labels) for threat in EVERYWHERE}
    for threat in EVERYWHERE:
        sizes = {name: threat.size(shown, images).mean() for name, shown in found.items()}
        assert min(sizes, key=sizes.get) == str(threat)


def test_twice_the_steps_come_nearer_on_the_whole(curved, images):
    with torch.no_grad():
        labels = curved(images).argmax(1)
    sizes = [
        L2(math.inf).size(run(FMN(threat=L2(math.inf), steps=steps), curved, images, labels), images).mean()
        for steps in (5, 10, 20, 40, 80)
    ]
    for fewer, more in pairwise(sizes):
        assert more <= fewer * 1.005
    assert sizes[-1] < sizes[0]


def test_half_precision_logits_are_enough(curved, images):
    with torch.no_grad():
        labels = curved(images).argmax(1)
    exact = run(FMN(threat=L2(math.inf)), curved, images, labels)
    coarse = run(FMN(threat=L2(math.inf)), lambda shown: curved(shown).bfloat16(), images, labels)
    ratio = (coarse - images).flatten(1).norm(dim=1) / (exact - images).flatten(1).norm(dim=1)
    assert coarse.dtype == torch.float32
    assert 0.8 < ratio.median() < 1.2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 0}, "steps >= 1"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"shrink": 1.0}, "between 0 and 1, got 1.0"),
        ({"shrink": 0.0}, "between 0 and 1, got 0.0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(NotbugsError, match=message):
        FMN(**{"threat": L2(0.5), **options})


def test_a_threat_without_norm_is_refused():
    class Anywhere(Threat):
        eps = 1.0
        size = project = ascent_direction = random_start = None

        def __str__(self):
            return "anywhere"

    with pytest.raises(NotbugsError, match="anywhere is no norm ball; take l1, l2 or linf"):
        FMN(threat=Anywhere())


def test_its_name():
    assert str(FMN(threat=L2(math.inf))) == "fmn:l2:inf:100"
    assert str(FMN(threat=Linf(8 / 255), steps=50)) == "fmn:linf:8/255:50"
    assert str(FMN(threat=L2(2), targeted=True)) == "fmn-targeted:l2:2:100"
