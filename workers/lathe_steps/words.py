"""Strings that users write, with their limits."""

from typing import Annotated, Literal

from pydantic import Field

Name = Annotated[
    str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
"""A DNS label: of a step, a data set or a target."""

Glob = Annotated[str, Field(min_length=1, max_length=253)]
"""A pattern of layer or node names; `*` is any run of characters."""

LayerName = Annotated[str, Field(min_length=1, max_length=253)]
"""The name of one layer, such as stages.2; layers within layers are joined by dots."""

TensorName = Annotated[str, Field(min_length=1, max_length=253)]
"""The name of an input or an output of a model, or of an array in a data set."""

Quantity = Annotated[
    str,
    Field(
        max_length=32,
        pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
    ),
]
"""A Kubernetes quantity, such as 4Gi."""

Feature = Literal[
    "avx2",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
]
"""A feature of a CPU that kernels choose by, as /proc/cpuinfo spells it."""
