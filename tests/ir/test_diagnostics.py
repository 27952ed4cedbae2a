"""How errors are shown: code, title, the user's line, the caret under the operand."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.ir.build import ops
from graphc.ir.diagnostics import DTypeError, GraphError, ParseError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.location import Location, provenance
from graphc.ir.types import TensorType, float32

Written = Callable[[str], str]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Gives source text the name of a file that `linecache` then knows."""
    numbers = count()

    def write(source: str) -> str:
        file = f"/home/me/{next(numbers)}/mlp.py"
        lines = source.splitlines(keepends=True)
        monkeypatch.setitem(linecache.cache, file, (len(source), None, lines, file))
        return file

    return write


def tensor(name: str, shape: tuple[int, ...], loc: Location | None = None) -> Node:
    with provenance(loc):
        return ops.input(type=TensorType(float32, shape), name=name)


def shown(error: GraphError, expression: str, file: str, line: int, *operands: Node) -> str:
    """The rendered error for an expression found in a file from a line on."""
    source = "".join(linecache.getlines(file)[line - 1 :])
    start = source.index(expression)
    before, within = source[:start], source[: start + len(expression)]
    begin, end = line + before.count("\n"), line + within.count("\n")
    columns = [len(text.rpartition("\n")[2].encode()) for text in (before, within)]
    error.locate(Location(file, begin, columns[0], end, columns[1]), operands)
    return str(error)


def test_the_form_of_the_design(written: Written) -> None:
    file = written("\n" * 8 + "w = gc.param()\n" + "\n" * 4 + "h = x @ w\n")
    x = tensor("x", (32, 784))
    w = tensor("w", (748, 10), Location(file, 9))
    error = ShapeError(
        "matmul needs equal inner sizes",
        operand=1,
        detail="(inner size 748), but {0} is f32[32,784] (inner size 784)",
    )
    assert shown(error, "x @ w", file, 14, x, w) == (
        "GC012 shape mismatch: matmul needs equal inner sizes\n"
        "   |  mlp.py:14   h = x @ w\n"
        "   |                      ^ w is f32[748,10] (inner size 748),"
        " but x is f32[32,784] (inner size 784)\n"
        "   = help: w is declared at mlp.py:9"
    )


def test_the_real_matmul_names_both_operands(written: Written) -> None:
    file = written("h = x @ w\n")
    with provenance(Location(file, 1, 4, 1, 9)), pytest.raises(ShapeError) as caught:
        ops.matmul(tensor("x", (32, 784)), tensor("w", (748, 10)))
    lines = str(caught.value).splitlines()
    assert lines[1] == "   |  mlp.py:1   h = x @ w"
    assert lines[2].startswith("   |                     ^ w is f32[748,10]")


@pytest.mark.parametrize(
    ("source", "expression", "operand", "caret"),
    [
        ("h = x @ w", "x @ w", 0, "x @ w"),
        ("h = x @ w", "x @ w", 1, "w"),
        ("h = a(1)[0] @ (x + w)", "a(1)[0] @ (x + w)", 1, "x + w)"),
        ("h = (1 + x) * w  # comment", "(1 + x) * w", 1, "w  #"),
        ("if x < w: pass", "x < w", 1, "w:"),
        ("h = gc.matmul(x, w)", "gc.matmul(x, w)", 0, "x, w"),
        ("h = gc.matmul(x, w)", "gc.matmul(x, w)", 1, "w)"),
        ("h = matmul(x, other=w)", "matmul(x, other=w)", 1, "w)"),
        ("h = gc.matmul(x2=w, x1=x)", "gc.matmul(x2=w, x1=x)", 1, "w,"),
        ("h = x.matmul(w)", "x.matmul(w)", 0, "x."),
        ("h = x.matmul(w)", "x.matmul(w)", 1, "w)"),
        ("h = (a + b).sum(3)", "(a + b).sum(3)", 0, "a + b)"),
        ("h = (a + b).sum(axis=-3)", "(a + b).sum(axis=-3)", 0, "a + b)"),
        ("h = gc.where(c, 0.0, w)", "gc.where(c, 0.0, w)", 2, "w)"),
        ("h = gc.concatenate([x, w], axis=0)", "gc.concatenate([x, w], axis=0)", 1, "w]"),
        ("h = x.reshape((2, 3))", "x.reshape((2, 3))", 0, "x."),
        ("h = x[1:5, ::2]", "x[1:5, ::2]", 0, "x["),
        ("h = 1 + -x", "-x", 0, "x"),
        ("h = x.T", "x.T", 0, "x."),
        ("x += w", "x += w", 1, "w"),
        ("x += w", "x += w", 0, "x"),
        ("h = f(*things)", "f(*things)", 1, "f("),
        ("h = lambda: 0", "lambda: 0", 0, "lambda"),
        ("größe = y.größe @ w", "y.größe @ w", 1, "w"),
        ("    h = x @ w", "x @ w", 1, "w"),
        ("h\t=\tx @ w", "x @ w", 1, "w"),
    ],
)
def test_the_caret_stands_under_the_operand(
    written: Written, source: str, expression: str, operand: int, caret: str
) -> None:
    named = [tensor(name, (2,)) for name in ("x", "w") if name in expression]
    operands = named if operand < 2 else [tensor("c", (2,)), tensor("", ()), *named]
    error = ShapeError("summary", operand=operand)
    text = shown(error, expression, written(source + "\n"), 1, *operands)
    _, line, below, *_ = text.splitlines()
    column = below.index("^")
    assert line[column:].startswith(caret)
    assert below[:column].count("\t") == line[:column].count("\t")


def test_an_operand_on_a_later_line_is_shown_there(written: Written) -> None:
    file = written("h = gc.matmul(\n    x,\n    w,\n)\n")
    error = ShapeError("summary", operand=1)
    text = shown(
        error, "gc.matmul(\n    x,\n    w,\n)", file, 1, tensor("x", (2,)), tensor("w", (3,))
    )
    assert text.splitlines()[1:] == ["   |  mlp.py:3   w,", "   |             ^ w is f32[3]"]


def test_wide_characters_push_the_caret_out(written: Written) -> None:
    error = ShapeError("summary", operand=1)
    file = written("h = f('漢字') @ w\n")
    text = shown(error, "f('漢字') @ w", file, 1, tensor("x", (2,)), tensor("w", (3,)))
    _, line, below = text.splitlines()
    assert below.index("^") == line.rindex("w") + 2


@pytest.mark.parametrize(
    "loc",
    [
        Location("<stdin>", 1, 0, 1, 5),
        Location("/no/such/file.py", 3),
        Location("/no/such/file.py", 3, 7, 9, 2),
        Location("", 0),
        Location("mlp.py", -5, -7, -9, -11),
        Location("/", 1, 1, 1, 1),
    ],
    ids=str,
)
def test_without_source_the_note_stands_alone(loc: Location) -> None:
    error = DTypeError("summary", operand=0, detail="but {0} and {7} differ", help="do this")
    error.locate(loc, [tensor("x", (2,))])
    assert str(error) == (
        "GC013 dtype mismatch: summary\n"
        f"   |  {loc}   x is f32[2], but x and {{7}} differ\n"
        "   = help: do this"
    )


def test_without_location_and_operands() -> None:
    assert str(GraphError("summary")) == "GC001 invalid graph: summary"
    assert str(GraphError("summary", operand=3)) == "GC001 invalid graph: summary"
    error = GraphError("summary", operand=1)
    error.locate(None, [tensor("x", ())])
    assert str(error) == "GC001 invalid graph: summary"
    error = GraphError("summary", operand=0)
    error.locate(None, [tensor("", (2, 3))])
    assert str(error) == "GC001 invalid graph: summary\n   |  operand 1 is f32[2,3]"


def test_the_first_location_stays() -> None:
    error = GraphError("summary", operand=0)
    error.locate(Location("inner.py", 1), [tensor("x", ())])
    error.locate(Location("outer.py", 2), [tensor("y", ())])
    assert str(error.loc) == "inner.py:1"
    assert error.culprit == "x is f32[]"


@given(
    source=st.text(),
    line=st.integers(-2, 5),
    column=st.integers(-3, 40),
    height=st.integers(-2, 5),
    end=st.integers(-3, 40),
    operand=st.none() | st.integers(0, 3),
)
def test_rendering_never_fails(
    source: str, line: int, column: int, height: int, end: int, operand: int | None
) -> None:
    file = "/rendering/never/fails.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        error = ShapeError("summary", operand=operand, detail=source)
        error.locate(Location(file, line, column, line + height, end), [tensor("x", (2,))])
        assert "summary" in str(error)
        assert source in str(ParseError(source, line=line, column=column, source=source))
    finally:
        del linecache.cache[file]


def test_deeply_nested_source_only_costs_the_caret(written: Written) -> None:
    expression = "(" * 5000 + "x" + ")" * 5000 + " @ w"
    error = ShapeError("summary", operand=1)
    text = shown(error, expression, written(expression), 1, tensor("x", ()), tensor("w", ()))
    assert "w is f32[]" in text
    assert max(map(len, text.splitlines())) < 150
