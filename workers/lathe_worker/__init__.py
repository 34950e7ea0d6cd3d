"""The program in the pod, and the local runner."""
