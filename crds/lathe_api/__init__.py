"""The contract between users, operator and worker."""
