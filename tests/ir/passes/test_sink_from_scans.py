"""What only adds up over the steps of a scan is one product after it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.tensor import Tensor

RNG = np.random.default_rng(11)
STEPS, BATCH, GIVEN, SIZE = 6, 4, 5, 3
XS = RNG.normal(size=(STEPS, BATCH, GIVEN))
W = RNG.normal(size=(GIVEN, SIZE)) / 2
U = RNG.normal(size=(SIZE, SIZE)) / 2
B = RNG.normal(size=SIZE)
ARRAYS = (XS, W, U, B)


def compiled(build: Callable[..., Any], *arrays: Any) -> gc.Step:
    tensors = [gc.input(f"x{i}", a.shape, str(a.dtype)) for i, a in enumerate(arrays)]
    return gc.compile(tensors, build(*tensors))


def carries(step: gc.Step) -> list[int]:
    """How many carries each scan of a step has, in the order of execution."""
    text = step.ir("fused")
    bodies = re.findall(r"= scan .*?body = (@\w+)", text)
    heads = {name: text.split(f"graph {name}(")[1].split(") ->")[0] for name in bodies}
    return [heads[name].count("param %") for name in bodies]


def looped(cell: Callable[..., Any], carry: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    """`scan` written out."""
    order = range(xs.shape[0])
    outputs: dict[int, Any] = {}
    for t in reversed(order) if reverse else order:
        carry, outputs[t] = cell(carry, xs[t])
    return carry, gc.stack([outputs[t] for t in order]) if outputs[0] is not None else None


def network(scan: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The gradients of a recurrent network whose cell does everything itself."""

    def build(xs: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Any:
        def cell(h: Tensor, x: Tensor) -> Any:
            h = gc.tanh(x @ w + h @ u + b)
            return h, h @ u

        last, ys = scan(cell, gc.zeros((BATCH, SIZE), "float64"), xs, **options)
        return gc.grad((ys**2).sum() + last.sum(), [xs, w, u, b])

    return build


def assert_same(one: Any, other: Any) -> None:
    for actual, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
def test_an_adjoint_carries_no_sums(reverse: bool) -> None:
    step = compiled(network(gc.scan, reverse=reverse), *ARRAYS)
    assert carries(step) == [1, 1]
    assert_same(step(*ARRAYS), compiled(network(looped, reverse=reverse), *ARRAYS)(*ARRAYS))


def test_an_adjoint_of_one_example_at_a_time() -> None:
    def build(scan: Callable[..., Any]) -> Callable[..., Any]:
        def loss(x: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
            def cell(h: Tensor, x: Tensor) -> Any:
                return (gc.tanh(x @ w + h @ u + b),) * 2

            total: Tensor = (scan(cell, gc.zeros(SIZE, "float64"), x)[1] ** 2).sum()
            return total

        return gc.vmap(gc.grad(loss, argnums=(1, 2, 3)), in_axes=(1, None, None, None))

    step = compiled(build(gc.scan), *ARRAYS)
    assert carries(step)[-1] == 2, "only rows, which are as cheap to add up in the scan"
    assert_same(step(*ARRAYS), compiled(build(looped), *ARRAYS)(*ARRAYS))


SUMS = {
    "products": lambda total, x, h: total + x.T @ x,
    "the sum turned": lambda total, x, h: x.T @ x + total,
    "less": lambda total, x, h: total - x.T @ x,
    "scaled": lambda total, x, h: total + 0.5 * -(x.T @ (x / 2)),
    "two": lambda total, x, h: (total + x.T @ x) - gc.exp(x).T @ x,
    "of a state": lambda total, x, h: total + x.T @ h,
    "one side the same": lambda total, x, h: total + W @ x[:SIZE],
    "moved": lambda total, x, h: total + (h.T @ x).T,
    "summed": lambda total, x, h: total + (x[:, :, None] @ h[:, None]).sum(axis=0),
    "columns times rows": lambda total, x, h: total + (x[0][:, None] * h[1]),
    "stacks": lambda total, x, h: total + (x[:, :, None] @ h[:, None])[1],
}


@pytest.mark.parametrize("length", [0, 1, STEPS])
@pytest.mark.parametrize("name", SUMS)
def test_sums_of_products_leave_the_scan(name: str, length: int) -> None:
    def build(scan: Callable[..., Any], xs: Tensor) -> Any:
        def cell(carry: Any, x: Tensor) -> Any:
            total, h = carry
            h = gc.tanh(h + x[:, :GIVEN])
            return (SUMS[name](total, x, h), h), h

        start = gc.ones((GIVEN, GIVEN), "float64"), gc.zeros((BATCH, GIVEN), "float64")
        (total, _), _ = scan(cell, start, xs)
        return total

    xs = XS[:length]
    step = compiled(lambda xs: build(gc.scan, xs), xs)
    assert sum(carries(step)) <= 1
    written_out = compiled(lambda xs: build(looped, xs), xs) if length else None
    expected = written_out(xs) if written_out else np.ones((GIVEN, GIVEN))
    np.testing.assert_allclose(step(xs), expected, rtol=1e-11)


@pytest.mark.parametrize(
    "sums",
    [
        lambda total, x: (total + x.T @ x, total[0]),
        lambda total, x: (total + total.T @ total / 9, x),
        lambda total, x: ((total + x.T @ x) * 0.5, x),
        lambda total, x: (x.T @ x - total, x),
        lambda total, x: (gc.tanh(total + x.T @ x), x),
    ],
)
def test_what_is_read_on_the_way_stays(sums: Callable[..., Any]) -> None:
    def build(scan: Callable[..., Any]) -> Callable[..., Any]:
        return lambda xs: scan(sums, gc.ones((GIVEN, GIVEN), "float64"), xs)

    step = compiled(build(gc.scan), XS)
    assert carries(step) == [1]
    assert_same(step(XS), compiled(build(looped), XS)(XS))


def test_a_stacked_product_is_one_product() -> None:
    def build(xs: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Any:
        def cell(h: Tensor, x: Tensor) -> Any:
            h = gc.tanh(h + x)
            return h, (gc.exp(h @ w + b), h)

        _, (ys, hs) = gc.scan(cell, xs[0], xs)
        return ys - gc.exp(hs @ w + b), u

    step = compiled(build, *ARRAYS)
    assert "matmul" not in step.ir("fused").split("graph @step")[0]
    np.testing.assert_allclose(step(*ARRAYS)[0], 0, atol=1e-12)


def test_integers_wrap_as_they_do_step_by_step() -> None:
    xs = RNG.integers(-(2**31), 2**31, (STEPS, BATCH, SIZE)).astype(np.int32)

    def build(xs: Tensor) -> Any:
        total, _ = gc.scan(
            lambda total, x: (total - x.T @ x, None), gc.zeros((SIZE, SIZE), "int32"), xs
        )
        return total

    expected = -np.einsum("tbi,tbj->ij", xs, xs, dtype=np.int32)
    np.testing.assert_array_equal(compiled(build, xs)(xs), expected)


def test_stacks_take_no_more_memory_than_the_scan_does() -> None:
    """Without slices nothing is stacked at first, so what the products need is the difference."""

    def workspace(length: int) -> int:
        def build(u: Tensor) -> Any:
            def cell(carry: Any, _: None) -> Any:
                h, total = carry
                h = gc.tanh(h @ u)
                return (h, total + h.T @ h), None

            (_, total), _ = gc.scan(cell, (gc.ones((2, 64)), gc.zeros((64, 64))), length=length)
            return total

        step = compiled(build, np.zeros((64, 64), np.float32))
        found: int = step.artifact.manifest.workspace_bytes
        return found

    assert workspace(64) > 64 * 2 * 64 * 4
    assert workspace(100_000) < 64 * 2 * 64 * 4


def test_segments_still_save_memory() -> None:
    def workspace(segment: int | None) -> int:
        def build(xs: Tensor, u: Tensor) -> Any:
            def cell(h: Tensor, x: Tensor) -> Any:
                return gc.tanh(h @ u + x), None

            last, _ = gc.scan(cell, gc.zeros((4, 64)), xs, segment=segment)
            return gc.grad((last**2).sum(), u)

        step = compiled(build, np.zeros((256, 4, 64), np.float32), np.zeros((64, 64), np.float32))
        found: int = step.artifact.manifest.workspace_bytes
        return found

    assert workspace(16) < workspace(None) / 3
