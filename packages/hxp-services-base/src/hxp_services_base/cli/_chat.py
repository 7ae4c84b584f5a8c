"""`hxp chat`: a streamed answer in the terminal."""

from __future__ import annotations

import http.client
import json
import os
import sys
import unicodedata
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from hxp_schemas import ErrorInfo, sse

from ..commands import Argument, CommandError, Option
from ..orchestration import STATE_DIR, StackState

if TYPE_CHECKING:
    from collections.abc import Iterator


def chat(
    question: Annotated[str, Argument(help='What to ask; "-" reads standard input.')],
    *,
    model: Annotated[str, Option("-m", "--model", help="The model to ask; the first one unless given.")] = "",
    url: Annotated[str, Option("--url", help="The gateway; the one that runs here unless given.")] = "",
    key: Annotated[str, Option("--key", help="The API key; HXP_API_KEY or the development key unless given.")] = "",
    system: Annotated[str, Option("--system", help="A system message.")] = "",
    max_tokens: Annotated[int, Option("--max-tokens", help="Tokens of the answer at the most; 0 for no limit.")] = 0,
) -> None:
    """Ask a model and stream its answer."""
    text = sys.stdin.read() if question == "-" else question
    door = _Door(url or _running_gateway(), key or os.environ.get("HXP_API_KEY", "") or _development_key())
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    body: dict[str, object] = {"model": model or door.first_model(), "messages": messages, "stream": True}
    if max_tokens:
        body["max_tokens"] = max_tokens
    try:
        for piece in door.stream(body):
            sys.stdout.write(_shown(piece) if sys.stdout.isatty() else piece)
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise CommandError("\nstopped", status=130) from None
    sys.stdout.write("\n")


class _Door:
    """The gateway, spoken to with the standard library alone."""

    def __init__(self, url: str, key: str) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    @contextmanager
    def _asked(self, method: str, path: str, body: object = None) -> Iterator[http.client.HTTPResponse]:
        """An accepted request's response; raises `CommandError` with what went wrong otherwise."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        with closing(kind(self._url.hostname or "", self._url.port, timeout=120)) as connection:
            data = json.dumps(body) if body else None
            try:
                connection.request(method, self._url.path.rstrip("/") + path, data, self._headers)
                response = connection.getresponse()
            except OSError as error:
                where = self._url.geturl()
                raise CommandError(f"{where} cannot be reached ({error}); is the stack up? `hxp ps` tells") from error
            if response.status != 200:
                info = ErrorInfo.from_response(response.status, response.read(), dict(response.getheaders()))
                raise CommandError(f"{info.message} (status {info.status}, code {info.code})")
            yield response

    def first_model(self) -> str:
        """The first model of the gateway's list."""
        with self._asked("GET", "/v1/models") as response:
            models = json.loads(response.read())["data"]
        if not models:
            raise CommandError("the gateway has no models; give it an upstream in hxp.yaml")
        return str(models[0]["id"])

    def stream(self, body: object) -> Iterator[str]:
        """The pieces of the answer; raises `CommandError` when the stream breaks off."""
        decoder = sse.SSEDecoder()
        with self._asked("POST", "/v1/chat/completions", body) as response:
            while chunk := response.read1(65536):
                for event in decoder.feed(chunk):
                    if event.data == "[DONE]":
                        return
                    yield _content(json.loads(event.data))
        raise CommandError("\nthe answer broke off: the connection was closed before its end")


def _shown(piece: str) -> str:
    """A model's words without what would command the terminal; joiners and the like stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}" for c in piece)


def _content(document: dict[str, Any]) -> str:
    if "error" in document:
        raise CommandError(f"\nthe answer broke off: {document['error']['message']}")
    return "".join(choice.get("delta", {}).get("content") or "" for choice in document.get("choices", []))


def _running_gateway() -> str:
    state = StackState.read(STATE_DIR)
    node = state.services.get("gateway") if state else None
    if node is None or not node.url:
        raise CommandError("no gateway runs here; `hxp up` starts one, or say where it is with --url")
    return node.url


def _development_key() -> str:
    file = STATE_DIR / "dev-key"
    try:
        return file.read_text().strip()
    except OSError as error:
        raise CommandError(f"there is no API key: give --key or HXP_API_KEY ({file}: {error.strerror})") from error
