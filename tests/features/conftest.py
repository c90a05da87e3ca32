import pytest

from notbugs.data import LabeledImages
from notbugs.data.planted import planted
from notbugs.models import ImageClassifier, build
from notbugs.training import TrainConfig, train


@pytest.fixture(scope="session")
def data() -> LabeledImages:
    return planted("train", count=240)


@pytest.fixture(scope="session")
def model(data: LabeledImages) -> ImageClassifier:
    """A model that has learned something: enough for attacks and embeddings to have a direction."""
    return train(
        build("convnet-16-16-32-32", classes=10, seed=0),
        data,
        TrainConfig(epochs=4, lr=0.1, batch_size=40, precision="float32"),
        seed=0,
    )
