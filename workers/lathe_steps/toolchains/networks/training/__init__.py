"""Training networks: the loop and its course, losses, and what is kept to go on from."""
