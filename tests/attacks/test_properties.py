"""What every attack must do. To add an attack, add a row to `ATTACKS`: its properties are tested by that alone."""

import inspect

import pytest
import torch
from torch import nn

from notbugs.attacks.apgd import APGD, APGDTargeted
from notbugs.attacks.carlini_wagner import CarliniWagner
from notbugs.attacks.fab import FAB
from notbugs.attacks.fmn import FMN
from notbugs.attacks.multi_targeted import MultiTargeted
from notbugs.attacks.nes import NES
from notbugs.attacks.pgd import PGD
from notbugs.attacks.spatial import Spatial, SpatialGrid
from notbugs.attacks.square import Square
from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.theory import flip_sizes, largest_value, linear_logits
from notbugs.threats import L1, L2, Linf


def pgd(**options):
    """PGD whose step falls short of the budget: 1/8 of it."""
    return lambda threat, steps=10: PGD(
        threat=threat, steps=steps, step_size=threat.eps / 8 or 0.1, **options
    )


def nes(**options):
    """NES whose estimates get better as the steps get more: a long search is meant to end at the optimum."""
    return lambda threat, steps=10: NES(
        threat=threat, steps=steps, step_size=2.5 * threat.eps / steps or 0.1, samples=24 * steps, **options
    )


def apgd(**options):
    return lambda threat, steps=10: APGD(threat=threat, steps=steps, **options)


def apgd_class_by_class(**options):
    return lambda threat, steps=10: APGDTargeted(threat=threat, steps=steps, **options)


def fab(**options):
    """FAB leaves when an image is found inside; its first run starts from the image."""
    return lambda threat, steps=10: FAB(threat=threat, steps=steps, **options)


def square(**options):
    """Square has no gradient to follow: a query counts for little."""
    return lambda threat, steps=10: Square(threat=threat, queries=20 * steps, **options)


def multi_targeted(**options):
    """Steps as PGD's."""
    return lambda threat, steps=10: MultiTargeted(
        threat=threat, steps=steps, step_size=threat.eps / 8 or 0.1, **options
    )


def carlini_wagner():
    """A few short rounds, from a c that suits models whose logits are some units apart."""
    return lambda threat, steps=10: CarliniWagner(
        threat=threat, steps=6 * steps, rounds=5, first_c=0.02, learning_rate=0.004
    )


def grid():
    """Its threat is no ball: where another is given, a grid of its own."""
    return lambda threat, steps=10: SpatialGrid(threat=threat if isinstance(threat, Spatial) else MOVED)


MOVED = Spatial(30, 1, rotations=5, translations=3)

ATTACKS = {
    "pgd": pgd(),
    "pgd from the image": pgd(random_start=False),
    "pgd on the margin": pgd(loss="margin"),
    "pgd, last iterate": pgd(keep="last"),
    "pgd, three restarts": pgd(restarts=3),
    "pgd, leaving when fooled": pgd(stop_when_fooled=True),
    "pgd from the image, leaving when fooled": pgd(stop_when_fooled=True, random_start=False),
    "pgd, leaving when fooled, three restarts": pgd(stop_when_fooled=True, restarts=3),
    "pgd targeted": pgd(targeted=True),
    "pgd targeted, leaving when hit, three restarts": pgd(targeted=True, stop_when_fooled=True, restarts=3),
    "pgd targeted from the image": pgd(targeted=True, random_start=False),
    "nes, leaving when fooled": nes(),
    "nes on the cross-entropy, leaving when fooled": nes(loss="cross_entropy"),
    "nes targeted, leaving when hit": nes(targeted=True),
    "pgd on the dlr": pgd(loss="dlr"),
    "apgd, leaving when fooled": apgd(),
    "apgd on the dlr, leaving when fooled": apgd(loss="dlr"),
    "apgd on the margin, leaving when fooled, three restarts": apgd(loss="margin", restarts=3),
    "apgd class by class, leaving when fooled": apgd_class_by_class(),
    "apgd class by class, leaving when fooled, two restarts": apgd_class_by_class(targets=2, restarts=2),
    "apgd, leaving when fooled or hopeless": apgd(abort_early=True),
    "apgd class by class, leaving when fooled or hopeless": apgd_class_by_class(abort_early=True),
    "fab from the image, leaving when fooled or hopeless": fab(abort_early=True),
    "square, leaving when fooled or hopeless": square(abort_early=True),
    "fab from the image, leaving when fooled": fab(),
    "fab, one target, leaving when fooled, three restarts": fab(targets=1, restarts=3),
    "square, leaving when fooled": square(),
    "square on the cross-entropy, leaving when fooled, two restarts": square(
        loss="cross_entropy", restarts=2
    ),
    "multi-targeted, leaving when fooled": multi_targeted(),
    "multi-targeted from the image, leaving when fooled": multi_targeted(targets=2, random_start=False),
    "fmn from the image": lambda threat, steps=10: FMN(threat=threat, steps=steps),
    "fmn targeted from the image": lambda threat, steps=10: FMN(threat=threat, steps=steps, targeted=True),
    "carlini-wagner from the image": carlini_wagner(),
    "grid from the image": grid(),
}

LEAVES_EARLY = {name for name in ATTACKS if "leaving" in name}
TARGETED = {name for name in ATTACKS if " targeted" in name}
DETERMINISTIC = {name for name in ATTACKS if "from the image" in name}
SELDOM_DRAWS = {name for name in ATTACKS if name.startswith("fab, ")}
"""Their first run starts at the image, and what it leaves standing no restart fells here (but in test_fab.py)."""
BY_SQUARES = {name for name in ATTACKS if name.startswith("square")}
"""In L2 they move squares of at least 3 x 3 pixels in fixed shapes, which do not add up to every direction."""
MINIMAL = {"fmn from the image", "fmn targeted from the image", "carlini-wagner from the image"}
"""They look for the smallest change and end at the boundary, however much budget is left."""

SEARCHES: dict[str, tuple[type, ...]] = {name: (L2, Linf) for name in BY_SQUARES} | {
    "carlini-wagner from the image": (L2,)
}
"""Norms of those that do not search all."""
WITHOUT_A_NORM = {"grid from the image"}
"""Their threat is a finite set of moved images: no norm, so no closed form of a linear model."""

THREATS = [L2(0.7), Linf(0.05), L1(3.0)]


def in_their_threats(names, threats=THREATS):
    """Each attack with each threat that it can search."""
    pairs = [
        (name, threat)
        for name in names
        for threat in ([MOVED] if name in WITHOUT_A_NORM else threats)
        if isinstance(threat, (*SEARCHES.get(name, (L2, Linf, L1)), Spatial))
    ]
    return pytest.mark.parametrize("name, threat", pairs, ids=[f"{name}-{threat}" for name, threat in pairs])


every_attack = pytest.mark.parametrize("name", ATTACKS)
every_attack_in_its_threats = in_their_threats(ATTACKS)


def labels_for(model, images):
    """What the model sees, but for every third image, which it gets wrong from the start."""
    with torch.no_grad():
        labels = model(images).argmax(1)
        classes = model(images).shape[1]
    return torch.where(torch.arange(len(images)) % 3 == 2, (labels + 1) % classes, labels)


def everything(model):
    """All that an attack could disturb in a model."""
    flags = [module.training for module in model.modules()], [p.requires_grad for p in model.parameters()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return flags, grads, state


def assert_untouched(model, before):
    flags, grads, state = everything(model)
    assert flags == before[0]
    for now, then in zip(grads, before[1], strict=True):
        assert now is then is None or torch.equal(now, then)
    assert all(torch.equal(state[name], before[2][name]) for name in state)


# Identity and bounds


@every_attack_in_its_threats
def test_without_a_budget_nothing_changes(name, threat, curved, images):
    attack = ATTACKS[name](threat.scaled(0))
    assert torch.equal(attack(curved, images, labels_for(curved, images), generator=generator(0)), images)


@every_attack_in_its_threats
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_stays_in_ball_and_box_and_dtype(name, threat, dtype, curved, images):
    model, centers = curved.to(dtype), images.to(dtype)
    kept = centers.clone()
    found = ATTACKS[name](threat)(model, centers, labels_for(model, centers), generator=generator(0))
    assert torch.equal(centers, kept)
    assert found.dtype == dtype
    assert found.shape == images.shape
    assert not found.requires_grad
    assert found.min() >= 0
    assert found.max() <= 1
    assert not torch.equal(found, centers)
    if name in WITHOUT_A_NORM:
        assert threat.contains(found, centers).all()
        return
    changes = (found - centers).double().flatten(1)
    order = {Linf: torch.inf, L2: 2, L1: 1}[type(threat)]
    sizes = torch.linalg.vector_norm(changes, ord=order, dim=1)
    assert sizes.max() <= threat.eps * (1 + 1e-5) + 1e-6


@every_attack
def test_no_images_in_no_images_out(name, curved):
    none, no_labels = torch.zeros(0, 3, 6, 6), torch.zeros(0, dtype=torch.int64)
    assert ATTACKS[name](L2(0.5))(curved, none, no_labels, generator=generator(0)).shape == none.shape


# The closed form


@pytest.fixture(scope="module")
def linear():
    """A linear model of two classes, and images whose pixels lie far from the ends of the box."""
    draw = generator(0, "linear")
    weights = torch.randn(2, 3, 4, 4, generator=draw)
    images = 0.4 + 0.2 * torch.rand(60, 3, 4, 4, generator=draw)
    biases = -linear_logits(images, weights, torch.zeros(2)).mean(0)
    return images, weights, biases


LINEAR_THREATS = [L2(0.05), Linf(0.009), L1(0.15)]


def with_hopeless_classes(logits):
    """Four classes, as the dlr losses need them, of which the last two are never seen and have no gradient."""
    return torch.nn.functional.pad(logits, (0, 2), value=-1e4)


@in_their_threats(sorted(ATTACKS.keys() - WITHOUT_A_NORM), LINEAR_THREATS)
def test_it_fools_a_linear_model_exactly_where_that_is_possible(name, threat, linear):
    images, weights, biases = linear

    def model(shown):
        return with_hopeless_classes(linear_logits(shown, weights, biases))

    seen = model(images).argmax(1)
    sizes = flip_sizes(images, seen, weights, biases, threat).amin(1)
    assert 10 < (sizes < threat.eps).sum() < 50  # both kinds are there
    clear = (sizes / threat.eps - 1).abs() > 2e-3
    labels = 1 - seen if name in TARGETED else seen
    found = ATTACKS[name](threat, steps=40)(model, images, labels, generator=generator(0))
    fooled, possible = model(found).argmax(1) != seen, sizes < threat.eps
    if name in BY_SQUARES and isinstance(threat, L2):
        possible = possible & fooled
    assert torch.equal(fooled[clear], possible[clear])


@in_their_threats(sorted(ATTACKS.keys() - LEAVES_EARLY - MINIMAL - WITHOUT_A_NORM), LINEAR_THREATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_reaches_the_optimum_of_a_linear_model(name, threat, dtype, linear):
    images, weights, biases = (part.to(dtype) for part in linear)

    def model(shown):
        return with_hopeless_classes(linear_logits(shown, weights, biases))

    labels = model(images).argmax(1)
    aims = 1 - labels if name in TARGETED else labels
    found = ATTACKS[name](threat, steps=40)(model, images, aims, generator=generator(0))
    directions = weights[1 - labels] - weights[labels]
    before = (model(images).gather(1, 1 - labels[:, None]) - model(images).gather(1, labels[:, None]))[:, 0]
    after = (model(found).gather(1, 1 - labels[:, None]) - model(found).gather(1, labels[:, None]))[:, 0]
    gain = largest_value(torch.zeros_like(before), directions, threat)
    torch.testing.assert_close(after - before, gain, rtol=1e-3, atol=0)


# Repetition and independence


@every_attack_in_its_threats
def test_a_generator_decides_and_the_global_one_is_untouched(name, threat, curved, images):
    attack, labels = ATTACKS[name](threat), labels_for(curved, images)
    state = torch.get_rng_state()
    first = attack(curved, images, labels, generator=generator(0))
    assert torch.equal(first, attack(curved, images, labels, generator=generator(0)))
    other = attack(curved, images, labels, generator=generator(1))
    assert torch.equal(torch.get_rng_state(), state)
    if name not in SELDOM_DRAWS:
        assert torch.equal(first, other) == (name in DETERMINISTIC)


@in_their_threats(sorted(DETERMINISTIC))
def test_an_image_alone_is_treated_as_in_a_batch(name, threat, curved, images):
    curved, images = curved.double(), images.double()  # a float32 rounding can turn the sign of a gradient
    attack, labels = ATTACKS[name](threat), labels_for(curved, images)
    together = attack(curved, images, labels, generator=generator(0))
    for row in (0, 1, 2, 5):
        alone = attack(curved, images[row : row + 1], labels[row : row + 1], generator=generator(0))
        torch.testing.assert_close(alone[0], together[row], atol=1e-7, rtol=0)


@in_their_threats(sorted(DETERMINISTIC))
def test_the_labels_of_other_images_play_no_part(name, threat, curved, images):
    curved, images = curved.double(), images.double()
    attack, labels = ATTACKS[name](threat), labels_for(curved, images)
    others = torch.where(torch.arange(len(images)) < 5, labels, (labels + 1) % 4)
    found = [attack(curved, images, given, generator=generator(0)) for given in (labels, others)]
    torch.testing.assert_close(found[0][:5], found[1][:5], atol=1e-7, rtol=0)
    assert not torch.equal(found[0][5:], found[1][5:])


@pytest.mark.parametrize("name", sorted(TARGETED))
def test_a_targeted_attack_knows_targets_and_no_true_labels(name, curved, images):
    attack = ATTACKS[name](L2(torch.inf), steps=100) if name in MINIMAL else ATTACKS[name](L2(2.0))
    asked = set(inspect.signature(attack).parameters) - {"rows"}  # which part of a batch these images are
    assert asked == {"model", "images", "labels", "generator"}
    with torch.no_grad():
        least_likely = curved(images).argmin(1)
    found = attack(curved, images, least_likely, generator=generator(0))
    with torch.no_grad():
        before, after = (curved(shown).log_softmax(1) for shown in (images, found))
    rows = torch.arange(len(images))
    if name in MINIMAL:  # it stops where the target has just overtaken the others
        assert torch.equal(after.argmax(1), least_likely)
    else:
        assert (after[rows, least_likely] > before[rows, least_likely] + 0.5).all()


# The model is given back


@every_attack
@pytest.mark.parametrize("fails_at", [None, 1, 2])
def test_the_model_is_given_back_as_it_was(name, fails_at, curved, images):
    labels = labels_for(curved, images)
    curved.train()
    curved.norm.eval()  # its owner has frozen this one
    curved.conv.bias.requires_grad_(False)
    curved.head.weight.grad = torch.ones_like(curved.head.weight)
    before, calls = everything(curved), []

    def fail(*_):
        calls.append(1)
        assert not any(module.training for module in curved.modules())
        if len(calls) == fails_at:
            raise ConnectionError

    hook = curved.head.register_forward_hook(fail)
    if fails_at is None:
        ATTACKS[name](L2(0.7))(curved, images, labels, generator=generator(0))
    else:
        with pytest.raises(ConnectionError):
            ATTACKS[name](L2(0.7))(curved, images, labels, generator=generator(0))
    hook.remove()
    assert calls
    assert_untouched(curved, before)
    assert torch.is_grad_enabled()


# Models that misbehave


class Broken(nn.Module):
    """Logits that are not numbers, for some images or all, and gradients likewise."""

    def __init__(self, rows: slice) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = images.flatten(1)[:, :4]
        bad = torch.zeros(len(logits), 1)
        bad[self.rows] = torch.nan
        return logits + bad * logits


@every_attack_in_its_threats
@pytest.mark.parametrize("rows", [slice(None), slice(0, 1)], ids=["every image", "one image"])
@pytest.mark.parametrize("label", [0, 1])
def test_a_model_that_answers_nan_is_an_error_and_not_a_success(name, threat, rows, label, images):
    labels = torch.full((10,), label)
    with pytest.raises(NotbugsError, match="NaN"):
        ATTACKS[name](threat)(Broken(rows), images, labels, generator=generator(0))


def flat(shown):
    return (shown * 0).flatten(1)[:, :4] + torch.tensor([1.0, 0.0, 0.0, 0.0])


def without_graph(shown):
    return flat(shown.detach())


def without_images(shown):
    """A graph, but none that reaches the images."""
    return flat(shown.detach()) + torch.zeros(4, requires_grad=True)


@every_attack_in_its_threats
@pytest.mark.parametrize("model", [flat, without_graph, without_images])
def test_a_model_without_gradient_is_no_error(name, threat, model, images):
    found = ATTACKS[name](threat)(model, images, torch.zeros(10, dtype=torch.int64), generator=generator(0))
    assert found.isfinite().all()
