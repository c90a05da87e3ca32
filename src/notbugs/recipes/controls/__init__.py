"""Controls: experiments that could refute what the decompositions seem to show. Each says what it expects."""

from collections.abc import Callable

from notbugs.recipes.controls.data_efficiency import data_efficiency
from notbugs.recipes.controls.leakage import leakage
from notbugs.recipes.controls.mislabelled import mislabelled
from notbugs.recipes.controls.paradigms import paradigms
from notbugs.recipes.controls.robust_set import robust_set
from notbugs.recipes.controls.sources import sources
from notbugs.recipes.controls.transfer import transfer
from notbugs.recipes.controls.untransferable import untransferable
from notbugs.study import Study

CONTROLS: dict[str, Callable[[], Study]] = {
    "sources": sources,
    "robust-set": robust_set,
    "untransferable": untransferable,
    "leakage": leakage,
    "mislabelled": mislabelled,
    "transfer": transfer,
    "data-efficiency": data_efficiency,
    "paradigms": paradigms,
}

__all__ = [
    "CONTROLS", "data_efficiency", "leakage", "mislabelled", "paradigms", "robust_set", "sources",
    "transfer", "untransferable",
]  # fmt: skip
