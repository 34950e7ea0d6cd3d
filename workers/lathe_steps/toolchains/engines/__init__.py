"""Engines of TensorRT and TensorRT-RTX, which share one API."""
