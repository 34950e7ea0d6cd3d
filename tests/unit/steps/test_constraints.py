"""What training keeps: zeros stay zero, equal values stay equal, to the bit."""

import pytest
import torch
from torch import nn

from lathe_steps.toolchains.networks.models.constraints import Constraints, Hold

pytestmark = pytest.mark.toolchain

VALUES = torch.tensor([0.0, -0.5, 0.25, 1.5])
NAMES = ("0.weight", "1.weight")


def pair() -> nn.Sequential:
    """Two linear layers whose weights are drawn from four values, zero among them."""
    chance = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(12, 10), nn.Linear(10, 6))
    with torch.no_grad():
        for name in NAMES:
            weight = module.get_parameter(name)
            weight.copy_(VALUES[torch.randint(len(VALUES), weight.shape, generator=chance)])
    return module


def distinct(tensor: torch.Tensor) -> list[float]:
    """The values that a tensor has."""
    return sorted(set(tensor.flatten().tolist()))


def trained(module: nn.Module, constraints: Constraints, *, adaptive: bool = True) -> None:
    """Some updates towards nothing in particular, with what makes values drift apart."""
    torch.manual_seed(1)
    hold = Hold(module, constraints)
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(module.parameters(), lr=0.1)
        if adaptive
        else torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.1)
    )
    for _ in range(20):
        optimizer.zero_grad()
        torch.autograd.backward(module(torch.randn(8, 12)).square().mean())
        hold.gradients()
        optimizer.step()
        hold.weights()


@pytest.mark.parametrize("adaptive", [True, False], ids=["AdamW", "SGD"])
def test_zeros_stay_zero_and_have_no_sign(*, adaptive: bool) -> None:
    module = pair()
    before = {name: module.get_parameter(name).detach().clone() for name in NAMES}

    trained(module, Constraints(zeros=NAMES), adaptive=adaptive)

    for name, was in before.items():
        weight = module.get_parameter(name).detach()
        assert torch.equal(weight == 0, was == 0)
        assert not torch.signbit(weight[was == 0]).any()
        assert not torch.equal(weight, was)


@pytest.mark.parametrize("adaptive", [True, False], ids=["AdamW", "SGD"])
def test_equal_values_stay_equal_within_each_tensor(*, adaptive: bool) -> None:
    module = pair()
    before = {name: module.get_parameter(name).detach().clone() for name in NAMES}

    trained(module, Constraints(shared=NAMES), adaptive=adaptive)

    for name, was in before.items():
        weight = module.get_parameter(name).detach()
        after = [distinct(weight[was == value]) for value in VALUES]
        assert [len(values) for values in after] == [1] * len(VALUES)
        assert [value for (value,) in after] != VALUES.tolist()


def test_pooled_values_stay_equal_across_tensors() -> None:
    module = pair()
    before = torch.cat([module.get_parameter(name).detach().flatten() for name in NAMES])

    trained(module, Constraints(zeros=NAMES, pooled=NAMES))

    after = torch.cat([module.get_parameter(name).detach().flatten() for name in NAMES])
    assert [len(distinct(after[before == value])) for value in VALUES] == [1] * len(VALUES)
    assert distinct(after[before == 0]) == [0.0]


def test_a_shared_value_gets_the_sum_of_its_gradients() -> None:
    module = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[2.0, 2.0, 5.0]]))
    hold = Hold(module, Constraints(shared=("weight",)))

    torch.autograd.backward(module(torch.tensor([[1.0, 10.0, 100.0]])).sum())
    hold.gradients()

    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [[11.0, 11.0, 100.0]]


def test_a_weight_without_a_gradient_is_left_alone() -> None:
    module = pair()
    hold = Hold(module, Constraints(zeros=NAMES, shared=NAMES, pooled=NAMES))

    hold.gradients()
    hold.weights()

    assert module.get_parameter(NAMES[0]).grad is None


def test_a_tensor_that_is_gone_is_no_constraint() -> None:
    module = pair()

    trained(module, Constraints(zeros=("gone.weight",), shared=("gone.weight", *NAMES)))

    assert len(distinct(module.get_parameter(NAMES[0]))) == len(VALUES)
