"""What a browser is told that it may do with the page: load what comes from where the page came from."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, final

from starlette.requests import ClientDisconnect

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)
HEADERS = ((b"content-security-policy", POLICY.encode()), (b"x-content-type-options", b"nosniff"))

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

        with suppress(ClientDisconnect):  # who leaves while a file is on its way is no error
            await self._app(scope, receive, send_with_policy)


__all__ = ["OwnOnly"]
