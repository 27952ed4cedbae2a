"""What the parser refuses, and how it says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.ir.diagnostics import ParseError
from graphc.ir.graph import Graph
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.ir.verifier import verify

GOOD = """\
graph @loss(
  %x: f32[2,3],        # mlp.py:8
  param %w: f32[3,4]
) -> (%loss: f32[], "h row" = %h: f32[2,4]) updates (%w = %w_new) stage=fused {
  # A comment of its own is skipped.

  %0 = constant {value = 0.5} : f32[]   # mlp.py:9
  kernel @k0 contract {
    %h = matmul %x, %w : f32[2,4]   # mlp.py:14 d/d%h of tanh for %y
  }  # matrix product
  kernel @k1 row {
    %p = pad %h {low = [0, 1], high = [0, 0], value = -inf} : f32[2,5]
    %a = argmax %p {axes = [1]} : i64[2]
    %loss = sum %h {axes = [0, 1]} : f32[]
    %c = cast %a {dtype = f32} : f32[2]
  }
  kernel @k2 map {
    %w_new = mul %w, %0 : f32[3,4]
  }
}
"""


def good() -> Graph:
    return parse_graph(GOOD)


def refused(text: str, file: str = "x.gir") -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_graph(text, file=file)
    assert str(caught.value).startswith("GC030 malformed graph text: ")
    return caught.value


def line(statement: str) -> str:
    """A graph with one statement."""
    return f"graph @g(%x: f32[2,3]) -> () {{\n  {statement}\n}}\n"


def test_the_good_text_is_good() -> None:
    graph = good()
    verify(graph)
    assert [node.name for node in graph.inputs + graph.params] == ["x", "w"]
    assert graph.output_names == ("loss", "h row")
    assert [len(kernel.nodes) for kernel in graph.kernels] == [1, 4, 1]
    assert parse_graph(print_graph(graph)) == graph


def test_an_error_shows_the_line_and_the_token() -> None:
    error = refused(line("%y = matmull %x, %x : f32[2,2]  # mlp.py:3"))
    assert str(error) == (
        "GC030 malformed graph text: x.gir:2:8: no operation is named `matmull`\n"
        "   |  x.gir:2   %y = matmull %x, %x : f32[2,2]  # mlp.py:3\n"
        "   |                 ^\n"
        "   = help: did you mean `matmul` or `mul`?"
    )
    assert (error.line, error.column) == (2, 8)


@pytest.mark.parametrize(
    ("statement", "column", "message"),
    [
        ("%y = tanh %z : f32[2,3]", 13, "`%z` is not defined, or only further down"),
        ("%y = tanh %X : f32[2,3]", 13, "did you mean `%x`?"),
        ("%x = tanh %x : f32[2,3]", 3, "`%x` is defined twice"),
        ("%y = tanh %x, %x : f32[2,3]", 8, "tanh takes 1 operands, got 2"),
        ("%y = tanh : f32[2,3]", 8, "tanh takes 1 operands, got 0"),
        ("%y = tanh %x, : f32[2,3]", 17, "expected an operand, got `:`"),
        ("%y = tanh %x : f33[2,3]", 18, "expected a dtype, got `f33`"),
        ("%y = tanh %x : f33[2,3]", 18, "did you mean `f32`"),
        ("%y = tanh %x : f32", 18, "expected a type such as `f32[2,3]`, got `f32`"),
        ("%y = tanh %x", 15, "expected `:`, got end of line"),
        ("%y = tanh %x : f32[2,4]", 18, "expected f32[2,3], what `tanh` gives, got f32[2,4]"),
        ("%y = tanh %x : f32[2,-3]", 18, "expected sizes from 0 to"),
        ("%y = tanh %x : f32[99999999999999999999]", 18, "expected sizes from 0 to"),
        ("%y = tanh %x : f32[9999999999,9999999999]", 18, "elements, got"),
        ("%y = tanh %x : f32[0,9999999999,9999999999]", 18, "elements, got"),
        (f"%y = tanh %x : f32[{'1,' * 40}1]", 18, "expected at most 32 axes, got 41"),
        ("%y = tanh %x : f32[2,3] %x", 27, "expected end of line, got `%x`"),
        ("%y = = %x", 8, "expected an operation, got `=`"),
        ("%y tanh %x", 6, "expected `=`, got `tanh`"),
        ("tanh %x", 3, "expected a value (`%name = ...`), `kernel` or `}`, got `tanh`"),
        ("%y = input {type = f32[2]} : f32[2]", 8, "`input` belongs in the graph's header"),
        ("%y = sum %x {axis = [0]} : f32[3]", 16, "did you mean `axes`?"),
        ("%y = sum %x {zebra = [0]} : f32[3]", 16, "it has `axes`, `keepdims`"),
        ("%y = tanh %x {axes = [0]} : f32[3]", 17, "it has none"),
        ("%y = sum %x : f32[3]", 8, "`sum` needs the attribute `axes`"),
        ("%y = sum %x {axes = [0], axes = [0]} : f32[3]", 28, "attribute `axes` is given twice"),
        ("%y = sum %x {axes = 0} : f32[3]", 23, "expected a list of integers for `axes`, got `0`"),
        ("%y = sum %x {axes = [0.5]} : f32[3]", 23, "for `axes`, got `[0.5]`"),
        ("%y = sum %x {axes = [true]} : f32[3]", 23, "for `axes`, got `[true]`"),
        ("%y = sum %x {axes = [0], keepdims = 1} : f32[3]", 39, "expected `true` or `false`"),
        ("%y = sum %x {axes = [0], keepdims = none} : f32[3]", 39, "got `none`"),
        ("%y = sum %x {axes = [2]} : f32[3]", 12, "sum along axis 2: x is f32[2,3]"),
        ("%y = sum %x {axes = [0 1]} : f32[3]", 26, "expected `,` or `]`, got `1`"),
        ("%y = sum %x {axes = } : f32[3]", 23, "expected a value, got `}`"),
        ("%y = sum %x {axes = [0]", 26, "expected `,` or `}`, got end of line"),
        (f"%y = sum %x {{axes = {'[' * 99}", 63, "expected at most 40 nested lists"),
        (f"%y = sum %x {{axes = [{'9' * 50}]}} : f32[3]", 24, "expected an integer of 64 bits"),
        (f"%y = sum %x {{axes = [{'9' * 5000}]}} : f32[3]", 24, "number of fewer digits"),
        ("%y = cast %x {dtype = f24} : f32[2,3]", 25, "expected a value, got `f24`"),
        ('%y = cast %x {dtype = "f32"} : f32[2,3]', 25, "expected a dtype for `dtype`"),
        ('%y = cast %x {dtype = "\\q"} : f32[2,3]', 25, "a string with the escapes of JSON"),
        ("%y = constant {value = [1, 2]} : i8[3]", 26, "nested lists of shape [3] for `value`"),
        ("%y = constant {value = 1} : i8[0]", 26, "expected `[]`, a constant of type i8[0],"),
        ("%y = constant {value = 300} : i8[]", 26, "expected numbers that fit i8"),
        ("%y = constant {value = 1.5} : i8[]", 26, "expected a number of i8 for `value`"),
        ("%y = constant {value = 1} : bool[]", 26, "expected `true` or `false` for `value`, got"),
        ("%y = constant {value = true} : f32[]", 26, "expected a number of f32"),
        ("%y = constant {value = #0123456789abcdef} : f32[9]", 26, "no constant is named #01234"),
        ("%y = reshape %x {shape = [4]} : f32[4]", 16, "reshape"),
        ('%"\\q" = tanh %x : f32[2,3]', 3, "expected a name with the escapes of JSON"),
        ("%y = tanh %x : f32[2,3]\n  }\n}", 1, "expected nothing after the graph, got `}`"),
        ("kernel k0 map {", 10, "expected the kernel's name, such as `@k0`, got `k0`"),
        ("kernel @k0 map %y", 18, "expected `{`, got `%y`"),
        ("kernel @k0 map {\n kernel @k1 map {", 2, "expected a value (`%name = ...`) or `}`"),
        ("kernel @k0 map {\n }\n kernel @k0 map {\n }", 9, "kernel `k0` is defined twice"),
    ],
)
def test_what_a_statement_may_not_be(statement: str, column: int, message: str) -> None:
    error = refused(line(statement))
    assert message in str(error)
    assert error.column == column
    caret = next(text for text in str(error).splitlines() if text.strip("| ") == "^")
    source = error.source.strip()
    if len(source) < 80:
        shown = next(text for text in str(error).splitlines() if text.endswith(source))
        indent = len(error.source) - len(error.source.lstrip())
        assert caret.index("^") - shown.index(source) == column - 1 - indent


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "expected `graph`, got end of text"),
        ("\n\n# nothing\n", (4, 1), "expected `graph`, got end of text"),
        ("grph @g", (1, 1), "expected `graph`, got `grph`"),
        ("graph g", (1, 7), "expected the graph's name, such as `@loss`, got `g`"),
        ("graph @g(%x f32[2])", (1, 13), "expected `:`, got `f32[2]`"),
        ("graph @g(x: f32[2])", (1, 10), "expected an input, such as `%x: f32[2,3]`, got `x`"),
        ("graph @g(%x: f32[2] %y: f32[2])", (1, 21), "expected `,` or `)`, got `%y`"),
        ("graph @g(%x: f32[2], %x: f32[2])", (1, 22), "`%x` is defined twice"),
        ("graph @g() {", (1, 12), "expected `->`, got `{`"),
        ("graph @g() -> (f32[])", (1, 16), "expected an output, such as"),
        ("graph @g() -> (%y: f32[]) {\n}", (1, 16), "`%y` is not defined"),
        ("graph @g(%y: f32[2]) -> (%y: f32[]) {\n}", (1, 30), "expected f32[2], the output's"),
        ("graph @g() -> () {", (1, 19), "expected a value (`%name = ...`), `kernel` or `}`"),
        ("graph @g() -> () {\n}\n}", (3, 1), "expected nothing after the graph, got `}`"),
        ("graph @g() -> () stage= {\n}", (1, 25), "expected a stage, such as `fused`, got `{`"),
        ("graph @g(%w: f32[]) -> () updates (%w = %w) {\n}", (1, 36), "only a `param`"),
        (
            "graph @g(%x: f32[2], param %w: f32[]) -> () updates (%w = %x) {\n}",
            (1, 59),
            "expected f32[], the parameter's type, got f32[2]",
        ),
        (
            "graph @g(param %w: f32[]) -> () updates (%w = %w, %w = %w) {\n}",
            (1, 51),
            "the parameter is updated twice",
        ),
        ("graph @g() -> () {\n\0\n}", (2, 1), "expected a value"),
    ],
)
def test_what_a_graph_may_not_be(text: str, place: tuple[int, int], message: str) -> None:
    error = refused(text)
    assert message in str(error)
    assert (error.line, error.column) == place


def test_constants_must_be_the_ones_named() -> None:
    text = line("%y = constant {value = #0123456789abcdef} : f32[20]")
    digest = "0123456789abcdef"
    with pytest.raises(ParseError, match=r"expected a constant of type f32\[20\]"):
        parse_graph(text, {digest: np.zeros(3, np.float32)})
    with pytest.raises(ParseError, match=r"expected a constant of type f32\[20\]"):
        parse_graph(text, {digest: np.zeros(20, complex)})
    with pytest.raises(ParseError, match=f"the constant given for #{digest} is #"):
        parse_graph(text, {digest: np.zeros(20, np.float32)})


def test_a_very_long_line_is_cut_around_the_caret() -> None:
    error = refused(line(f"%y = tanh %x {' ' * 5000} @ {' ' * 5000}"))
    assert max(map(len, str(error).splitlines())) < 150


def test_every_truncation_is_refused() -> None:
    for end in range(len(GOOD) - 2):
        refused(GOOD[:end])


@given(st.text())
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    refused(text)


PIECES = [
    *sorted(set(GOOD.split())),
    *'(){}[],:=%@#"\\\n-',
    *("->", "%0", "nan", "-inf", "1e999", "-1", "f32[", "f64[0]", "9" * 30),
]


def check_that_it_is_a_graph_or_refused(text: str) -> None:
    try:
        graph = parse_graph(text)
    except ParseError as error:
        message = str(error)
    else:
        message = print_graph(graph)
        assert parse_graph(message) == graph
    assert message


@given(st.data())
def test_mutated_text_is_a_graph_or_a_parse_error(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    check_that_it_is_a_graph_or_refused(text)


@given(st.data())
def test_swapped_words_are_a_graph_or_a_parse_error(data: st.DataObject) -> None:
    words = GOOD.split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(st.sampled_from(PIECES))
    check_that_it_is_a_graph_or_refused(" ".join(words))
