"""Functions from outside: Python's and native ones, forward, differentiated and nested."""

from __future__ import annotations

import ctypes
import gc as garbage
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import graphc as gc
from graphc.codegen.backend import compile_text
from graphc.codegen.target import host_target
from graphc.ir.interpreter import interpret
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.tensor import Tensor
from tests.rooms import ROOT

Array = np.ndarray[Any, Any]

X = np.array([0.5, -1.5, 2.0], "float32")
POLYNOMIAL = """
define void @polynomial(ptr %x, ptr %w, ptr %y, ptr %z) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %x.at = getelementptr double, ptr %x, i64 %i
  %y.at = getelementptr double, ptr %y, i64 %i
  %value = load double, ptr %x.at
  %factor = load double, ptr %w
  %square = fmul double %value, %value
  %scaled = fmul double %square, %factor
  store double %scaled, ptr %y.at
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, 6
  br i1 %done, label %end, label %loop
end:
  store i32 7, ptr %z
  ret void
}
"""


@pytest.fixture(scope="module")
def polynomial() -> Iterator[int]:
    """The address of native code: y = w x^2 of six doubles, z = 7."""
    code = compile_text(POLYNOMIAL, host_target()).object_bytes
    engine = llvm.create_lljit_compiler(use_jit_link=True)
    builder = llvm.JITLibraryBuilder().add_object_img(code)
    library = builder.export_symbol("polynomial").link(engine, "polynomial")
    yield int(library["polynomial"])
    library.close()
    engine.close()


def called(f: Any, derivative: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    """An elementwise call with both derivatives."""

    def call(x: Tensor) -> Tensor:
        result: Tensor = gc.call(
            f,
            x,
            like=x,
            vjp=lambda operands, y, d_y: d_y * derivative(*operands),
            jvp=lambda operands, y, moving: moving[0] * derivative(*operands),
        )
        return result

    return call


cosine = called(np.cos, lambda x: -gc.sin(x))
sine = called(np.sin, cosine)
"""Its derivative is a call as well, with a derivative."""


def test_a_python_function_is_called() -> None:
    x = gc.input("x", 3)
    y = 2 * gc.call(np.sin, x + 1, like=x)
    step = gc.compile([x], y)
    assert_array_equal(step(X), 2 * np.sin(X + 1))
    assert_array_equal(interpret(parse_graph(step.ir("graph")), {"x": X}).outputs["y"], step(X))
    assert "call %" in step.ir("fused")
    assert '{function = "sin"}' in step.ir("fused")
    assert "call" in str(step.cost())


def test_both_modes_and_second_order() -> None:
    gc.check_grad(lambda x: (sine(x) ** 2).sum(), X.astype("float64"))
    x = gc.input("x", 3)
    first = gc.grad(sine(x).sum(), x)
    second = gc.grad(first.sum(), x)
    along = gc.jvp(sine(x), x, gc.ones(3))
    found = gc.compile([x], (first, second, along))(X)
    assert_allclose(found[0], np.cos(X), rtol=1e-5, atol=1e-6)
    assert_allclose(found[1], -np.sin(X), rtol=1e-5, atol=1e-6)
    assert_allclose(found[2], np.cos(X), rtol=1e-5, atol=1e-6)


def test_several_operands_and_results_of_several_dtypes() -> None:
    def f(a: Array, n: Array, flag: Array) -> tuple[Array, ...]:
        return a * n, np.asarray(n.sum(), "int64"), np.logical_not(flag)

    def vjp(operands: Any, results: Any, adjoints: Any) -> Any:
        assert [part.shape for part in operands] == [(2, 3), (3,), (1,)]
        assert [part.dtype for part in results] == [gc.float64, gc.int64, gc.bool_]
        assert adjoints[1:] == (None, None)
        return adjoints[0] * operands[1], None, None

    a, n = gc.input("a", (2, 3), gc.float64), gc.input("n", 3, gc.int32)
    flag = gc.input("flag", 1, gc.bool_)
    results = [a, ((), gc.int64), (1, "bool")]
    product, total, other = gc.call(f, a, n, flag, results=results, vjp=vjp)
    step = gc.compile([a, n, flag], (product, total, other, gc.grad(product.sum(), a)))
    values, counts = np.arange(6.0).reshape(2, 3), np.array([1, 2, 3], "int32")
    found = step(values, counts, np.array([True]))
    for one, expected in zip(
        found, (values * counts, 6, [False], np.tile(counts, (2, 1))), strict=True
    ):
        assert_array_equal(one, expected)


def test_native_code_is_called(polynomial: int) -> None:
    x, w = gc.input("x", (2, 3), gc.float64), gc.input("w", (), gc.float64)

    def f(x: Tensor, w: Tensor) -> Any:
        return gc.call(
            polynomial,
            x.T.reshape((2, 3)) if x.shape == (3, 2) else x,
            w,
            results=[x, ((), gc.int32)],
            vjp=lambda given, results, adjoints: (
                adjoints[0] * 2 * given[0] * given[1],
                (adjoints[0] * given[0] ** 2).sum(),
            ),
            name="polynomial",
        )

    y, z = f(x, w)
    step = gc.compile([x, w], (y, z, *gc.grad(y.sum(), [x, w])))
    values = np.arange(6.0).reshape(2, 3) - 2
    found = step(values, 3.0)
    expected = (3 * values**2, 7, 6 * values, np.sum(values**2))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
    graph = step.compilation.graphs["adjoint"]
    given = {"x": values, "w": np.asarray(3.0)}
    for one, other in zip(interpret(graph, given).outputs.values(), expected, strict=True):
        assert_array_equal(one, other)
    as_ctypes = ctypes.CFUNCTYPE(None)(polynomial)
    again, _ = gc.call(as_ctypes, x, 2.0 * w, results=[x, ((), gc.int32)])
    assert_array_equal(gc.compile([x, w], again)(values, 0.5), values**2)


def test_operands_have_no_gaps() -> None:
    x = gc.input("x", (5, 3))
    seen: list[bool] = []

    def f(*arrays: Array) -> Array:
        seen.extend(array.flags.c_contiguous for array in arrays)
        return arrays[0] + arrays[1] + arrays[2] + arrays[3]

    y = gc.call(f, x.T, x[:, 1:2].T, gc.broadcast_to(x.sum(), (3, 5)), 1.5, shape=(3, 5))
    values = np.arange(15, dtype="float32").reshape(5, 3)
    expected = values.T + values[:, 1] + values.sum() + np.float32(1.5)
    assert_array_equal(gc.compile([x], y)(values), expected)
    assert seen == [True] * 4


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint64, np.bool_])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (67,)])
def test_every_shape_and_dtype(dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    x = gc.input("x", shape, dtype)
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    y = gc.call(lambda a: a.copy(), x, like=values)
    assert_array_equal(gc.compile([x], y)(values), values)


def test_without_operands() -> None:
    y = gc.call(lambda: np.array([1, 2], "float32"), shape=2)
    assert_array_equal(gc.compile([], y + 1)(), [2, 3])


def test_inside_loops_and_branches() -> None:
    xs = gc.input("xs", (4, 3))

    def body(total: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        total = gc.cond(total.sum() > 0, sine, lambda t: 2 * t, total + x)
        return total, total

    last, _ = gc.scan(body, gc.zeros(3), xs)
    found, gradient = gc.compile([xs], (last, gc.grad(last.sum(), xs)))(np.stack([X] * 4))

    def unrolled(xs: Any, sin: Callable[[Any], Any], where: Callable[..., Any]) -> Any:
        total = xs[0] * 0
        for t in range(4):
            moved = total + xs[t]
            total = where(total.sum() > 0, sin(moved), 2 * moved)
        return total

    assert_allclose(found, unrolled(np.stack([X] * 4), np.sin, np.where), rtol=1e-5)
    plain = gc.grad(unrolled(xs, gc.sin, gc.where).sum(), xs)
    assert_allclose(gradient, gc.compile([xs], plain)(np.stack([X] * 4)), rtol=1e-4, atol=1e-5)
    x = gc.input("x", ())
    y = gc.while_loop(lambda v: v < 100, lambda v: gc.call(np.square, v, like=v), x)
    assert gc.compile([x], y)(np.float32(3)) == 6561
    again = gc.checkpoint(lambda x: sine(sine(x)))
    gradient = gc.compile([xs], gc.grad(again(xs).sum(), xs))(np.stack([X] * 4))
    assert_allclose(gradient[0], np.cos(np.sin(X)) * np.cos(X), rtol=1e-5, atol=1e-6)


def test_vmap_calls_for_each_example_or_once() -> None:
    sizes: list[int] = []

    def f(a: Array, w: Array) -> Array:
        sizes.append(a.ndim)
        return a * w

    xs, w = gc.input("xs", (4, 3)), gc.input("w", 3)
    values = np.arange(12, dtype="float32").reshape(4, 3)
    for options, expected in (({}, [1] * 4), ({"vectorized": True}, [2])):

        def g(x: Tensor, w: Tensor, options: Any = options) -> Any:
            return gc.call(
                f,
                x,
                w,
                like=x,
                vjp=lambda given, y, d_y: (d_y * given[1], d_y * given[0]),
                **options,
            )

        ys = gc.vmap(g, in_axes=(0, None))(xs, w)
        sizes.clear()
        assert_array_equal(gc.compile([xs, w], ys)(values, X), values * X)
        assert sizes == expected
        gradient = gc.grad(ys.sum(), w)
        assert_array_equal(gc.compile([xs], gradient)(values), values.sum(0))
    first = gc.vmap(lambda x: gc.call(np.cumsum, x, like=x))(xs)
    assert_array_equal(gc.compile([xs], first)(values), np.cumsum(values, axis=1))


def test_jit_and_functions_that_nothing_else_holds() -> None:
    @gc.jit
    def f(x: Tensor) -> Any:
        offset = np.float32(1)
        return gc.call(lambda a: a + offset, x, like=x)

    garbage.collect()
    assert_array_equal(f(X), X + 1)
    assert_array_equal(f(X), X + 1)


LIFETIME = """
import gc as garbage, weakref
import numpy as np
import graphc as gc

def f(a):
    return a + 1

held = weakref.ref(f)
x = gc.input("x", 3)
call = gc.compile([x], gc.call(f, x, like=x)).__call__
del f
garbage.collect()
print(call(np.zeros(3, "float32")))
del call
garbage.collect()
print(held())
"""


def test_a_function_lives_as_long_as_what_calls_it() -> None:
    """In a process of its own: here every graph is kept until the test ends."""
    result = subprocess.run(
        [sys.executable, "-c", LIFETIME], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout == "[1. 1. 1.]\nNone\n"


def test_it_stays_in_this_process(tmp_path: Path) -> None:
    x = gc.input("x", 3)
    step = gc.compile([x], gc.call(np.sin, x, like=x, name="my sine"))
    assert step.manifest.externals == ("my_sine",)
    with pytest.raises(gc.errors.ArtifactError, match="cannot be saved: my_sine"):
        step.save(tmp_path / "step")
    assert not (tmp_path / "step").exists()
    text = step.ir("graph")
    assert print_graph(parse_graph(text)) == text
    with pytest.raises(gc.errors.ParseError, match="no function named `nobodys`"):
        parse_graph(text.replace("my_sine", "nobodys"))
    with pytest.raises(gc.errors.ArtifactError, match="calls my_sine"):
        type(step).__base__(step.artifact, {}, step.constants)  # type: ignore[misc]


def test_equal_calls_are_one_and_names_are_unique() -> None:
    calls = []

    def f(a: Array) -> Array:
        calls.append(1)
        return a + 1

    def other(a: Array) -> Array:
        return a + 2

    f.__name__ = other.__name__ = "twin"
    x = gc.input("x", 3)
    y = gc.call(f, x, like=x) * gc.call(f, x, like=x)
    step = gc.compile([x], (y, gc.call(other, x, like=x)))
    assert calls == []
    found = step(X)
    assert_allclose(found[0], (X + 1) ** 2)
    assert_array_equal(found[1], X + 2)
    assert len(calls) == 1
    assert step.manifest.externals == ("twin", "twin_1")


def test_debug_nans_names_the_call() -> None:
    x = gc.input("x", 3)
    step = gc.compile([x], gc.call(np.sqrt, x, like=x) + 1, debug_nans=True)
    with np.errstate(invalid="ignore"), pytest.raises(gc.errors.NonFiniteError, match="call"):
        step(X)
    assert_array_equal(step(np.abs(X)), np.sqrt(np.abs(X)) + 1)


def test_snapshots_are_taken_between_calls() -> None:
    w = gc.param("w", np.ones(3, "float32"))
    step = gc.compile([], gc.call(np.sin, w, like=w), updates={w: w + 1})
    step()
    assert_array_equal(step.snapshot()["w"], [2, 2, 2])


def test_threads() -> None:
    def f(a: Array) -> Array:
        for _ in range(20):
            threading.Event().wait(0)
        return a * 2

    x = gc.input("x", 500)
    step = gc.compile([x], gc.call(f, gc.tanh(x), like=x) + 1)
    wrong: list[float] = []

    def work(value: float) -> None:
        for _ in range(10):
            expected = 2 * np.tanh(np.full(500, value)) + 1
            if not np.allclose(step(np.full(500, value, "float32")), expected, rtol=1e-5):
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(i / 4,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
