"""Adam on many parameters, of given gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench.case import Case, Data, Program, Row, Sizes, Work
from graphc.bench.frameworks import with_graphc, with_jax, with_torch
from graphc.bench.target import OfLimit, Workspace

RATE, BETA1, BETA2, EPSILON = 0.001, 0.9, 0.999, 1e-8


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    count = sizes["tensors"]
    part = max(sizes["elements"] // count, 1)
    params = {f"w{i}": generator.standard_normal(part, np.float32) for i in range(count)}
    inputs = {f"g{i}": generator.standard_normal(part, np.float32) for i in range(count)}
    return Data(params, inputs)


def by_graphc(gc: Any, data: Data) -> Program:
    params = {name: gc.param(name, array) for name, array in data.params.items()}
    inputs = with_graphc.declared(gc, data.inputs)
    # The gradient of this loss is what was given; the loss itself is not computed.
    loss = sum((w * g).sum() for w, g in zip(params.values(), inputs.values(), strict=True))
    updates = gc.optim.Adam(RATE, BETA1, BETA2, EPSILON).updates(loss, list(params.values()))
    step = gc.compile(list(inputs.values()), (), updates, name="program")
    return with_graphc.stepped(step, list(data.inputs.values()), params)


def by_jax(jax: Any, data: Data) -> Program:
    params = with_jax.on_device(jax, data.params)
    inputs = with_jax.on_device(jax, data.inputs)
    zeros = jax.tree.map(jax.numpy.zeros_like, params)
    more = jax.tree.map(jax.numpy.zeros_like, params)

    def train(state: Any, inputs: Any) -> Any:
        params, m, v, steps = state
        steps = steps + 1
        gradients = dict(zip(params, inputs.values(), strict=True))
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradients)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradients)
        first, second = 1 - BETA1**steps, 1 - BETA2**steps

        def moved(w: Any, m: Any, v: Any) -> Any:
            return w - RATE * (m / first) / (jax.numpy.sqrt(v / second) + EPSILON)

        return (jax.tree.map(moved, params, m, v), m, v, steps), None

    return with_jax.stepped(jax, train, (params, zeros, more, jax.numpy.zeros(())), inputs)


def by_torch(torch: Any, data: Data) -> Program:
    params = with_torch.tensors(torch, data.params, True)
    gradients = with_torch.tensors(torch, data.inputs).values()
    for param, gradient in zip(params.values(), gradients, strict=True):
        param.grad = gradient
    betas = (BETA1, BETA2)
    optimizer = torch.optim.Adam(list(params.values()), RATE, betas, EPSILON, fused=True)
    return Program(optimizer.step, lambda _: with_torch.arrays(params))


ROW = Row(
    "Adam",
    (
        Case(
            "10M parameters in 60 tensors",
            {"elements": 10_000_000, "tensors": 60},
            data,
            {"graphc": by_graphc, "jax": by_jax, "torch": by_torch},
            (OfLimit(0.85), Workspace()),
            # Reads parameters, gradients and both moments, and writes all but the gradients.
            work=lambda sizes: Work(bytes=7 * 4.0 * sizes["elements"], kind="bandwidth"),
        ),
    ),
)
