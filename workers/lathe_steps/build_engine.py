"""Building an engine with TensorRT or TensorRT-RTX: the last step of a target of that runtime."""

from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Runtime, Step
from lathe_steps.words import Quantity, TensorName

ComputeCapability = Annotated[str, Field(max_length=8, pattern=r"^[0-9]+\.[0-9]$")]
Shape = Annotated[
    tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...], Field(min_length=1, max_length=8)
]


class ShapeRange(Parameters):
    """The shapes of one input that an engine is built for; each has a size per axis."""

    min: Shape
    """Smallest shape that the engine accepts."""
    opt: Shape
    """The shape it is tuned for."""
    max: Shape
    """Largest shape that the engine accepts."""


Profile = Annotated[dict[TensorName, ShapeRange], Field(min_length=1, max_length=16)]


class BuildEngine(Step):
    """How an engine is built. Its precision is decided in the graph, by the steps before."""

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ENGINE
    lowers: ClassVar = True

    compute_capabilities: Annotated[tuple[ComputeCapability, ...], Field(max_length=8)] = ()
    """GPUs to build for ahead of time, such as 8.9; TensorRTRTX only. Without any: all that the
    library builds for by default."""
    profiles: Annotated[tuple[Profile, ...], Field(max_length=8)] = ()
    """Shapes by input, for inputs with dynamic axes. Without any: 1 for each dynamic axis at
    least, 8 to tune for and 32 at most."""
    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3
    """How long to search for fast kernels."""
    workspace: Quantity | None = None
    """Most memory that kernels may use as scratch; without it, all of the GPU's."""

    def require(self, runtimes: tuple[Runtime, ...]) -> None:
        """Look for the library, for the GPU if it needs one, and for the compute capabilities.

        Raises:
            InvalidSpec: RuntimeUnavailable, or an unknown compute capability.
        """
        from lathe_steps.toolchains.engines import building

        building.require(runtimes[0].name, self.compute_capabilities)

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Build one engine for the context's runtime.

        Facts: the builder's version and the GPUs that it was built for.

        Raises:
            InvalidSpec: RuntimeUnavailable, an unknown compute capability, or a profile that does
                not fit the model.
            Internal: UnsupportedModel, when the library cannot build the graph.
        """
        from lathe_steps.quantities import bytes_of
        from lathe_steps.toolchains.engines import building

        order = building.Order(
            runtime=context.runtimes[0].name,
            compute_capabilities=self.compute_capabilities,
            profiles=self.profiles,
            optimization_level=self.optimization_level,
            workspace=None if self.workspace is None else bytes_of(self.workspace),
        )
        return building.build(artifact, context.out, order, progress=context.progress)
