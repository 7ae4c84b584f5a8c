"""The environment of an engine's child: what it needs to run, and nothing that its parent knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = frozenset(
    {
        "HOME",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "PATH",
        "SYSTEMROOT",
        "TMPDIR",
        "TZ",
        "VIRTUAL_ENV",
    }
)
_PREFIXES = (
    "COVERAGE_",  # measured as its parent is
    "CUDA_",
    "GGML_",
    "HIP_",
    "HSA_",
    "KMP_",
    "LC_",
    "NVIDIA_",
    "OMP_",
    "PYTHON",
    "ROCR_",
)
_SECRET = ("key", "password", "secret", "token")
_FIXED = {"GGML_NO_BACKTRACE": "1"}
"""A debugger that ggml attaches to itself keeps a crashed engine from ending."""


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an engine's child gets of `environment`: an allow-list of names, without anything named a secret."""
    kept = {
        name: value
        for name, value in environment.items()
        if (name in _NAMES or name.startswith(_PREFIXES)) and not any(word in name.lower() for word in _SECRET)
    }
    return {**_FIXED, **kept}
