"""Kubernetes quantities as numbers."""

from decimal import Decimal
from string import ascii_letters

_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{name: Decimal(1000) ** (i + 1) for i, name in enumerate(["k", "M", "G", "T", "P", "E"])},
    **{
        name: Decimal(1024) ** (i + 1)
        for i, name in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    },
}


def bytes_of(quantity: str) -> int:
    """How many bytes a quantity such as 4Gi is, rounded down."""
    number = quantity.rstrip(ascii_letters)
    return int(Decimal(number) * _SUFFIXES[quantity[len(number) :]])
