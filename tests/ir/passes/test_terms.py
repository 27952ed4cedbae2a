"""The language of rules: parsing, matching and building."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import constant, full, ops
from graphc.ir.diagnostics import ParseError
from graphc.ir.graph import Node
from graphc.ir.passes.terms import (
    Application,
    Literal,
    Variable,
    build,
    matches,
    parse_term,
    splat,
)
from graphc.ir.types import TensorType, bool_, float32, float64, int32


def symbol(name: str = "x", shape: tuple[int, ...] = (3,)) -> Node:
    return ops.input(type=TensorType(float32, shape), name=name)


def test_terms_are_calls_names_and_numbers() -> None:
    assert parse_term("sum(exp(x), axes=a, keepdims=True)") == Application(
        "sum",
        (Application("exp", (Variable("x"),)),),
        (("axes", Variable("a")), ("keepdims", Literal(True))),
    )
    assert parse_term("-0.0") == Literal(-0.0)
    assert parse_term("layout(..., constant)") == Application("layout", None, (), ("constant",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frobnicate(x)", "'frobnicate' is no op"),
        ("x.y(z)", "'x.y' is no op"),
        ("add(x, 'text')", "expected an op, a name or a number"),
        ("add(x, y + 1)", "expected an op, a name or a number"),
        ("add(x,", "is no term"),
    ],
)
def test_what_is_no_term_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse_term(text)


def test_repeated_name_is_the_same_node() -> None:
    x, y = symbol("x"), symbol("y")
    pattern = parse_term("sub(a, a)")
    assert list(matches(pattern, ops.sub(x, x))) == [{"a": x}]
    assert not list(matches(pattern, ops.sub(x, y)))


def test_commutative_operands_match_either_way_round() -> None:
    x, y = symbol("x"), symbol("y")
    pattern = parse_term("add(neg(a), b)")
    assert list(matches(pattern, ops.add(y, ops.neg(x)))) == [{"a": x, "b": y}]
    both = list(matches(pattern, ops.add(ops.neg(x), ops.neg(y))))
    assert [bound["a"] for bound in both] == [x, y]
    assert not list(matches(parse_term("sub(neg(a), b)"), ops.sub(y, ops.neg(x))))


def test_attributes_bind_and_must_agree() -> None:
    x = symbol(shape=(2, 3))
    node = ops.transpose(ops.transpose(x, perm=(1, 0)), perm=(1, 0))
    same = parse_term("transpose(transpose(x, perm=p), perm=p)")
    assert list(matches(same, node)) == [{"x": x, "p": (1, 0)}]
    other = ops.transpose(ops.transpose(x, perm=(1, 0)), perm=(0, 1))
    assert not list(matches(same, other))
    assert not list(matches(parse_term("sum(x, keepdims=True)"), ops.sum(x, axes=(0,))))


@pytest.mark.parametrize(
    ("literal", "value", "fits"),
    [
        ("1", np.float32(1), True),
        ("1", np.int32(1), True),
        ("1", np.float32(2), False),
        ("0", np.float32(-0.0), False),
        ("-0.0", np.float32(-0.0), True),
        ("0", np.bool_(False), False),
        ("False", np.bool_(False), True),
        ("1", np.float32(np.nan), False),
        ("-1", np.uint8(255), False),
    ],
)
def test_literal_fits_constants_of_that_value(literal: str, value: np.generic, fits: bool) -> None:
    node = ops.broadcast_to(constant(value), shape=(2, 3))
    assert bool(list(matches(parse_term(literal), node))) is fits


def test_opaque_nodes_only_fit_names() -> None:
    x = symbol()
    inner = ops.neg(x)
    assert not list(matches(parse_term("neg(neg(x))"), ops.neg(inner), {inner}))
    assert list(matches(parse_term("neg(y)"), ops.neg(inner), {inner})) == [{"y": inner}]


def test_family_with_required_operands() -> None:
    x = symbol()
    pattern = parse_term("elementwise(..., constant)")
    assert list(matches(pattern, ops.add(x, constant(np.float32(2)))))
    assert not list(matches(pattern, ops.add(x, x)))
    assert not list(matches(pattern, ops.sum(x, axes=(0,))))


def test_numbers_take_the_dtype_beside_them() -> None:
    wide = ops.input(type=TensorType(float64, (3,)), name="x")
    condition = ops.input(type=TensorType(bool_, (3,)), name="c")
    node = build(parse_term("where(c, x, 0)"), {"c": condition, "x": wide}, float32)
    assert node.dtype is float64
    assert build(parse_term("add(1, 2)"), {}, int32).dtype is int32
    assert build(parse_term("[[1, 2]]"), {}, int32).shape == (1, 2)


def test_splat_sees_through_broadcasting() -> None:
    assert splat(full(2.5, float32, (4, 5))) == np.float32(2.5)
    assert splat(constant([1.0, 1.0])) is None
    assert splat(symbol()) is None
