"""ONNX graphs. Imports onnx: only what runs imports this package, never what declares."""
