"""The page served: to this machine alone unless told otherwise, and with nothing from anywhere else."""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import Any, final

from PIL import Image

from notbugs.app.demo.studio import Studio
from notbugs.app.demo.uploads import LARGEST_FILE, LARGEST_IMAGE
from notbugs.data.decoding import FORMATS
from notbugs.errors import NotbugsError

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)
"""What a browser may load for this page: what comes from where the page came from."""

HEADERS = ((b"content-security-policy", POLICY.encode()), (b"x-content-type-options", b"nosniff"))

MOST_SESSIONS, FIRST_PORT = 200, 7860
FONTS = ["system-ui", "sans-serif"]
STYLE, HEAD = (
    files("notbugs.app.demo").joinpath(name).read_text(encoding="utf-8") for name in ("demo.css", "head.html")
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@final
class OwnOnly:
    """An ASGI middleware that sends the policy with every answer."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        from starlette.requests import ClientDisconnect

        with suppress(ClientDisconnect):  # who leaves while a file is on its way is no error
            await self._app(scope, receive, send_with_policy)


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
