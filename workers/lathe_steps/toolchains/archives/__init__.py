"""Archives: models in few bytes, and back again to the bit. The format is in docs/design/0005."""
