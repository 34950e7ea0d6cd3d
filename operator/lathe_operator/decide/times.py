"""Times as Kubernetes writes them, and durations as people read them."""

from datetime import UTC, datetime, timedelta


def spelled(time: datetime) -> str:
    """RFC 3339, in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> datetime:
    """The time that Kubernetes wrote."""
    return datetime.fromisoformat(text)


def duration(length: timedelta) -> str:
    """A length of time in at most two units: 35s, 12m, 3h05m, 2d04h."""
    minutes, seconds = divmod(max(0, int(length.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m" if minutes else f"{seconds}s"
