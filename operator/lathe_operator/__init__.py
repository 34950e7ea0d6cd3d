"""The control plane of Lathe."""
