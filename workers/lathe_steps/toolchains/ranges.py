"""The file of ranges that quantisation-aware training leaves for `quantize`.

`{"<layer>": {"low": float, "high": float}}`: the range of that layer's input, 0 included. It lies
beside the weights of a torch artifact, and under the same name beside the graph that is exported
from it, whose nodes are named after the layers.
"""

RANGES = "ranges.json"
