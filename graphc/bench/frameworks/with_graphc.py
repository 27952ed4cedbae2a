"""Models in graphc.

Owns that. Invariant: written as a user writes it; results go to arrays that are given (`out=`),
and parameters are updated in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.bench.case import Array, Arrays, Data, Program

MODULE = "graphc"
Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


def prepare(module: Any, threads: int) -> Any:
    return module


def declared(gc: Any, arrays: Arrays) -> dict[str, Any]:
    """An input for each array."""
    return {
        name: gc.input(name, array.shape, getattr(gc, array.dtype.name))
        for name, array in arrays.items()
    }


def function(gc: Any, model: Model, data: Data) -> Program:
    params, inputs = declared(gc, data.params), declared(gc, data.inputs)
    found = model(gc, params, inputs)
    step = gc.compile([*params.values(), *inputs.values()], found, name="program")
    return called(step, [*data.params.values(), *data.inputs.values()], ["value"])


def gradient(gc: Any, model: Model, data: Data) -> Program:
    params, inputs = declared(gc, data.params), declared(gc, data.inputs)
    loss = model(gc, params, inputs)
    found = (loss, *gc.grad(loss, list(params.values())))
    step = gc.compile([*params.values(), *inputs.values()], found, name="program")
    names = ["loss", *data.params]
    return called(step, [*data.params.values(), *data.inputs.values()], names)


def training(gc: Any, model: Model, data: Data, rate: float) -> Program:
    params = {name: gc.param(name, array) for name, array in data.params.items()}
    inputs = declared(gc, data.inputs)
    loss = model(gc, params, inputs)
    updates = gc.optim.SGD(rate).updates(loss, list(params.values()))
    step = gc.compile(list(inputs.values()), loss, updates, name="program")
    return stepped(step, list(data.inputs.values()), params)


def stepped(step: Any, arguments: list[Array], params: Mapping[str, Any]) -> Program:
    """A step that returns a loss, or nothing, and changes parameters."""
    results: list[Any] = []

    def call() -> None:
        results[:] = [step(*arguments)]

    def read() -> Arrays:
        loss = {"loss": np.asarray(results[0])} if step.outputs else {}
        return loss | {name: param.value.copy() for name, param in params.items()}

    return Program(call, read, lambda: int(step.manifest.workspace_bytes), step)


def called(step: Any, arguments: list[Array], names: list[str]) -> Program:
    """A function that writes to arrays which are kept; of small ones, a new result is cheaper."""
    outputs = [np.empty(each.type.shape, each.type.dtype.numpy) for each in step.outputs]
    results: list[Any] = []
    if sum(array.nbytes for array in outputs) < 4096:

        def call() -> None:
            results[:] = [step(*arguments)]
    else:
        out = outputs[0] if len(outputs) == 1 else tuple(outputs)

        def call() -> None:
            results[:] = [step(*arguments, out=out)]

    def read() -> Arrays:
        found = results[0] if isinstance(results[0], tuple) else results
        return {name: np.array(value) for name, value in zip(names, found, strict=True)}

    return Program(call, read, lambda: int(step.manifest.workspace_bytes), step)
