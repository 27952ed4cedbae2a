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


def arrays(tensors: Mapping[str, Any]) -> Arrays:
    """Copies of tensors' values."""
    return {name: np.array(tensor.detach().numpy()) for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Torch:
    """Programs of models that are compiled or not."""

    compiled: bool
    MODULE: str = MODULE

    def prepare(self, module: Any, threads: int) -> Any:
        return prepare(module, threads)

    def function(self, torch: Any, model: Model, data: Data) -> Program:
        params, inputs = tensors(torch, data.params), tensors(torch, data.inputs)
        run = self._made(torch, model)

        def call() -> Any:
            with torch.no_grad():
                return run(torch, params, inputs)

        return Program(call, lambda found: arrays({"value": found}))

    def gradient(self, torch: Any, model: Model, data: Data) -> Program:
        params, inputs = tensors(torch, data.params, True), tensors(torch, data.inputs)
        run, by = self._made(torch, model), list(params.values())
        names = ["loss", *(f"d_{name}" for name in params)]

        def call() -> Any:
            loss = run(torch, params, inputs)
            return loss, *torch.autograd.grad(loss, by)

        return Program(call, lambda found: arrays(dict(zip(names, found, strict=True))))

    def training(self, torch: Any, model: Model, data: Data, rate: float) -> Program:
        params, inputs = tensors(torch, data.params, True), tensors(torch, data.inputs)
        optimizer = torch.optim.SGD(list(params.values()), lr=rate)
        run = self._made(torch, model)

        def call() -> Any:
            optimizer.zero_grad(set_to_none=True)
            loss = run(torch, params, inputs)
            loss.backward()
            optimizer.step()
            return loss

        return Program(call, lambda loss: arrays({"loss": loss} | params))

    def _made(self, torch: Any, model: Model) -> Model:
        made: Model = torch.compile(model, dynamic=False) if self.compiled else model
        return made


EAGER, COMPILED = Torch(compiled=False), Torch(compiled=True)
function, gradient, training = EAGER.function, EAGER.gradient, EAGER.training
