"""Run directories: `<root>/<name>-<hash of config>/`. The only module that knows their layout.

The same config leads to the same directory, a different one can never write there, and `result.json`, written
last, says that the run is done.
"""

import hashlib
import importlib
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from notbugs.description import to_json
from notbugs.errors import NotbugsError
from notbugs.files import make_directory, write_atomically
from notbugs.foreign import from_json, require_regular
from notbugs.locations import Location, is_file, location, reaching
from notbugs.models import LIBRARIES, ImageClassifier, load_model, model_digest, pretrained, zoo_model
from notbugs.provenance import provenance
from notbugs.tensors import Classifier

SCHEMA = 1


@final
@dataclass(frozen=True)
class Run:
    """A run directory as a value."""

    path: Location

    @property
    def config(self) -> dict[str, Any]:
        return _read_json(self.path / "config.json")

    @property
    def is_done(self) -> bool:
        return is_file(self.path / "result.json")

    @property
    def result(self) -> dict[str, Any]:
        """The content of `result.json`. Raises NotbugsError while the run is unfinished."""
        if not self.is_done:
            raise NotbugsError(f"{self.path} is not finished (no result.json); run its command again")
        return _read_json(self.path / "result.json")

    @property
    def finished_at(self) -> float:
        """When `result.json` was written, in seconds since the epoch."""
        return (self.path / "result.json").stat().st_mtime

    @property
    def checkpoint(self) -> Location:
        return self.path / "checkpoint" / "state.safetensors"

    @property
    def model(self) -> Location:
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Location:
        return self.path / "metrics.jsonl"

    @property
    def _seconds(self) -> Location:
        return self.path / "seconds"

    @property
    def report(self) -> Location:
        return self.path / "report.html"

    def clock(self) -> "Clock":
        """Starts to count the seconds of work on this run, on top of those of earlier calls."""
        return Clock(self._seconds)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`: from here on the run is done."""
        write_atomically(self.path / "result.json", to_json({"schema": SCHEMA, **result}))
        self._seconds.unlink(missing_ok=True)

    def reopen(self) -> None:
        """What was finished is not what it was: it is made again."""
        (self.path / "result.json").unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Remove what `open_run` made, where nothing else is: what was asked for is refused."""
        made = {"config.json", "provenance.json"}
        if not {path.name for path in self.path.iterdir()} <= made:
            return
        for name in made:
            (self.path / name).unlink(missing_ok=True)
        if isinstance(self.path, Path):  # a store has no directories, and takes this for: all that lies below
            with suppress(OSError):
                self.path.rmdir()

    def read_metrics(self) -> list[dict[str, Any]]:
        """One dictionary per epoch; empty where nothing was trained."""
        if not is_file(self.metrics):
            return []
        try:
            lines = [from_json(line) for line in self.metrics.read_text().splitlines()]
            return [{**line} for line in lines]
        except (ValueError, TypeError) as error:
            raise NotbugsError(f"{self.metrics} is damaged ({error}); its command makes it again") from error


@final
class Clock:
    """Seconds of work on a run by all calls together; of a killed one, those up to its last `keep`."""

    def __init__(self, path: Location) -> None:
        self.path = path
        self._before = _seconds_in(path) if is_file(path) else 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return round(self._before + time.monotonic() - self._started, 1)

    def keep(self) -> None:
        write_atomically(self.path, str(self.seconds))


def _seconds_in(path: Location) -> float:
    with suppress(ValueError):  # what it tells is no reason to end a training
        return max(0.0, min(float(path.read_text()), 1e9))
    return 0.0


def open_run(root: Location, name: str, config: Mapping[str, Any], *, world_size: int = 1) -> Run:
    """The directory that belongs to this config, made if need be; a second call finds the first one's work.

    `world_size`: how many processes begin it together, which its provenance says.
    """
    text = to_json(config)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    run = Run(root / f"{name}-{digest}")
    make_directory(run.path)
    stored = run.path / "config.json"
    if is_file(stored):
        if stored.read_text() != text:
            raise NotbugsError(f"{stored} is damaged, or another run's; delete it, or choose another --out")
        if not _is_json(run.path / "provenance.json"):
            write_atomically(run.path / "provenance.json", to_json(provenance(world_size)))
        if run.is_done:  # killed after its last word, before it had tidied up
            run.checkpoint.unlink(missing_ok=True)
            run._seconds.unlink(missing_ok=True)
        return run
    write_atomically(run.path / "provenance.json", to_json(provenance(world_size)))
    write_atomically(stored, text)
    return run


def model_of(run: Run) -> ImageClassifier:
    """The model of a training run, in evaluation mode. Raises NotbugsError if its result tells of another one."""
    model = load_model(run.model)
    told = run.result.get("model") if run.is_done else None
    if told not in (None, model_digest(model)):
        raise NotbugsError(
            f"{run.model} is damaged: its result tells of another model; its command makes it again"
        )
    return model


def load_classifier(path: Location) -> ImageClassifier:
    """The model of a run directory or a .safetensors file, in evaluation mode.

    Raises NotbugsError if there is none.
    """
    if path.is_dir():
        if not (path / "model.safetensors").is_file():
            unfinished = (path / "checkpoint").is_dir()
            hint = "; its training has not finished: run the same command again" if unfinished else ""
            raise NotbugsError(f"{path} holds no model.safetensors{hint}")
        return model_of(Run(path))
    elif not path.exists():
        raise NotbugsError(f"there is no model at {path}; give a run directory or a .safetensors file")
    return load_model(path)


def find_classifier(named: str, *, device: torch.device | str = "cpu") -> Classifier:
    """Any classifier: `zoo:NAME`, `package.module:factory`, `timm:NAME`, `torchvision:NAME`, or what
    `load_classifier` knows; a Module on `device`, evaluating.

    A factory is called without arguments and returns any callable from images in [0, 1] to logits. Raises
    NotbugsError if there is none.
    """
    module, _, factory = named.rpartition(":")
    if not named:
        raise NotbugsError("a model's name is empty; give a run directory, a .safetensors file or zoo:NAME")
    if named.startswith("zoo:"):
        found: Classifier = zoo_model(named.removeprefix("zoo:"))
    elif "://" in named:
        where = location(named)
        with reaching(where):
            found = load_classifier(where)
    elif module in LIBRARIES:
        found = pretrained(module, factory)
    elif module and not Path(named).exists():
        found = _made_by(module, factory)
    elif Path(named).exists():
        found = load_classifier(Path(named))
    else:
        raise NotbugsError(
            f"there is no model at {named}; give a run directory, a .safetensors file, zoo:NAME, "
            "package.module:factory, timm:NAME or torchvision:NAME"
        )
    return found.to(device).eval() if isinstance(found, nn.Module) else found


def source_digest(named: str) -> str:
    """What the code of `package.module:factory` is known by: its file's content. Empty for a model with a file.

    A function has no weights to be told apart by: after an edit the same name is another model.
    """
    module, _, _ = named.rpartition(":")
    file = getattr(sys.modules.get(module), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _made_by(module: str, factory: str) -> Classifier:
    """What `factory` of `module` returns; the current directory is looked in first, as `python` would."""
    sys.path.insert(0, "")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError, TypeError, ValueError, SyntaxError) as error:
        raise NotbugsError(f"model {module}:{factory}: {error}; name it as you would import it") from error
    except SystemExit as error:
        raise NotbugsError(
            f"model {module}:{factory}: importing it ends the program; name another"
        ) from error
    finally:
        sys.path.remove("")
    try:
        made: Classifier = make()
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises
        raise NotbugsError(
            f"model {module}:{factory}: it was called without arguments and raised {type(error).__name__}: {error}"
        ) from error
    if not callable(made):
        raise NotbugsError(
            f"model {module}:{factory} returned {type(made).__name__}, not a callable on images"
        )
    return made


def _is_json(path: Location) -> bool:
    try:
        _read_json(path)
    except NotbugsError:
        return False
    return True


def _read_json(path: Location) -> dict[str, Any]:
    require_regular(path)
    try:
        content = from_json(path.read_text())
    except (OSError, ValueError) as error:
        raise NotbugsError(
            f"{path} cannot be read ({error}); delete it, and give the same command again"
        ) from error
    if not isinstance(content, dict):
        raise NotbugsError(f"{path} is not a JSON object; delete it, and give the same command again")
    return content


__all__ = [
    "Clock", "Run", "find_classifier", "load_classifier", "open_run", "provenance", "source_digest",
]  # fmt: skip
