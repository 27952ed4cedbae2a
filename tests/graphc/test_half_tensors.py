"""float16 and bfloat16 for users: promotion, parameters, training, saving, a missing package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphc as gc
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.ir.types import ALL_DTYPES, HALVES, DType

ROOT = Path(gc.__file__).parents[1]

each_half = pytest.mark.parametrize("half", HALVES, ids=str)


def in_fresh_interpreter(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return result.stdout


def test_they_are_names_of_graphc() -> None:
    assert gc.bfloat16.numpy == np.dtype(ml_dtypes.bfloat16)
    assert gc.float16.numpy == np.dtype(np.float16)
    for dtype in ("bfloat16", ml_dtypes.bfloat16, gc.bfloat16, np.dtype(ml_dtypes.bfloat16)):
        assert gc.input("x", 3, dtype).dtype is gc.bfloat16
    assert gc.const(np.ones(2, ml_dtypes.bfloat16)).dtype is gc.bfloat16
    assert gc.input("x", 3, "float16").dtype is gc.float16


@pytest.mark.parametrize("other", [*ALL_DTYPES, *HALVES], ids=str)
def test_bfloat16_promotes_as_ml_dtypes_has_it(other: DType) -> None:
    a, b = gc.input("a", 2, gc.bfloat16), gc.input("b", 2, other)
    resolved = np.add.resolve_dtypes((gc.bfloat16.numpy, other.numpy, None))[-1]
    for result in (a + b, b + a, gc.maximum(a, b), gc.where(a > b, a, b)):
        assert result.dtype.numpy == resolved


@each_half
def test_python_numbers_are_weak(half: DType) -> None:
    a = gc.input("a", 2, half)
    for result in (a + 2, 2.5 * a, a / 3, gc.maximum(a, 0.5), gc.exp(a), a.mean(), gc.std(a)):
        assert result.dtype is half
    assert (a + np.float32(2)).dtype is gc.float32


def test_small_integers_become_float16_where_numpy_says_so() -> None:
    assert gc.sqrt(gc.input("a", 2, gc.int8)).dtype is gc.float16
    assert gc.sqrt(gc.input("a", 2, gc.int16)).dtype is gc.float32


@each_half
def test_gradients_have_the_dtype_of_what_they_are_of(half: DType, value: Any) -> None:
    x, w = gc.input("x", (3, 4), half), gc.input("w", (4, 2))
    loss = gc.tanh(x @ w.astype(half)).astype(gc.float32).sum()
    by_x, by_w = gc.grad(loss, [x, w])
    assert (by_x.dtype, by_w.dtype) == (half, gc.float32)
    given = {x: np.full((3, 4), 0.25), w: np.full((4, 2), 0.5, "float32")}
    slope = 1 - np.tanh(0.5) ** 2
    np.testing.assert_allclose(value(by_x, given).astype(float), slope, rtol=0.02)
    np.testing.assert_allclose(value(by_w, given), 0.75 * slope, rtol=0.02)


@each_half
def test_functions_of_several_steps_round_once(half: DType) -> None:
    numbers = np.linspace(-3, 3, 900).astype(half.numpy)
    x = gc.input("x", 900, half)
    wide = gc.input("wide", 900)
    found = gc.compile([x], [gc.mean(x), gc.var(x), gc.logsumexp(x), gc.softmax(x)])(numbers)
    outputs = [gc.mean(wide), gc.var(wide), gc.logsumexp(wide), gc.softmax(wide)]
    expected = gc.compile([wide], outputs)(numbers.astype("float32"))
    for result, exact in zip(found, expected, strict=True):
        np.testing.assert_array_equal(result, exact.astype(half.numpy))


@each_half
def test_means_do_not_overflow(half: DType) -> None:
    x = gc.input("x", 3000, half)
    assert gc.compile([x], x.mean())(np.full(3000, 60000, half.numpy)) == np.array(
        60000, half.numpy
    )


@each_half
@pytest.mark.parametrize("optimizer", [gc.optim.SGD(0.05, momentum=0.9), gc.optim.Adam(0.01)])
def test_a_network_learns_and_goes_on_after_loading(
    optimizer: Any, half: DType, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(61, 13)).astype(half.numpy)
    classes = points[:, :3].astype(float).argmax(1).astype("int32")
    x, labels = gc.input("x", points.shape, half), gc.input("labels", 61, gc.int32)
    hidden = gc.nn.Dense(19, gc.nn.relu, weights=gc.init.he_normal, name="hidden")
    model = gc.nn.Sequential(hidden, gc.nn.Dense(3, name="out"))
    loss = gc.nn.softmax_cross_entropy(model(x), labels).mean()
    updates = optimizer.updates(loss, model.params)
    assert {weight.dtype for weight in model.params} == {half}
    assert all(weight.dtype is value.dtype for weight, value in updates.items())
    step = gc.compile([x, labels], loss, updates)
    losses = [float(step(points, classes)) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    step.save(tmp_path / "step")
    loaded = gc.load(tmp_path / "step")
    for _ in range(3):
        assert step(points, classes) == loaded(points, classes)


@each_half
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 1, 7)], ids=str)
def test_arrays_and_scalars_go_in_and_out(half: DType, shape: tuple[int, ...]) -> None:
    x, y = gc.input("x", shape, half), gc.input("y", (), half)
    step = gc.compile([x, y], {"x": x * 2, "y": y + 1})
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(half.numpy)
    for three in (half.numpy.type(3), np.array(3, half.numpy), 3.0):
        found = step(numbers, three)
        np.testing.assert_array_equal(found["x"], numbers * 2)
        assert found["x"].dtype == half.numpy
        assert type(found["y"]) is half.numpy.type
        assert found["y"] == 4
    given = np.empty(shape, half.numpy) if shape else None
    if given is not None:
        copy = gc.compile([x], x * 2)
        assert copy(numbers, out=given) is given
        np.testing.assert_array_equal(given, numbers * 2)
    with pytest.raises(gc.errors.ArgumentDTypeError, match=half.numpy.name):
        step(numbers.astype("float32"), 3.0)


@each_half
def test_parameters_are_read_and_written(half: DType) -> None:
    w = gc.param("w", [1.0, 2.0], half)
    assert w.value.dtype == half.numpy
    w.value = np.array([0.5, 1.5], "float32")
    step = gc.compile([], w.sum(), {w: w + 1})
    assert step() == 2
    np.testing.assert_array_equal(w.value.astype(float), [1.5, 2.5])


@each_half
def test_text_form_reads_back(half: DType) -> None:
    x = gc.input("x", (2, 3), half)
    text = print_graph(gc.build_graph([x], gc.exp(x * 0.1).astype(gc.float32)))
    assert f"%x: {half}[2,3]" in text
    assert print_graph(parse_graph(text)) == text


def test_ml_dtypes_is_loaded_for_arrays_of_bfloat16_only() -> None:
    code = """
import sys, numpy as np, graphc as gc
x = gc.input("x", 3, gc.float16)
step = gc.compile([x], gc.exp(x).sum() + gc.const(1.0, gc.float32))
step(np.ones(3, np.float16)), gc.bfloat16, gc.input("y", 3, gc.bfloat16) + gc.input("z", 3)
print("ml_dtypes" in sys.modules)
"""
    assert in_fresh_interpreter(code).split() == ["False"]


def test_a_missing_ml_dtypes_is_named() -> None:
    code = """
import sys
sys.modules["ml_dtypes"] = None
import graphc as gc
from graphc.runtime.artifact import numpy_dtype
x = gc.input("x", 3, gc.bfloat16)
for attempt in (lambda: gc.param("w", [1.0], gc.bfloat16), lambda: numpy_dtype("bf16"),
                lambda: gc.compile([x], x + x)):
    try:
        attempt()
    except (ModuleNotFoundError, gc.errors.ArtifactError) as error:
        print('graphc[bfloat16]' in str(error))
"""
    assert in_fresh_interpreter(code).split() == ["True"] * 3
