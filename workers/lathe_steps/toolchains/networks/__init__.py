"""Torch models. Imports torch: only what runs imports this package, never what declares."""
