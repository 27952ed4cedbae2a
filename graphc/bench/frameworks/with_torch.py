"""Models in PyTorch, run eagerly and compiled.

Owns that. The module is a parameter named `torch`. Invariant: nothing is recorded that is not
differentiated, and the optimizer is PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.bench.case import Arrays, Data, Program

MODULE = "torch"
Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


def prepare(module: Any, threads: int) -> Any:
    module.set_num_threads(threads)
    return module


def tensors(torch: Any, arrays: Arrays, differentiated: bool = False) -> dict[str, Any]:
    """Copies as tensors; integers as PyTorch's own indices."""
    found = {}
    for name, array in arrays.items():
        tensor = torch.tensor(array)
        if array.dtype.kind == "i":
            tensor = tensor.long()
        found[name] = tensor.requires_grad_(differentiated)
    return found


def _read(results: Mapping[str, Any]) -> Arrays:
    return {name: np.array(value.detach().numpy()) for name, value in results.items()}


@dataclass(frozen=True)
class Torch:
    """Programs of models that are compiled or not."""

    compiled: bool
    MODULE: str = MODULE

    def prepare(self, module: Any, threads: int) -> Any:
        return prepare(module, threads)

    def function(self, torch: Any, model: Model, data: Data) -> Program:
        params, inputs = tensors(torch, data.params), tensors(torch, data.inputs)
        results: dict[str, Any] = {}
        run = self._made(torch, model)

        def call() -> None:
            with torch.no_grad():
                results["value"] = run(torch, params, inputs)

        return Program(call, lambda: _read(results))

    def gradient(self, torch: Any, model: Model, data: Data) -> Program:
        params, inputs = tensors(torch, data.params, True), tensors(torch, data.inputs)
        results: dict[str, Any] = {}
        run, by = self._made(torch, model), list(params.values())

        def call() -> None:
            loss = run(torch, params, inputs)
            gradients = torch.autograd.grad(loss, by)
            results.update(zip(params, gradients, strict=True), loss=loss)

        return Program(call, lambda: _read(results))

    def training(self, torch: Any, model: Model, data: Data, rate: float) -> Program:
        params, inputs = tensors(torch, data.params, True), tensors(torch, data.inputs)
        optimizer = torch.optim.SGD(list(params.values()), lr=rate)
        run, results = self._made(torch, model), {}

        def call() -> None:
            optimizer.zero_grad(set_to_none=True)
            results["loss"] = loss = run(torch, params, inputs)
            loss.backward()
            optimizer.step()

        return Program(call, lambda: _read(results | params))

    def _made(self, torch: Any, model: Model) -> Model:
        made: Model = torch.compile(model, dynamic=False) if self.compiled else model
        return made


EAGER, COMPILED = Torch(compiled=False), Torch(compiled=True)
function, gradient, training = EAGER.function, EAGER.gradient, EAGER.training
