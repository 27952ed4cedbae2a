"""Every derivative rule against differences of the reference, and wrong rules against the check.

Nothing in the first half names an op: adding a record adds its tests. The second half states the
conventions at points where the derivative does not exist.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.ir.build import Expression, constant, ops, sum_to
from graphc.ir.graph import Node
from graphc.ir.interpreter import apply, evaluate
from graphc.ir.op import Array, ForwardOnly, NoGradient, OfResults, Op, Sample
from graphc.ir.ops import OPS, bundle
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.types import DType, TensorType, TupleType, float32, float64

COMPLEX_STEP = 1e-30
STEP = 1e-5
Arrays = list[Array]

# What a function from outside has for a derivative is said where it is called.
DIFFERENTIABLE = [
    op for op in OPS.values() if not isinstance(op.vjp, NoGradient) and not op.foreign
]
each_op = pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)


def smooth_samples(op: Op) -> Iterator[tuple[Sample, Arrays]]:
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    for sample in op.samples:
        if sample.differentiable and sample.refuse is None:
            yield sample, list(sample.arrays(rng, float64))


def symbols(arrays: Sequence[Array]) -> list[Node]:
    return [
        ops.input(type=TensorType(DType.of(array.dtype), array.shape), name=f"x{i}")
        for i, array in enumerate(arrays)
    ]


def random_like(arrays: Sequence[Array], rng: np.random.Generator) -> Arrays:
    """Directions: normal for floats, zeros for what cannot move."""
    return [
        np.asarray(rng.normal(size=array.shape))
        if array.dtype == np.float64
        else np.zeros_like(array)
        for array in arrays
    ]


def dot(xs: Sequence[Array], ys: Sequence[Array]) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True)))


def largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def assert_close(actual: Array, expected: Array, tolerance: float, noise: float, what: str) -> None:
    """Close relative to the largest expected element, but for the noise of a difference."""
    scale, apart = largest(expected), largest(actual - expected)
    assert apart <= tolerance * scale + noise, f"{what}: off by {apart} of {scale}"


def moved(arrays: Arrays, directions: Arrays, step: Any) -> Arrays:
    return [
        array + step * direction if array.dtype == np.float64 else array
        for array, direction in zip(arrays, directions, strict=True)
    ]


def numeric_tangent(op: Op, y: Node, xs: list[Node], arrays: Arrays, directions: Arrays) -> Array:
    """By a complex step where the reference is analytic, else by a central difference."""

    def value(step: Any) -> Array:
        return evaluate([y], dict(zip(xs, moved(arrays, directions, step), strict=True)))[0]

    if op.analytic:
        return np.imag(value(1j * COMPLEX_STEP)) / COMPLEX_STEP
    return (value(STEP) - value(-STEP)) / (2 * STEP)


def results_of(node: Node) -> Sequence[Node]:
    """The node itself, or each of its several results."""
    return bundle.items(node) if isinstance(node.type, TupleType) else [node]


def zero_if_none(nodes: Sequence[Node | None], like: Sequence[Node]) -> list[Node]:
    return [
        constant(np.zeros(other.shape, other.dtype.numpy)) if node is None else node
        for node, other in zip(nodes, like, strict=True)
    ]


def check_derivatives(op: Op, sample: Sample, arrays: Arrays) -> None:
    """Raise `AssertionError` unless both modes agree with the reference, to second order."""
    xs = symbols(arrays)
    for y in results_of(op(*xs, **sample.attrs)):
        if y.dtype.is_float:
            check_result(op, y, xs, arrays, sample.label)


def check_result(op: Op, y: Node, xs: list[Node], arrays: Arrays, label: str) -> None:
    rng = np.random.default_rng(7)
    values = dict(zip(xs, arrays, strict=True))
    wrt = [x for x in xs if x.dtype.is_float]
    directions = random_like(arrays, rng)
    along = [constant(d) for x, d in zip(xs, directions, strict=True) if x in wrt]
    (tangent,) = evaluate(zero_if_none(tangents([y], wrt, along), [y]), values)
    expected = numeric_tangent(op, y, xs, arrays, directions)
    size = largest(evaluate([y], values)[0])
    tolerance, noise = (1e-11, COMPLEX_STEP) if op.analytic else (1e-7, 1e-9 * size)
    assert_close(tangent, expected, tolerance, noise, f"{label}: jvp")

    if isinstance(op.vjp, ForwardOnly):
        return
    seed = constant(rng.normal(size=y.shape))
    backward = zero_if_none(adjoints([y], [seed], wrt), wrt)
    found = evaluate(backward, values)
    floats = [d for x, d in zip(xs, directions, strict=True) if x in wrt]
    forward_dot, backward_dot = dot([tangent], [apply(seed, [])]), dot(floats, found)
    assert_same_dot(forward_dot, backward_dot, [tangent, *found], f"{label}: vjp")
    check_second_order(backward, xs, arrays, directions, label)


def assert_same_dot(one: float, other: float, terms: Sequence[Array], what: str) -> None:
    scale = sum(float(np.sum(np.abs(term))) for term in terms)
    assert abs(one - other) <= 1e-11 * scale, f"{what}: {one} is not {other}"


def check_second_order(
    backward: list[Node], xs: list[Node], arrays: Arrays, directions: Arrays, label: str
) -> None:
    """The adjoints differentiated again, forward and backward, against their differences."""
    rng = np.random.default_rng(8)
    wrt = [x for x in xs if x.dtype.is_float]
    along = [constant(d) for x, d in zip(xs, directions, strict=True) if x in wrt]
    values = dict(zip(xs, arrays, strict=True))
    second = evaluate(zero_if_none(tangents(backward, wrt, along), backward), values)
    ahead, behind = (
        evaluate(backward, dict(zip(xs, moved(arrays, directions, step), strict=True)))
        for step in (STEP, -STEP)
    )
    size = max(map(largest, ahead), default=0.0)
    for actual, plus, minus in zip(second, ahead, behind, strict=True):
        expected = (plus - minus) / (2 * STEP)
        assert_close(actual, expected, 1e-6, 1e-8 * size, f"{label}: second order")

    seeds = [constant(rng.normal(size=node.shape)) for node in backward]
    again = evaluate(zero_if_none(adjoints(backward, seeds, wrt), wrt), values)
    floats = [d for x, d in zip(xs, directions, strict=True) if x in wrt]
    one, other = dot(second, [apply(seed, []) for seed in seeds]), dot(floats, again)
    assert_same_dot(one, other, [*second, *again], f"{label}: second order")


def check_all(op: Op) -> None:
    samples = list(smooth_samples(op))
    assert samples, f"{op.name} has no sample to differentiate at"
    for sample, arrays in samples:
        check_derivatives(op, sample, arrays)


@each_op
def test_derivatives(op: Op) -> None:
    check_all(op)


@each_op
def test_adjoints_have_the_operands_types_at_f32(op: Op) -> None:
    rng = np.random.default_rng(3)
    dtype = float32 if float32 in op.tested_dtypes else op.tested_dtypes[0]
    for sample in op.samples:
        if sample.refuse is not None:
            continue
        xs = symbols(sample.arrays(rng, dtype))
        for y in results_of(op(*xs, **sample.attrs)):
            if y.dtype.is_float and not isinstance(op.vjp, ForwardOnly):
                seed = constant(np.ones(y.shape, y.dtype.numpy))
                for x, adjoint in zip(xs, adjoints([y], [seed], xs), strict=True):
                    assert adjoint is None or adjoint.type == x.type, sample.label


Mutation = Callable[[Node | None, Node, Node], Node | None]
"""What a wrong rule returns, from what the right one did, the adjoint or tangent that came in,
and a node of the type to be returned."""


def scaled_by(factor: float) -> Mutation:
    def mutate(rule_result: Node | None, g: Node, like: Node) -> Node | None:
        if rule_result is None:
            # A derivative said to be zero: claim that it is not.
            return sum_to(g, like.shape) if like.dtype.is_float else None
        return (factor * Expression(rule_result)).node

    return mutate


def with_wrong_vjp(op: Op, mutate: Mutation) -> Op:
    rule = op.vjp
    assert not isinstance(rule, NoGradient | ForwardOnly)
    if not isinstance(rule, OfResults):
        return replace(op, vjp=lambda y, g, i: mutate(rule(y, g, i), g, y.operands[i]))

    def vjp(y: Node, gs: Sequence[Node | None], wanted: Sequence[bool]) -> list[Node | None]:
        first = next(g for g in gs if g is not None)
        found = zip(rule.rule(y, gs, wanted), y.operands, strict=True)
        return [None if each is None else mutate(each, first, x) for each, x in found]

    return replace(op, vjp=OfResults(vjp))


def with_wrong_jvp(op: Op, mutate: Mutation) -> Op:
    rule = op.jvp
    assert not isinstance(rule, NoGradient)

    def of_results(y: Node, moving: Sequence[Node | None]) -> list[Node | None]:
        assert isinstance(rule, OfResults)
        return [each and mutate(each, each, each) for each in rule.rule(y, moving)]

    def jvp(y: Node, moving: Sequence[Node | None]) -> Node | None:
        assert not isinstance(rule, NoGradient | OfResults)
        first = next(tangent for tangent in moving if tangent is not None)
        return mutate(rule(y, moving), first, y)

    return replace(op, jvp=OfResults(of_results) if isinstance(rule, OfResults) else jvp)


WRONG: dict[str, Callable[[Op, Mutation], Op]] = {
    "vjp": with_wrong_vjp,
    "jvp": with_wrong_jvp,
    "both": lambda op, mutate: with_wrong_jvp(with_wrong_vjp(op, mutate), mutate),
}


def modes(op: Op) -> list[str]:
    return ["jvp"] if isinstance(op.vjp, ForwardOnly) else list(WRONG)


@pytest.mark.parametrize(
    ("op", "mode"),
    [pytest.param(op, mode, id=f"{mode}-{op.name}") for op in DIFFERENTIABLE for mode in modes(op)],
)
@pytest.mark.parametrize("factor", [1.001, -1.0])
def test_wrong_derivatives_are_caught(op: Op, factor: float, mode: str) -> None:
    wrong = WRONG[mode](op, scaled_by(factor))
    with pytest.raises(AssertionError, match=r"jvp|vjp|second order"):
        check_all(wrong)


def gradient(build: Callable[..., Node], *values: object) -> Arrays:
    """Adjoints of the sum of `build(*operands)` at f64 values."""
    arrays = [np.asarray(value, np.float64) for value in values]
    xs = symbols(arrays)
    y = build(*xs)
    seed = constant(np.ones(y.shape))
    found = zero_if_none(adjoints([y], [seed], xs), xs)
    return evaluate(found, dict(zip(xs, arrays, strict=True)))


def test_ties_share_the_derivative() -> None:
    for op in (ops.maximum, ops.minimum):
        by_x, by_y = gradient(op, [1.0, 2.0, 3.0], 2.0)
        assert by_x[1] == 0.5
        assert by_y == 1.5
    for op in (ops.max, ops.min):
        (shares,) = gradient(lambda x, op=op: op(x, axes=(0,)), [3.0, 3.0, 3.0, 3.0])
        np.testing.assert_array_equal(shares, [0.25] * 4)


def test_derivatives_at_kinks_and_poles() -> None:
    assert gradient(ops.abs, 0.0) == [0.0]
    assert gradient(ops.sqrt, 0.0) == [np.inf]
    assert gradient(ops.sign, 2.0) == [0.0]
    assert gradient(ops.floor, 2.0) == [0.0]


@pytest.mark.parametrize(
    ("x", "y", "by_x", "by_y"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0),
        (-2.0, 3.0, 12.0, 0.0),
        (-2.0, 0.0, 0.0, 0.0),
        (2.0, 0.0, 0.0, np.log(2.0)),
    ],
)
def test_pow_at_its_edges(x: float, y: float, by_x: float, by_y: float) -> None:
    assert gradient(ops.pow, x, y) == [by_x, by_y]


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_angle_far_from_and_at_the_origin(scale: float) -> None:
    by_y, by_x = gradient(ops.atan2, 3 * scale, -4 * scale)
    np.testing.assert_allclose([by_y, by_x], [-0.16 / scale, -0.12 / scale], rtol=1e-15)
    by_y, by_x = gradient(ops.atan2, -4 * scale, 3 * scale)
    np.testing.assert_allclose([by_y, by_x], [0.12 / scale, 0.16 / scale], rtol=1e-15)
    assert gradient(ops.atan2, 0.0, scale) == [1 / scale, 0.0]
    assert gradient(ops.atan2, scale, 0.0) == [0.0, -1 / scale]
    assert gradient(ops.atan2, 0.0, 0.0) == [0.0, 0.0]


def test_inverse_functions_at_their_branch_points() -> None:
    assert gradient(ops.asin, 1.0) == [np.inf]
    assert gradient(ops.acos, -1.0) == [-np.inf]
    assert gradient(ops.acosh, 1.0) == [np.inf]
    assert gradient(ops.atanh, -1.0) == [np.inf]
    assert np.isnan(gradient(ops.acosh, -2.0)[0])


def test_second_derivative_of_a_square_at_zero() -> None:
    x = symbols([np.zeros(())])[0]
    y = ops.pow(x, constant(2.0))
    (first,) = adjoints([y], [constant(1.0)], [x])
    assert first is not None
    (second,) = adjoints([first], [constant(1.0)], [x])
    assert second is not None
    assert evaluate([second], {x: np.zeros(())}) == [2.0]


def test_where_keeps_nan_of_the_other_operand_out() -> None:
    def safe_log(x: Node) -> Node:
        positive = Expression(x).gt(0)
        return positive.where(Expression(x).log(), Expression(x)).node

    (found,) = gradient(safe_log, [2.0, 0.5])
    np.testing.assert_array_equal(found, [0.5, 2.0])
    condition = constant(np.array([True, False]))
    by_x, by_y = gradient(lambda x, y: ops.where(condition, x, y), [1.0, np.nan], [np.inf, 1.0])
    np.testing.assert_array_equal(by_x, [1.0, 0.0])
    np.testing.assert_array_equal(by_y, [0.0, 1.0])


def test_casts_to_integers_stop_the_derivative() -> None:
    x = symbols([np.ones(3)])[0]
    there_and_back = ops.cast(ops.cast(x, dtype=DType.of("i4")), dtype=float64)
    assert adjoints([there_and_back], [constant(np.ones(3))], [x]) == [None]


def test_product_with_zeros() -> None:
    (found,) = gradient(lambda x: ops.prod(x, axes=(1,)), [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0]])
    np.testing.assert_array_equal(found, [[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]])


def test_taking_one_element_twice_adds_up() -> None:
    indices = constant(np.array([1, 1, -1, 1]))
    (found,) = gradient(lambda x: ops.take_along_axis(x, indices, axis=0), [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(found, [0.0, 3.0, 1.0])
