"""Drawing tasks: what a robust model can be asked to draw, each a frozen value that makes a sheet of pictures."""

from notbugs.drawings.classes import Generation, Sketch, Translation
from notbugs.drawings.explanations import Counterfactual, Saliency
from notbugs.drawings.features import Manipulation, Painting, Visualization
from notbugs.drawings.missing import Inpainting, SuperResolution
from notbugs.drawings.representations import CollisionTask, Interpolation, Inversion
from notbugs.drawings.task import Artist, Row, Sheet, Task, opinions, require_fitting

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Inversion, Interpolation, Visualization, Manipulation, Generation, Inpainting, SuperResolution, Translation,
        Sketch, Painting, CollisionTask, Counterfactual, Saliency,
    )
}  # fmt: skip
"""Every task by the name that the command line gives it."""

__all__ = [
    "TASKS",
    "Artist",
    "CollisionTask",
    "Counterfactual",
    "Generation",
    "Inpainting",
    "Interpolation",
    "Inversion",
    "Manipulation",
    "Painting",
    "Row",
    "Saliency",
    "Sheet",
    "Sketch",
    "SuperResolution",
    "Task",
    "Translation",
    "Visualization",
    "opinions",
    "require_fitting",
]
