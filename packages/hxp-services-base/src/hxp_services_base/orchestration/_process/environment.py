"""The part of the caller's environment that a service is given: what any program needs, and what it names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALLOWED = (
    # the system
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "NO_COLOR"),
    *("LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "XDG_*"),
    # the interpreter, its environment, and the measuring of tests
    *("PYTHON*", "VIRTUAL_ENV", "UV_*", "COVERAGE_*", "COV_CORE_*"),
    # libraries: where they lie, how many threads they use, which devices they see
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_*", "OMP_*", "OPENBLAS_*", "MKL_*", "GOMP_*", "KMP_*", "GGML_*"),
    *("CUDA_*", "NVIDIA_*", "NCCL_*", "HIP_*", "ROCR_*", "HSA_*"),
    # the way out: certificates, proxies, telemetry
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    "OTEL_*",
)
"""Variables that every service is given; a name that ends in `*` stands for all that begin so.

Settings of a stack (`HXP__…`) are not among them: they reach a service validated, on its standard input.
"""
_SECRET_ENDINGS = ("_PASSWORD", "_TOKEN", "_SECRET", "_KEY", "_CREDENTIALS")


def child_environment(extra: Iterable[str] = (), *, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Pick what a child process is given.

    Args:
        extra: Variables that the service names beside the ones that any program needs.
        environ: What to pick from; the process's own environment unless given.
    """
    environ = os.environ if environ is None else environ
    named = tuple(extra)
    return {
        name: value
        for name, value in environ.items()
        if _fits(name, named) or (_fits(name, ALLOWED) and not _is_secret(name))
    }


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns)


def _is_secret(name: str) -> bool:
    """A wide pattern such as `UV_*` lets no password through by its name, such as `UV_INDEX_X_PASSWORD`."""
    return name.upper().endswith(_SECRET_ENDINGS)
