"""Networks and nothing else: normalise -> body -> head, with features to look at."""

from notbugs.models.classifier import ImageClassifier, ModelSpec, Normalize
from notbugs.models.frozen import frozen
from notbugs.models.registry import ARCHITECTURES, build

__all__ = ["ARCHITECTURES", "ImageClassifier", "ModelSpec", "Normalize", "build", "frozen"]
