"""Whether this processor can run the embedded engine at all."""

from __future__ import annotations

from pathlib import Path

REQUIRED_FLAGS = frozenset({"avx2", "fma", "f16c"})
"""Instruction sets that xllamacpp's wheel is compiled for; without them it dies of an illegal instruction."""


def missing_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The required instruction sets that this processor lacks; empty where that cannot be told."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), None)
    return frozenset() if flags is None else REQUIRED_FLAGS - flags
