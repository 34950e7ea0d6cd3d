"""Models and data that are real, and as small as they can be."""

from pathlib import Path

INPUT = ("batch", 1, 8, 8)
CLASSES = 10


def write_onnx(path: Path, *, width: int = 8, seed: int = 0) -> Path:
    """A convolution, a ReLU and a classifier, for images of 8 by 8."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    weights = {
        "conv.weight": rng.normal(size=(width, 1, 3, 3)),
        "fc.weight": rng.normal(size=(width * 36, CLASSES)) / 17,
        "fc.bias": rng.normal(size=CLASSES),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "conv.weight"], ["c"], name="conv"),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
            helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["scores"], name="fc"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, INPUT)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("batch", CLASSES))],
        [numpy_helper.from_array(w.astype("float32"), name) for name, w in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def write_torch(path: Path, width: int = 8, seed: int = 0) -> Path:
    """Weights of lathe.small_cnn, untrained."""
    import torch
    from safetensors.torch import save_file

    from lathe_steps.toolchains.networks.models.small import SmallCNN

    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(SmallCNN(width=width).eval().state_dict(), path)
    return path


def write_images(path: Path, count: int, seed: int = 0) -> Path:
    """Random images of 8 by 8 with random labels, as NPZ."""
    import numpy as np

    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        images=rng.random((count, *INPUT[1:]), dtype="float32"),
        labels=rng.integers(0, CLASSES, count),
    )
    return path
