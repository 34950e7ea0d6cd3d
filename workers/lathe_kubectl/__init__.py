"""`kubectl lathe`: what people ask a cluster about their resources, in one word each.

It runs on the user's machine, speaks to the cluster through the user's own kubectl, and knows both
programs; neither knows it.
"""
