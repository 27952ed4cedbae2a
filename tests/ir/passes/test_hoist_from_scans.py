"""Work that no carry is needed for leaves a scan: it is done before the first step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.build import ops
from graphc.ir.interpreter import interpret
from graphc.ir.nested import body_of
from graphc.ir.parser import parse_graph
from graphc.ir.passes.hoist_from_scans import hoist_from_scans
from graphc.ir.verifier import verify
from graphc.tensor import Tensor

RNG = np.random.default_rng(13)
XS = RNG.normal(size=(6, 4, 5))
W = RNG.normal(size=(5, 5)) / 2


def compiled(build: Callable[..., Any], *arrays: Any) -> gc.Step:
    tensors = [gc.input(f"x{i}", a.shape, str(a.dtype)) for i, a in enumerate(arrays)]
    return gc.compile(tensors, build(*tensors))


def ops_of_bodies(step: gc.Step) -> list[str]:
    """The ops in the bodies of a step's scans."""
    *bodies, _ = step.ir("fused").split("\n\n")
    return re.findall(r"^ +%\S+ += (\w+)", "\n".join(bodies), re.MULTILINE)


def looped(cell: Callable[..., Any], carry: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    """`scan` written out."""
    order = range(xs.shape[0])
    outputs: dict[int, Any] = {}
    for t in reversed(order) if reverse else order:
        carry, outputs[t] = cell(carry, xs[t])
    return carry, gc.stack([outputs[t] for t in order])


def assert_as_written_out(build: Callable[..., Any], *arrays: Any) -> gc.Step:
    """The step of `build(scan, *tensors)`, which must give what it gives of the loop."""
    step = compiled(lambda *tensors: build(gc.scan, *tensors), *arrays)
    written_out = compiled(lambda *tensors: build(looped, *tensors), *arrays)
    for actual, expected in zip(step(*arrays), written_out(*arrays), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)
    return step


PROGRAM = """
graph @cell(
  %x: f64[4,5],
  %w: f64[5,5],
  param %c: f64[4,5]
) -> (y = %y: f64[4,5]) updates (%c = %new) {
  {lines}
  %moved = add %c, %x   : f64[4,5]
  %y     = mul %moved, %value : f64[4,5]
  %new   = tanh %y : f64[4,5]
}

graph @program(
  %c: f64[4,5],
  %xs: f64[6,4,5],
  %w: f64[5,5]
) -> (last = %last: f64[4,5], ys = %ys: f64[6,4,5]) {
  %all  = scan %c, %xs, %w {body = @cell, length = 6, slices = 1} : (f64[4,5], f64[6,4,5])
  %last = item %all {index = 0} : f64[4,5]
  %ys   = item %all {index = 1} : f64[6,4,5]
}
"""


def hoisted(*lines: str) -> list[str]:
    """The ops in the body of a scan that computes `lines` at each step, after the pass; checks
    that nothing else has changed."""
    graph = parse_graph(PROGRAM.replace("{lines}", "\n  ".join(lines)))
    after = hoist_from_scans(graph)
    verify(after)
    arrays = {"c": XS[0], "xs": XS, "w": W}
    pairs = zip(*(interpret(each, arrays).outputs.values() for each in (graph, after)), strict=True)
    for expected, actual in pairs:
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
    (node,) = (node for node in after.nodes if node.op is ops.scan)
    return [each.op.name for each in body_of(node).nodes if each.op is not ops.input]


EXPONENTIAL = "%e = exp %w : f64[5,5]"
PRODUCT = "%value = matmul %c, %m : f64[4,5]"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((EXPONENTIAL, "%value = matmul %c, %e : f64[4,5]"), ["matmul"]),
        (("%m = mul %w, %w : f64[5,5]", PRODUCT), ["matmul"]),
        (("%m = transpose %w {perm = [1, 0]} : f64[5,5]", PRODUCT), ["matmul"]),
        ((EXPONENTIAL, "%m = transpose %e {perm = [1, 0]} : f64[5,5]", PRODUCT), ["matmul"]),
        (
            (
                "%t = transpose %w {perm = [1, 0]} : f64[5,5]",
                "%m = transpose %t {perm = [1, 0]} : f64[5,5]",
                PRODUCT,
            ),
            ["transpose", "transpose", "matmul"],
        ),
        (
            (
                "%e = matmul %w, %w : f64[5,5]",
                "%value = slice %e {start = [1, 0], step = [1, 1], shape = [4, 5]} : f64[4,5]",
            ),
            ["slice"],
        ),
        (("%value = sum %w {axes = [0]} : f64[5]",), []),
        (
            (
                "%e = sum %w {axes = [0]} : f64[5]",
                "%value = broadcast_to %e {shape = [4, 5]} : f64[4,5]",
            ),
            ["broadcast_to"],
        ),
        (
            (
                "%e = slice %w {start = [1, 0], step = [1, 1], shape = [4, 5]} : f64[4,5]",
                "%value = mul %e, %e : f64[4,5]",
            ),
            ["slice", "mul"],
        ),
    ],
)
def test_what_never_changes_is_computed_once(lines: tuple[str, ...], left: list[str]) -> None:
    assert sorted(hoisted(*lines)) == sorted(["param", *left, "add", "mul", "tanh"])


def test_few_rows_of_each_step_are_one_product() -> None:
    def build(scan: Callable[..., Any], xs: Tensor, w: Tensor) -> Any:
        def cell(c: Tensor, x: Tensor) -> Any:
            given = gc.sin(x @ w + 1)
            return gc.tanh(c + given[:3]), (c * given[2:]).sum()

        return scan(cell, gc.zeros(3, "float64"), xs, reverse=True)

    step = assert_as_written_out(build, XS[:, 0].copy(), W)
    assert not {"matmul", "sin"} & set(ops_of_bodies(step))


def test_many_rows_stay_where_their_sum_is_wanted() -> None:
    def build(scan: Callable[..., Any], xs: Tensor, w: Tensor) -> Any:
        return scan(lambda c, x: ((gc.tanh(c + x @ w)),) * 2, xs[0], xs)

    step = assert_as_written_out(build, XS, W)
    assert "matmul" in ops_of_bodies(step)


def test_what_was_only_read_before_is_no_longer_given() -> None:
    def build(xs: Tensor, w: Tensor) -> Any:
        return gc.scan(lambda c, x: (gc.tanh(c + x @ w), None), xs[0], xs)[0]

    step = compiled(build, XS[:, 0].copy(), W)
    body, _ = step.ir("fused").split("\n\n")
    assert body.split(") ->")[0].count("%") == 2


def test_nested_scans_and_gradients() -> None:
    def build(scan: Callable[..., Any], xs: Tensor, w: Tensor) -> Any:
        def outer(c: Tensor, x: Tensor) -> Any:
            def inner(d: Tensor, row: Tensor) -> Any:
                d = gc.tanh(d @ gc.exp(w).T + row @ w)
                return d, d.sum()

            d, sums = scan(inner, c, x)
            return d * 0.5, sums

        last, sums = scan(outer, gc.zeros(5, "float64"), xs)
        return [last, sums, *gc.grad((sums**2).sum() + last.sum(), [xs, w])]

    assert_as_written_out(build, XS, W)
