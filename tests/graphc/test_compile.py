"""Compiled steps: outputs in their structure, state, stages, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.declare import Parameter
from graphc.ir.interpreter import interpret
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.stages import GRAPH_STAGES, STAGES


def array(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_outputs_come_back_in_their_structure(x: gc.Tensor) -> None:
    step = gc.compile([x], {"sum": x.sum(), "parts": [x + 1, (x, x.T)]})
    given = array(3, 4)
    result = step(given)
    assert list(result) == ["sum", "parts"]
    np.testing.assert_allclose(result["sum"], given.sum(), rtol=1e-6)
    np.testing.assert_array_equal(result["parts"][0], given + 1)
    assert isinstance(result["parts"][1], tuple)
    np.testing.assert_array_equal(result["parts"][1][0], given)
    np.testing.assert_array_equal(result["parts"][1][1], given.T)


def test_state_and_updates(x: gc.Tensor, w: Parameter) -> None:
    before = w.value.copy()
    loss = (x @ w).sum()
    step = gc.compile([x], loss, {w: w - 0.5 * gc.grad(loss, w)})
    given = array(3, 4)
    first = step(given)
    np.testing.assert_allclose(first, (given @ before).sum(), rtol=1e-5)
    after = before - 0.5 * np.repeat(given.sum(0)[:, None], 2, 1)
    np.testing.assert_allclose(w.value, after, rtol=1e-5)
    w.value = before
    assert step(given) == first


def test_gradient_descent_of_the_lecture() -> None:
    w = gc.param("w", np.float64(0))
    loss = (w - 6) ** 2
    gradient = gc.grad(loss, w)
    step = gc.compile([], (loss, gradient), {w: w - gradient / 4})
    assert [step() for _ in range(3)] == [(36, -12), (9, -6), (2.25, -3)]
    assert w.value == 5.25


def test_two_steps_share_a_parameter(x: gc.Tensor, w: Parameter) -> None:
    train = gc.compile([x], x.sum(), {w: w + 1})
    read = gc.compile([], w * 1)
    before = w.value.copy()
    train(array(3, 4))
    np.testing.assert_array_equal(read(), before + 1)


def test_updates_happen_at_once() -> None:
    a, b = gc.param("a", np.arange(100.0)), gc.param("b", -np.arange(100.0))
    total = (a * b).sum()
    step = gc.compile([], (total, a + 0), {a: b, b: a + b})
    before, other = a.value.copy(), b.value.copy()
    result, kept = step()
    np.testing.assert_allclose(result, (before * other).sum())
    np.testing.assert_array_equal(kept, before)
    np.testing.assert_array_equal(a.value, other)
    np.testing.assert_array_equal(b.value, before + other)


def test_input_and_constant_become_a_parameter(x: gc.Tensor) -> None:
    last, count = gc.param("last", np.zeros((3, 4), "float32")), gc.param("count", 3.0)
    step = gc.compile([x], None, {last: x, count: gc.const(7.0)})
    given = array(3, 4)
    assert step(given) == ()
    np.testing.assert_array_equal(last.value, given)
    assert count.value == 7


def test_second_order() -> None:
    x = gc.input("x", (), gc.float64)
    y = gc.sin(x)
    second = gc.compile([x], gc.grad(gc.grad(y, x), x))
    np.testing.assert_allclose(second(np.float64(0.7)), -np.sin(0.7), rtol=1e-12)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,)], ids=str)
def test_zero_size_and_zero_dimensional(shape: tuple[int, ...]) -> None:
    x = gc.input("x", shape)
    step = gc.compile([x], (gc.tanh(x), x.sum(), gc.grad((x * x).sum(), x)))
    given = array(*shape)
    y, total, gradient = step(given)
    np.testing.assert_allclose(y, np.tanh(given), rtol=1e-6)
    np.testing.assert_allclose(total, given.sum(), rtol=1e-6)
    np.testing.assert_allclose(gradient, 2 * given, rtol=1e-6)
    assert np.shape(y) == shape


def test_every_stage_is_text_and_graph_stages_parse_back(x: gc.Tensor, w: Parameter) -> None:
    loss = gc.tanh(x @ w).sum()
    step = gc.compile([x], loss, {w: w - gc.grad(loss, w)})
    for stage in STAGES:
        text = step.ir(stage)
        assert text.strip(), stage
        if stage in GRAPH_STAGES:
            assert print_graph(parse_graph(text)) == text
    assert "d/d%" not in step.ir("graph")
    assert "d/d%w of matmul" in step.ir("adjoint")
    assert "test_compile.py" in step.ir("fused")
    assert step.llvm() == step.ir("llvm")
    assert step.llvm(optimized=True) == step.ir("llvm-opt")
    assert step.asm() == step.ir("asm")
    assert step.memory() == step.ir("memory")
    with pytest.raises(ValueError, match="did you mean 'fused'"):
        step.ir("fussed")


def test_names() -> None:
    x = gc.input("x", 3)
    double = gc.compile([x], 2 * x)
    assert double.name == "double"
    assert gc.compile([x], 2 * x, name="twice").name == "twice"
    assert repr(double).startswith("<Step double(x: f32[3]) -> (")


def test_save_and_load(tmp_path: Path, x: gc.Tensor, w: Parameter) -> None:
    step = gc.compile([x], {"y": x @ w}, {w: w + 1})
    given = array(3, 4)
    step.save(tmp_path / "step")
    loaded = gc.load(tmp_path / "step")
    assert loaded(given)["y"].tobytes() == step(given)["y"].tobytes()
    assert loaded(given)["y"].tobytes() == step(given)["y"].tobytes()


def test_rejected_call_changes_no_state(x: gc.Tensor, w: Parameter) -> None:
    step = gc.compile([x], x.sum(), {w: w + 1})
    before = w.value.copy()
    for wrong in (array(4, 3), array(3, 4).astype("float64"), array(4, 3).T, [1, 2], None):
        with pytest.raises(gc.errors.CallError, match="x"):
            step(wrong)
    with pytest.raises(gc.errors.CallError):
        step()
    np.testing.assert_array_equal(w.value, before)


def test_compiled_equals_interpreted_on_a_network() -> None:
    x, labels = gc.input("x", (16, 12)), gc.input("labels", 16, gc.int32)
    model = gc.nn.Sequential(gc.nn.Dense(9, gc.nn.gelu), gc.nn.Dense(5), seed=3)
    loss = gc.nn.softmax_cross_entropy(model(x), labels).mean()
    gradients = gc.grad(loss, model.params)
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=(16, 12)).astype("float32"),
        "labels": rng.integers(0, 5, 16).astype("int32"),
    }
    state = {each.name: each.value for each in model.params}
    wanted = interpret(gc.build_graph([x, labels], [loss, *gradients]), {**arrays, **state})
    found = gc.compile([x, labels], [loss, *gradients])(*arrays.values())
    for result, expected in zip(found, wanted.outputs.values(), strict=True):
        np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-6)


def test_deep_chain_compiles() -> None:
    x = gc.input("x", 3)
    y = x
    for _ in range(2000):
        y = y + x
    step = gc.compile([x], y)
    np.testing.assert_array_equal(step(np.ones(3, "float32")), np.full(3, 2001))


def test_dump_variable_writes_every_stage(
    tmp_path: Path, x: gc.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_DUMP", str(tmp_path))
    step = gc.compile([x], gc.exp(x), name="forward")
    files = sorted(path.name for path in (tmp_path / "forward").iterdir())
    assert files[0] == "01-graph.gir"
    assert files[-1] == "09-asm.txt"
    assert (tmp_path / "forward" / "04-fused.gir").read_text() == step.ir("fused")
