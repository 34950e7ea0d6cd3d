"""The resource as users write and read it, version v1alpha1."""
