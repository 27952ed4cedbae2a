"""Every record's samples, compiled, against its reference. Nothing here names an op."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.op import Array, Family, Op
from graphc.ir.ops import OPS
from graphc.ir.ops.bundle import items
from graphc.ir.types import DType, TensorType, TupleType
from tests.codegen.running import run_compiled
from tests.ir.test_ops_records import assert_equal

CASES = [
    pytest.param(op, dtype, id=f"{op.name}-{dtype}")
    for op in OPS.values()
    if op.samples and op.family is not Family.SOURCE
    for dtype in op.tested_dtypes
]


def graph_of_samples(
    op: Op, dtype: DType, most: int | None = None
) -> tuple[Graph, dict[str, Array], list[str]]:
    """One graph with an output for each sample, or for the first of them; the inputs for it, and
    the samples' labels."""
    rng = np.random.default_rng(zlib.crc32(f"{op.name} {dtype}".encode()))
    arrays: dict[str, Array] = {}
    inputs: list[Node] = []
    outputs: list[Node] = []
    labels: list[str] = []
    for sample in op.samples[:most]:
        operands = []
        for array in sample.arrays(rng, dtype):
            name = f"x{len(arrays)}"
            arrays[name] = array
            kind = TensorType(DType.of(array.dtype), array.shape)
            operands.append(ops.input(name=name, type=kind))
        if sample.refuse is None:
            inputs += operands
            # An index of its own is checked at entry; a computed one is clamped, as samples are.
            first = 0 if op.indexed else 1
            computed = [ops.copy(x) if x.dtype.is_integer else x for x in operands[first:]]
            node = op(*operands[:first], *computed, **sample.attrs)
            results = items(node) if isinstance(node.type, TupleType) else (node,)
            outputs += results
            labels += [sample.label] * len(results)
    names = tuple(f"out{i}" for i in range(len(outputs)))
    graph = Graph("f", tuple(inputs), (), tuple(outputs), names)
    return graph, {node.name: arrays[node.name] for node in inputs}, labels


def error_scales(
    op: Op, graph: Graph, arrays: dict[str, Array], expected: dict[str, Array]
) -> dict[str, Array]:
    """In whose last place errors are counted, for each element of each output."""
    if op.family is Family.ELEMENTWISE:
        return expected
    if op.normwise:
        return {
            name: np.full_like(value, np.max(np.abs(value[np.isfinite(value)]), initial=0))
            for name, value in expected.items()
        }
    # For sums and products the error is measured on the magnitudes that are added up.
    sizes = {
        name: np.abs(array) if array.dtype != bool else array for name, array in arrays.items()
    }
    return interpret(graph, sizes).outputs


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_compiled_agrees_with_the_reference(op: Op, dtype: DType) -> None:
    graph, arrays, labels = graph_of_samples(op, dtype)
    expected = interpret(graph, arrays).outputs
    scales = error_scales(op, graph, arrays, expected)
    result = run_compiled(graph, arrays)
    assert result.status == 0
    for (name, value), label in zip(expected.items(), labels, strict=True):
        scale = np.abs(scales[name]) if op.ulp else None
        assert_equal(np.array(result.outputs[name]), value, op.ulp, label, scale)
