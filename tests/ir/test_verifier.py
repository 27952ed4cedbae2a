"""Each invariant of the verifier, broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from graphc.ir.build import ops
from graphc.ir.diagnostics import VerificationError
from graphc.ir.graph import Graph, KernelGroup, Node, Update
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.types import TensorType, float32, float64
from graphc.ir.verifier import STAGES, verify

X = ops.input(type=TensorType(float32, (2, 3)), name="x")
W = ops.param(type=TensorType(float32, (3,)), name="w")
with provenance(Location("mlp.py", 7), Origin("d/d%h of tanh", "y")):
    H = ops.mul(X, W, name="h")
Y = ops.sum(H, axes=(0,), name="y")
V = ops.reshape(Y, shape=(3, 1), name="v")
Z = ops.tanh(V, name="z")
NEW = ops.add(W, Y, name="w_new")

GRAPH = Graph("g", (X,), (W,), (Z,), ("z",), (Update(W, NEW),))
FUSED = replace(
    GRAPH,
    stage="fused",
    kernels=(
        KernelGroup("k0", "reduce", (H, Y)),
        KernelGroup("k1", "map", (Z,)),
        KernelGroup("k2", "map", (NEW,)),
    ),
)


def kernels(*groups: tuple[Node, ...], shape: str = "map") -> Graph:
    named = [KernelGroup(f"k{i}", shape, nodes) for i, nodes in enumerate(groups)]
    return replace(FUSED, kernels=tuple(named))


def retyped(node: Node, type: TensorType) -> Node:
    return replace(node, type=type)


def test_good_graphs_pass() -> None:
    verify(GRAPH)
    verify(FUSED)
    verify(Graph("nothing", (), (), (), ()))


@pytest.mark.parametrize("stage", [name for name in STAGES if not STAGES[name].has_kernels])
def test_stages_without_kernels_refuse_them(stage: str) -> None:
    verify(replace(GRAPH, stage=stage))
    with pytest.raises(VerificationError, match=f"has kernels at stage `{stage}`"):
        verify(replace(FUSED, stage=stage))


BROKEN: dict[str, Callable[[], Graph]] = {
    "%h is listed twice": lambda: replace(GRAPH, nodes=(X, W, H, H, Y, V, Z, NEW)),
    "%y stands before its operand %h": lambda: replace(GRAPH, nodes=(X, W, Y, H, V, Z, NEW)),
    "%y takes %h, which is not in the graph": lambda: replace(GRAPH, nodes=(X, W, Y, V, Z, NEW)),
    "%h has type f64[2,3], expected f32[2,3]": lambda: Graph(
        "g", (X,), (W,), (retyped(H, TensorType(float64, (2, 3))),), ("h",)
    ),
    "%y is ill-typed: sum along axis 7": lambda: Graph(
        "g",
        (X,),
        (W,),
        (replace(Y, attrs=replace(Y.attrs, axes=(7,))),),  # type: ignore[call-arg]
        ("y",),
    ),
    "%t has ReductionAttrs, expected Attrs": lambda: Graph(
        "g", (X,), (), (replace(ops.tanh(X, name="t"), attrs=Y.attrs),), ("t",)
    ),
    "%h is among the params, but its op is mul": lambda: Graph("g", (X,), (W, H), (Y,), ("y",)),
    "%w is among the inputs, but its op is param": lambda: Graph("g", (X, W), (), (Y,), ("y",)),
    "%w is used, but not declared": lambda: Graph("g", (X,), (), (Y,), ("y",)),
    "an unnamed input f32[2,3] is declared without a name": lambda: Graph(
        "g", (X.renamed(""),), (), (), ()
    ),
    "two inputs or parameters are named %x": lambda: Graph("g", (X, X.renamed("x")), (), (), ()),
    "1 outputs but 2 names": lambda: replace(GRAPH, output_names=("a", "b")),
    "two outputs are named `a`": lambda: replace(GRAPH, outputs=(Z, Z), output_names=("a", "a")),
    "%h is an output or update, but not among": lambda: Graph(
        "g", (X,), (), (H,), ("h",), nodes=(X,)
    ),
    "%x is updated, but no parameter": lambda: replace(GRAPH, updates=(Update(X, H),)),
    "%w of type f32[3] is updated by a f32[2,3]": lambda: replace(GRAPH, updates=(Update(W, H),)),
    "%w is updated twice": lambda: replace(GRAPH, updates=(Update(W, Y), Update(W, NEW))),
    "has the unknown stage `fuse`": lambda: replace(GRAPH, stage="fuse"),
    "did you mean `fused`?": lambda: replace(GRAPH, stage="fuse"),
    "two kernels are named @k0": lambda: replace(FUSED, kernels=FUSED.kernels[:1] * 2),
    "kernel @k0 is a `loop`, expected one of map": lambda: kernels((H, Y), shape="loop"),
    "kernel @k1 is empty": lambda: kernels((H, Y), ()),
    "%y is in kernel @k0 and in kernel @k1": lambda: kernels((H, Y), (Y, Z), (NEW,)),
    "%x2 of kernel @k3 is not in the graph": lambda: kernels(
        (H, Y), (Z,), (NEW,), (ops.tanh(X, name="x2"),)
    ),
    "%w_new takes work, but is in no kernel": lambda: kernels((H, Y), (Z,)),
    "%y of kernel @k0 reads %h, made later in it": lambda: kernels((Y, H), (Z,), (NEW,)),
    "%w_new of kernel @k0 reads %y, made by no kernel before": lambda: kernels(
        (NEW,), (H, Y), (Z,)
    ),
    "%v reads %y, made by no kernel before": lambda: kernels((H, Y, Z), (NEW,)),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_invariant_is_named(message: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(BROKEN[message]())
    assert str(caught.value).startswith("GC040 verification failed: ")
    assert message in str(caught.value)


def test_a_failure_tells_where_the_node_comes_from() -> None:
    with pytest.raises(VerificationError) as caught:
        verify(replace(GRAPH, nodes=(X, W, H, H, Y, V, Z, NEW)))
    assert str(caught.value) == (
        "GC040 verification failed: %h is listed twice\n"
        "   |  mul in @g (graph), mlp.py:7 d/d%h of tanh for %y"
    )


def test_a_deep_graph_is_verified() -> None:
    value = X
    for _ in range(100_000):
        value = ops.tanh(value)
    verify(Graph("deep", (X,), (), (value,), ("y",)))
