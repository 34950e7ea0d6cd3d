"""Versions of what a step runs, for keys of caches; nothing is imported to find them."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_TORCH = ("torch", "torchvision", "safetensors")
_GRAPH = ("onnx", "onnxruntime", "numpy")
_DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "open": (*_TORCH, *_GRAPH),
    "datasets": ("numpy", "pillow", "pyarrow"),
    "prune": (*_TORCH, *_GRAPH, "torch-pruning", "onnxscript", "onnx-ir"),
    "sensitivity": (*_TORCH, *_GRAPH, "torch-pruning"),
    "factorize": (*_TORCH, *_GRAPH),
    "replaceHead": _TORCH,
    "sparsify": _TORCH,
    "cluster": (*_TORCH, "numpy"),
    "distill": _TORCH,
    "finetune": _TORCH,
    "fuse": _TORCH,
    "quantizeAware": (*_TORCH, "numpy"),
    "export": (*_TORCH, *_GRAPH, "onnxscript", "onnx-ir"),
    "simplify": (*_GRAPH, "onnxslim"),
    "quantize": _GRAPH,
    "convertPrecision": _GRAPH,
    "optimize": _GRAPH,
    "pack": ("numpy", "zstandard", "onnx"),
    "buildEngine": ("onnx", "tensorrt-rtx-cu13", "tensorrt-cu13"),
}


@cache
def versions(kind: str) -> Mapping[str, str]:
    """Versions by distribution of what a kind of step runs, of those that are installed.

    Args:
        kind: The step as users spell it (convertPrecision), buildEngine, open for the reading of
            the input model, or datasets for that of samples.
    """
    found = {"lathe": version("lathe")}
    for name in _DISTRIBUTIONS[kind]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
