"""Models that come with the package are what their cards say; others come by address, and only as what was meant."""

import hashlib
import http.server
import threading

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.models import build, model_digest, save_model, zoo_card, zoo_model, zoo_names
from notbugs.models.zoo import HERE, Card
from notbugs.runs import find_classifier
from notbugs.seeds import generator


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A model on a server of this machine, with its digest; what is fetched is cached under `cache`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = tmp_path / "served"
    directory.mkdir()
    save_model(build("convnet-8-8-8-8", classes=3, seed=1), directory / "model.safetensors")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(directory))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    yield f"http://127.0.0.1:{server.server_port}/model.safetensors", digest, directory
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", zoo_names())
def test_a_shipped_model_is_what_its_card_says(name):
    card, model = zoo_card(name), find_classifier(f"zoo:{name}")
    assert card.name == name
    assert hashlib.sha256((HERE / f"{name}.safetensors").read_bytes()).hexdigest() == card.digest
    assert model.spec.classes == len(card.class_names)
    for value, low, high in (card.clean_accuracy, card.robust_accuracy):
        assert 0 <= low <= value <= high <= 1
    assert card.command.startswith("notbugs train ")
    assert (HERE / f"{name}.safetensors").stat().st_size < 4e6
    with torch.no_grad():
        assert model(torch.rand(2, 3, 32, 32, generator=generator(0))).isfinite().all()


def test_a_model_comes_by_address_once(served):
    url, digest, directory = served
    model = zoo_model(f"{url}#sha256={digest}")
    (directory / "model.safetensors").unlink()
    again = find_classifier(f"zoo:{url}#sha256={digest}")  # from the cache
    assert model_digest(model) == model_digest(again)


def test_another_file_than_was_meant_is_refused_and_not_kept(served, tmp_path):
    url, digest, directory = served
    (directory / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(NotbugsError, match="not the file that was meant"):
        zoo_model(f"{url}#sha256={digest}")
    assert not list((tmp_path / "cache").rglob("*"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cifar10-robbust", "did you mean 'cifar10-robust'"),
        ("https://host/model.safetensors", "say what the file must be"),
        ("https://host/model.safetensors#sha256=12", "say what the file must be"),
        ("ftp://host/model.safetensors#sha256=" + 64 * "0", "fetched by https://, or from this machine"),
        ("http://127.0.0.1:9/model.safetensors#sha256=" + 64 * "0", "could not be fetched"),
    ],
)
def test_what_names_no_model_is_refused(name, says, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NotbugsError, match=says):
        zoo_model(name)


def test_a_card_of_other_fields_is_refused():
    with pytest.raises(NotbugsError, match="not a model card"):
        Card.from_json('{"name": "x"}')


def test_every_file_of_the_zoo_is_known():
    assert {path.stem for path in HERE.glob("*.json")} == set(zoo_names())
