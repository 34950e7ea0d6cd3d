"""Optimising an ONNX graph ahead of time with ONNX Runtime."""

from typing import ClassVar, Literal

from lathe_steps.base import Artifact, Context, Format, Runtime, Step
from lathe_steps.errors import InvalidSpec


class Optimize(Step):
    """Fold and fuse as ONNX Runtime does when it loads a model; outputs stay equal.

    The result loads faster, and runs on ONNX Runtime alone. It belongs at the end of a target's
    steps.
    """

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
    lowers: ClassVar = True

    level: Literal["Basic", "Extended", "All"] = "Extended"
    """Basic folds constants and removes what is not needed, and leaves ONNX's own operators;
    Extended also fuses into ONNX Runtime's; All also lays weights out for one kind of CPU, so
    that the file is for no other: the target has to name it in its cpu."""

    def require(self, runtimes: tuple[Runtime, ...]) -> None:
        """Look whether all runtimes are ONNX Runtime, and for level All, on a CPU as this one."""
        from lathe_steps.toolchains.isa import instruction_sets

        others = sorted({runtime.name for runtime in runtimes} - {"ONNXRuntime"})
        if others:
            raise InvalidSpec(
                f"optimize: only ONNX Runtime loads the result, and not {', '.join(others)}; move "
                "it into targets[].steps"
            )
        if self.level != "All":
            return
        here = instruction_sets()
        if any(not runtime.pinned or runtime.isa != here for runtime in runtimes):
            raise InvalidSpec(
                "optimize.level: All lays out for the CPU that the worker runs on, which has "
                f"{', '.join(sorted(here)) or 'no features that matter'}; name exactly these in "
                "the target's cpu.isa, or use level Extended"
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
