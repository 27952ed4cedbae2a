"""Random programs: declared, differentiated, compiled and run, against NumPy and differences.

Every program has outputs in a nested structure, first and second derivatives, one with respect to
an intermediate value too, and updates that swap, share or pass on parameters; it is called twice.
What rounding may do to a value is measured, by computing it again with every operation disturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.declare import Parameter
from graphc.ir.graph import Node, topological
from graphc.ir.interpreter import evaluate
from tests.disturbance import assert_close, disturbed
from tests.program import Array, Program
from tests.programs import make_program

LENGTHS = (4, 10, 25, 50)

Values = dict[Node, Array]


@dataclass
class Declared:
    """A program as tensors, with derivatives and updates."""

    program: Program
    leaves: list[Any]
    values: list[Any]
    chosen: list[int]
    """Positions of the values that are outputs."""
    loss: gc.Tensor
    targets: list[gc.Tensor]
    gradients: list[gc.Tensor]
    second_loss: gc.Tensor
    second: list[gc.Tensor]
    updates: dict[Parameter, gc.Tensor]

    @property
    def params(self) -> list[Parameter]:
        return [leaf for leaf in self.leaves if isinstance(leaf, Parameter)]

    @property
    def outputs(self) -> list[gc.Tensor]:
        chosen = [self.values[i] for i in self.chosen]
        return [*chosen, self.loss, *self.gradients, self.second_loss, *self.second]

    @property
    def roots(self) -> list[Node]:
        return [tensor.node for tensor in (*self.outputs, *self.updates.values())]

    def given(self) -> Values:
        """The inputs' values, and the present ones of the parameters."""
        values: Values = {}
        for leaf, made in zip(self.leaves, self.program.leaves, strict=True):
            if isinstance(leaf, Parameter):
                values[leaf.node] = leaf.value.copy()
            elif isinstance(leaf, gc.Tensor):
                values[leaf.node] = made.value
        return values


def declare(program: Program) -> Declared:
    leaves: list[Any] = []
    for number, leaf in enumerate(program.leaves):
        if leaf.kind == "const":
            leaves.append(leaf.value)
        else:
            make = gc.param if leaf.kind == "param" else gc.input
            first: Any = leaf.value if leaf.kind == "param" else leaf.value.shape
            leaves.append(make(f"{leaf.kind}{number}", first, leaf.value.dtype))
    values = program.run(leaves)
    made = [i for i, value in enumerate(values) if isinstance(value, gc.Tensor)]
    chosen = sorted(int(i) for i in program.rng.choice(made[-8:], min(3, len(made)), False))
    floats = [leaf for leaf in leaves if isinstance(leaf, gc.Tensor) and leaf.dtype.is_float]
    inner = [values[i] for i in made if i >= len(leaves) and values[i].dtype.is_float]
    targets = floats + inner[-2:-1]
    loss = weighted(program.rng, [np.sin(values[i]) for i in chosen if values[i].dtype.is_float])
    gradients = gc.grad(loss, targets)
    second_loss = weighted(program.rng, [np.tanh(each) for each in gradients[: len(floats)]])
    second = gc.grad(second_loss, floats)
    updates = make_updates(program, leaves, dict(zip(targets, gradients, strict=True)))
    return Declared(
        program, leaves, values, chosen, loss, targets, gradients, second_loss, second, updates
    )


def weighted(rng: np.random.Generator, tensors: Sequence[gc.Tensor]) -> gc.Tensor:
    """A scalar that every element has its own influence on."""
    total = gc.const(0.0)
    for tensor in tensors:
        weights = np.asarray(rng.uniform(0.2, 1, tensor.shape)).astype(tensor.dtype.numpy)
        total = total + (tensor * weights).sum()
    return total


def make_updates(
    program: Program, leaves: Sequence[Any], gradients: Mapping[gc.Tensor, gc.Tensor]
) -> dict[Parameter, gc.Tensor]:
    """New values of the two parameters, which are of one shape."""
    a, b = (leaf for leaf in leaves if isinstance(leaf, Parameter))
    descended = a - 0.125 * gradients[a]
    patterns: list[dict[Parameter, gc.Tensor]] = [
        {a: descended, b: b - 0.125 * gradients[b]},
        {a: b, b: a},
        {a: b, b: b * 0.5 + a},
        {a: b, b: b},
        {a: descended, b: descended},
        {a: descended, b: a},
        {b: gradients[b]},
    ]
    return patterns[int(program.rng.integers(len(patterns)))]


def nested(rng: np.random.Generator, items: Sequence[Any]) -> Any:
    """The items as leaves of tuples, lists and dicts."""
    if len(items) == 1:
        return items[0]
    cut = int(rng.integers(1, len(items)))
    parts = nested(rng, items[:cut]), nested(rng, items[cut:])
    kind = int(rng.integers(3))
    return parts if kind == 0 else list(parts) if kind == 1 else dict(zip("ab", parts, strict=True))


def flattened(structure: Any) -> list[Any]:
    if isinstance(structure, (tuple, list, dict)):
        parts = structure.values() if isinstance(structure, dict) else structure
        return [leaf for part in parts for leaf in flattened(part)]
    return [structure]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(40))
def test_compiled_program(seed: int, dtype: type[np.floating[Any]]) -> None:
    declared = declare(make_program(seed, LENGTHS[seed % len(LENGTHS)], dtype))
    for tensor, array in zip(declared.values, declared.program.values, strict=True):
        if isinstance(tensor, gc.Tensor):
            assert (tensor.dtype.numpy, tensor.shape) == (array.dtype, array.shape)
    used = set(topological(declared.roots))
    inputs = [
        leaf
        for leaf, made in zip(declared.leaves, declared.program.leaves, strict=True)
        if made.kind == "input" and leaf.node in used
    ]
    structure = nested(declared.program.rng, declared.outputs)
    step = gc.compile(inputs, structure, declared.updates)
    for call in range(2):
        check_call(declared, step, inputs, call)


def check_call(declared: Declared, step: Any, inputs: Sequence[gc.Tensor], call: int) -> None:
    given = declared.given()
    wanted = evaluate(declared.roots, given)
    rng = np.random.default_rng(call)
    samples = [disturbed(declared.roots, given, rng) for _ in range(16)]
    arrays = [given[tensor.node] for tensor in inputs]
    copies = [array.copy() for array in arrays]
    outputs = flattened(step(*arrays))
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    got = outputs + [param.value for param in declared.updates]
    for number, value in enumerate(got):
        near = [sample[number] for sample in samples]
        assert_close(value, wanted[number], near, f"call {call}, value {number}")
        if call == 0 and number < len(declared.chosen):
            expected = declared.program.values[declared.chosen[number]]
            assert_close(value, expected, near, f"NumPy's value {number}")
    for param in declared.params:
        if param not in declared.updates:
            np.testing.assert_array_equal(param.value, given[param.node])


@pytest.mark.parametrize("seed", range(60))
def test_derivatives_of_a_program(seed: int) -> None:
    declared = declare(make_program(seed, LENGTHS[seed % len(LENGTHS)], np.float64))
    if any(node.dtype is gc.float32 and node.operands for node in topological(declared.roots)):
        return  # a difference would show the steps of the coarser dtype
    given = declared.given()
    for target, gradient in zip(declared.targets, declared.gradients, strict=True):
        (value,) = evaluate([target.node], given)
        check_derivative(declared.loss, target, gradient, {**given, target.node: value})
    for target, gradient in zip(declared.targets, declared.second, strict=False):
        check_derivative(declared.second_loss, target, gradient, given)


def check_derivative(loss: gc.Tensor, target: gc.Tensor, gradient: gc.Tensor, at: Values) -> None:
    """Against differences along a random direction, where these agree among themselves."""
    direction = np.random.default_rng(0).uniform(-1, 1, target.shape)

    def moved(step: float) -> float:
        values = {**at, target.node: np.asarray(at[target.node] + step * direction)}
        return float(evaluate([loss.node], values)[0])

    (slope,) = evaluate([gradient.node], {n: v for n, v in at.items() if not n.operands})
    found = float((slope * direction).sum())
    here = moved(0)
    estimates = []
    for step in (1e-5, 1e-6, 3e-7):
        ahead, behind = moved(step), moved(-step)
        estimates += [(ahead - behind) / (2 * step), (ahead - here) / step, (here - behind) / step]
    tolerance = 1e-5 * (1 + abs(found)) + 3 * (max(estimates) - min(estimates))
    assert min(abs(estimate - found) for estimate in estimates) <= tolerance, (found, estimates)
