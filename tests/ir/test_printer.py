"""The text form as a reader sees it, and that it reads back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from graphc.ir.build import constant, ops
from graphc.ir.diff import diff_graphs
from graphc.ir.graph import Graph, KernelGroup, Node, Update, topological
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.op import Array, Op
from graphc.ir.ops import OPS
from graphc.ir.parser import parse_graph
from graphc.ir.printer import graph_constants, print_graph, value_names
from graphc.ir.types import ALL_DTYPES, DType, TensorType, bfloat16, float16, float32


def placeholder(name: str, shape: tuple[int, ...] = (), dtype: DType = float32) -> Node:
    return ops.input(type=TensorType(dtype, shape), name=name)


def closed(*outputs: Node, **fields: object) -> Graph:
    """A graph that gives `outputs`, its inputs and parameters found from them."""
    found = list(topological(outputs))
    inputs = tuple(node for node in found if node.op is ops.input)
    params = tuple(node for node in found if node.op is ops.param)
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph("g", inputs, params, outputs, names, **fields)  # type: ignore[arg-type]


def read_back(graph: Graph) -> Graph:
    """The graph from its own text, after checking that it is the same and prints the same."""
    text = print_graph(graph)
    read = parse_graph(text, graph_constants(graph))
    assert read == graph, diff_graphs(graph, read)
    assert print_graph(read) == text
    return read


def body(graph: Graph) -> list[str]:
    return [line.strip() for line in print_graph(graph).splitlines()[1:-1]]


def test_the_form_of_the_design() -> None:
    x = placeholder("x", (32, 784))
    w = ops.param(type=TensorType(float32, (784, 10)), name="w")
    with provenance(Location("/home/me/mlp.py", 14)):
        h = ops.matmul(x, w, name="h")
        y = ops.tanh(h, name="y")
    with provenance(Location("/home/me/mlp.py", 15)):
        loss = ops.sum(y, axes=(0, 1), name="loss")
    with provenance(Location("/home/me/mlp.py", 14), Origin("d/d%h of tanh", "y")):
        new = ops.mul(w, w, name="w_new")
    graph = Graph("loss", (x,), (w,), (loss,), ("loss",), (Update(w, new),), stage="adjoint")
    assert print_graph(graph) == (
        "graph @loss(%x: f32[32,784], param %w: f32[784,10]) -> (%loss: f32[])"
        " updates (%w = %w_new) stage=adjoint {\n"
        "  %h     = matmul %x, %w           : f32[32,10]    # mlp.py:14\n"
        "  %y     = tanh %h                 : f32[32,10]    # mlp.py:14\n"
        "  %loss  = sum %y {axes = [0, 1]}  : f32[]         # mlp.py:15\n"
        "  %w_new = mul %w, %w              : f32[784,10]   # mlp.py:14 d/d%h of tanh for %y\n"
        "}\n"
    )
    read_back(graph)


def test_declarations_with_a_place_stand_one_a_line() -> None:
    with provenance(Location("mlp.py", 9)):
        x = placeholder("x", (2,))
    graph = closed(ops.add(x, placeholder("bias", (2,))))
    assert print_graph(graph).splitlines()[:4] == [
        "graph @g(",
        "  %x: f32[2],      # mlp.py:9",
        "  %bias: f32[2]",
        ") -> (out0 = %0: f32[2]) {",
    ]
    assert str(read_back(graph).inputs[0].loc) == "mlp.py:9"


def test_a_long_header_is_broken_into_lines() -> None:
    total = placeholder("x0")
    for i in range(1, 20):
        total = ops.add(total, placeholder(f"x{i}"))
    graph = closed(total)
    assert print_graph(graph).splitlines()[1] == "  %x0: f32[],"
    read_back(graph)


def test_names_are_kept_once_and_numbered_from_there() -> None:
    x = placeholder("h")
    second, third = ops.tanh(x, name="h"), ops.exp(x, name="h")
    taken, unnamed = ops.sin(x, name="h_1"), ops.cos(x)
    graph = closed(second, third, taken, unnamed)
    names = value_names(graph)
    shown = [names[node] for node in (x, second, third, taken, unnamed)]
    assert shown == ["%h", "%h_2", "%h_3", "%h_1", "%0"]
    read = read_back(graph)
    assert [node.name for node in read.outputs] == ["h_2", "h_3", "h_1", ""]


@pytest.mark.parametrize(
    "name", ["my loss", "0", "a-b", "ü", 'quo"te', "back\\slash", "new\nline", "a]", "%x", "\ud800"]
)
def test_odd_names_are_quoted(name: str) -> None:
    x = placeholder("x")
    with provenance(Location(f"/tmp/{name}.py", 3), Origin(name, name)):
        y = ops.tanh(x, name=name)
    kernels = (KernelGroup(name, "map", (y,), reason=name),)
    graph = Graph(name, (x,), (), (y,), (name,), stage="fused", kernels=kernels)
    read = read_back(graph)
    assert (read.name, read.outputs[0].name, read.output_names) == (name, name, (name,))
    assert read.outputs[0].origin == Origin(name, name)
    assert read.kernels[0].reason == name


def test_any_value_can_be_an_output_more_than_once() -> None:
    x = placeholder("x", (2,))
    y = ops.tanh(x, name="y")
    graph = Graph("g", (x,), (), (y, y, x), ("y", "again", "x"))
    header = print_graph(graph).splitlines()[0]
    assert header == "graph @g(%x: f32[2]) -> (%y: f32[2], again = %y: f32[2], %x: f32[2]) {"
    read = read_back(graph)
    assert read.outputs[0] is read.outputs[1]
    assert read.outputs[2] is read.inputs[0]


def test_a_graph_of_nothing() -> None:
    graph = Graph("nothing", (), (), (), ())
    assert print_graph(graph) == "graph @nothing() -> () {\n}\n"
    read_back(graph)


@pytest.mark.parametrize(
    ("loc", "origin", "text"),
    [
        (Location("/a/b.py", 3), None, "b.py:3"),
        (Location("<stdin>", 1), None, "<stdin>:1"),
        (Location("my file.py", 3), None, '"my file.py":3'),
        (None, Origin("fold"), "fold"),
        (None, Origin("b.py:3 fold"), '"b.py:3 fold"'),
        (None, Origin("a for %b"), '"a for %b"'),
        (None, Origin("", "h"), '"" for %h'),
        (None, Origin('"quoted"', "h"), '"\\"quoted\\"" for %h'),
        (Location("b.py", 3), Origin("1 * x -> x"), "b.py:3 1 * x -> x"),
        (Location("b.py", 3), Origin("d/d%h of tanh", "y"), "b.py:3 d/d%h of tanh for %y"),
        (Location("b.py", 3), Origin("fold", "my h for %y"), 'b.py:3 fold for %"my h for %y"'),
    ],
)
def test_comments_carry_place_and_rule(
    loc: Location | None, origin: Origin | None, text: str
) -> None:
    with provenance(loc, origin):
        y = ops.tanh(placeholder("x"))
    graph = closed(y)
    assert print_graph(graph).splitlines()[-2].endswith(f"   # {text}")
    read = read_back(graph).outputs[0]
    assert str(read.loc or "") == str(loc or "")
    assert read.origin == origin


@given(st.text(), st.text(), st.text(), st.integers(0, 10**6), st.text())
def test_any_comment_reads_back(rule: str, primal: str, file: str, line: int, reason: str) -> None:
    with provenance(Location(file, line), Origin(rule, primal)):
        y = ops.tanh(placeholder("x"))
    read_back(replace(closed(y), stage="fused", kernels=(KernelGroup("k0", "map", (y,), reason),)))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.float32(2.5), "2.5"),
        (np.float32(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (np.float32(1e-45), "1e-45"),
        (np.float64(-0.0), "-0.0"),
        (np.float32(-math.inf), "-inf"),
        (np.float32(math.nan), "nan"),
        (-np.float64(math.nan), "-nan"),
        (np.bool_(True), "true"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.array([[1, -2], [3, 4]], np.int8), "[[1, -2], [3, 4]]"),
        (np.zeros((2, 0), np.float32), "[]"),
    ],
)
def test_small_constants_are_spelled(array: np.generic, text: str) -> None:
    graph = closed(constant(np.asarray(array)))
    assert body(graph)[0].startswith(f"%0 = constant {{value = {text}}}  : ")
    assert graph_constants(graph) == {}
    read_back(graph)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(17, dtype=np.float32),
        np.array(0x7FC12345, np.uint32).view(np.float32),
    ],
    ids=["more than 16 elements", "a NaN with a payload"],
)
def test_other_constants_are_named_by_content(array: Array) -> None:
    graph = closed(constant(array), constant(array.copy()))
    ((digest, kept),) = graph_constants(graph).items()
    assert kept.tobytes() == array.tobytes()
    assert [line for line in body(graph) if f"value = #{digest}" in line] == body(graph)
    read_back(graph)


@given(
    nps.arrays(
        st.sampled_from([dtype.numpy for dtype in (*ALL_DTYPES, float16)]),
        nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_constant_reads_back_to_the_bit(array: Array) -> None:
    read_back(closed(constant(array)))


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_every_16_bit_float_reads_back_to_the_bit(dtype: DType) -> None:
    numbers = np.arange(0, 1 << 16, 61).astype(np.uint16).view(dtype.numpy)
    read_back(closed(*(constant(part) for part in np.array_split(numbers, 80))))


def test_defaults_are_left_out_but_negative_zero_is_not() -> None:
    x = placeholder("x", (2,))
    pads = [ops.pad(x, low=(1,), high=(0,), value=value) for value in (0, 0.0, -0.0, math.nan, 1.5)]
    graph = closed(ops.sum(x, axes=(0,)), *pads)
    shown = [line.partition(" : ")[0].partition(" = ")[2].strip() for line in body(graph)[-6:]]
    assert shown == [
        "sum %x {axes = [0]}",
        "pad %x {low = [1], high = [0]}",
        "pad %x {low = [1], high = [0], value = 0.0}",
        "pad %x {low = [1], high = [0], value = -0.0}",
        "pad %x {low = [1], high = [0], value = nan}",
        "pad %x {low = [1], high = [0], value = 1.5}",
    ]
    read_back(graph)


def fused() -> Graph:
    x = placeholder("x", (2, 3))
    w = ops.param(type=TensorType(float32, (3,)), name="w")
    half = constant(np.full(3, 0.5, np.float32))
    total = ops.sum(x, axes=(0,), name="total")
    flat = ops.reshape(total, shape=(3, 1))
    scaled = ops.mul(w, half, name="scaled")
    y = ops.add(ops.tanh(flat), total, name="y")
    kernels = (
        KernelGroup("k0", "reduce", (total,), "reads no other kernel"),
        KernelGroup("k1", "map", (y.operands[0], y), "k0 has another shape"),
        KernelGroup("k2", "map", (scaled,)),
    )
    return Graph("step", (x,), (w,), (y,), ("y",), (Update(w, scaled),), "fused", kernels)


def test_kernels_are_blocks() -> None:
    assert (
        print_graph(fused())
        == """\
graph @step(%x: f32[2,3], param %w: f32[3]) -> (%y: f32[3,3]) updates (%w = %scaled) stage=fused {
  kernel @k0 reduce {
    %total = sum %x {axes = [0]}  : f32[3]
  }  # reads no other kernel
  %0 = reshape %total {shape = [3, 1]}  : f32[3,1]
  kernel @k1 map {
    %1 = tanh %0         : f32[3,1]
    %y = add %1, %total  : f32[3,3]
  }  # k0 has another shape
  %2 = constant {value = [0.5, 0.5, 0.5]}  : f32[3]
  kernel @k2 map {
    %scaled = mul %w, %2  : f32[3]
  }
}
"""
    )
    read_back(fused())


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_every_sample_of_every_op_reads_back(op: Op) -> None:
    dtype = op.tested_dtypes[0]
    for sample in op.samples:
        if sample.refuse is None:
            arrays = sample.arrays(np.random.default_rng(0), dtype)
            types = [TensorType(DType.of(array.dtype), array.shape) for array in arrays]
            operands = [ops.input(type=type, name=f"x{i}") for i, type in enumerate(types)]
            read_back(closed(op(*operands, **sample.attrs)))


def test_a_deep_graph_prints_and_reads_back() -> None:
    value = placeholder("x", (3,))
    for i in range(100_000):
        value = ops.tanh(value, name="h" if i % 2 else "")
    read_back(closed(value))
