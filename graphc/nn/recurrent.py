"""Recurrent layers: one step after the other along the rows of a sequence.

Owns `rnn_cell`, `gru_cell`, `lstm_cell` and the layers `RNN`, `GRU` and `LSTM`. Imports `scan`.
Invariant: what a step needs of its input is one product for all steps, taken before the first.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from graphc import init
from graphc.declare import param
from graphc.functions.contraction import matmul
from graphc.functions.control import scan
from graphc.functions.creation import zeros
from graphc.functions.refusal import refused
from graphc.functions.splitting import split
from graphc.ir.diagnostics import ShapeError
from graphc.nn.activations import sigmoid, tanh
from graphc.nn.layers import Initializer, Weighted
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def rnn_cell(given: TensorLike, h: Tensor, u: TensorLike) -> Tensor:
    """The next state of a simple recurrent network: `tanh(given + h @ u)`, with `given` made of
    the input, `x @ w + b`. Elman, "Finding structure in time" (1990)."""
    return tanh(given + matmul(h, u))


@at_user_line
def gru_cell(given: TensorLike, h: Tensor, u: TensorLike) -> Tensor:
    """The next state of a gated recurrent unit, `z * h + (1 - z) * tanh(...)`.

    `given` is `x @ w + b`, with parts for the reset gate r, the update gate z and the candidate, in
    this order; `u` has the same columns. The candidate is `tanh(given + r * (h @ u))`: the reset
    gate acts after the product, as in cuDNN. Cho et al. (2014), arXiv:1406.1078v1.
    """
    reset, update, candidate = split(given, 3, -1)
    of_reset, of_update, of_candidate = split(matmul(h, u), 3, -1)
    r, z = sigmoid(reset + of_reset), sigmoid(update + of_update)
    return z * h + (1 - z) * tanh(candidate + r * of_candidate)


@at_user_line
def lstm_cell(
    given: TensorLike, state: tuple[Tensor, Tensor], u: TensorLike
) -> tuple[Tensor, Tensor]:
    """The next output and cell (h, c) of a long short-term memory.

    `given` is `x @ w + b`, with parts for the input gate, the forget gate, the candidate and the
    output gate, in this order; `u` has the same columns. Hochreiter and Schmidhuber, "Long
    short-term memory" (1997), with the forget gate of Gers et al. (2000).
    """
    h, c = state
    enter, forget, candidate, leave = split(given + matmul(h, u), 4, -1)
    cell = sigmoid(forget) * c + sigmoid(enter) * tanh(candidate)
    return sigmoid(leave) * tanh(cell), cell


class _Recurrent(Weighted):
    """A cell run along axis 1 of [batch, steps, inputs], from a state of zeros.

    The result is [batch, steps, size], the output of every step, or [batch, size], that of the last
    one, with `last`. The parameters are called `<name>.w`, `<name>.b` and `<name>.u`.
    """

    gates: ClassVar[int]
    """How many parts of `size` columns the weights have."""

    def __init__(
        self,
        size: int,
        *,
        last: bool = False,
        reverse: bool = False,
        weights: Initializer = init.glorot_uniform,
        seed: init.Seed = 0,
        name: str = "",
    ) -> None:
        super().__init__(None, weights, seed, name or type(self).__name__.lower())
        self.size = size
        self.last = last
        self.reverse = reverse

    @abstractmethod
    def _next(self, state: Any, given: Tensor, u: Tensor) -> Any:
        """The state after a step."""

    @abstractmethod
    def _begin(self, h: Tensor) -> Any:
        """The state before the first step, of which the output is `h`."""

    @abstractmethod
    def _output(self, state: Any) -> Tensor:
        """What a state shows."""

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        """Raises `ShapeError` unless `x` is [batch, steps, inputs]."""
        if x.ndim != 3:
            error = ShapeError(f"layer {self.name} takes [batch, steps, inputs]", operand=0)
            raise refused(error, x.node)
        if not self._params:
            self._declare_all(x)
        w, b, u = self._params
        given = matmul(x.transpose(1, 0, 2), w) + b

        def step(state: Any, each: Tensor) -> tuple[Any, Tensor | None]:
            following = self._next(state, each, u)
            return following, None if self.last else self._output(following)

        first = self._begin(zeros((x.shape[0], self.size), x.dtype))
        final, outputs = scan(step, first, given, reverse=self.reverse)
        return self._output(final) if self.last else outputs.transpose(1, 0, 2)

    def _declare_all(self, x: Tensor) -> None:
        """Weights of each gate by themselves, so that their scale is that of one gate."""
        seeds = (self.seed,) if isinstance(self.seed, int) else tuple(self.seed)

        def initial(rows: int, kind: int) -> Any:
            return np.concatenate(
                [
                    self.weights((rows, self.size), seed=(*seeds, kind, gate))
                    for gate in range(self.gates)
                ],
                axis=1,
            )

        self._declare(initial(x.shape[-1], 0), self.gates * self.size, x.dtype)
        self._params.append(param(f"{self.name}.u", initial(self.size, 1).astype(x.dtype.numpy)))


class RNN(_Recurrent):
    """`rnn_cell` along the steps of [batch, steps, inputs]; see `LSTM`."""

    gates = 1

    def _next(self, state: Tensor, given: Tensor, u: Tensor) -> Tensor:
        return rnn_cell(given, state, u)

    def _begin(self, h: Tensor) -> Tensor:
        return h

    def _output(self, state: Tensor) -> Tensor:
        return state


class GRU(RNN):
    """`gru_cell` along the steps of [batch, steps, inputs]; see `LSTM`."""

    gates = 3

    def _next(self, state: Tensor, given: Tensor, u: Tensor) -> Tensor:
        return gru_cell(given, state, u)


class LSTM(_Recurrent):
    """`lstm_cell` along the steps of [batch, steps, inputs], from a state of zeros.

    The result is [batch, steps, size], the output of every step, or [batch, size], that of the last
    one, with `last`. With `reverse` it begins at the last step. The parameters are called
    `<name>.w`, `<name>.b` and `<name>.u`.

    >>> import graphc as gc
    >>> layer = LSTM(16)
    >>> layer(gc.input("x", (2, 5, 8))).shape
    (2, 5, 16)
    >>> layer.params
    [<Tensor lstm.w: f32[8,64]>, <Tensor lstm.b: f32[64]>, <Tensor lstm.u: f32[16,64]>]
    """

    gates = 4

    def _next(self, state: Any, given: Tensor, u: Tensor) -> Any:
        return lstm_cell(given, state, u)

    def _begin(self, h: Tensor) -> Any:
        return h, h

    def _output(self, state: Any) -> Tensor:
        output: Tensor = state[0]
        return output
