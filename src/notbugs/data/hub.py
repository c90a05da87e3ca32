"""Data sets from the Hugging Face hub, as local Parquet files. Needs the optional package huggingface_hub."""

from importlib import import_module
from pathlib import Path

from notbugs.errors import NotbugsError

_CONVERTED = "refs/convert/parquet"  # the branch on which the hub keeps its own conversion of every data set


def fetch(name: str) -> Path:
    """The local directory of the Parquet files of data set `name` (`org/name`); downloaded once, then cached.

    Raises NotbugsError without huggingface_hub, without network, and for a name that the hub does not have.
    """
    instead = "give a directory of its Parquet files (root=..., --data-root DIR)"
    try:
        snapshot_download = import_module("huggingface_hub").snapshot_download
    except ImportError as error:
        raise NotbugsError(
            f"{name} comes from the Hugging Face hub, which needs huggingface_hub: "
            f"pip install huggingface_hub, or {instead}"
        ) from error
    try:
        for revision in (None, _CONVERTED):
            found = Path(
                snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=["*.parquet"])
            )
            if any(found.rglob("*.parquet")):
                return found
    except Exception as error:  # its HTTP library, and so what it raises, has changed between versions
        reason = (str(error).split("\n") or [""])[0][:200] or type(error).__name__
        raise NotbugsError(
            f"{name} could not be fetched from the Hugging Face hub ({reason}); "
            f"check name and network, or {instead}"
        ) from error
    raise NotbugsError(f"{name} on the Hugging Face hub has no Parquet files; {instead}")
