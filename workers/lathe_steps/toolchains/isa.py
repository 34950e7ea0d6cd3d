"""Which instructions the CPU has, as far as kernels choose by them."""

from pathlib import Path
from typing import get_args

from lathe_steps.words import Feature

_MATTER: frozenset[str] = frozenset(get_args(Feature))
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""x86 instructions that add products of 8-bit numbers without saturating."""
ARM = frozenset({"asimd"})
"""ARM of 64 bits, whose kernels prefer signed activations."""


def instruction_sets(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Feature flags of this machine's CPU that matter to kernels, as Linux spells them."""
    for line in cpuinfo.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split()) & _MATTER
    return frozenset()
