"""Models that differ in how they were trained, each recipe with its command, its duration and what to expect."""

from collections.abc import Callable
from dataclasses import replace

from notbugs.comparison import Comparison
from notbugs.data.tagged import tag_region
from notbugs.jobs import PLANS
from notbugs.recipes.hyperparameters import FAST, training_attack
from notbugs.threats import L2, Linf, Region, Restricted
from notbugs.training import TrainConfig


def spectrum(source: str = "cifar10") -> Comparison:
    """`notbugs study spectrum`: figure 2 of Gilmer & Hendrycks (2019), with their fog and contrast, on CIFAR-10.

    A standard model, one with Gaussian augmentation, and adversarially trained ones at four budgets. Expect these
    better at noise, least so the largest, and worse at fog, contrast and low-frequency noise, the more so the larger
    the budget; on average over all corruptions a small budget may gain.
    """
    train = replace(FAST, batch_size=256)
    robust = {
        f"robust {eps:g}": train.against(training_attack(L2(eps), steps=3, step_size=eps / 2))
        for eps in (0.1, 0.25, 0.5, 1.0)
    }
    # Of every strength: trained on one alone it would do better with that noise than on the images as they are.
    noisy = replace(train, augment=replace(train.augment, noise=(0.0, 0.1)))
    return Comparison(
        name="spectrum",
        source=source,
        arch="convnet-32-64-64-64",
        threat=L2(0.5),
        models={"standard": train, "gaussian noise": noisy, **robust},
        plan=replace(PLANS["standard"], heat_images=500),
        tested=2000,
        duration="20 to 50 minutes on 2 cores",
    )


def filtered(source: str = "cifar10") -> Comparison:
    """`notbugs study filtered`: figure 1 of Gilmer & Hendrycks (2019): what is learned from some frequencies alone.

    Models trained on low-pass and on high-pass filtered images, each tested on all filters. Expect accuracy far above
    chance on images that to people are blurs, or nothing but faint outlines.
    """
    train = replace(FAST, epochs=10, batch_size=256)
    filters = {f"{kind} {cut}": f"{kind}:{cut}" for kind in ("low", "high") for cut in (2, 4, 6, 8, 12)}
    return Comparison(
        name="filtered",
        source=source,
        arch="convnet-32-64-64-64",
        threat=L2(0.5),
        models={"standard": train} | dict.fromkeys(filters, train),
        sources={name: f"{source}@{text}" for name, text in filters.items()},
        plan=replace(PLANS["standard"], sections=("frequency",), vectors=0),
        tested=10_000,
        duration="a quarter of an hour on 2 cores",
    )


def critic(source: str = "planted-spurious") -> Comparison:
    """`notbugs study critic`: a model kept from a tag, by training against every change of the tag's region.

    On planted images with a tag in a corner that says the class in 98 % of the training images and is at chance in
    the test. Expect the standard model to lose what it leaned on the tag for, and the critic to do as well as a model
    that never saw a tag.
    """
    base = TrainConfig(epochs=10, lr=0.1, weight_decay=5e-3)
    region = Restricted(L2(1.5), Region(top=1, left=1, height=5, width=5))
    kept = base.against(training_attack(region, steps=2, step_size=1.0))
    return Comparison(
        name="critic",
        source=source,
        arch="convnet",
        threat=region,
        models={"standard": base, "critic": kept, "untagged": base},
        sources={"untagged": "planted"},
        plan=replace(PLANS["standard"], norms=False, severities=(3,), vectors=0),
        duration="2 minutes on 2 cores",
    )


def critic_of_photographs(source: str = "cifar10", *, image_size: tuple[int, int] = (32, 32)) -> Comparison:
    """`notbugs study critic --data SOURCE`: the same with a tag put on real images, CIFAR-10's for one.

    This tag is black and white, so that a budget for small changes would leave it what it is: the critic may write
    whatever it likes into the region.
    """
    train = replace(FAST, batch_size=256)
    region = Restricted(Linf(1.0), Region(*tag_region(*image_size)))
    return replace(
        critic(),
        name="critic-tagged",
        source=f"tagged:{source}",
        arch="convnet-32-64-64-64",
        threat=region,
        models={
            "standard": train,
            "critic": train.against(training_attack(region, steps=3, step_size=0.5)),
            "untagged": train,
        },
        sources={"untagged": source},
        duration="10 minutes on 2 cores",
    )


COMPARISONS: dict[str, Callable[..., Comparison]] = {
    "spectrum": spectrum,
    "filtered": filtered,
    "critic": critic,
    "critic-tagged": critic_of_photographs,
}


__all__ = ["COMPARISONS", "critic", "critic_of_photographs", "filtered", "spectrum"]
