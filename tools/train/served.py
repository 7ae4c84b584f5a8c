"""A GGUF file behind llama.cpp's own server, inside this process and gone with the `with` block."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import xllamacpp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

SLOTS = 4
CONTEXT = 1024
LONGEST_ANSWER = 96


class ServedModel:
    """Answers questions at temperature 0 through the chat endpoint.

    Example:
        with ServedModel(path) as model:
            print(model.answer("What is HXP?"))

    Args:
        path: The GGUF file.
        jinja: Whether the file's own template is run, or llama.cpp's built-in ChatML.
    """

    def __init__(self, path: Path, *, jinja: bool = True) -> None:
        self._parameters = _parameters(path, jinja=jinja)
        self._server: Any = None

    def __enter__(self) -> Self:
        self._server = xllamacpp.Server(self._parameters)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Every call above waits for its answer, so nothing generates any more; dropping the last
        # reference joins the server's threads. Leaving the interpreter earlier would abort it.
        self._server = None

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        """Return the next message of a conversation.

        Args:
            messages: OpenAI-shaped messages with `role` and `content`.

        Raises:
            RuntimeError: The server returned an error.
        """
        body = {"messages": list(messages), "temperature": 0, "max_tokens": LONGEST_ANSWER}
        result = self._server.handle_chat_completions(body)
        if "error" in result:
            raise RuntimeError(f"the model server refused: {result['error']!r}")
        return str(result["choices"][0]["message"]["content"])

    def answer(self, question: str) -> str:
        """Return the answer to a question without a system message."""
        return self.chat([{"role": "user", "content": question}])

    def answers(self, questions: Iterable[str]) -> list[str]:
        """Return the answers to many questions, asked over all slots at once."""
        with ThreadPoolExecutor(SLOTS) as pool:
            return list(pool.map(self.answer, questions))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one MEAN-pooled vector of length 1 for each text."""
        result = self._server.handle_embeddings({"input": list(texts)})
        return [entry["embedding"] for entry in result["data"]]

    def tokenize(self, text: str) -> list[int]:
        """Return llama.cpp's token ids of a text."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback server
            f"{self._server.listening_address}/tokenize",
            json.dumps({"content": text, "add_special": False, "parse_special": False}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            ids: list[int] = json.load(response)["tokens"]
        return ids


def _parameters(path: Path, *, jinja: bool) -> Any:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.cache_ram_mib = 16
    parameters.use_jinja = jinja
    parameters.ui = False
    parameters.verbosity = 0
    # A model this small gets slower with every thread that spins for it.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.n_threads_http = SLOTS
    return parameters
