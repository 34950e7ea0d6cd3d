"""What a torch model is: its architecture by name, how it differs from it, and its files."""
