"""Figures as they are kept: no longer than they are sure, since a termination message is short."""

DIGITS = 6


def rounded(value: float) -> float:
    """A measured figure to six digits."""
    return float(f"{value:.{DIGITS}g}")
