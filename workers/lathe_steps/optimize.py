"""Optimising an ONNX graph ahead of time with ONNX Runtime."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Runtime, Step
from lathe_steps.errors import InvalidSpec

Feature = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+$")]


class PinnedCPU(Parameters):
    """The CPU that a graph is laid out for."""

    isa: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=32)]
    """Its instruction sets as Linux spells them, as far as kernels choose by them: avx2, avx512f,
    avx512_vnni and so on. They must be those of the machine that the worker runs on; when they are
    not, the message lists that machine's."""


class Optimize(Step):
    """Fold and fuse as ONNX Runtime does when it loads a model; outputs stay equal.

    The result loads faster, and runs on ONNX Runtime alone. It belongs at the end of a target's
    steps.
    """

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
    lowers: ClassVar = True
    rules: ClassVar = (
        Rule(
            "(self.level == 'All') == has(self.cpu)",
            "level All needs cpu, and no other level takes it",
            lambda it: (it.level == "All") == (it.cpu is not None),
        ),
    )

    level: Literal["Basic", "Extended", "All"] = "Extended"
    """Basic folds constants and removes what is not needed, and leaves ONNX's own operators;
    Extended also fuses into ONNX Runtime's; All also lays weights out for one kind of CPU, so
    that the file is for no other."""
    cpu: PinnedCPU | None = None
    """The CPU that the model will run on; for level All."""

    def require(self, runtimes: tuple[Runtime, ...]) -> None:
        """Look whether all runtimes are ONNX Runtime, and the pinned CPU is this machine's."""
        from lathe_steps.toolchains.isa import instruction_sets

        others = sorted({runtime.name for runtime in runtimes} - {"ONNXRuntime"})
        if others:
            raise InvalidSpec(
                f"optimize: only ONNX Runtime loads the result, and not {', '.join(others)}; move "
                "it into targets[].steps"
            )
        if self.cpu is not None and set(self.cpu.isa) != (here := instruction_sets()):
            raise InvalidSpec(
                "optimize.cpu.isa: the worker runs on another CPU, and level All lays out for its "
                f"own, which has: {', '.join(sorted(here)) or 'none that matter'}; run on a node "
                "of the pinned kind, or use level Extended"
            )

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Optimise, and compare outputs on random inputs.

        Facts: the level, and nodes before and after.

        Raises:
            InvalidSpec: When the result is for another runtime, or another CPU is pinned.
            Internal: UnsupportedModel, when ONNX Runtime cannot load the model;
                ConversionMismatch, when outputs differ.
        """
        from lathe_steps.toolchains.graphs import optimising

        self.require(context.runtimes)
        return optimising.optimise(artifact, context.out, self.level, threads=context.threads)
