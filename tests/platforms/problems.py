"""Problems for other processors: all that there is to compute, in pieces.

Owns `all_problems`, the makers of problems by name, and `shared_problems`, whose work is enough
for several threads. Invariant: a name always stands for the same graph and the same values.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.build import cast, constant, ops
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.interpreter import evaluate, interpret
from graphc.ir.op import Array, Family, ForwardOnly, Op
from graphc.ir.ops import OPS
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.rounding import widened
from graphc.ir.types import ALL_DTYPES, HALVES, DType, TensorType, bool_, float32, float64
from tests.codegen import test_halves
from tests.codegen.test_ops import error_scales, graph_of_samples
from tests.disturbance import assert_close, disturbed
from tests.graphc.exported_programs import PROGRAMS, mlp
from tests.ir.test_ops_gradient import DIFFERENTIABLE, results_of
from tests.ir.test_ops_records import assert_equal
from tests.platforms.problem import Problem
from tests.programs import make_program
from tests.random_graphs import drawn_cases
from tests.test_programs import LENGTHS, declare

Maker = Callable[[], Problem]

DISTURBANCES = 12
GRAPHS_A_SEED = 10


def all_problems(seeds: range = range(10)) -> dict[str, Maker]:
    """Every op at every dtype, its derivatives, conversions of every 16-bit float; and for
    each of `seeds` ten random graphs and ten random programs."""
    return {
        **dict(_of_ops()),
        **dict(_of_derivatives()),
        **{f"conversions-{half}": partial(conversions, half) for half in HALVES},
        **{
            f"graph-{number}-{place}": partial(random_graph, number, place)
            for number in seeds
            for place in range(GRAPHS_A_SEED)
        },
        **{
            f"program-{number}-{dtype.__name__}": partial(program, number, dtype)
            for number in range(seeds.start * 5, seeds.stop * 5)
            for dtype in (np.float32, np.float64)
        },
        **{f"model-{name}": partial(model, name) for name in PROGRAMS},
    }


def shared_problems() -> list[Problem]:
    """Products, rows, maps, reductions and a scan, each large enough to be shared by threads."""
    perceptron = mlp([33, 300, 65, 10], 64, gc.optim.Adam(0.01))
    images, kernels = gc.input("images", (4, 3, 29, 31)), gc.input("kernels", (8, 3, 3, 3))
    queries = gc.input("queries", (2, 67, 24))
    long = gc.input("long", (7, 6001))
    outputs = [
        *gc.grad(gc.sin(gc.nn.conv(images, kernels)).sum(), [images, kernels]),
        gc.grad(gc.nn.scaled_dot_product_attention(queries, queries, queries).sum(), queries),
        *(gc.nn.softmax(long, axis=1), gc.sum(gc.exp(-long)), gc.argmax(long, axis=1)),
        gc.cumsum(long, axis=1),
    ]
    nodes = tuple(each.node for each in (images, kernels, queries, long))
    rng = np.random.default_rng(0)
    arrays = {n.name: rng.standard_normal(n.shape).astype(n.dtype.numpy) for n in nodes}
    graph = _graph([output.node for output in outputs], nodes)
    return [
        _of_step("perceptron", perceptron.steps["train"], perceptron.arguments["train"]),
        _disturbed("shared", graph, arrays),
    ]


# Ops


def _of_ops() -> Iterator[tuple[str, Maker]]:
    for op in OPS.values():
        computes = op.samples and op.family is not Family.SOURCE and not op.foreign
        for dtype in op.tested_dtypes if computes else ():
            yield f"{op.name}-{dtype}", partial(of_samples, op, dtype)
    for op in test_halves.representatives():
        for half in HALVES:
            yield f"{op.name}-{half}", partial(of_half_samples, op, half)


def of_samples(op: Op, dtype: DType) -> Problem:
    """The samples of an op, compared as they are on this machine."""

    def compare(found: Array, value: Array, label: str, scale: Array | None) -> None:
        assert_equal(found, value, op.ulp, label, scale)

    return _of_samples(op, dtype, compare)


def of_half_samples(op: Op, half: DType) -> Problem:
    """The samples of an op that takes 16-bit floats, at these."""

    def compare(found: Array, value: Array, label: str, scale: Array | None) -> None:
        if DType.of(value.dtype) not in HALVES or scale is None:
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(widened(found), widened(value), label)
        else:
            test_halves.assert_close(found, value, half, op.ulp, scale, label)

    return _of_samples(op, half, compare)


def _of_samples(
    op: Op, dtype: DType, compare: Callable[[Array, Array, str, Array | None], None]
) -> Problem:
    """`compare` takes what was found and what must be, what it is, and the scale of errors, which
    exact ops have none of."""
    graph, arrays, labels = graph_of_samples(op, dtype)
    expected = interpret(graph, arrays).outputs
    scales = error_scales(op, graph, arrays, expected)

    def check(results: Sequence[Array]) -> None:
        for (name, value), found, label in zip(expected.items(), results, labels, strict=True):
            compare(found, value, label, np.abs(scales[name]) if op.ulp else None)

    return Problem(f"{op.name}-{dtype}", graph, arrays, check)


def conversions(half: DType) -> Problem:
    """Every 16-bit float to every dtype that has it; f32, f64 and integers to 16 bits, where
    rounding is a tie and beside."""
    every = test_halves.BITS.view(half.numpy)
    middle = test_halves.halfway(half)
    with np.errstate(all="ignore"):
        whole = np.unique(np.floor(middle[middle < 2.0**62]).astype(np.int64))
        small = every[np.abs(every.astype(np.float64)) < 100]
        arrays: dict[str, Array] = {
            "every": every,
            "small": small,
            "f32": np.concatenate([middle, -middle]).astype(np.float32),
            "f64": np.concatenate([middle * (1 + 2.0**-45), -middle * (1 - 2.0**-45)]),
            "i64": np.concatenate([whole, -whole, whole + 1]),
        }
    nodes = {name: _input(name, array) for name, array in arrays.items()}
    floats = [float32, float64, bool_, next(other for other in HALVES if other is not half)]
    whole_dtypes = [dtype for dtype in ALL_DTYPES if dtype.is_integer]
    outputs = [cast(nodes["every"], dtype) for dtype in floats]
    outputs += [cast(nodes["small"], dtype) for dtype in whole_dtypes if dtype.kind == "int"]
    outputs += [cast(ops.abs(nodes["small"]), dtype) for dtype in whole_dtypes]
    outputs += [cast(nodes[name], half) for name in ("f32", "f64", "i64")]
    graph = _graph(outputs, tuple(nodes.values()))
    expected = list(interpret(graph, arrays).outputs.values())

    def check(results: Sequence[Array]) -> None:
        for number, (found, value) in enumerate(zip(results, expected, strict=True)):
            if found.dtype.kind in "iub":
                np.testing.assert_array_equal(found, value, f"output {number}")
            else:
                test_halves.assert_same(found, value, f"output {number}")

    return Problem(f"conversions-{half}", graph, arrays, check)


# Derivatives


def _of_derivatives() -> Iterator[tuple[str, Maker]]:
    for op in DIFFERENTIABLE:
        for dtype in (float32, float64):
            if dtype in op.tested_dtypes:
                yield f"derivatives-{op.name}-{dtype}", partial(derivatives, op, dtype)


def derivatives(op: Op, dtype: DType) -> Problem:
    """Both modes at each sample where there is a derivative."""
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    arrays: dict[str, Array] = {}
    inputs: list[Node] = []
    outputs: list[Node] = []
    for sample in op.samples:
        if not sample.differentiable or sample.refuse is not None:
            continue
        values = list(sample.arrays(rng, dtype))
        operands = [_input(f"x{len(inputs) + i}", array) for i, array in enumerate(values)]
        inputs += operands
        arrays |= {node.name: array for node, array in zip(operands, values, strict=True)}
        outputs += _both_modes(op, [ops.copy(x) for x in operands], sample.attrs, rng)
    return _disturbed(f"derivatives-{op.name}-{dtype}", _graph(outputs, tuple(inputs)), arrays)


def _both_modes(
    op: Op, xs: list[Node], attrs: Mapping[str, Any], rng: np.random.Generator
) -> list[Node]:
    wrt = [x for x in xs if x.dtype.is_float]
    along = [_direction(x, rng) for x in wrt]
    found: list[Node | None] = []
    for y in results_of(op(*xs, **attrs)):
        if y.dtype.is_float:
            found += tangents([y], wrt, along)
            if not isinstance(op.vjp, ForwardOnly):
                found += adjoints([y], [_direction(y, rng)], wrt)
    return [node for node in found if node is not None]


def _direction(node: Node, rng: np.random.Generator) -> Node:
    return constant(np.asarray(rng.normal(size=node.shape)).astype(node.dtype.numpy))


# Random graphs


def random_graph(number: int, place: int) -> Problem:
    """One of the graphs that Hypothesis draws from a seed."""
    case = drawn_cases(GRAPHS_A_SEED, number)[place]
    return _disturbed(f"graph-{number}-{place}", case.graph, case.arrays)


def program(number: int, dtype: type[np.floating[Any]]) -> Problem:
    """A random program with first and second derivatives and updates."""
    declared = declare(make_program(number, LENGTHS[number % len(LENGTHS)], dtype))
    given_values = declared.given()
    params = tuple(param.node for param in declared.params)
    inputs = tuple(node for node in given_values if node not in params)
    updates = tuple(Update(p.node, value.node) for p, value in declared.updates.items())
    outputs = [tensor.node for tensor in declared.outputs]
    graph = _graph(outputs, inputs, params, updates)
    arrays = {node.name: array for node, array in given_values.items()}
    return _disturbed(f"program-{number}-{dtype.__name__}", graph, arrays)


# Models


def model(name: str) -> Problem:
    """A training step as people write them."""
    made = PROGRAMS[name]()
    entry = next(iter(made.steps))
    return _of_step(f"model-{name}", made.steps[entry], made.arguments[entry])


def _of_step(name: str, step: gc.Step, arguments: Sequence[Array]) -> Problem:
    graph = step.program.graph
    arrays = {node.name: np.asarray(x) for node, x in zip(graph.inputs, arguments, strict=True)}
    arrays |= {key: storage.value.copy() for key, storage in step.program.storages.items()}
    return _disturbed(name, graph, arrays)


# What they have in common


def _disturbed(name: str, graph: Graph, arrays: dict[str, Array]) -> Problem:
    """A problem whose results may be off by what roundings do to them."""
    values = {node: arrays[node.name] for node in graph.boundary}
    with np.errstate(all="ignore"):
        expected = evaluate(graph.roots, values)
        rng = np.random.default_rng(0)
        near = [disturbed(graph.roots, values, rng) for _ in range(DISTURBANCES)]

    def check(results: Sequence[Array]) -> None:
        for number, (found, value) in enumerate(zip(results, expected, strict=True)):
            around = [sample[number] for sample in near]
            assert_close(found, value, around, f"value {number}")

    return Problem(name, graph, arrays, check)


def _input(name: str, array: Array) -> Node:
    return ops.input(name=name, type=TensorType(DType.of(array.dtype), array.shape))


def _graph(
    outputs: Sequence[Node],
    inputs: tuple[Node, ...],
    params: tuple[Node, ...] = (),
    updates: tuple[Update, ...] = (),
) -> Graph:
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph("f", inputs, params, tuple(outputs), names, updates)
