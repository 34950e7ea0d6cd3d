"""What the plugin says no to."""


class Refusal(Exception):  # noqa: N818 - named by what happened
    """What was asked for cannot be done; the message says why, and what to do."""
