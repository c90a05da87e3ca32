"""Whether adversarial images transfer to the networks that learn the same features."""

from notbugs.features import PushToTarget
from notbugs.recipes.controls.setting import ARCH, DECAYED, ILYAS, PUSH, SMALL, SOURCE, STANDARD, THREAT
from notbugs.recipes.hyperparameters import FAST
from notbugs.study import Built, Correlated, Plot, Study, Trained

FAMILIES = {
    "plain CNN": {
        "convnet_narrow": ("CNN, narrow", "convnet-32-64-64-64"),
        "convnet": ("CNN", SMALL),
        "convnet_wide": ("CNN, wide", "convnet-128-256-256-256"),
    },
    "VGG": {"vgg": ("VGG-16", "vgg16-16")},
    "ResNet": {"resnet9": ("ResNet-9", "resnet9-16"), "resnet18": ("ResNet-18", "resnet18-16")},
    "Inception": {"inception": ("Inception", "inception-32")},
    "wide ResNet": {"wide": ("WRN-10-2", ARCH)},
}
"""Networks by family and name, with title and architecture; the last one is the source's own."""

NETWORKS = {name: network for family in FAMILIES.values() for name, network in family.items()}


def transfer() -> Study:
    """`notbugs study transfer`: do the networks that learn more from a source's D_det fall more to its attacks?

    Eight networks of five families, each trained on the data and on the same D_det. Expect both to rise together:
    what transfers is what they have in common, the features.
    """
    push = PushToTarget(attack=PUSH, targets="next")
    pairs = {name: (f"learner_{name}.clean", f"{name}.fooled_by_pushed_test") for name in NETWORKS}
    return Study(
        name="transfer",
        question="Do adversarial examples transfer to the networks that learn the same features?",
        source=SOURCE,
        arch=ARCH,
        threat=THREAT,
        models={
            "standard": STANDARD,
            **{name: Trained(how=FAST, arch=arch) for name, (_, arch) in NETWORKS.items()},
            **{
                f"learner_{name}": Trained(how=DECAYED, on="d_det", arch=arch)
                for name, (_, arch) in NETWORKS.items()
            },
        },
        sets={
            "d_det": Built(builder=push, by="standard"),
            "pushed_test": Built(builder=push, by="standard", of="test"),
        },
        fooled_by={"pushed_test": ("standard", *NETWORKS)},
        titles={
            "standard": "Source",
            **{name: f"{title}, standard" for name, (title, _) in NETWORKS.items()},
            **{f"learner_{name}": f"{title}, student of D_det" for name, (title, _) in NETWORKS.items()},
        },
        set_titles={"pushed_test": "the source’s adversarial images"},
        claims=(
            Correlated(
                says="Networks that learn more from D_det are fooled more often by its source's adversarial images",
                families={family: [pairs[name] for name in names] for family, names in FAMILIES.items()},
                published="rising, VGG lowest in both",
                source=f"{ILYAS}, figures 3 and 13",
            ),
        ),
        plots=(
            Plot(
                title="What is learned and what transfers",
                caption="Each point is a network: across, how much of the real test set its student of "
                "D_det has right; up, how often the source's adversarial images fool its standard network.",
                x="student of D_det right, %",
                y="fooled by the source's adversarial images, %",
                lines={title: [pairs[name]] for name, (title, _) in NETWORKS.items()},
                joined=False,
            ),
        ),
        duration="40 minutes on 2 cores",
    )


__all__ = ["transfer"]
