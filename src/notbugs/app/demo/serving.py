"""The page served: to this machine alone unless told otherwise, and with nothing from anywhere else."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from threading import Event, Thread

from PIL import Image

from notbugs.app.demo.studio import Studio
from notbugs.app.demo.uploads import LARGEST_FILE, LARGEST_IMAGE
from notbugs.data.decoding import FORMATS
from notbugs.errors import NotbugsError

MOST_SESSIONS, FIRST_PORT = 200, 7860
LOOK_EVERY_S, FORGET_AFTER_S = 60, 900
"""How often visitors' old files are looked for, and how old they are."""

FONTS = ["system-ui", "sans-serif"]
STYLE, HEAD = (
    files("notbugs.app.demo").joinpath(name).read_text(encoding="utf-8") for name in ("demo.css", "head.html")
)


def limit_pillow() -> None:
    """Whatever opens images in this process, the web framework too, knows no more kinds than uploads may have, and
    refuses what is too large: the other readers are much code, and some start programs.
    """
    Image.init()
    Image.ID[:] = [kind for kind in Image.ID if kind in FORMATS]
    Image.MAX_IMAGE_PIXELS = LARGEST_IMAGE // 2  # Pillow refuses twice as many


@contextmanager
def serving(studio: Studio, *, host: str, port: int | None) -> Iterator[str]:
    """The page, served on a thread of its own inside the block; gives its address.

    Without a `port` the first free one from 7860 on. What visitors upload lies in a directory of its own, which goes
    with the block. Raises NotbugsError where the port cannot be had, and without gradio.
    """
    if port is not None and not 0 < port < 2**16:
        raise NotbugsError(f"--port {port}: a port is a number from 1 to {2**16 - 1}")
    with tempfile.TemporaryDirectory(prefix="notbugs-demo-") as uploads:
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": uploads}
        try:
            import gradio
            from starlette.middleware import Middleware
        except ImportError as error:
            raise NotbugsError("the page needs gradio: pip install 'notbugs[page]'") from error
        from notbugs.app.demo.page import build_page
        from notbugs.app.demo.policy import OwnOnly

        limit_pillow()
        page = build_page(studio)
        try:
            _, address, _ = page.launch(
                server_name=host, server_port=port, share=False, inbrowser=False, quiet=True, show_error=False,
                prevent_thread_lock=True, max_file_size=LARGEST_FILE, footer_links=[], ssr_mode=False,
                enable_monitoring=False, state_session_capacity=MOST_SESSIONS, css=STYLE, head=HEAD,
                app_kwargs={"middleware": [Middleware(OwnOnly)]},
                theme=gradio.themes.Default(font=FONTS, font_mono=["monospace"], primary_hue="blue"),
            )  # fmt: skip
        except OSError as error:
            raise NotbugsError(
                f"port {port or FIRST_PORT} of {host} cannot be had ({error}); give another --port"
            ) from error
        try:
            with _forgetting(Path(uploads)):
                yield address
        finally:
            page.close(verbose=False)


@contextmanager
def _forgetting(directory: Path) -> Iterator[None]:
    """Inside the block what visitors leave goes when it is old; what lies there already, the page's own, stays.

    (The framework's own way to do this ends for good when a visitor comes just while it looks.)
    """
    own, done = frozenset(directory.rglob("*")), Event()

    def forget() -> None:
        while not done.wait(LOOK_EVERY_S):
            forget_older(directory, FORGET_AFTER_S, keep=own)

    thread = Thread(target=forget, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def forget_older(directory: Path, age_s: float, *, keep: frozenset[Path]) -> None:
    """Remove the files that nobody has written or touched for `age_s` seconds, and directories as long empty."""
    for path in sorted(directory.rglob("*"), reverse=True):
        with suppress(OSError):  # another has gone with it, or something lies in it
            if path not in keep and time.time() - path.stat().st_mtime > age_s:
                path.rmdir() if path.is_dir() else path.unlink()


__all__ = ["forget_older", "limit_pillow", "serving"]
