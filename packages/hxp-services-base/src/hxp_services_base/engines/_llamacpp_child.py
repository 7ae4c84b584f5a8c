"""The child process that runs llama.cpp: `python -m hxp_services_base.engines._llamacpp_child OPTIONS`.

A crash in C++ ends this process and no other. It serves on a unix socket that only its parent's user can reach, says
`ready` on standard output once the model is loaded, and ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_BATCH = 512
"""Tokens that are computed at once, as far as the number of slots divides it."""


def parameters(options: dict[str, Any]) -> Any:
    """llama.cpp's parameters for our options (the fields of `LlamaCppOptions` plus `socket`)."""
    import xllamacpp  # noqa: PLC0415 - the extra `llamacpp`; only this process loads it

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["alias"]}
    params.hostnames = [options["socket"]]
    params.n_parallel = options["slots"]
    params.n_ctx = options["context"] * options["slots"]
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.n_gpu_layers = options["gpu_layers"]
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.cache_ram_mib = (
        0  # prompts in main memory are found by anybody's request; the slots are kept apart (_slots.py)
    )
    params.slot_prompt_similarity = 0.0  # as above: a slot is chosen by its number, never by another's words
    # The graph of mean pooling is reserved for whole sequences: with a remainder, llama.cpp aborts while it loads.
    params.n_batch = params.n_ubatch = max(1, _BATCH // options["slots"]) * options["slots"]
    params.n_threads_http = 2 * options["slots"] + 8  # a stream keeps one; questions about the slots must not wait
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.use_jinja = True
    params.ui = False
    params.warmup = True
    params.verbosity = 2  # warnings and errors: what it says of each request is in our own records
    return params


def main() -> None:
    """Load, say so, serve until the parent goes."""
    from hxp_services_base._orphans import die_with_parent  # noqa: PLC0415 - after the interpreter is up, before the model

    die_with_parent()
    import xllamacpp  # noqa: PLC0415 - see above

    server = xllamacpp.Server(parameters(json.loads(sys.argv[1])))
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # A regular exit with a generation in flight aborts in C++; nothing here needs to be flushed.
    os._exit(0)


if __name__ == "__main__":
    main()
