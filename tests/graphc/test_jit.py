"""`gc.jit`: what is traced, when it is traced again, and what goes in and out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphc as gc


@pytest.fixture
def a() -> np.ndarray[Any, Any]:
    return np.arange(6, dtype="float32").reshape(2, 3)


def test_one_trace_for_each_shape_and_dtype(a: Any) -> None:
    seen = []

    @gc.jit
    def f(x: Any) -> Any:
        seen.append(x.node.type)
        return x + 1

    for given in (a, a + 1, a[:1], a.astype("float64"), a):
        np.testing.assert_array_equal(f(given), given + 1)
        assert f(given).dtype == given.dtype
    assert len(seen) == 3
    assert f.cache_info() == (3, 3)
    f.cache_clear()
    f(a)
    assert f.cache_info() == (4, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64"])
@pytest.mark.parametrize("number", [2, 0.1, True])
def test_python_numbers_are_weak_and_not_baked_in(dtype: str, number: Any) -> None:
    f = gc.jit(lambda x, n: x * n)
    x = np.arange(3, dtype=dtype)
    for given in (number, type(number)(number * 3)):
        symbolic = gc.input("x", 3, dtype)
        wanted = gc.compile([symbolic], symbolic * given)(x)
        assert f(x, given).dtype == wanted.dtype
        np.testing.assert_array_equal(f(x, given), wanted)
    assert f.cache_info().traces == 1


def test_a_python_float_by_itself_is_f32() -> None:
    assert gc.jit(lambda x: x)(0.5).dtype == np.float32
    assert gc.jit(lambda x: gc.exp(x))(0.5).dtype == np.float32
    assert gc.jit(lambda x: gc.sum(x))(0.5).dtype == np.float32
    assert gc.jit(lambda x: x)(3).dtype == np.int64


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Model:
    weights: Any
    bias: Any


def test_containers_in_and_out(a: Any) -> None:
    @gc.jit
    def f(model: Model, pair: Pair, *rest: Any, options: Any) -> Any:
        total = model.weights * pair.left + model.bias + rest[0][1] * options["scale"]
        return Model(total, None), Pair([total, 3], {1: pair.right}), ()

    model, pair, empty = f(Model(a, np.float32(1)), Pair(2.0, a), (None, a), options={"scale": 10})
    assert isinstance(model, Model)
    assert isinstance(pair, Pair)
    np.testing.assert_array_equal(model.weights, a * 12 + 1)
    assert model.bias is None
    assert empty == ()
    assert pair.left[1] == 3
    np.testing.assert_array_equal(pair.right[1], a)


def test_static_arguments_are_part_of_the_program() -> None:
    seen = []

    def power(x: Any, n: int, mode: str = "up") -> Any:
        seen.append((n, mode))
        return sum(x**i for i in range(n)) * (1 if mode == "up" else -1)

    f = gc.jit(power, static_argnums=1, static_argnames="mode")
    assert f(2.0, 4) == 15
    assert f(2.0, n=3) == 7
    assert f(2.0, 4, "down") == f(2.0, 4, mode="down") == -15
    assert f(3.0, 4) == 40
    assert seen == [(4, "up"), (3, "up"), (4, "down"), (4, "down")]


def test_static_values_of_other_types_are_others() -> None:
    f = gc.jit(lambda x, kind: x if kind is True else 2 * x, static_argnums=-1)
    assert [f(1.0, kind) for kind in (1, True, 1.0)] == [2, 1, 2]


def test_parameters_are_read_at_every_call() -> None:
    w = gc.param("x", np.ones(3))
    f = gc.jit(lambda x: x * w)
    assert f(2.0).tolist() == [2, 2, 2]
    w.value *= 3
    assert f(2.0).tolist() == [6, 6, 6]


def test_symbolic_arguments_inline(value: Any) -> None:
    inner = gc.jit(lambda x, y: x * y)
    x = gc.input("x", 3)
    product = inner(x, 2)
    assert isinstance(product, gc.Tensor)
    assert value(product, {x: [1, 2, 3]}).tolist() == [2, 4, 6]
    outer = gc.jit(lambda x: inner(x, x) + 1)
    assert outer(np.float32(3)) == 10
    assert inner.cache_info().traces == 0


def test_any_strides_and_byte_order(a: Any) -> None:
    f = gc.jit(lambda x: 2 * x)
    for given in (a.T, a[:, ::2], a[::-1], a.astype(">f4"), np.float32(3), np.zeros((2, 0), "f4")):
        np.testing.assert_array_equal(f(given), 2 * given)


def test_results_that_are_no_computation(a: Any) -> None:
    assert gc.jit(lambda x: None)(a) is None
    assert gc.jit(lambda x: {})(a) == {}
    same, number, array = gc.jit(lambda x: (x, 3, a))(a)
    np.testing.assert_array_equal(same, a)
    np.testing.assert_array_equal(array, a)
    assert number == 3
    assert not np.shares_memory(same, a)


def test_methods() -> None:
    class Scaled:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        @gc.jit(static_argnums=0)
        def apply(self, x: Any) -> Any:
            return x * self.factor

    two, three = Scaled(2), Scaled(3)
    assert [two.apply(1.0), three.apply(1.0), two.apply(2.0)] == [2, 3, 4]


def test_trace_gives_the_step(a: Any) -> None:
    @gc.jit
    def scaled(x: Any, unused: Any, p: Any) -> Any:
        return x * p["w"]

    step = scaled.trace(a, 1.0, {"w": a})
    assert step.name == "scaled"
    assert [argument.name for argument in step.inputs] == ["x", "p.w"]
    assert "mul %x, %p.w" in step.ir("graph")
    assert scaled(a, 1.0, {"w": a}).shape == (2, 3)
    assert scaled.cache_info().traces == 1


def test_a_trace_is_explained(a: Any, caplog: pytest.LogCaptureFixture) -> None:
    f = gc.jit(lambda x, p: x + p["b"], explain=True)
    with caplog.at_level(logging.INFO, "graphc.jit"):
        f(a, {"b": a})
        f(a, {"b": a})
        f(a, {"b": a[0]})
        f(a, {"b": 2.0})
        f(a, {"b": a, "c": a})
    first, shape, number, nesting = [record.message for record in caplog.records]
    assert "first time" in first
    assert "p.b is float32[3], not float32[2, 3]" in shape
    assert "p.b is a Python float" in number
    assert "its arguments are (*, {b: *, c: *}), not (*, {b: *})" in nesting


def test_many_threads(a: Any) -> None:
    seen: list[None] = []

    @gc.jit
    def f(x: Any) -> Any:
        seen.append(None)
        return gc.tanh(x).sum()

    shapes = [a[:, :n] for n in (1, 2, 3)] * 4
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        for _ in range(20):
            found[number] = f(shapes[number])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(shapes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 3
    for number, given in enumerate(shapes):
        np.testing.assert_allclose(found[number], np.tanh(given).sum(), rtol=1e-6)


def test_programs_are_let_go_before_the_interpreter_is(tmp_path: Path) -> None:
    """Also those of a module's functions, and of derivatives that graphc keeps."""
    module = "import graphc as gc\n\n@gc.jit\ndef f(x):\n    return x + 1\n\nf(1.0)\n"
    (tmp_path / "functions.py").write_text(module)
    code = "import functions, graphc as gc\nprint(gc.grad(functions.f)(1.0))"
    root = Path(gc.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(tmp_path)])},
    )
    assert result.stdout == "1.0\n"
    assert result.stderr == ""


class TestRefusals:
    """What cannot be traced is refused with what to do instead."""

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (lambda x: x if x > 0 else -x, r"gc\.where.*gc\.cond"),
            (lambda x: x * float(x), "static_argnums"),
            (lambda x: [0] * int(x), "static_argnums"),
            (lambda x: np.asarray(x), r"call gc\.\* or np\.\* functions"),
        ],
    )
    def test_values_that_are_not_there(self, body: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            gc.jit(body)(np.float32(1))

    def test_arguments(self, a: Any) -> None:
        f = gc.jit(lambda x, y: x)
        with pytest.raises(gc.errors.BoundaryError, match=r"(?s)argument y is a str.*static_arg"):
            f(a, "no")
        with pytest.raises(gc.errors.DTypeError, match="complex"):
            f(a, a.astype(complex))
        with pytest.raises(gc.errors.BoundaryError, match="cannot be hashed"):
            gc.jit(lambda x, y: x, static_argnums=1)(a, [1])

    def test_results(self, a: Any) -> None:
        with pytest.raises(gc.errors.BoundaryError, match="named returns a str"):
            gc.jit(named)(a)

    def test_no_function(self) -> None:
        with pytest.raises(TypeError, match="takes a function, got int"):
            gc.jit(3)  # type: ignore[call-overload]


def named(x: Any) -> str:
    return "no tensor"
