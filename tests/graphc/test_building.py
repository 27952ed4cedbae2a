"""From tensors to a graph: what is collected, how it is named, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.declare import Parameter
from graphc.errors import BoundaryError, DTypeError, NameClashError, ShapeError
from graphc.ir.interpreter import interpret
from graphc.ir.printer import print_graph
from graphc.stages import primal, stage_graph


def test_graph_of_a_training_step(x: gc.Tensor, w: Parameter) -> None:
    loss = (x @ w).sum()
    graph = gc.build_graph([x], loss, {w: w - 0.5 * gc.grad(loss, w)}, name="train")
    assert graph.name == "train"
    assert [node.name for node in graph.inputs] == ["x"]
    assert [node.name for node in graph.params] == ["w"]
    assert graph.output_names == ("loss",)
    array = np.arange(12, dtype="float32").reshape(3, 4)
    result = interpret(graph, {"x": array, "w": w.value})
    assert result.outputs["loss"] == (array @ w.value).sum()
    wanted = w.value - 0.5 * np.repeat(array.sum(0)[:, None], 2, 1)
    np.testing.assert_array_equal(result.updates["w"], wanted)


def test_graph_takes_the_name_of_its_variable(x: gc.Tensor) -> None:
    forward = gc.build_graph([x], x + 1)
    assert forward.name == "forward"
    assert gc.build_graph([x], x + 1).name == "step"


def test_output_names(x: gc.Tensor) -> None:
    h = x + 1
    outputs = {"first": h, "more": [x * 2, h], "odd key!": x * 3}
    graph = gc.build_graph([x], outputs)
    assert graph.output_names == ("first", "more.0", "more.1", "odd_key_")
    assert gc.build_graph([x], (h, h, x * 2)).output_names == ("h", "h_1", "out2")
    assert gc.build_graph([x], (x, x.sum())).output_names == ("x", "out1")


def test_updates_without_outputs(w: Parameter) -> None:
    graph = gc.build_graph([], None, {w: w * 2})
    assert graph.outputs == ()
    assert [update.param.name for update in graph.updates] == ["w"]


def test_parameter_that_is_only_written(x: gc.Tensor) -> None:
    last = gc.param("last", np.zeros((3, 4), "float32"))
    graph = gc.build_graph([x], x + 1, {last: x})
    assert [node.name for node in graph.params] == ["last"]


def test_parameter_lives_as_long_as_a_tensor_that_uses_it() -> None:
    def layer() -> gc.Tensor:
        return gc.param("hidden", np.full(3, 7, "float32")) * 2

    graph = gc.build_graph([], layer())
    assert graph.params[0].storage.value.tolist() == [7, 7, 7]  # type: ignore[attr-defined]


def test_primal_leaves_derived_nodes_out(x: gc.Tensor, w: Parameter) -> None:
    loss = (x @ w).sum()
    gradient = gc.grad(loss, w)
    whole = gc.build_graph([x], loss, {w: w - gradient})
    declared = stage_graph({"adjoint": whole}, "graph")
    assert [node.name for node in declared.outputs] == ["loss"]
    assert all(node.origin is None for node in declared.nodes)
    assert declared.updates == ()
    only_gradient = primal(gc.build_graph([x], gradient))
    assert "d/d%" not in print_graph(only_gradient)


class TestRefusals:
    """Each mistake gets one error that names what is at fault."""

    def test_missing_input(self, x: gc.Tensor) -> None:
        y = gc.input("y", (3, 4))
        with pytest.raises(BoundaryError, match=r"needs input y .*not among the inputs") as caught:
            gc.build_graph([x], x + y)
        assert "y is declared at test_building.py" in str(caught.value)

    def test_unused_input(self, x: gc.Tensor) -> None:
        unused = gc.input("unused", 3)
        with pytest.raises(BoundaryError, match=r"input unused .*used by no output"):
            gc.build_graph([x, unused], x + 1)

    def test_input_that_is_none(self, x: gc.Tensor, w: Parameter) -> None:
        with pytest.raises(BoundaryError, match=r"input 1 is parameter w .*no input"):
            gc.build_graph([x, w], x @ w)
        with pytest.raises(BoundaryError, match="input 0 is a value made by add"):
            gc.build_graph([x + 1], x)
        with pytest.raises(BoundaryError, match=r"input 0 must be a tensor made by gc\.input"):
            gc.build_graph([np.zeros(3)], x)  # type: ignore[list-item]
        with pytest.raises(BoundaryError, match="must be a list"):
            gc.build_graph("x", x)  # type: ignore[arg-type]

    def test_input_twice(self, x: gc.Tensor) -> None:
        with pytest.raises(BoundaryError, match="x is listed twice"):
            gc.build_graph([x, x], x + 1)

    def test_duplicate_names(self, x: gc.Tensor) -> None:
        other, w = gc.input("x", (3, 4)), gc.param("x", np.zeros(4, "float32"))
        with pytest.raises(NameClashError, match="two different inputs are named x"):
            gc.build_graph([x, other], x + other)
        with pytest.raises(NameClashError, match="inputs or parameters are named x"):
            gc.build_graph([x], x + w)
        first, second = gc.param("p", 1.0), gc.param("p", 2.0)
        with pytest.raises(NameClashError, match="two different parameters are named p"):
            gc.build_graph([], first + second)

    def test_output_that_is_no_tensor(self, x: gc.Tensor) -> None:
        with pytest.raises(BoundaryError, match=r"output more\.1 must be a tensor, got float"):
            gc.build_graph([x], {"a": x + 1, "more": [x, 2.0]})
        with pytest.raises(BoundaryError, match="keys of an output dict"):
            gc.build_graph([x], {1: x})

    def test_update_of_what_is_no_parameter(self, x: gc.Tensor) -> None:
        with pytest.raises(BoundaryError, match="only parameters can be updated, got input x"):
            gc.build_graph([x], x + 1, {x: x})  # type: ignore[dict-item]
        with pytest.raises(BoundaryError, match="got str"):
            gc.build_graph([x], x + 1, {"w": x})  # type: ignore[dict-item]
        with pytest.raises(BoundaryError, match="must be a dict"):
            gc.build_graph([x], x + 1, [x])  # type: ignore[arg-type]

    def test_update_that_does_not_fit(self, x: gc.Tensor, w: Parameter) -> None:
        with pytest.raises(ShapeError, match=r"update of w has shape \[3, 2\]"):
            gc.build_graph([x], x.sum(), {w: x @ w})
        with pytest.raises(DTypeError, match=r"update of w is f64\[4,2\]"):
            gc.build_graph([x], x.sum(), {w: w * np.float64(2)})
        with pytest.raises(BoundaryError, match="update of w"):
            gc.build_graph([x], x.sum(), {w: object()})  # type: ignore[dict-item]

    @pytest.mark.parametrize("name", ["", "2x", "a b", "a-b", "a.", 3, None])
    def test_names_that_cannot_be(self, name: Any) -> None:
        with pytest.raises(NameClashError, match="cannot be the name of an input"):
            gc.input(name, 3)
        with pytest.raises(NameClashError, match="cannot be the name of a parameter"):
            gc.param(name, 3)

    def test_shapes_that_cannot_be(self) -> None:
        with pytest.raises(ShapeError, match="negative"):
            gc.input("x", (2, -1))
        with pytest.raises(ShapeError, match="33 axes, more than 32"):
            gc.input("x", (1,) * 33)
        with pytest.raises(ShapeError, match="more than memory can address"):
            gc.input("x", (2**40, 2**30))
        for shape in ((None, 3), (2.5,), "ab"):
            with pytest.raises(ShapeError, match="whole numbers"):
                gc.input("x", shape)  # type: ignore[arg-type]

    def test_dtypes_that_cannot_be(self) -> None:
        for dtype in ("complex64", "float128", "nonsense", object):
            with pytest.raises(DTypeError, match="no dtype"):
                gc.input("x", 3, dtype)
        with pytest.raises(DTypeError, match="no dtype"):
            gc.const([1j])
        with pytest.raises(DTypeError, match="no dtype"):
            gc.param("p", ["a"])


class TestParameter:
    """The value of a parameter is its memory."""

    def test_value_is_a_view(self) -> None:
        p = gc.param("p", [1, 2, 3])
        assert p.dtype is gc.float32
        p.value[0] = 7
        assert p.value.tolist() == [7, 2, 3]
        p.value = np.arange(3)
        assert p.value.tolist() == [0, 1, 2]
        p.value = 5
        assert p.value.tolist() == [5, 5, 5]

    def test_initial_value_is_copied(self) -> None:
        array = np.ones(3)
        p = gc.param("p", array)
        array[:] = 0
        assert p.value.tolist() == [1, 1, 1]
        assert p.dtype is gc.float64

    def test_dtype(self) -> None:
        assert gc.param("p", 1).dtype is gc.float32
        assert gc.param("p", np.float64(1)).dtype is gc.float64
        assert gc.param("p", [True]).dtype is gc.bool_
        assert gc.param("p", [1.5], gc.int32).value.tolist() == [1]

    def test_value_that_does_not_fit_changes_nothing(self) -> None:
        p = gc.param("p", np.array([1, 2], "int32"))
        with pytest.raises(ShapeError, match="parameter p has shape"):
            p.value = np.zeros(3)
        with pytest.raises(DTypeError, match="value assigned is float64"):
            p.value = np.zeros(2)
        assert p.value.tolist() == [1, 2]

    def test_tensor_is_no_initial_value(self, x: gc.Tensor) -> None:
        with pytest.raises(DTypeError, match="must be an array"):
            gc.param("p", x)
