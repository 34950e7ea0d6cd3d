"""Packing: the model's files in as few bytes as its zeros and shared values allow."""

from typing import ClassVar, Literal

from lathe_steps.base import Artifact, Context, Format, Step


class Pack(Step):
    """Store positions of zeros, indices of shared values and 8-bit weights by entropy coding.

    It is the last step of a target. What comes out is for storage and transport alone: `lathe
    unpack` gives back the files that were packed, byte for byte.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.ARCHIVE

    codec: Literal["Huffman", "Zstd"] = "Huffman"
    """What codes the numbers. Huffman is best for clustered and quantised weights (Han et al.,
    2015); Zstd is for any model, and also finds values that come back. What does not get shorter
    is stored as it is."""

    @classmethod
    def takes(cls, given: Format) -> bool:
        """Whether it reads this format: any but an engine or an archive."""
        return given in {Format.TORCH, Format.ONNX}

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Pack, and unpack again to compare every byte.

        Facts: bytes before and after, their ratio, bits per weight, and bytes by section.

        Raises:
            Internal: ConversionMismatch, when a byte does not come back.
        """
        from lathe_steps.toolchains.archives import packing

        return packing.pack(artifact, context.out, self.codec, context.progress)
