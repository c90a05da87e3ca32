"""What is attacked: networks that the library itself trains in minutes, kept on disk, and test images."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.environments import SCRATCH
from notbugs.attacks.pgd import PGD
from notbugs.data import Augmentation, LabeledImages, load
from notbugs.models import ImageClassifier, build, load_model, save_model
from notbugs.threats import L2, Linf
from notbugs.training.config import TrainConfig
from notbugs.training.loop import train

KINDS = ("robust", "standard")
ATTACKS = {
    "standard": None,
    "robust": PGD(threat=L2(0.5), steps=2, step_size=0.3, keep="last"),
    "robust-linf": PGD(threat=Linf(8 / 255), steps=2, step_size=5 / 255, keep="last"),
}
"""What a model of each kind is trained against: cheap, and half of the images then withstand PGD-20."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Where images come from and which network is trained on how many of them."""

    source: str
    root: str | None
    arch: str
    seed: int
    train_images: int = 20_000
    epochs: int = 4

    def images(self, split: str) -> LabeledImages:
        return load(self.source, split=split, root=self.root)

    def config(self, kind: str) -> TrainConfig:
        """One-cycle SGD."""
        augment = Augmentation(flip=True, translate=2)
        return TrainConfig(epochs=self.epochs, lr=0.2, batch_size=128, augment=augment, attack=ATTACKS[kind])

    def model(self, kind: str, device: torch.device) -> ImageClassifier:
        """Trained on `device`, or read from disk if the same was trained before; on the CPU, in evaluation mode."""
        path = self._path(kind)
        if not path.exists():
            print(f"training the {kind} {self.arch} on {self.source} ...", file=sys.stderr, flush=True)
            data = self.images("train").first(self.train_images)
            network = build(self.arch, classes=data.classes, seed=self.seed)
            trained = train(network, data.to(device), self.config(kind), seed=self.seed)
            save_model(trained.cpu(), path)
        return load_model(path).eval()

    def _path(self, kind: str) -> Path:
        identity = f"{self.source} {self.arch} {self.seed} {self.train_images} {self.config(kind)}"
        return SCRATCH / "models" / f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.safetensors"
