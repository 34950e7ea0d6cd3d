"""The raw library calls, each in a script that does nothing else: what a step is compared with."""
