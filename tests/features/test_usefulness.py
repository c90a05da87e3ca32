"""How useful features are, with and without an adversary: against closed forms and planted truth."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from notbugs import L1, L2, Linf, build, train
from notbugs.data.planted import PlantedTruth, planted
from notbugs.errors import NotbugsError
from notbugs.features.usefulness import linear_usefulness, usefulness
from notbugs.recipes.studies import planted as planted_study
from notbugs.seeds import generator

TRUTH = PlantedTruth()
PER_FEATURE = ("classes", "signs", "rho", "gamma", "rho_errors", "gamma_errors", "stuck")


class Linear(nn.Module):
    """A model whose features are linear forms."""

    def __init__(self, directions):
        super().__init__()
        self.directions = nn.Parameter(directions)

    def embed(self, images):
        return images.flatten(1) @ self.directions.flatten(1).T

    def forward(self, images):
        return self.embed(images)


def features():
    """What is robust, what is not, and what says nothing: orthogonal to all that was planted."""
    known = torch.cat([TRUTH.directions("robust"), TRUTH.directions("nonrobust")])
    other = torch.randn(5, 3, 32, 32, generator=generator(0))
    flat = known.flatten(1)
    other = (other.flatten(1) - other.flatten(1) @ flat.T @ flat).view_as(other)
    # No background either: what is left of it differs between images, and says nothing of the class.
    return known, other / other.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def held_out():
    return planted("test")


@pytest.mark.parametrize("threat", [L2(0.1), Linf(1 / 255), L1(0.3)], ids=str)
def test_what_is_searched_for_is_what_the_formula_says(threat, held_out):
    known, _ = features()
    held_out = replace(held_out, images=0.5 + 0.3 * (held_out.images - 0.5))  # far from the box
    directions = known[[0, 3, 10, 13]]
    exact = linear_usefulness(directions, held_out, threat=threat)
    found = usefulness(
        Linear(directions), held_out, threat=threat, generator=generator(1), attacked=40, steps=40
    )
    assert torch.equal(found.classes, exact.classes)
    assert torch.equal(found.signs, exact.signs)
    assert found.rho.numpy() == pytest.approx(exact.rho.numpy(), abs=1e-6)
    assert (found.gamma >= exact.gamma - 1e-4).all(), "no search does better than the minimum"
    assert found.gamma.numpy() == pytest.approx(exact.gamma.numpy(), abs=0.02)


def test_rho_is_the_correlation_of_two_even_classes(held_out):
    known, _ = features()
    found = linear_usefulness(known, held_out, threat=L2(0.25))
    values = held_out.images.flatten(1).double() @ known.flatten(1).double().T
    for unit in (0, 5, 12):
        own = held_out.labels == found.classes[unit]
        weights = torch.where(own, 0.5 / own.sum(), 0.5 / (~own).sum())
        y, f = own.double() * 2 - 1, values[:, unit]
        mean = (weights * f).sum()
        deviation = (weights * (f - mean).square()).sum().sqrt()
        assert float(found.rho[unit]) == pytest.approx(float((weights * y * (f - mean)).sum() / deviation))
        drop = 0.25 / deviation
        assert float(found.gamma[unit]) == pytest.approx(float(found.rho[unit] - drop))


def test_what_was_planted_is_told_apart(held_out):
    known, other = features()
    found = linear_usefulness(torch.cat([known, other]), held_out, threat=L2(0.25))
    assert found.kinds() == ["robust"] * 10 + ["non-robust"] * 10 + ["useless"] * 5
    assert found.classes[:20].tolist() == [*range(10), *range(10)]
    assert (found.signs[:20] == 1).all()
    turned = linear_usefulness(-known, held_out, threat=L2(0.25))
    assert (turned.signs == -1).all()
    assert turned.gamma.numpy() == pytest.approx(found.gamma[:20].numpy())


@pytest.mark.parametrize("n", [300, 1000])
def test_what_says_nothing_is_not_called_useful(n):
    """Of the best of ten classes, by chance alone, rho is far from 0 where a class has few images."""
    data, draw = planted("test", count=n), generator(0)
    noise = torch.randn(300, 3, 32, 32, generator=draw)
    random = replace(data, images=torch.rand(data.images.shape, generator=draw))
    found = linear_usefulness(noise, random, threat=L2(0.25))
    if n == 300:
        assert (found.rho > 0.1).double().mean() > 0.5, "so it would be called by rho alone"
    assert found.kinds().count("useless") > 0.95 * 300


def test_shares_know_how_sure_the_numbers_are(held_out):
    known, other = features()
    shares = linear_usefulness(torch.cat([known, other]), held_out, threat=L2(0.25)).shares()
    assert {kind: share for kind, (share, _) in shares.items()} == {
        "robust": 0.4, "non-robust": 0.4, "useless": 0.2,
    }  # fmt: skip
    few = linear_usefulness(known, planted("test", count=60), threat=L2(0.25)).shares()
    for share, (low, high) in (*shares.values(), *few.values()):
        assert 0 <= low <= share <= high <= 1


def test_shares_know_how_many_of_the_features_were_asked(held_out):
    known, _ = features()
    every = linear_usefulness(known, held_out, threat=L2(0.25))
    some = replace(every, **{key: getattr(every, key)[[0, 1, 2, 10]] for key in PER_FEATURE})
    share, (low, high) = some.shares()["robust"]
    assert share == 0.75
    assert low < every.shares()["robust"][0] < high
    assert all(low == high for _, (low, high) in every.shares().values()), "sure of each, and all were asked"


def test_errors_cover_what_other_images_give():
    known, _ = features()
    draws = [linear_usefulness(known, planted("test", seed=seed), threat=L2(0.25)) for seed in range(12)]
    spread = torch.stack([one.rho for one in draws]).std(0)
    assert 0.5 < float((spread / draws[0].rho_errors).mean()) < 1.5


def test_features_of_networks_are_what_they_were_trained_to_be():
    """AUC of gamma against the truth: whether a unit follows the planted shape or the planted pattern."""
    told = PlantedTruth(
        p_robust=0.7, p_nonrobust=1.0
    )  # for so few images, the pattern must be worth learning
    data, test = planted(count=2000, truth=told), planted("test", count=600, truth=told)
    teachers = [planted_study().models[name] for name in ("standard", "robust")]
    free = planted("test", count=1500, seed=5, truth=PlantedTruth(p_robust=0.1, p_nonrobust=0.1))
    gammas, follow = [], []
    for teacher in teachers:
        model = train(build("convnet-16-32-32-48", classes=10, seed=0), data, teacher.how, seed=0)
        found = usefulness(model, test, threat=L2(0.25), generator=generator(2), attacked=20, steps=10)
        gammas.append(found.gamma)
        follow.append(follows_shape(model, free))
    score, robust = torch.cat(gammas), torch.cat(follow)
    above = (score[robust][:, None] > score[~robust]).double()
    assert min(above.shape) > 30
    assert float(above.mean()) >= 0.98


@torch.no_grad()
def follows_shape(model, free):
    """For each unit, whether shapes explain more of it than patterns do, where the two are independent."""
    values = torch.cat([model.embed(part).double() for part in free.images.split(500)])
    explained = []
    for column in ("robust_class", "nonrobust_class"):
        means = torch.stack([values[free.columns[column] == k].mean(0) for k in range(10)])
        explained.append((means[free.columns[column]] - values.mean(0)).square().sum(0))
    return explained[0] > explained[1]


def test_a_feature_that_never_moves_is_useless():
    directions = torch.zeros(1, 3, 32, 32)
    found = linear_usefulness(directions, planted("test", count=200), threat=L2(0.25))
    assert found.kinds() == ["useless"]
    assert float(found.gamma) == 0


class Hidden(Linear):
    """Features that a gradient says nothing of."""

    def __init__(self, directions, hide):
        super().__init__(directions)
        self.hide = hide

    def embed(self, images):
        return self.hide(super().embed(images))


@pytest.mark.parametrize("hide", [torch.detach, lambda f: (50 * f).round() / 50], ids=["detached", "rounded"])
def test_features_without_gradients_are_stuck(hide, held_out):
    known, _ = features()
    asked = {"threat": L2(0.5), "attacked": 10, "steps": 3}
    open_ = usefulness(Linear(known), held_out, generator=generator(1), **asked)
    assert not open_.stuck.any()
    assert "non-robust" in open_.kinds()
    hidden = usefulness(Hidden(known, hide), held_out, generator=generator(1), **asked)
    assert hidden.stuck.all()
    assert hidden.kinds()[10:] == ["robust"] * 10, "which is what must not be believed"


def test_a_constant_direction_is_useless(held_out):
    """What varies by rounding alone would be told to be perfectly useful."""
    labels = torch.arange(6) % 3
    flat = replace(
        held_out.first(6),
        images=torch.full((6, 3, 4, 4), 0.7),
        labels=labels,
        class_names=("a", "b", "c"),
        columns={},
    )
    flat.images[:, :, 2] = torch.rand(6, 3, 4, generator=generator(2))
    directions = torch.zeros(40, 3, 4, 4)
    directions[:, :, :2] = torch.randn(40, 3, 2, 4, generator=generator(3))
    found = linear_usefulness(directions, flat, threat=L2(0.5))
    assert found.kinds() == ["useless"] * 40
    assert not found.rho.any()
    assert not found.gamma.any()


@pytest.mark.parametrize(
    ("hide", "said"),
    [
        (lambda f: f[:, :, None, None], "embed\\(\\) gives \\(2, 20, 1, 1\\)"),
        (lambda f: (f, f), "gives tuple"),
        (lambda f: f.long(), "real numbers"),
    ],
)
def test_features_that_are_no_rows_of_numbers_are_refused(hide, said, held_out):
    with pytest.raises(NotbugsError, match=said):
        usefulness(Hidden(features()[0], hide), held_out, threat=L2(0.5), generator=generator(1))


@pytest.mark.parametrize("units", [[], [20], [-1]])
def test_units_that_there_are_not_are_refused(units, held_out):
    with pytest.raises(NotbugsError, match="some of the model's 20 features"):
        usefulness(Linear(features()[0]), held_out, threat=L2(0.5), generator=generator(1), units=units)


def test_a_class_without_images_is_refused():
    data = planted("test", count=200)
    with pytest.raises(NotbugsError, match="give 2 images or more of class 3"):
        linear_usefulness(
            TRUTH.directions("robust"), data.take((data.labels != 3).nonzero()[:, 0]), threat=L2(0.25)
        )


def test_too_few_attacked_images_are_refused(held_out):
    known, _ = features()
    with pytest.raises(NotbugsError, match="attacked 3"):
        usefulness(Linear(known), held_out, threat=L2(0.25), generator=generator(0), attacked=3)


def test_a_model_without_features_is_refused():
    with pytest.raises(NotbugsError, match="embed"):
        usefulness(
            lambda x: x.flatten(1), planted("test", count=200), threat=L2(0.25), generator=generator(0)
        )
