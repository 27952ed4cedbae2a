"""Models in JAX.

Owns that. The module is a parameter named `jax`. Invariant: one `jax.jit` around everything;
parameters of a training step are donated, so that they are updated in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.bench.case import Arrays, Data, Program

MODULE = "jax"
Model = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Any]


def prepare(module: Any, threads: int) -> Any:
    return module


def on_device(jax: Any, arrays: Arrays) -> dict[str, Any]:
    """Arrays of JAX's own; doubles stay doubles."""
    if any(array.dtype == np.float64 for array in arrays.values()):
        jax.config.update("jax_enable_x64", True)
    return {name: jax.numpy.array(array) for name, array in arrays.items()}


def function(jax: Any, model: Model, data: Data) -> Program:
    params, inputs = on_device(jax, data.params), on_device(jax, data.inputs)
    compiled = jax.jit(lambda params, inputs: model(jax, params, inputs))
    return called(jax, compiled, (params, inputs), lambda found: {"value": found})


def gradient(jax: Any, model: Model, data: Data) -> Program:
    params, inputs = on_device(jax, data.params), on_device(jax, data.inputs)
    loss = jax.value_and_grad(lambda params, inputs: model(jax, params, inputs))

    def named(found: Any) -> dict[str, Any]:
        return {"loss": found[0]} | {f"d_{name}": value for name, value in found[1].items()}

    return called(jax, jax.jit(loss), (params, inputs), named)


def called(
    jax: Any, compiled: Any, arguments: tuple[Any, ...], named: Callable[[Any], dict[str, Any]]
) -> Program:
    """A function without state."""

    def read(found: Any) -> Arrays:
        return {name: np.asarray(value) for name, value in named(found).items()}

    return Program(
        lambda: jax.block_until_ready(compiled(*arguments)),
        read,
        lambda: temporary(compiled, arguments),
    )


def training(jax: Any, model: Model, data: Data, rate: float) -> Program:
    inputs = on_device(jax, data.inputs)
    loss = jax.value_and_grad(lambda params, inputs: model(jax, params, inputs))

    def train(params: Any, inputs: Any) -> Any:
        value, gradients = loss(params, inputs)
        return jax.tree.map(lambda w, g: w - rate * g, params, gradients), value

    return stepped(jax, train, on_device(jax, data.params), inputs)


def stepped(jax: Any, train: Callable[..., Any], state: Any, inputs: Any) -> Program:
    """`state, loss = train(state, inputs)`, again and again; the state begins with a dict."""
    compiled = jax.jit(train, donate_argnums=0)
    held = [state]

    def call() -> Any:
        held[0], loss = jax.block_until_ready(compiled(held[0], inputs))
        return loss

    def read(found: Any) -> Arrays:
        params = held[0] if isinstance(held[0], dict) else held[0][0]
        loss = {} if found is None else {"loss": np.array(found)}
        return loss | {name: np.array(value) for name, value in params.items()}

    return Program(call, read, lambda: temporary(compiled, (held[0], inputs)))


def temporary(compiled: Any, arguments: tuple[Any, ...]) -> int:
    """What XLA reports as temporary allocation."""
    analysis = compiled.lower(*arguments).compile().memory_analysis()
    return int(analysis.temp_size_in_bytes)
