"""float16 and bfloat16: stored in 16 bits, computed in f32, rounded once an op."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.codegen.pipeline import compile_graph
from graphc.codegen.processors import named_target
from graphc.codegen.target import host_target
from graphc.ir.build import cast, constant, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.op import Array, Family, Op
from graphc.ir.ops import OPS
from graphc.ir.rounding import widened
from graphc.ir.types import (
    ALL_DTYPES,
    HALVES,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint64,
)
from tests.codegen.running import graph_of, run_compiled, tensor
from tests.codegen.test_ops import graph_of_samples

each_half = pytest.mark.parametrize("half", HALVES, ids=str)

BITS = np.arange(1 << 16, dtype=np.uint16)


@pytest.fixture(params=["instructions", "integers"])
def conversion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert float16 as this machine does, then as one without instructions for it."""
    if request.param == "integers":
        narrow = replace(host_target(), missing=("convert.f16",))
        monkeypatch.setattr("graphc.codegen.pipeline.host_target", lambda: narrow)


def converted(values: Array, *dtypes: DType) -> list[Array]:
    """`values` cast to dtypes by compiled code."""
    x = tensor("x", values.shape, DType.of(values.dtype))
    graph = graph_of(*(cast(x, dtype) for dtype in dtypes), inputs=(x,))
    return list(run_compiled(graph, {"x": values}).outputs.values())


def assert_same(found: Array, expected: Array, label: object = "") -> None:
    """Equal to the bit, but that one NaN is as good as another."""
    assert found.dtype == expected.dtype
    with np.errstate(invalid="ignore"):
        missing = np.isnan(expected.astype(np.float64))
        assert np.array_equal(np.isnan(found.astype(np.float64)), missing), label
    unsigned = f"u{expected.dtype.itemsize}"
    differ = (found.view(unsigned) != expected.view(unsigned)) & ~missing
    assert not differ.any(), f"{label}: {found[differ][:5]}, not {expected[differ][:5]}"


def ladder(half: DType) -> Array:
    """Every finite number from 0 up, in f64, and the one that would be next."""
    infinity = int(np.array(np.inf, half.numpy).view(np.uint16))
    exact = BITS[: infinity + 1].view(half.numpy).astype(np.float64)
    exact[-1] = 2 * exact[-2] - exact[-3]
    return exact


def halfway(half: DType) -> Array:
    """For every two neighbouring positive numbers, both and the one between them."""
    near = ladder(half)
    return np.concatenate([near, (near[1:] + near[:-1]) / 2])


def nearest(values: Array, half: DType) -> Array:
    """The 16-bit floats nearest to f64 numbers, found by bisection among all of them."""
    exact = ladder(half)
    between = (exact[1:] + exact[:-1]) / 2
    magnitude = np.abs(values)
    place = np.minimum(np.searchsorted(between, magnitude), len(between) - 1)
    tie = (magnitude == between[place]) & (place % 2 == 1)
    bits = (place + (tie | (magnitude > between[place]))).astype(np.uint16)
    sign = np.where(np.signbit(values), 0x8000, 0).astype(np.uint16)
    return np.asarray(bits | sign).view(half.numpy)


@each_half
@pytest.mark.usefixtures("conversion")
def test_every_16_bit_float_converts_as_numpy_has_it(half: DType) -> None:
    values = BITS.view(half.numpy)
    other = float16 if half is bfloat16 else bfloat16
    for dtype, found in zip(
        wide := (float32, float64, bool_, other), converted(values, *wide), strict=True
    ):
        with np.errstate(all="ignore"):
            assert_same(found, values.astype(dtype.numpy), dtype)
    with np.errstate(invalid="ignore"):
        small = values[np.abs(values.astype(np.float32)) < 100]
    for dtype, found in zip(
        whole := (int8, int32, int64, uint64), converted(np.abs(small), *whole), strict=True
    ):
        np.testing.assert_array_equal(found, np.abs(small).astype(dtype.numpy))


@each_half
@pytest.mark.usefixtures("conversion")
def test_f32_is_rounded_as_numpy_has_it_at_every_tie_and_beside_it(half: DType) -> None:
    middle = halfway(half)
    with np.errstate(over="ignore"):
        near = middle.astype(np.float32)
    values = np.concatenate(
        [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(0))]
    )
    special = np.array([np.nan, -np.nan, np.inf, 1e-45, 3e38, 65519.996, 65520], np.float32)
    values = np.concatenate([values, -values, special])
    with np.errstate(all="ignore"):
        expected = values.astype(half.numpy)
    assert_same(converted(values, half)[0], expected)


@each_half
@pytest.mark.usefixtures("conversion")
def test_f64_is_rounded_once(half: DType) -> None:
    middle = halfway(half)
    values = np.concatenate([middle, middle * (1 + 2.0**-45), middle * (1 - 2.0**-45)])
    values = np.concatenate([values, -values, [1e300, -1e300, 1e-300, np.inf]])
    expected = nearest(values, half)
    assert_same(converted(values, half)[0], expected)
    x = tensor("x", values.shape, float64)
    graph = graph_of(cast(x, half), inputs=(x,))
    assert_same(interpret(graph, {"x": values}).outputs["out0"], expected)


@each_half
@pytest.mark.parametrize("dtype", [int8, int32, int64, uint64], ids=str)
def test_integers_are_rounded_once(dtype: DType, half: DType) -> None:
    middle = halfway(half)
    top = 2.0 ** (dtype.bits - (dtype.kind == "int"))
    whole = middle[(middle < top) & (middle == np.floor(middle))].astype(dtype.numpy)
    numbers = np.concatenate([whole, whole + np.array(whole < whole.max(), whole.dtype)])
    if dtype.kind == "int":
        numbers = np.concatenate([numbers, -numbers])
    lowest = np.array([np.iinfo(str(dtype.numpy)).min], dtype.numpy)
    numbers = np.concatenate([numbers, lowest, lowest - 1])
    numbers = numbers[:: 1 + len(numbers) // 999]
    expected = np.array([_nearest_to_whole(int(number), half) for number in numbers])
    assert_same(converted(numbers, half)[0], expected)
    x = tensor("x", numbers.shape, dtype)
    graph = graph_of(cast(x, half), inputs=(x,))
    assert_same(interpret(graph, {"x": numbers}).outputs["out0"], expected)


def _nearest_to_whole(number: int, half: DType) -> Any:
    """A Python integer rounded: its bits beyond the digits of the type are cut off and judged."""
    magnitude = abs(number)
    cut = max(magnitude.bit_length() - half.digits, 0)
    kept, rest = magnitude >> cut, magnitude & ((1 << cut) - 1)
    kept += cut > 0 and (2 * rest, kept & 1) > (1 << cut, 0)
    with np.errstate(over="ignore"):
        return np.array(np.copysign(float(kept << cut), number), np.float64).astype(half.numpy)


def representatives() -> Iterator[Op]:
    """Every op that moves elements, and one of each kind that computes on them.

    Operands that are presumed to fit each other no longer do once they are rounded.
    """
    kinds = set()
    for op in OPS.values():
        takes_f32 = any(dtype.arithmetic is float32 for dtype in op.tested_dtypes)
        if op.family is Family.SOURCE or op.presumed or not takes_f32:
            continue
        kind = (op.family, op.operands, op.cost, op.commutative)
        if op.stored or kind not in kinds:
            kinds.add(kind)
            yield op


@each_half
@pytest.mark.parametrize("op", list(representatives()), ids=lambda op: op.name)
def test_compiled_agrees_with_the_interpreter(op: Op, half: DType) -> None:
    graph, arrays, labels = graph_of_samples(op, half)
    expected = interpret(graph, arrays).outputs
    sizes = {name: np.abs(a) if a.dtype != bool else a for name, a in arrays.items()}
    scales = expected if op.family is Family.ELEMENTWISE else interpret(graph, sizes).outputs
    for at_end in (True, False):
        result = run_compiled(graph, arrays, at_end=at_end)
        for (name, value), label in zip(expected.items(), labels, strict=True):
            found = result.outputs[name]
            if DType.of(value.dtype) not in HALVES or not op.ulp:
                assert found.dtype == value.dtype
                np.testing.assert_array_equal(widened(found), widened(value), label)
            else:
                assert_close(found, value, half, op.ulp, np.abs(scales[name]), label)


def assert_close(
    found: Array, expected: Array, half: DType, ulp: float, scale: Array, label: str
) -> None:
    """Within one unit of the last place of the 16-bit result, which is where an error of `ulp`
    units of f32 (of `scale`) can put a number that lies beside a tie."""
    assert found.dtype == expected.dtype == half.numpy
    a, b, size = (array.astype(np.float64) for array in (found, expected, scale))
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite], label)
    a, b, size = a[finite], b[finite], size[finite]
    unit = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(b), half.smallest_normal))) - half.digits + 1)
    slack = ulp * np.where(np.isfinite(size), size, np.abs(b)) * 2.0**-23
    assert np.all(np.abs(a - b) <= unit + slack), label


@each_half
def test_each_op_rounds_as_numpy_has_it(half: DType) -> None:
    """Fused, and with nothing kept in f32 from one op to the next."""
    rng = np.random.default_rng(0)
    x, y, z = (tensor(name, (67,), half) for name in "xyz")
    result = ops.div(ops.sub(ops.add(ops.mul(x, y), z), x), y)
    given = {name: rng.normal(size=67).astype(half.numpy) for name in "xyz"}
    a, b, c = given.values()
    expected = ((a * b + c) - a) / b
    graph = graph_of(result, inputs=(x, y, z))
    assert_same(interpret(graph, given).outputs["out0"], expected)
    run = run_compiled(graph, given)
    assert_same(run.outputs["out0"], expected)
    assert len(run.compilation.kernels) == 1


@each_half
@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 2), (33, 65, 17), (130, 97, 131)])
def test_products_accumulate_in_f32_in_one_kernel(half: DType, sizes: tuple[int, ...]) -> None:
    rows, inner, columns = sizes
    x, y = tensor("x", (rows, inner), half), tensor("y", (inner, columns), half)
    bias = tensor("b", (columns,), half)
    rng = np.random.default_rng(0)
    given = {node.name: rng.integers(-8, 9, node.shape).astype(half.numpy) for node in (x, y, bias)}
    graph = graph_of(ops.add(ops.matmul(x, y), bias), inputs=(x, y, bias))
    run = run_compiled(graph, given)
    a, b, c = (array.astype(np.float64) for array in given.values())
    expected = nearest(nearest(a @ b, half).astype(np.float64) + c, half)
    np.testing.assert_array_equal(run.outputs["out0"], expected)
    if min(sizes) > 1:
        assert len(run.compilation.kernels) == 1


@each_half
def test_long_sums_do_not_stop_growing(half: DType) -> None:
    """Added up in 16 bits, 3000 ones would be 2048 or 256."""
    x = tensor("x", (3000,), half)
    found = run_compiled(graph_of(ops.sum(x, axes=(0,)), inputs=(x,)), {"x": np.ones(3000)})
    assert found.outputs["out0"] == np.array(3000).astype(half.numpy)


@each_half
def test_constants_and_counting(half: DType) -> None:
    numbers = np.array([0.1, -0.0, np.inf, 1e-7, 3.0]).astype(half.numpy)
    x = tensor("x", (5,), half)
    outputs = (
        ops.where(ops.lt(x, constant(numbers)), x, constant(numbers)),
        ops.pad(x, low=(2,), high=(1,), value=0.1),
        ops.iota(shape=(300,), axis=0, dtype=half),
    )
    graph = graph_of(*outputs, inputs=(x,))
    given = {"x": np.linspace(-1, 1, 5).astype(half.numpy)}
    expected = interpret(graph, given).outputs
    for name, found in run_compiled(graph, given).outputs.items():
        assert_same(found, expected[name], name)
    np.testing.assert_array_equal(
        expected["out2"], np.arange(300, dtype=np.float32).astype(half.numpy)
    )


def _of_all_kinds(half: DType) -> Graph:
    """Conversions from and to every dtype, arithmetic, and a product."""
    sources: list[Node] = [tensor(f"x{i}", (37, 37), dtype) for i, dtype in enumerate(ALL_DTYPES)]
    x = tensor("h", (37, 37), half)
    outputs = [cast(source, half) for source in sources] + [cast(x, d) for d in ALL_DTYPES]
    outputs += [ops.tanh(ops.matmul(x, x)), ops.sum(x, axes=(1,)), ops.floor(x)]
    return graph_of(*outputs, inputs=(*sources, x))


@each_half
@pytest.mark.parametrize(
    ("cpu", "bits"), [("x86-64", 128), ("sandybridge", 256), ("haswell", 256), ("znver4", 512)]
)
def test_no_target_calls_a_library(half: DType, cpu: str, bits: int) -> None:
    """`__extendhfsf2` and its like are in no process that loads the code."""
    host = host_target()
    if not host.is_x86:
        return
    target = named_target(host.triple, cpu)
    assert target.vector_bits == bits
    text = compile_graph(_of_all_kinds(half), target=target).texts["asm"]()
    assert "hf" not in {word[-4:-2] for word in text.split() if word.startswith("__")}
    assert "__trunc" not in text
    assert "__extend" not in text
