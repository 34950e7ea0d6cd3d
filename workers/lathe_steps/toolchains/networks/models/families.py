"""Architectures of other packages, by the names that those packages give them.

Only the packages' own code is ever run: nothing is downloaded, no weights are loaded, and no code
comes with a configuration.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import torchvision
from torch import nn

Builder = Callable[..., nn.Module]


@dataclass(frozen=True, slots=True)
class Family:
    """The architectures of a package.

    Attributes:
        package: Its name, with which the names of its architectures begin.
        remedy: What to do where it is not installed.
        names: All of its names, without the package's.
        find: The builder of a name; None when there is no such name.
    """

    package: str
    remedy: str
    names: Callable[[], tuple[str, ...]]
    find: Callable[[str], Builder | None]

    @property
    def is_installed(self) -> bool:
        """Whether it can be imported."""
        return find_spec(self.package) is not None


def _torchvision_names() -> tuple[str, ...]:
    return tuple(torchvision.models.list_models(torchvision.models))


def _torchvision(name: str) -> Builder | None:
    if name not in _torchvision_names():
        return None
    found: Builder = torchvision.models.get_model_builder(name)
    slow = {"googlenet", "inception_v3"}  # they initialise weights slowly, with a warning
    return partial(found, init_weights=False) if name in slow else found


def _timm_names() -> tuple[str, ...]:
    import timm

    return tuple(timm.list_models())


def _timm(name: str) -> Builder | None:
    import timm

    if name not in _timm_names():
        return None

    def build(**args: Any) -> nn.Module:  # noqa: ANN401 - whatever the model takes
        made: nn.Module = timm.create_model(name, pretrained=False, **args)
        return made

    return build


def _transformers_names() -> tuple[str, ...]:
    import transformers

    return tuple(name for name in dir(transformers) if "For" in name or name.endswith("Model"))


def _transformers(name: str) -> Builder | None:
    """A builder from a configuration, for a class of models or an Auto class."""
    import transformers
    from transformers.models.auto.auto_factory import _BaseAutoModelClass

    found = getattr(transformers, name, None)
    if not inspect.isclass(found):
        return None
    if issubclass(found, _BaseAutoModelClass):
        return partial(_from_type, found)
    if issubclass(found, transformers.PreTrainedModel) and found.config_class is not None:
        return partial(_from_config, found)
    return None


def _from_config(cls: Any, *, config: Mapping[str, Any]) -> nn.Module:  # noqa: ANN401 - a class
    made: nn.Module = cls(cls.config_class(**_plain(config)))
    return made


def _from_type(cls: Any, *, config: Mapping[str, Any]) -> nn.Module:  # noqa: ANN401 - a class
    import transformers

    given = dict(_plain(config))
    if not isinstance(kind := given.pop("model_type", None), str):
        raise ValueError("an Auto class needs config.model_type, such as bert")  # noqa: TRY004
    made: nn.Module = cls.from_config(
        transformers.AutoConfig.for_model(kind, **given), trust_remote_code=False
    )
    return made


def _plain(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration for single calls: what a decoder would keep for its next is no output."""
    if not isinstance(config, Mapping):
        raise TypeError("config should be a mapping, such as {hidden_size: 128}")
    return {"use_cache": False, **config}


FAMILIES: Mapping[str, Family] = {
    "torchvision": Family("torchvision", "", _torchvision_names, _torchvision),
    "timm": Family("timm", "have lathe[timm] installed in the worker", _timm_names, _timm),
    "transformers": Family(
        "transformers",
        "have lathe[transformers] installed in the worker",
        _transformers_names,
        _transformers,
    ),
}
"""Packages whose architectures are in the registry, where they are installed."""
