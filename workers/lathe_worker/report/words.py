"""Figures as people read them."""

_KILO = 1000
_NEXT = 999.5
"""What is rounded to a thousand has the next unit."""
_MINUTE = 60
_TEN = 10
_TINY = 1e-3
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def times(number: float) -> str:
    """A factor, such as 3.1x or 12x."""
    return f"{factor(number)}x"


def factor(number: float) -> str:
    """A factor alone, such as 3.1 or 12."""
    return f"{number:.0f}" if number >= _TEN else f"{number:.1f}"


def difference(delta: float) -> str:
    """A difference of shares in percentage points, such as -0.5pp."""
    return f"{100 * delta:+.1f}pp".replace("-0.0", "0.0").replace("+0.0", "0.0")


def size(count: float) -> str:
    """Bytes, such as 5.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _NEXT:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= _KILO
    return f"{count:.3g} TB"


def count(number: float) -> str:
    """How many, such as 11.2 M."""
    for unit in ("", " k", " M"):
        if number < _NEXT:
            return f"{number:.3g}{unit}"
        number /= _KILO
    return f"{number:.3g} G"


def number(figure: float) -> str:
    """A figure of any size in three digits, such as 450, 0.0312, 11.2 M or a power of ten."""
    size = abs(figure)
    if size >= _NEXT:
        return ("-" if figure < 0 else "") + count(size)
    if size >= _TINY or not size:
        return f"{figure:.3g}"
    digits, _, power = f"{figure:.1e}".partition("e")
    return f"{digits}\N{MULTIPLICATION SIGN}10{str(int(power)).translate(_RAISED)}"


def signed(delta: float) -> str:
    """A difference with its sign, such as +0.012."""
    return number(delta) if delta < 0 or not delta else f"+{number(delta)}"


def places(figure: float) -> str:
    """A score near 1, such as 0.9987."""
    return f"{figure:.4f}"


def per_second(figure: float) -> str:
    """Samples per second, such as 11.2 k/s."""
    return f"{count(figure)}/s"


def duration(seconds: float) -> str:
    """How long, such as 45s, 1m36s, 12m or 3h20m."""
    if seconds < _MINUTE:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _TEN:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m"


def seconds(value: float) -> str:
    """How long a step took, such as 0.42 s, 31 s or 12m."""
    return f"{value:.2g} s" if value < _TEN else duration(value)


def milliseconds(value: float) -> str:
    """A time, such as 3.02 ms, 48 µs or 1.2 s."""
    if value >= _KILO * _NEXT:
        return duration(value / _KILO)
    if value >= _NEXT:
        return f"{value / _KILO:.3g} s"
    return f"{value:.3g} ms" if value >= 1 else f"{_KILO * value:.3g} µs"


def percent(share: float) -> str:
    """A share, such as 98.2%."""
    return f"{100 * share:.1f}%"


def minus(said: str) -> str:
    """With minus signs instead of hyphens, for print."""
    return said.replace("-", "\N{MINUS SIGN}")
