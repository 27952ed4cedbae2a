"""The user's lines and variable names on nodes, and errors on the user's line."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import graphc as gc


def line_of(tensor: gc.Tensor) -> str:
    assert tensor.node.loc is not None
    return Path(tensor.node.loc.file).read_text().splitlines()[tensor.node.loc.line - 1].strip()


def test_nodes_know_the_line(x: gc.Tensor) -> None:
    h = gc.tanh(x)  # the line
    assert line_of(h) == "h = gc.tanh(x)  # the line"
    loc = h.node.loc
    assert loc is not None
    assert (loc.column, loc.end_column) == (8, 18)


def test_nodes_made_through_numpy_know_the_line(x: gc.Tensor) -> None:
    h: Any = np.sum(np.exp(x), axis=1)
    assert line_of(h) == "h: Any = np.sum(np.exp(x), axis=1)"
    assert line_of(gc.Tensor(h.node.operands[0])) == "h: Any = np.sum(np.exp(x), axis=1)"


def test_all_nodes_of_a_composition_have_the_line_of_the_call(x: gc.Tensor) -> None:
    p = gc.softmax(x)
    nodes = [p.node, *p.node.operands, *p.node.operands[0].operands]
    assert {node.loc for node in nodes} == {p.node.loc}
    assert [node.name for node in nodes] == ["p", "", "", ""]


def test_assigned_names(x: gc.Tensor) -> None:
    h = x + 1
    a, b = x * 2, gc.exp(x)
    [c] = [-x]
    first = second = x - 1
    typed: gc.Tensor = x / 2
    holder = SimpleNamespace()
    holder.hidden = x * 3
    if (walrus := x * 4) is not None:
        names = [each.name for each in (h, a, b, first, typed, holder.hidden, walrus)]
    assert names == ["h", "a", "b", "second", "typed", "hidden", "walrus"]
    assert second is first
    assert c.name == "c"
    h += 1
    assert h.name == "h"
    chained = (x + 1).sum(axis=0).reshape(2, 2)
    assert chained.name == "chained"


def test_what_is_not_assigned_has_no_name(x: gc.Tensor) -> None:
    pair = [x + 1, gc.exp(x + 2)]
    assert [each.name for each in pair] == ["", ""]
    total = (x + 1).sum() * 2
    assert total.name == "total"
    assert total.node.operands[0].name == ""
    same = x
    assert same.name == "x"
    unchanged = x.astype(gc.float32)
    assert unchanged.name == "x"


def test_names_in_loops_repeat_and_are_made_unique_when_printed(x: gc.Tensor) -> None:
    h = x
    for _ in range(3):
        h = gc.tanh(h)
    graph = gc.build_graph([x], h)
    assert [node.name for node in graph.nodes] == ["x", "h", "h", "h"]


def test_source_that_cannot_be_found_is_no_error(x: gc.Tensor) -> None:
    names: dict[str, Any] = {"x": x}
    exec(compile("h = x + 1", "<nowhere>", "exec"), names)
    assert names["h"].name == ""
    assert names["h"].node.loc.file == "<nowhere>"
    exec("h = x + 1", names)


def test_error_shows_line_operand_and_declaration() -> None:
    images = gc.input("images", (32, 784))
    w = gc.param("w", np.zeros((748, 10), "float32"))
    with pytest.raises(gc.errors.ShapeError) as caught:
        images @ w
    message = str(caught.value)
    lines = message.splitlines()
    assert lines[0] == "GC012 shape mismatch: matmul needs equal inner sizes"
    assert "images @ w" in lines[1]
    assert lines[1].index("w", lines[1].index("@")) == lines[2].index("^")
    assert "w is f32[748,10] (inner size 748), but images is f32[32,784]" in lines[2]
    assert "w is declared at test_source.py" in message


def test_error_names_the_operand_as_it_was_before_promotion() -> None:
    counts = gc.input("counts", 3, gc.int32)
    with pytest.raises(gc.errors.ShapeError, match=r"counts is i32\[3\]"):
        gc.input("x", (2, 2)) + counts


def test_traceback_ends_soon_after_the_users_line(x: gc.Tensor) -> None:
    with pytest.raises(gc.errors.ShapeError) as caught:
        gc.softmax(x + np.ones(7))
    frames = traceback.extract_tb(caught.value.__traceback__)
    internal = [frame for frame in frames if "test_source" not in frame.filename]
    assert len(internal) <= 3
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
