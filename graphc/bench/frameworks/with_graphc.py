"""Models in graphc.

Owns that. Invariant: written as a user writes it; results go to arrays that are given (`out=`),
and parameters are updated in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from graphc.bench.case import Array, Arrays, Data, Program
from graphc.runtime.buffers import aligned_empty

MODULE = "graphc"

SMALL = 4096
"""Bytes of results that are cheaper to make anew than to pass."""

Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


def prepare(module: Any, threads: int) -> Any:
    """Load what is loaded when it is first used, as the import of another framework does."""
    for name in ("compile", "input", "nn", "optim"):
        getattr(module, name)
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
    names = ["loss", *(f"d_{name}" for name in data.params)]
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

    def read(found: Any) -> Arrays:
        loss = {"loss": np.asarray(found)} if step.outputs else {}
        return loss | {name: param.value.copy() for name, param in params.items()}

    return Program(
        partial(step.__call__, *arguments), read, lambda: int(step.manifest.workspace_bytes), step
    )


def called(step: Any, arguments: list[Array], names: list[str]) -> Program:
    """A function that writes to arrays which are kept; of small ones, a new result is cheaper."""
    outputs = [aligned_empty(each.shape, each.numpy) for each in step.outputs]
    call = partial(step.__call__, *arguments)
    if sum(array.nbytes for array in outputs) >= SMALL:
        call = partial(call, out=outputs[0] if len(outputs) == 1 else tuple(outputs))

    def read(found: Any) -> Arrays:
        values = found if isinstance(found, tuple) else (found,)
        return {name: np.array(value) for name, value in zip(names, values, strict=True)}

    return Program(call, read, lambda: int(step.manifest.workspace_bytes), step)
