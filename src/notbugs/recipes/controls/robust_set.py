"""What D_R gives: from noise, to other networks, diluted, on its own test images, and under longer attacks."""

from dataclasses import replace

from notbugs.recipes.controls.setting import ADVERSARY, ARCH, HALF, ILYAS, MATCH, SMALL, SOURCE, THREAT
from notbugs.recipes.hyperparameters import LONG
from notbugs.study import Built, Mixture, More, Plot, Study, Trained


def robust_set() -> Study:
    """`notbugs study robust-set`: what D_R gives: from noise, to other networks, diluted, and under longer attacks.

    Expect students of D_R robust whatever it was built from and whoever learns from it, more so on D_R's own test
    images than on the real ones, the more the more of the training set is D_R, and no less so under 1000 steps.
    """
    shares = (0.1, 0.5, 0.9)
    archs = {"other_vgg": "vgg16-16", "other_wrn": ARCH}
    steps = (1, 2, 5, 10, 20, 50, 100, 250, 1000)
    mixed = {f"mixed_{round(100 * share)}": share for share in shares}
    students = {0.0: "standard", **{share: name for name, share in mixed.items()}, 1.0: "d_r"}
    return Study(
        name="robust-set",
        question="Is the robustness that D_R gives in the data: for any network, from any start, under any attack?",
        source=SOURCE,
        arch=SMALL,
        threat=THREAT,
        models={
            "standard": Trained(how=LONG),
            "robust": Trained(how=LONG.against(ADVERSARY)),
            "d_r": Trained(how=LONG, on="d_r"),
            "from_noise": Trained(how=LONG, on="from_noise"),
            **{name: Trained(how=LONG, on=name) for name in mixed},
            **{name: Trained(how=LONG, on="d_r", arch=arch) for name, arch in archs.items()},
            **{f"plain_{name}": Trained(how=LONG, arch=arch) for name, arch in archs.items()},
        },
        sets={
            "d_r": Built(builder=MATCH, by="robust"),
            "from_noise": Built(builder=replace(MATCH, start="noise", steps=120), by="robust"),
            "d_r_test": Built(builder=MATCH, by="robust", of="test"),
            **{name: Mixture(of="d_r", share=share) for name, share in mixed.items()},
        },
        seen={"d_r_test": ("d_r", "standard")},
        audited=("standard", "robust", "d_r"),
        step_counts=steps,
        titles={
            "from_noise": "Student of D_R from noise",
            **{name: f"Student of {round(100 * share)} % D_R" for name, share in mixed.items()},
            "other_vgg": "Student of D_R, VGG-16",
            "other_wrn": "Student of D_R, wide residual net",
            "plain_other_vgg": "Standard VGG-16",
            "plain_other_wrn": "Standard wide residual net",
        },
        set_titles={"from_noise": "D_R from noise", "d_r_test": "D_R of the test images"},
        claims=(
            More(
                says="Under attack the student of D_R keeps more than the standard model",
                more=f"d_r.{HALF}",
                less=f"standard.{HALF}",
                published="48.2 against 4.5 % at L2 0.25",
                source=f"{ILYAS}, table 7",
            ),
            More(
                says="So does the student of D_R built from noise",
                more=f"from_noise.{HALF}",
                less=f"standard.{HALF}",
                published="48.3 against 4.5 %",
                source=f"{ILYAS}, table 7",
            ),
            More(
                says="So does a VGG-16 that learns from D_R, beside one that learns from the data",
                more=f"other_vgg.{HALF}",
                less=f"plain_other_vgg.{HALF}",
                source=f"{ILYAS}, section 3.1",
            ),
            More(
                says="So does a wide residual net",
                more=f"other_wrn.{HALF}",
                less=f"plain_other_wrn.{HALF}",
                source=f"{ILYAS}, section 3.1",
            ),
            More(
                says="The student of D_R keeps more on D_R's own test images than on the real ones",
                more=f"d_r.on_d_r_test_{HALF}",
                less=f"d_r.{HALF}",
                published="62.5 against 48.3 %",
                source=f"{ILYAS}, table 8",
            ),
            More(
                says="A thousand steps take hardly more from the student of D_R than twenty: at most 3 points",
                more="d_r.steps_1000",
                less="d_r.steps_20",
                by=-0.03,
                published="a plateau up to 2500 steps",
                source=f"{ILYAS}, figure 8 and D.2",
            ),
            More(
                says="Half of the images from D_R make it more robust than none",
                more=f"mixed_50.{HALF}",
                less=f"standard.{HALF}",
                published="robustness rises with the share, from 10 % on",
                source="arXiv:2004.01903",
            ),
            More(
                says="With a tenth of the images as they are it is more accurate than with none",
                more="mixed_90.clean",
                less="d_r.clean",
                published="a sharp drop with none",
                source="arXiv:2004.01903",
            ),
            More(
                says="And it stays within 4 points of the standard model",
                more="mixed_90.clean",
                less="standard.clean",
                by=-0.04,
                published="about 4 points, ten classes",
                source="arXiv:2004.01903",
            ),
        ),
        plots=(
            Plot(
                title="Under longer attacks",
                caption=f"PGD within L2 {THREAT.eps / 2:g}, up to so many steps; bands are 95 % intervals. "
                "What falls later falls to attacks that adapt: the audits of the table.",
                x="steps",
                y="accuracy, %",
                lines={
                    title: [(count, f"{name}.steps_{count}") for count in steps]
                    for name, title in (
                        ("robust", "robust"),
                        ("d_r", "student of D_R"),
                        ("standard", "standard"),
                    )
                },
                log="x",
            ),
            Plot(
                title="Diluted",
                caption="The share of training images that come from D_R, the rest as they are.",
                x="share of D_R",
                y="accuracy, %",
                lines={
                    "clean": [(share, f"{name}.clean") for share, name in sorted(students.items())],
                    "under attack": [(share, f"{name}.{HALF}") for share, name in sorted(students.items())],
                },
            ),
        ),
        duration="half an hour on 2 cores",
    )


__all__ = ["robust_set"]
