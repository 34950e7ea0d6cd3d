"""What the command line shows: progress while a run goes on, tables before and after."""
