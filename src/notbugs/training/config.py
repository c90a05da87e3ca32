"""What a training run is: a frozen value that can be printed, hashed, saved and compared."""

import math
from dataclasses import dataclass, field, replace
from typing import final

from notbugs.attacks.pgd import PGD
from notbugs.data.augment import Augmentation
from notbugs.description import LATER
from notbugs.errors import NotbugsError, require_positive, unknown
from notbugs.hardware import Precision
from notbugs.training.contrast import Contrast
from notbugs.training.schedule import SCHEDULES


@final
@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """SGD with Nesterov momentum. `lr` is the peak learning rate; `attack` makes the training adversarial.

    With an attack, every batch is replaced by its adversarial images, found on the model in evaluation mode
    (Madry et al. 2018). `average` is the decay per step of an exponential moving average of the weights,
    which then is the result; 0 turns it off. With `contrast` labels play no part: two augmented views of every image
    are brought together. `buffer`: an epoch's order is that of parts of the data, shuffled within so many images (see
    `order_of`), instead of any; for images that are slow to find one by one. Raises NotbugsError for values that no
    training can have.

    >>> from notbugs.threats import L2
    >>> standard = TrainConfig(epochs=14, lr=0.2, augment=Augmentation(flip=True, translate=4))
    >>> str(standard.against(PGD(threat=L2(0.5), steps=7, step_size=0.1)).attack)
    'pgd:l2:0.5:7'
    """

    epochs: int
    lr: float
    batch_size: int = 128
    schedule: str = "one_cycle"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    average: float = 0.0
    augment: Augmentation = field(default_factory=Augmentation)
    attack: PGD | None = None
    contrast: Contrast | None = None
    precision: Precision = "auto"
    buffer: int = field(default=0, metadata={LATER: True})

    def __post_init__(self) -> None:
        require_positive("epochs", self.epochs)
        require_positive("lr", self.lr)
        for name in ("lr", "weight_decay"):
            if getattr(self, name) == math.inf:
                raise NotbugsError(f"{name} must be finite, got inf")
        require_positive("batch_size", self.batch_size)
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        for name in ("momentum", "label_smoothing", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise NotbugsError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if self.attack and self.contrast:
            raise NotbugsError(
                "an attack moves images away from their labels, which contrast does not ask: one of both"
            )
        if self.buffer < 0:
            raise NotbugsError(f"buffer must be 0 or more images, got {self.buffer}")
        if not self.weight_decay >= 0:
            raise NotbugsError(f"weight_decay must be >= 0, got {self.weight_decay}")

    def against(self, attack: PGD) -> "TrainConfig":
        """The same training, adversarial."""
        return replace(self, attack=attack)
