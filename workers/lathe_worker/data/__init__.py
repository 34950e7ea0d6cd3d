"""Data sets that nobody vouches for: their formats, and samples as models take them.

Only the child process reads them, one batch at a time.
"""
