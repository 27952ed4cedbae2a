"""Models in PyTensor.

Owns that. Models are given `pytensor.tensor`, as a parameter named `pt`. Invariant: parameters of
a training step are shared variables, updated by the function itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from graphc.bench.case import Arrays, Data, Program

MODULE = "pytensor"
Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


def prepare(module: Any, threads: int) -> Any:
    importlib.import_module("pytensor.tensor.special")
    return module


def _declared(pytensor: Any, arrays: Arrays) -> dict[str, Any]:
    return {
        name: pytensor.tensor.tensor(name, dtype=array.dtype.name, shape=array.shape)
        for name, array in arrays.items()
    }


def _called(compiled: Any, arrays: list[Any], read: Callable[[list[Any]], Arrays]) -> Program:
    return Program(partial(compiled, *arrays), read)


def function(pytensor: Any, model: Model, data: Data) -> Program:
    params, inputs = _declared(pytensor, data.params), _declared(pytensor, data.inputs)
    found = model(pytensor.tensor, params, inputs)
    compiled = pytensor.function([*params.values(), *inputs.values()], [found])
    arrays = [*data.params.values(), *data.inputs.values()]
    return _called(compiled, arrays, lambda results: {"value": np.asarray(results[0])})


def gradient(pytensor: Any, model: Model, data: Data) -> Program:
    params, inputs = _declared(pytensor, data.params), _declared(pytensor, data.inputs)
    loss = model(pytensor.tensor, params, inputs)
    found = [loss, *pytensor.grad(loss, list(params.values()))]
    compiled = pytensor.function([*params.values(), *inputs.values()], found)
    names = ["loss", *(f"d_{name}" for name in params)]
    arrays = [*data.params.values(), *data.inputs.values()]
    return _called(
        compiled,
        arrays,
        lambda results: {n: np.asarray(v) for n, v in zip(names, results, strict=True)},
    )


def training(pytensor: Any, model: Model, data: Data, rate: float) -> Program:
    params = {name: pytensor.shared(array, name) for name, array in data.params.items()}
    inputs = _declared(pytensor, data.inputs)
    loss = model(pytensor.tensor, params, inputs)
    gradients = pytensor.grad(loss, list(params.values()))
    step = np.float32(rate)
    updates = [(w, w - step * g) for w, g in zip(params.values(), gradients, strict=True)]
    compiled = pytensor.function(list(inputs.values()), [loss], updates=updates)

    def read(results: list[Any]) -> Arrays:
        values = {name: np.array(param.get_value()) for name, param in params.items()}
        return {"loss": np.asarray(results[0]), **values}

    return _called(compiled, list(data.inputs.values()), read)
