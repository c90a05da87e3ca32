"""Environments of the peers: one each, made when missing, with the same torch as ours."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRATCH = ROOT / ".bench"

PEERS = {
    "foolbox": ("torch, foolbox", "foolbox"),
    "torchattacks": ("torch, torchattacks", "torchattacks"),
    "art": ("torch, art", "adversarial-robustness-toolbox"),
    "autoattack": ("torch, pyautoattack", "pyautoattack"),
}
"""Peer that attacks -> (modules to import, distribution to ask for its version)."""

OTHERS = {
    "imagecorruptions": ("imagecorruptions", "imagecorruptions"),
    "fourierheatmap": ("torch, seaborn", "torchvision"),
}
"""Likewise, peers that do something else, each asked for by the benchmark that needs it."""

ALONE = {"imagecorruptions"}
"""Peers that have nothing to do with torch: none of our versions fits them."""

WITHOUT_DEPENDENCIES = {
    "torchattacks": "torchattacks==3.5.1",
    "autoattack": "pyautoattack==0.2.0",
    "imagecorruptions": "imagecorruptions==1.1.2",
    "fourierheatmap": "torchvision==0.28.0",
}
"""torchattacks demands torchvision, which its attacks do not import and which would replace torch. pyautoattack is
the official AutoAttack as its authors' repository has it, packaged. imagecorruptions demands the OpenCV with
windows. FourierHeatmap itself comes from a checkout (benchmarks/heatmaps.py)."""


def python_of(contender: str) -> Path:
    """The interpreter that a contender runs in: a peer's own, or ours."""
    return SCRATCH / contender / "bin" / "python" if contender in PEERS | OTHERS else Path(sys.executable)


def prepare(peer: str) -> str | None:
    """Make the peer's environment unless it is there; None if it works, else why not (no network, say)."""
    requirements = Path(__file__).parent / f"requirements-{peer}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = SCRATCH / peer / "requirements.sha256"
    try:
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"making the environment of {peer} ...", file=sys.stderr, flush=True)
            _run(sys.executable, "-m", "venv", str(SCRATCH / peer))
            ours = [] if peer in ALONE else ["-c", str(ROOT / "constraints.txt")]
            pip = (str(python_of(peer)), "-m", "pip", "install", "--quiet", *ours)
            _run(*pip, "-r", str(requirements))
            if peer in WITHOUT_DEPENDENCIES:
                _run(*pip, "--no-deps", WITHOUT_DEPENDENCIES[peer])
            stamp.write_text(wanted)
        _run(str(python_of(peer)), "-c", f"import {(PEERS | OTHERS)[peer][0]}")
    except (subprocess.CalledProcessError, OSError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return lines[-1] if lines else "the environment could not be made"
    return None


def version_of(peer: str) -> str:
    """The peer's installed version."""
    code = f"import importlib.metadata as m; print(m.version({(PEERS | OTHERS)[peer][1]!r}))"
    return _run(str(python_of(peer)), "-c", code).strip()


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    return done.stdout
