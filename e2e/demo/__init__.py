"""The demo: the quickstart's resource on Kubernetes, from nothing to Succeeded."""
