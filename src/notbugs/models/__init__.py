"""Networks and nothing else: normalise -> body -> head, with features to look at."""

from notbugs.models.classifier import ImageClassifier, ModelSpec, Normalize
from notbugs.models.frozen import frozen
from notbugs.models.pretrained import LIBRARIES, pretrained
from notbugs.models.registry import ARCHITECTURES, build
from notbugs.models.weights import load_model, load_state, model_digest, save_model
from notbugs.models.wrapping import TappedClassifier, wrap
from notbugs.models.zoo import Card, zoo_card, zoo_model, zoo_names, zoo_seeds

__all__ = [
    # build one
    "ARCHITECTURES",
    "ImageClassifier",
    "ModelSpec",
    "Normalize",
    "build",
    # take one that is there
    "Card",
    "zoo_card",
    "zoo_model",
    "zoo_names",
    "zoo_seeds",
    # bring one's own
    "LIBRARIES",
    "TappedClassifier",
    "pretrained",
    "wrap",
    # use without changing
    "frozen",
    # keep
    "load_model",
    "load_state",
    "model_digest",
    "save_model",
]
