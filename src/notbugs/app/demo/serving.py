"""The page served: to this machine alone unless told otherwise, and with nothing from anywhere else."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from PIL import Image

from notbugs.app.demo.studio import Studio
from notbugs.app.demo.uploads import LARGEST_FILE, LARGEST_IMAGE
from notbugs.data.decoding import FORMATS
from notbugs.errors import NotbugsError

MOST_SESSIONS, FIRST_PORT = 200, 7860
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
            yield address
        finally:
            page.close(verbose=False)


__all__ = ["limit_pillow", "serving"]
