"""Figures of the compression steps, beside rivals, on the same work."""
