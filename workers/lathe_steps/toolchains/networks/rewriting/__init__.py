"""Writing layers in other ways: in thin parts, folded, with few values, with zeros."""
