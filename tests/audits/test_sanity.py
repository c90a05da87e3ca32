"""Reasons to distrust: every broken defence is found out, and no honest model is accused."""

import pytest
import torch
from defences import (
    Abstaining,
    Alternating,
    Averaging,
    BatchStatistics,
    Faint,
    HugeHead,
    Leaking,
    Loud,
    Quantised,
    Randomised,
    Remembering,
    RootOfNothing,
    SignFeatures,
    Softmax,
    Splintered,
    ThroughNumpy,
)

from notbugs import L1, L2, PGD, Linf, TrainConfig, build, load, train
from notbugs.audits import Flag, audit, check
from notbugs.audits.reach import random_search
from notbugs.audits.scaling import SCALINGS
from notbugs.data import LabeledImages
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.models import ImageClassifier
from notbugs.models.folding import FoldedClassifier
from notbugs.seeds import generator
from notbugs.theory import flip_sizes, linear_logits

THREAT = L2(1.0)
THREATS = [L2(0.2), THREAT, L2(4.0), Linf(8 / 255), Linf(0.1), Linf(0.4), L1(12)]
SHORT = TrainConfig(epochs=8, lr=0.1, batch_size=64, precision="float32")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def test_set() -> LabeledImages:
    return load("digits", split="test").first(300)


@pytest.fixture(scope="module")
def standard() -> ImageClassifier:
    return train(build("convnet-8-16-16-32", classes=10, seed=0), load("digits"), SHORT, seed=0)


@pytest.fixture(scope="module")
def robust() -> ImageClassifier:
    attack = PGD(threat=THREAT, steps=2, step_size=0.75, random_start=False, keep="last")
    return train(
        build("convnet-8-16-16-32", classes=10, seed=0), load("digits"), SHORT.against(attack), seed=0
    )


@pytest.fixture(scope="module")
def untrained() -> ImageClassifier:
    return build("convnet-8-16-16-32", classes=10, seed=0).eval()


DEFENCES = {
    "randomised": (lambda net, _, data: Randomised(net), "stochastic_outputs"),
    "quantised": (lambda net, _, data: Quantised(net), "zero_gradients"),
    "logits x 10000": (lambda net, _, data: Loud(net), "saturated_logits"),
    "softmax": (lambda net, _, data: Softmax(net), "probabilities"),
    "signs": (lambda net, _, data: SignFeatures(net, load("digits")), "zero_gradients"),
    "huge last layer": (lambda net, _, data: HugeHead(net), "zero_gradients"),
    "test-time augmentation": (lambda net, _, data: Averaging(net), "stochastic_outputs"),
    "abstaining": (lambda net, _, data: Abstaining(net), "extra_class"),
    "leaking": (lambda _, untrained, data: Leaking(untrained, data), "remembers_images"),
}
"""The nine, each of what it is made (a trained network, an untrained one, the test images) and a flag it must get."""

MORE = {
    "quantised, straight through": (lambda net, _, data: Quantised(net, True), "misleading_gradients"),
    "leaking around the images": (lambda _, weak, data: Leaking(weak, data, 1.5), "remembers_images"),
    "leaking beside a network": (lambda net, _, data: Leaking(net, data, bonus=20), "remembers_images"),
    "statistics of the batch": (lambda net, _, data: BatchStatistics(net), "rows_influence_each_other"),
    "remembering": (lambda net, _, data: Remembering(net), "keeps_state"),
    "mixing with the last": (lambda net, _, data: Alternating(net), "keeps_state"),
    "splinters": (lambda net, _, data: Splintered(net, 3.0, 3.0), "misleading_gradients"),
    "steep splinters": (lambda net, _, data: Splintered(net, 3000.0, 1.0), "exploding_gradients"),
    "a root of nothing": (lambda net, _, data: RootOfNothing(net), "nan_gradients"),
    "through NumPy": (lambda net, _, data: ThroughNumpy(net), "zero_gradients"),
}


def names(flags):
    return {flag.name for flag in flags}


# Broken defences are found out


@pytest.mark.parametrize("name", DEFENCES | MORE)
def test_a_broken_defence_gets_its_flag(name, standard, untrained, test_set):
    make, expected = (DEFENCES | MORE)[name]
    model = make(standard, untrained, test_set).eval()
    flags = check(model, test_set, threat=THREAT)
    assert expected in names(flags)
    for flag in flags:
        assert any(character.isdigit() for character in flag.found)
        assert all(not text[0].islower() and text.endswith(".") for text in (flag.found, flag.advice))


@pytest.mark.parametrize("name", [*DEFENCES, "through NumPy"])
def test_whatever_an_audit_says_of_a_broken_defence_it_is_flagged(name, standard, untrained, test_set):
    model = (DEFENCES | MORE)[name][0](standard, untrained, test_set).eval()
    found = audit(model, test_set.first(40), threat=THREAT)
    assert found.clean_accuracy > 0.6  # accuracy means something
    assert check(model, test_set, threat=THREAT)


def test_a_defence_seems_robust_without_being_so(standard, untrained, test_set):
    """What the flags are for: the same network, another number."""
    part = test_set.first(40)
    honest = audit(standard, part, threat=THREAT).robust_accuracy
    for name in ("quantised", "huge last layer", "leaking around the images"):
        masked = (DEFENCES | MORE)[name][0](standard, untrained, test_set).eval()
        assert audit(masked, part, threat=THREAT).robust_accuracy > honest + 0.3, name


def test_a_blind_search_beats_gradients_that_are_not_there(untrained, test_set):
    assert "black_box_beats_white_box" in names(check(Leaking(untrained, test_set), test_set, threat=THREAT))


def test_images_that_are_quietly_protected_are_seen_where_protection_counts(standard, test_set):
    """Smooth, with honest gradients, and no jump that stands out: but only these images resist."""
    (flag,) = check(Leaking(standard, test_set, 1.5, bonus=6), test_set, threat=L2(0.5))
    assert flag.name == "remembers_images"
    assert "stand against" in flag.found


def test_a_search_that_fails_at_any_distance_is_told(standard, test_set):
    assert "stands_at_any_distance" in names(check(Quantised(standard), test_set, threat=Linf(0.05)))


@pytest.mark.parametrize("threat", [L2(0.0), L2(float("inf"))], ids=str)
def test_without_a_budget_or_without_an_end_everything_but_the_searches_is_done(threat, standard, test_set):
    assert check(standard, test_set, threat=threat) == ()
    assert names(check(Quantised(standard), test_set, threat=threat)) == {"zero_gradients"}


def test_logits_that_are_not_numbers_end_the_check(standard, test_set):
    (flag,) = check(lambda images: standard(images).log(), test_set, threat=THREAT)
    assert flag.name == "not_finite"


# Honest models are not accused


@pytest.mark.parametrize("threat", THREATS, ids=str)
@pytest.mark.parametrize("folded", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_honest_model_is_accused(threat, folded, seed, standard, robust, test_set):
    for model in (standard, robust):
        asked = FoldedClassifier(model, torch.bfloat16) if folded else model
        assert check(asked, test_set, threat=threat, seed=seed) == ()


def as_seen_by(model, data):
    """The data under the labels that the model gives: whatever it is, it is accurate then."""
    with torch.no_grad():
        return data.relabeled(model(data.images).argmax(1))


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_nor_is_an_untrained_one_or_a_linear_function(threat, untrained, test_set):
    folded = FoldedClassifier(untrained, torch.bfloat16)
    weights = torch.randn(10, 3, 32, 32, generator=generator(0))

    def linear(images):
        return linear_logits(images, weights, torch.zeros(10))

    for model in (folded, linear):
        assert check(model, as_seen_by(model, test_set), threat=threat) == ()
        # On the true labels they are no good, and that is all that is said.
        assert names(check(model, test_set, threat=threat)) <= {"chance_accuracy", "constant_predictions"}


@pytest.mark.parametrize("seed", range(5))
def test_nor_is_one_that_wins_as_much_as_it_loses(seed, test_set):
    """A class for every bit of contrast: a tenth less moves most answers on, and right ones among them."""

    def by_contrast(images):
        bins = 20 * images.flatten(1).std(1, keepdim=True)
        return -((torch.arange(10) - bins) ** 2)

    data = as_seen_by(by_contrast, test_set)
    half = torch.arange(len(data)) % 2 == 0
    weak = data.relabeled(torch.where(half, data.labels, (data.labels - 1).clamp(0, 9)))
    assert "remembers_images" not in names(check(by_contrast, weak, threat=L2(0.1), seed=seed))


def test_the_networks_here_are_what_they_are_taken_for(standard, robust, test_set):
    part = test_set.first(100)
    found = [audit(model, part, threat=THREAT, precision="float32") for model in (standard, robust)]
    assert min(audit.clean_accuracy for audit in found) > 0.9
    assert found[1].robust_accuracy > found[0].robust_accuracy + 0.2


@pytest.mark.parametrize("feature", ["robust", "nonrobust"])
@pytest.mark.parametrize("share", [0.95, 1.05])
def test_nor_is_one_whose_images_all_fall_at_the_same_distance(feature, share):
    truth = PlantedTruth()
    threat = L2(share * truth.margin(feature))
    assert check(truth.matched_filter(feature), planted("test", count=300), threat=threat) == ()


# Labels


def test_labels_that_are_shifted_or_permuted_are_seen(standard, test_set):
    for renamed in ((test_set.labels + 1) % 10, 9 - test_set.labels):
        flags = check(standard, test_set.relabeled(renamed), threat=THREAT)
        assert names(flags) == {"chance_accuracy", "renamed_labels"}


def test_labels_that_are_shuffled_are_seen(standard, test_set):
    order = torch.randperm(len(test_set), generator=generator(0))
    flags = check(standard, test_set.relabeled(test_set.labels[order]), threat=THREAT)
    assert names(flags) == {"chance_accuracy"}


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_model_that_wants_its_images_scaled_is_seen(scaling, standard, test_set):
    """Normalisation left outside: the network is right on what its preprocessing makes of the images."""
    mean, spread = (torch.tensor(values).view(1, -1, 1, 1) for values in SCALINGS[scaling])

    def wants(images):
        return standard(images * spread + mean)

    found = {flag.name: flag for flag in check(wants, test_set, threat=L2(0.5))}
    if scaling.startswith("mean 0.5"):  # half the contrast is still seen well: hardly a loss, and no flag
        assert "other_scaling" not in found or "[-1, 1]" in found["other_scaling"].found
    else:
        assert "other_scaling" in found
        assert scaling.split(" of ")[0] in found["other_scaling"].found


def test_a_model_that_hardly_looks_is_seen(standard, test_set):
    flags = names(check(Faint(standard), test_set, threat=THREAT))
    assert {"constant_predictions", "vanishing_gradients"} <= flags


# The check itself


class Counting:
    """A classifier that writes down how many images it is asked about, with and without a gradient."""

    def __init__(self, model):
        self.model, self.plain, self.climbed = model, 0, 0

    def __call__(self, images):
        if images.requires_grad:
            self.climbed += len(images)
        else:
            self.plain += len(images)
        return self.model(images)


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_it_is_cheap(threat, robust, test_set):
    counted = Counting(robust)
    check(counted, test_set, threat=threat)
    assert counted.plain <= 1600
    assert counted.climbed <= 600


def test_the_seed_decides_and_nothing_is_left_behind(standard, test_set):
    model = Quantised(standard).train()
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    state, weights = (
        torch.get_rng_state(),
        {name: value.clone() for name, value in model.state_dict().items()},
    )
    first = check(model, test_set, threat=THREAT, seed=3)
    assert first == check(model, test_set, threat=THREAT, seed=3)
    with torch.no_grad():
        assert first == check(model, test_set, threat=THREAT, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert next(model.parameters()).grad.eq(1).all()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    model.eval()
    next(model.parameters()).grad = None


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_are_no_error(count, standard, test_set):
    assert check(standard, test_set.first(count), threat=THREAT) == ()
    assert check(standard, test_set, threat=THREAT, count=count) == ()


def test_what_is_no_classifier_of_these_data_is_refused(standard, test_set):
    with pytest.raises(NotbugsError, match="9 logits, digits has 10 classes"):
        check(lambda images: standard(images)[:, :9], test_set, threat=THREAT)
    with pytest.raises(NotbugsError, match="gives \\(images, classes\\)"):
        check(lambda images: standard(images)[:, :, None], test_set, threat=THREAT)
    with pytest.raises(NotbugsError, match="at least 1 image"):
        check(standard, test_set, threat=THREAT, count=0)


def test_a_flag_is_one_line():
    assert str(Flag("a_name", "Found 3 of 4.", "Mend it.")) == "a_name: Found 3 of 4. Mend it."


@pytest.mark.parametrize("threat", [L2(0.3), Linf(0.02)], ids=str)
def test_the_blind_search_fells_only_what_can_fall(threat, test_set):
    """Against the closed form of a linear model: nothing out of reach, and most of what is easily reached."""
    weights = torch.randn(2, 3, 8, 8, generator=generator(0))
    weights = torch.nn.functional.interpolate(weights, size=(32, 32))
    images = 0.3 + 0.4 * test_set.images[:150]
    biases = -linear_logits(images, weights, torch.zeros(2)).median(0).values

    def model(shown):
        return linear_logits(shown, weights, biases)

    labels = model(images).argmax(1)
    found = random_search(model, images, labels, threat=threat, queries=60, generator=generator(1))
    assert threat.contains(found, images).all()
    fell = model(found).argmax(1) != labels
    sizes = flip_sizes(images, labels, weights, biases, threat).amin(1)
    assert not fell[sizes > threat.eps * 1.001].any()
    easy = sizes < 0.1 * threat.eps
    assert easy.sum() > 5
    assert fell[easy].float().mean() > 0.9
