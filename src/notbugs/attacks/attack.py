"""What every attack is: a frozen value that, called, returns images inside its threat."""

from typing import Protocol, runtime_checkable

import torch

from notbugs.tensors import Classifier, Images, Labels
from notbugs.threats import Threat


@runtime_checkable
class Attack(Protocol):
    """Adding one is a file here, an import in `attacks/__init__.py`, and a row in `tests/attacks`.

    Its text is NAME[-LOSS][-TARGETS][-early]:THREAT:STEPS, with a further xRESTARTS where there are several (nes:
    xSAMPLES; cw: ROUNDSxSTEPS).

    What audits read of an attack that has it: `exact = True` if it compares outputs too fine for bfloat16 (it then
    runs on the float32 view of a model alone), `uses_gradients = False` if it sees outputs only, `minimal = True` if
    it looks for the nearest adversarial image, however large its threat, and `abort_early`.
    """

    @property
    def threat(self) -> Threat: ...

    def __call__(
        self, model: Classifier, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Images in the threat around `images`, never a verdict; `labels` are the true ones.

        Of an attack made with `targeted=True` they are the classes to be reached.
        """
        ...
