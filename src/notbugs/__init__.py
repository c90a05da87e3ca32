"""notbugs: which features does a classifier use, and what happens when you take them away?

Everything public is listed here. Images are float32 in [0, 1], NCHW; budgets are in those units; a classifier is
any callable images -> logits. Names load on first use, so that `import notbugs` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notbugs import recipes
    from notbugs.attacks import PGD, projected_ascent
    from notbugs.audits import AdversarialAudit, Proportion, audit, suite_attacks
    from notbugs.data import Augmentation, LabeledImages, export, load
    from notbugs.errors import NotbugsError
    from notbugs.features import nonrobust_dataset, robust_dataset
    from notbugs.models import ImageClassifier, build, frozen, load_model, save_model, wrap
    from notbugs.study import Study, run_study
    from notbugs.threats import L1, L2, Linf, parse_threat
    from notbugs.training import TrainConfig, train

_HOMES = {
    # data
    "load": "data",
    "LabeledImages": "data",
    "Augmentation": "data",
    "export": "data",
    # models
    "build": "models",
    "wrap": "models",
    "frozen": "models",
    "load_model": "models",
    "save_model": "models",
    "ImageClassifier": "models",
    # threats and attacks
    "L1": "threats",
    "L2": "threats",
    "Linf": "threats",
    "parse_threat": "threats",
    "PGD": "attacks",
    "projected_ascent": "attacks",
    # training
    "train": "training",
    "TrainConfig": "training",
    # the subject
    "robust_dataset": "features",
    "nonrobust_dataset": "features",
    # results
    "audit": "audits",
    "suite_attacks": "audits",
    "AdversarialAudit": "audits",
    "Proportion": "audits",
    # complete studies
    "run_study": "study",
    "Study": "study",
    # what goes wrong
    "NotbugsError": "errors",
}

__all__ = [
    "load",
    "LabeledImages",
    "Augmentation",
    "export",
    "build",
    "wrap",
    "frozen",
    "load_model",
    "save_model",
    "ImageClassifier",
    "L1",
    "L2",
    "Linf",
    "parse_threat",
    "PGD",
    "projected_ascent",
    "train",
    "TrainConfig",
    "robust_dataset",
    "nonrobust_dataset",
    "audit",
    "suite_attacks",
    "AdversarialAudit",
    "Proportion",
    "run_study",
    "Study",
    "recipes",
    "NotbugsError",
]


def __getattr__(name: str) -> Any:
    if name == "recipes":
        return import_module("notbugs.recipes")
    if name in _HOMES:
        return getattr(import_module(f"notbugs.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'notbugs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
