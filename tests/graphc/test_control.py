"""Loops and branches: against the same program unrolled, in both modes and to second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.interpreter import interpret
from graphc.tensor import Tensor

RNG = np.random.default_rng(5)
XS = RNG.normal(size=(7, 3))
H = RNG.normal(size=3)
W = RNG.normal(size=(3, 3)) / 2
ARRAYS = (XS, H, W)


def symbols() -> list[Tensor]:
    return [
        gc.input(name, array.shape, gc.float64)
        for name, array in zip(("xs", "h", "w"), ARRAYS, strict=True)
    ]


def recurrent(w: Tensor) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A cell that carries a vector and a count, and gives a vector and a number."""

    def cell(carry: Any, x: Any) -> tuple[Any, Any]:
        state = gc.tanh(carry["h"] @ w + x)
        return {"h": state, "n": carry["n"] + 1}, (state * x, carry["n"] * state.sum())

    return cell


def scanned(xs: Tensor, h: Tensor, w: Tensor, **options: Any) -> Tensor:
    start = {"h": h, "n": gc.const(np.int32(1))}
    last, (ys, zs) = gc.scan(recurrent(w), start, xs, **options)
    total: Tensor = (last["h"] ** 2).sum() + (ys * ys).sum() + zs.sum() + last["n"]
    return total


def unrolled(xs: Tensor, h: Tensor, w: Tensor, *, reverse: bool = False) -> Tensor:
    carry = {"h": h, "n": gc.const(np.int32(1))}
    ys, zs = [], []
    for t in reversed(range(xs.shape[0])) if reverse else range(xs.shape[0]):
        carry, (y, z) = recurrent(w)(carry, xs[t])
        ys.append((y * y).sum())
        zs.append(z)
    total: Tensor = (carry["h"] ** 2).sum() + sum(ys) + sum(zs) + carry["n"]
    return total


def values(build: Callable[..., Any], *arrays: np.ndarray[Any, Any]) -> Any:
    tensors = [gc.input(f"x{i}", a.shape, str(a.dtype)) for i, a in enumerate(arrays)]
    return gc.compile(tensors, build(*tensors))(*arrays)


def assert_same(one: Any, other: Any) -> None:
    for actual, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


OPTIONS = [
    {},
    {"reverse": True},
    {"segment": 3},
    {"segment": 7},
    {"segment": 1},
    {"reverse": True, "segment": 2},
    {"segment": 100},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_scan_is_its_steps_one_after_the_other(options: dict[str, Any]) -> None:
    def with_gradient(program: Callable[..., Tensor], **given: Any) -> Callable[..., Any]:
        def build(xs: Tensor, h: Tensor, w: Tensor) -> Any:
            y = program(xs, h, w, **given)
            return [y, *gc.grad(y, [xs, h, w])]

        return build

    turned = {"reverse": options.get("reverse", False)}
    found = values(with_gradient(scanned, **options), *ARRAYS)
    assert_same(found, values(with_gradient(unrolled, **turned), *ARRAYS))


def test_forward_mode_and_second_order() -> None:
    def build(program: Callable[..., Tensor]) -> Callable[..., Any]:
        def derivatives(xs: Tensor, h: Tensor, w: Tensor) -> Any:
            y = program(xs, h, w)
            along = gc.jvp(y, [h, w], [h, 2 * w])
            gradient = gc.grad(y, w)
            return [
                along,
                gc.hvp(y, w, w),
                gc.grad((gradient * gradient).sum(), xs),
                gc.jvp(gradient, [h], [h]),
            ]

        return derivatives

    assert_same(values(build(scanned), *ARRAYS), values(build(unrolled), *ARRAYS))


def test_compiled_is_interpreted() -> None:
    xs, h, w = symbols()
    y = scanned(xs, h, w)
    graph = gc.build_graph([xs, h, w], [y, *gc.grad(y, [xs, h, w])])
    expected = interpret(graph, dict(zip(("xs", "h", "w"), ARRAYS, strict=True))).outputs
    step = gc.compile([xs, h, w], [y, *gc.grad(y, [xs, h, w])])
    assert_same(step(*ARRAYS), expected.values())


def test_the_forward_sweep_runs_once() -> None:
    xs, h, w = symbols()
    y = scanned(xs, h, w)
    step = gc.compile([xs, h, w], [y, *gc.grad(y, [xs, h, w])])
    lines = [line for line in step.ir("fused").splitlines() if "= scan" in line]
    assert len(lines) == 2


def test_segments_save_memory() -> None:
    def workspace(segment: int | None) -> int:
        xs = gc.input("xs", (256, 64))
        h = gc.input("h", 64)
        last, _ = gc.scan(lambda h, x: (gc.tanh(gc.sin(h) * x), None), h, xs, segment=segment)
        step = gc.compile([xs, h], gc.grad(last.sum(), h))
        return step.artifact.manifest.workspace_bytes

    assert workspace(16) < workspace(None) / 3


def test_scan_without_slices_and_without_steps() -> None:
    x = gc.input("x", 3)
    last, ys = gc.scan(lambda c, _: (c * 2, c.sum()), x, length=5)
    ends, none = gc.scan(lambda c, _: (c * 2, c.sum()), x, length=0)
    one = np.ones(3, np.float32)
    found = gc.compile([x], [last, ys, ends, none])(one)
    assert_same(found, [one * 32, [3, 6, 12, 24, 48], one, np.zeros(0)])


def test_a_training_step_inside_a_scan() -> None:
    data, target = RNG.normal(size=(20, 8, 3)), RNG.normal(size=(20, 8))
    w = gc.param("w", np.zeros(3))

    def step(w: Tensor, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = batch
        loss = ((x @ w - y) ** 2).mean()
        return w - 0.1 * gc.grad(loss, w), loss

    xs, ys = gc.input("xs", data.shape, "float64"), gc.input("ys", target.shape, "float64")
    last, losses = gc.scan(step, w, (xs, ys))
    epoch = gc.compile([xs, ys], losses, updates={w: last})
    found = epoch(data, target)
    expected, weights = [], np.zeros(3)
    for x, y in zip(data, target, strict=True):
        apart = x @ weights - y
        expected.append((apart**2).mean())
        weights = weights - 0.1 * 2 * x.T @ apart / 8
    assert_same([found, w.value], [expected, weights])


def test_a_branch_runs_alone() -> None:
    def build(x: Tensor, y: Tensor) -> Any:
        chosen = gc.cond(
            x.sum() > 0,
            lambda a, b: {"p": gc.log(a) * b, "n": gc.const(np.int32(1))},
            lambda a, b: {"p": b - a * y, "n": gc.const(np.int32(2))},
            x,
            y,
        )
        total = (chosen["p"] ** 2).sum()
        return [chosen["p"], chosen["n"], *gc.grad(total, [x, y]), gc.jvp(total, [x], [y])]

    x, y = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    p, n, d_x, d_y, along = values(build, x, y)
    value = np.log(x) * y
    assert_same(
        [p, n, d_x, d_y, along],
        [value, 1, 2 * value * y / x, 2 * value * np.log(x), (2 * value * y / x * y).sum()],
    )
    p, n, d_x, d_y, along = values(build, -x, y)
    value = y + x * y
    assert_same(
        [p, n, d_x, d_y, along],
        [value, 2, -2 * value * y, 2 * value * (1 + x), (-2 * value * y * y).sum()],
    )


def test_a_loop_of_unknown_length() -> None:
    def build(x: Tensor) -> Any:
        count, found = gc.while_loop(
            lambda state: state[1].max() < 1000,
            lambda state: (state[0] + 1, state[1] * x),
            (gc.const(np.int64(0)), x),
        )
        return [count, found, gc.jvp(found, [x], [gc.ones_like(x)])]

    x = np.array([2.0, 3.0])
    count, found, along = values(build, x)
    assert_same([count, found, along], [6, x**7, 7 * x**6])


def test_checkpoint_keeps_the_arguments_alone() -> None:
    def deep(x: Tensor) -> Tensor:
        for _ in range(8):
            x = gc.sin(x @ x)
        return x

    x = gc.input("x", (32, 32), gc.float64)
    array = RNG.normal(size=(32, 32)) / 8
    programs = [deep, gc.checkpoint(deep)]
    steps = [gc.compile([x], gc.grad((program(program(x)) ** 2).sum(), x)) for program in programs]
    assert_same([steps[0](array)], [steps[1](array)])
    plain, saving = (step.artifact.manifest.workspace_bytes for step in steps)
    assert saving < 0.8 * plain


def test_checkpoint_in_both_modes_and_to_second_order() -> None:
    def build(wrap: Callable[[Any], Any]) -> Callable[..., Any]:
        def derivatives(x: Tensor, w: Tensor) -> Any:
            y = (wrap(lambda a, scale: gc.tanh(a @ w) * scale)(x, scale=2.0) ** 2).sum()
            return [gc.jvp(y, [x], [x]), *gc.grad(y, [x, w]), gc.hvp(y, w, w)]

        return derivatives

    assert_same(values(build(gc.checkpoint), H, W), values(build(lambda f: f), H, W))


def test_a_custom_gradient_is_the_one_that_counts() -> None:
    @gc.custom_gradient
    def scaled(x: Tensor, y: Tensor) -> Any:
        value = gc.exp(x)
        return (value, y * 2), lambda g, h: (g * value * 10, None)

    def build(x: Tensor, y: Tensor) -> Any:
        a, b = scaled(x, y)
        return [a, b, *gc.grad(a.sum() + (b * x).sum(), [x, y])]

    x, y = np.array([0.5, 1.0]), np.array([2.0, 3.0])
    a, b, d_x, d_y = values(build, x, y)
    assert_same([a, b, d_x, d_y], [np.exp(x), 2 * y, 10 * np.exp(x) + 2 * y, np.zeros(2)])


def test_vectorised() -> None:
    def program(xs: Tensor, h: Tensor) -> Any:
        last, ys = gc.scan(lambda c, x: (gc.tanh(c + x), c.sum()), h, xs)
        big = gc.cond(h[0] > 0, gc.exp, gc.sin, last)
        grown = gc.while_loop(lambda v: v.sum() < 50, lambda v: v * 2 + 1, gc.abs(h))
        return ys, big, grown, gc.checkpoint(gc.square)(h)

    xs, h = RNG.normal(size=(4, 5, 3)), RNG.normal(size=(4, 3))
    together = gc.vmap(program)(xs, h)
    alone = [gc.jit(program)(xs[i], h[i]) for i in range(4)]
    assert_same(together, [np.stack(parts) for parts in zip(*alone, strict=True)])


X = gc.input("x", (5, 3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: gc.scan(lambda c, x: c, X[0], X), "must return a carry and an output"),
        (lambda: gc.scan(lambda c, x: (c[0], x), X[0], X), r"carry of scan goes in as f32\[3\]"),
        (lambda: gc.scan(lambda c, x: ((c, c), x), X[0], X), "goes in as .* and comes out as"),
        (lambda: gc.scan(lambda c, x: (c, x), X[0], X, length=4), "xs has 5 slices"),
        (lambda: gc.scan(lambda c, x: (c, x), X[0]), "needs xs or a length"),
        (lambda: gc.scan(lambda c, x: (c, x), X[0], X.sum()), "is a scalar"),
        (lambda: gc.scan(lambda c, x: (c, "y"), X[0], X), "returns a str"),
        (lambda: gc.scan(lambda c, x: (c, x), X[0], X, segment=0), "segments of 0"),
        (lambda: gc.cond(X.sum() > 0, lambda: X, lambda: X[0]), "the branches of cond give"),
        (lambda: gc.cond(X.sum() > 0, lambda: X, lambda: (X, X)), "branches of cond return"),
        (lambda: gc.cond(X > 0, lambda: X, lambda: X), "cond goes by one bool"),
        (lambda: gc.while_loop(lambda v: v, lambda v: v, X), "goes by one bool"),
        (lambda: gc.while_loop(lambda v: v[0, 0] > 0, lambda v: v[0], X), "comes out as"),
        (
            lambda: gc.grad(gc.while_loop(lambda v: v[0, 0] < 9, lambda v: v * 2, X).sum(), X),
            "while_loop has no reverse mode",
        ),
        (
            lambda: gc.jvp(gc.custom_gradient(lambda x: (x * 2, lambda g: g))(X), X, X),
            "reverse mode only",
        ),
        (lambda: gc.custom_gradient(lambda x: x)(X), "returns its result and the gradient"),
        (
            lambda: gc.grad(gc.custom_gradient(lambda x: (x * 1, lambda g: g[0]))(X).sum(), X),
            r"adjoint of x has shape \[3\]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_at_the_users_line(
    build: Callable[[], Any], message: str
) -> None:
    with pytest.raises((gc.errors.GraphError), match=message) as caught:
        build()
    assert "test_control.py" in str(caught.value)


def test_what_nobody_reads_is_not_carried() -> None:
    xs, h = gc.input("xs", (6, 3)), gc.input("h", 3)

    def cell(carry: Any, x: Tensor) -> Any:
        state, unread = carry
        return (gc.tanh(state + x), unread + gc.exp(x)), (state.sum(), gc.sin(unread))

    (last, _), (sums, _) = gc.scan(cell, (h, h), xs)
    step = gc.compile([xs, h], [last, sums])
    text = step.ir("fused")
    assert "exp" not in text
    assert "sin" not in text
    assert step.artifact.manifest.workspace_bytes == 0


def test_a_start_of_zeros_is_written_by_one_kernel() -> None:
    x = gc.input("x", (4, 3))
    total, _ = gc.scan(lambda total, row: (total + row, None), gc.zeros(3), x)
    of_body, of_program = gc.compile([x], total).ir("fused").split("\n\n")
    assert of_body.count("kernel @") == 1
    assert of_program.count("kernel @") == 2


def test_the_adjoint_of_a_scan_saves_each_of_several_results() -> None:
    def total(x: Tensor) -> Tensor:
        def body(c: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            q, r = gc.linalg.qr(a)
            return c + gc.sin(q).sum() * r[0, 0], c

        last: Tensor = gc.scan(body, gc.const(0.0, gc.float64), x)[0]
        return last

    gc.check_grad(total, [np.random.default_rng(0).normal(size=(4, 3, 3))])


def test_of_a_value_the_part_is_stacked_that_the_adjoint_reads() -> None:
    def workspace(parts: int) -> int:
        def cell(c: Tensor, x: Tensor) -> tuple[Tensor, None]:
            product = (c @ x).reshape(4, 64)
            return gc.concatenate([c * product[i] for i in range(parts)])[:64], None

        xs, c = gc.input("xs", (32, 64, 256)), gc.input("c", 64)
        last, _ = gc.scan(cell, c, xs)
        step = gc.compile([xs, c], gc.grad(last.sum(), c))
        found: int = step.artifact.manifest.workspace_bytes
        return found

    assert workspace(1) + 2 * 32 * 64 * 4 < workspace(4)
