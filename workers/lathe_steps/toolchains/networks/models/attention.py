"""Attention with any number of heads, each of any size: heads can be taken out of it."""

import torch
from torch import nn

from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason


class Attention(nn.Module):
    """Self-attention over (batch, sequence, dim) (Vaswani et al., 2017).

    Attributes:
        heads: How many heads there are.
        head_dim: Channels of each; `heads * head_dim` need not be `dim`.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads, self.head_dim, self.bias = heads, head_dim, bias
        self.query = nn.Linear(dim, heads * head_dim, bias=bias)
        self.key = nn.Linear(dim, heads * head_dim, bias=bias)
        self.value = nn.Linear(dim, heads * head_dim, bias=bias)
        self.output = nn.Linear(heads * head_dim, dim, bias=bias)

    @property
    def dim(self) -> int:
        """Channels of what it takes and gives."""
        return self.query.in_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        likeness = (query * self.head_dim**-0.5) @ key.transpose(2, 3)
        attended = torch.softmax(likeness, dim=-1) @ value
        mixed: torch.Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return mixed


class SelfAttention(Attention):
    """Stands in for a `torch.nn.MultiheadAttention` that gets the same sequence three times.

    It gives a pair, as that one does; the second is None, since nobody asks for the weights.
    """

    def __init__(
        self, dim: int, heads: int, head_dim: int, *, bias: bool = True, batch_first: bool = True
    ) -> None:
        super().__init__(dim, heads, head_dim, bias=bias)
        self.batch_first = batch_first

    def forward(  # type: ignore[override]
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        need_weights: bool = True,  # noqa: ARG002 - the weights, of which heads are gone, are not given
    ) -> tuple[torch.Tensor, None]:
        """The attended sequence and None.

        Raises:
            Internal: UnsupportedModel, when query, key and value differ.
        """
        if key is not query or value is not query:
            raise Internal(
                "an attention to another sequence cannot lose heads; list it in prune.ignore",
                reason=Reason.UNSUPPORTED_MODEL,
            )
        x = query if self.batch_first else query.transpose(0, 1)
        mixed = super().forward(x)
        return (mixed if self.batch_first else mixed.transpose(0, 1)), None
