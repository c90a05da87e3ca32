"""How many images it takes to be accurate, and to be robust."""

from dataclasses import replace

from notbugs.recipes.controls.setting import ADVERSARY, HALF, SMALL, SOURCE, THREAT
from notbugs.recipes.hyperparameters import LONG
from notbugs.study import First, More, Plot, Study, Trained


def data_efficiency() -> Study:
    """`notbugs study data-efficiency`: clean and robust accuracy against the number of training images.

    Expect the robust model to want more images than the standard one for the last points of its accuracy.
    """
    counts = (500, 1000, 2000, 5000, 10000)

    def longer(count: int) -> int:
        """Epochs: as many steps as 28 of all images take, but no more than four times as many epochs."""
        return min(112, round(28 * counts[-1] / count))

    models = {}
    for count in counts:
        how = replace(LONG, epochs=longer(count), batch_size=min(128, count // 8))
        models[f"standard_{count}"] = Trained(how=how, on=f"first_{count}")
        models[f"robust_{count}"] = Trained(how=how.against(ADVERSARY), on=f"first_{count}")
    kinds = ("standard", "robust")
    return Study(
        name="data-efficiency",
        question="How many images does it take to be accurate, and to be robust?",
        source=SOURCE,
        arch=SMALL,
        threat=THREAT,
        models=models,
        sets={f"first_{count}": First(count=count) for count in counts},
        titles={
            f"{kind}_{count}": f"{kind.capitalize()}, {count} images" for kind in kinds for count in counts
        },
        claims=(
            More(
                says="More images make the robust model more robust",
                more=f"robust_{counts[-1]}.{HALF}",
                less=f"robust_{counts[0]}.{HALF}",
                published="robust accuracy on MNIST, SVHN and CIFAR-10 rises with the data",
                source="Schmidt et al. 2018, figure 1",
            ),
            More(
                says="From 2000 images on robustness gains more from further ones than accuracy does",
                more=f"robust_{counts[-1]}.{HALF}",
                less=f"robust_2000.{HALF}",
                beyond=(f"standard_{counts[-1]}.clean", "standard_2000.clean"),
                published="robust generalization requires more data",
                source="Schmidt et al. 2018",
            ),
        ),
        plots=(
            Plot(
                title="Against the number of training images",
                caption=f"Clean, and under attack within L2 {THREAT.eps / 2:g}; bands are 95 % intervals.",
                x="training images",
                y="accuracy, %",
                lines={
                    f"{kind}, {how}": [(count, f"{kind}_{count}.{key}") for count in counts]
                    for kind in kinds
                    for how, key in (("clean", "clean"), ("under attack", HALF))
                },
                log="x",
            ),
        ),
        duration="15 minutes on 2 cores",
    )


__all__ = ["data_efficiency"]
