"""A real Kubernetes on a bare Linux machine: built from modules, run in a network namespace.

`python -m e2e.localcluster up` starts all of it; tests take `ControlPlane` alone, which needs
neither root nor containers. README.md beside this file says what each part is.
"""
