"""The options that every drawing takes."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, final

from cyclopts import Parameter

from notbugs.app.options import SKETCHES, Data, DataRoot, Drawer, Split

if TYPE_CHECKING:
    from notbugs.synthesis import Pace


@Parameter(name="*")
@final
@dataclass(frozen=True, kw_only=True)
class Canvas:
    """Options that every drawing takes."""

    model: Drawer = "zoo:cifar10-robust"
    data: Data = SKETCHES
    data_root: DataRoot = None
    split: Split = "test"
    n: Annotated[int, Parameter(help="Images: the columns of the sheet.")] = 10
    frames: Annotated[int, Parameter(help="Pictures of the way there.")] = 20
    eps: Annotated[
        float | None, Parameter(help="How far: L2, pixel units of these images. Default: the drawing's own.")
    ] = None
    steps: Annotated[int | None, Parameter(help="Default: the drawing's own.")] = None
    step_size: Annotated[float | None, Parameter(help="L2, pixel units. Default: the drawing's own.")] = None

    @property
    def asked(self) -> dict[str, Any]:
        """What is to be otherwise than the drawing does by itself."""
        chosen = {"eps": self.eps, "steps": self.steps, "step_size": self.step_size}
        return {name: value for name, value in chosen.items() if value is not None}

    def paced(self, pace: "Pace", height: int, width: int) -> "Pace":
        """The drawing's own pace for images of this size, with what was asked for instead.

        An eps that the steps cannot reach makes them longer, unless their length was given.
        """
        if not self.asked:
            return pace
        pace = replace(pace.scaled(height, width), **self.asked)
        pace = replace(pace, halvings=min(pace.halvings, max(0, pace.steps - 1)))
        if self.eps is None or self.step_size is not None or math.isinf(self.eps):
            return pace
        return replace(pace, step_size=max(pace.step_size, 2 * pace.eps / pace.steps))


PLAIN = Canvas()

__all__ = ["PLAIN", "Canvas"]
