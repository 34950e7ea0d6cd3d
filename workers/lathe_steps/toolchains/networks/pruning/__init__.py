"""Taking channels, heads and blocks out of a network: which, how many, in which passes."""
