"""Where samples come from, and what is done to them before a model gets them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_api.v1alpha1.storage import S3URI
from lathe_api.v1alpha1.transforms import Transform
from lathe_steps.base import Parameters, Rule
from lathe_steps.words import Name, TensorName


class DatasetRef(Parameters):
    """Samples for training, calibration or evaluation."""

    rules: ClassVar = (
        Rule(
            "self.format != 'ImageFolder' || self.uri.endsWith('/')",
            "format ImageFolder needs a uri that ends in '/': directories of images, by class",
            lambda it: it.format != "ImageFolder" or it.uri.endswith("/"),
        ),
    )

    name: Name
    """By which steps and evaluation refer to it."""
    uri: S3URI
    """The object that holds it, or a prefix that ends in '/': the samples of its objects follow
    one another, ordered by name."""
    format: Literal["NPZ", "Safetensors", "Parquet", "WebDataset", "ImageFolder"]
    """NPZ and Safetensors: named arrays whose first axis is the sample. Parquet: a column per
    array. WebDataset: tar files, whose columns are the endings of names (jpg, png, npy, cls,
    json). ImageFolder: a directory of images per class, with the columns image and class."""
    inputs: Annotated[dict[TensorName, TensorName], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Column of each model input; an input without an entry is a column of its own name."""
    labels: TensorName | None = None
    """Column of the labels: integer classes of shape [samples] or [samples, positions], where
    those below 0 are left out; or fractions, for regression."""
    transforms: Annotated[
        dict[TensorName, Annotated[tuple[Transform, ...], Field(max_length=16)]],
        Field(max_length=16),
    ] = Field(default_factory=dict)
    """What is done to the samples of a model input, in this order."""
