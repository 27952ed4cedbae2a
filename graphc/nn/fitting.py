"""Training by the epoch: compile, fit, evaluate, predict.

Owns `Trainable`, which `Sequential` is, `History` and `accuracy`. The compiler is loaded when the
first step is needed. Invariant: nothing is random but by the seed that is given, and every step
has a fixed number of examples.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from graphc.declare import Parameter, input
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.ir.types import DType, float32
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.training import batches

if TYPE_CHECKING:
    from graphc.compilation import Step
    from graphc.optim import Optimizer

Array = NDArray[Any]
Measure = Callable[[Tensor, Tensor], Tensor]
"""A loss or metric: of predictions and targets, a number an example or their mean."""

EVALUATED_AT_ONCE = 256
"""Examples of a step that evaluates or predicts."""


@at_user_line
def accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    """1 where the most probable class on the last axis is the target, else 0.

    Targets are labels, or one-hot rows of the shape of the predictions.
    """
    labels = targets.argmax(axis=-1) if targets.shape == predictions.shape else targets
    found = predictions.argmax(axis=-1)
    if labels.shape != found.shape:
        error = ShapeError("accuracy needs one label an example", operand=1)
        raise refused(error, predictions.node, labels.node)
    return (found == labels.astype(found.dtype)).astype(float32)


@dataclass(frozen=True)
class History:
    """What was measured in each epoch: "loss" and the metrics by name, means over the batches
    while they were trained on, and with "val_" before the name on validation data.

    >>> History([{"loss": 2.0}, {"loss": 1.0}])["loss"]
    [2.0, 1.0]
    """

    epochs: list[dict[str, float]] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float]:
        """One value an epoch. Raises `KeyError` for what was not measured."""
        return [epoch[name] for epoch in self.epochs]


@dataclass
class _Plan:
    """How a model is trained, and the steps for each number of examples."""

    optimizer: Optimizer
    loss: Measure
    metrics: Sequence[Measure]
    steps: dict[Any, Step] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return ["loss", *(metric.__name__ for metric in self.metrics)]

    def measured(self, predictions: Tensor, targets: Tensor) -> list[Tensor]:
        """The loss and the metrics, each its mean over the examples."""
        return [each(predictions, targets).mean() for each in (self.loss, *self.metrics)]


class Trainable(ABC):
    """What a model gains that maps a batch of examples to predictions."""

    _plan: _Plan | None = None

    @property
    @abstractmethod
    def params(self) -> list[Parameter]: ...

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor: ...

    def compile(self, optimizer: Optimizer, loss: Measure, metrics: Sequence[Measure] = ()) -> None:
        """Say how to train: `loss(predictions, targets)` is lowered by `optimizer`, and `metrics`
        are measured beside it. Steps are compiled when the sizes of what they take are known."""
        self._plan = _Plan(optimizer, loss, tuple(metrics))

    def fit(
        self,
        x: Array,
        y: Array,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: tuple[Array, Array] | None = None,
        seed: int | None = 0,
        progress: bool = False,
    ) -> History:
        """Train, and return what was measured in each epoch.

        Examples are on the first axis. Each epoch takes them in an order of its own, decided by
        `seed` (None keeps the given order); those that do not fill a batch are left out of it.
        Another `batch_size` is another step, whose optimizer begins anew. With `progress` a bar
        is shown. Raises `ValueError` before `compile`, and as `gc.training.batches`.
        """
        plan, size = self._compiled(), min(batch_size, len(x))
        step = self._step("train", (x[:size], y[:size]))
        history = History()
        for epoch in tqdm(range(epochs), unit="epoch", disable=not progress):
            order = None if seed is None else (seed, epoch)
            found = [step(*batch) for batch in batches(x, y, size=size, seed=order)]
            means = np.mean(np.asarray(found, np.float64), axis=0)
            measured = dict(zip(plan.names, means.tolist(), strict=True))
            if validation_data is not None:
                validated = self.evaluate(*validation_data)
                measured |= {f"val_{name}": value for name, value in validated.items()}
            history.epochs.append(measured)
        return history

    def evaluate(self, x: Array, y: Array) -> dict[str, float]:
        """The loss and the metrics, by name: means over all examples. Trains nothing."""
        plan = self._compiled()
        total = np.zeros(len(plan.names))
        for part in _parts(x, y):
            total += np.asarray(self._step("evaluate", part)(*part), np.float64) * len(part[0])
        return dict(zip(plan.names, (total / len(x)).tolist(), strict=True))

    def predict(self, x: Array) -> Array:
        """The predictions for all examples."""
        self._compiled()
        return np.concatenate([self._step("predict", part)(*part) for part in _parts(x)])

    def _compiled(self) -> _Plan:
        if self._plan is None:
            raise ValueError("the model is not compiled yet: call its compile(optimizer, loss)")
        return self._plan

    def _step(self, kind: str, arrays: Sequence[Array]) -> Step:
        """The step that does this with as many examples."""
        plan = self._compiled()
        key = (kind, *((array.shape, array.dtype) for array in arrays))
        if key not in plan.steps:
            plan.steps[key] = self._make_step(kind, plan, arrays)
        return plan.steps[key]

    def _make_step(self, kind: str, plan: _Plan, arrays: Sequence[Array]) -> Step:
        compile_step: Callable[..., Step] = importlib.import_module("graphc.compilation").compile
        inputs = [
            input(name, array.shape, DType.of(array.dtype))
            for name, array in zip("xy", arrays, strict=False)
        ]
        predictions = self(inputs[0])
        if kind == "predict":
            return compile_step(inputs, predictions, name=kind)
        measured = plan.measured(predictions, inputs[1])
        updates = plan.optimizer.updates(measured[0], self.params) if kind == "train" else None
        return compile_step(inputs, measured, updates, name=kind)


def _parts(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """All examples in order, many at a time; the last part has what is left."""
    for start in range(0, len(arrays[0]), EVALUATED_AT_ONCE):
        part = slice(start, start + EVALUATED_AT_ONCE)
        yield tuple(np.ascontiguousarray(array[part]) for array in arrays)
