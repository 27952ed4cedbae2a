"""Contractions of tensors: products summed over any number of axes that two operands share.

Owns the record of contract. Imports the algebra. Invariant: every label of an operand is one of
the other operand or of the result, so an adjoint is a contraction with the same labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.batching import Batched
from graphc.ir.ops.combinators import accurate
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, matrices_of_two_dtypes, refused_dtypes
from graphc.ir.types import NUMBERS, DType, Shape, TensorType

Labels = tuple[int, ...]


@dataclass(frozen=True)
class ContractAttrs(Attrs):
    """A label for each axis of `left`, of `right` and of the `result`; axes of one label are one.

    What the result lacks is summed over.
    """

    left: Labels
    right: Labels
    result: Labels


def sizes_of(node: Node) -> dict[int, int]:
    """The size of every label of a contract node."""
    attrs = node.attrs
    assert isinstance(attrs, ContractAttrs)
    x, y = node.operands
    return {
        **dict(zip(attrs.left, x.shape, strict=True)),
        **dict(zip(attrs.right, y.shape, strict=True)),
    }


def summed_labels(attrs: ContractAttrs) -> Labels:
    """The labels summed over, in the order of the left operand."""
    return tuple(label for label in attrs.left if label not in attrs.result)


def summed_extent(node: Node) -> int:
    """How many products each element of a contraction is the sum of."""
    if not isinstance(node.attrs, ContractAttrs):
        return node.operands[0].shape[-1]
    sizes = sizes_of(node)
    return math.prod(sizes[label] for label in summed_labels(node.attrs))


def _infer(types: Sequence[TensorType], attrs: ContractAttrs) -> TensorType:
    x, y = types
    if x.dtype != y.dtype:
        raise DTypeError(
            "contract needs operands of one dtype",
            operand=1,
            detail=f"but {{0}} is {x}",
            help="convert one of them with .astype(...)",
        )
    _check_labels(types, attrs)
    sizes = dict(zip(attrs.left, x.shape, strict=True))
    for label, size in zip(attrs.right, y.shape, strict=True):
        if sizes.setdefault(label, size) != size:
            raise ShapeError(
                f"contract needs equal sizes of axes with the label {label}",
                operand=1,
                detail=f"(size {size}), but of {{0}} it is {sizes[label]}",
            )
    return x.with_shape(tuple(sizes[label] for label in attrs.result))


def _check_labels(types: Sequence[TensorType], attrs: ContractAttrs) -> None:
    for position, (operand, labels) in enumerate(
        zip(types, (attrs.left, attrs.right), strict=True)
    ):
        if len(labels) != operand.rank or len(set(labels)) != len(labels):
            raise AttributeValueError(
                f"contract needs one label for each axis, all different, got {list(labels)}",
                operand=position,
                detail=f"which has {operand.rank} axes",
            )
    result, left, right = set(attrs.result), set(attrs.left), set(attrs.right)
    if len(result) != len(attrs.result) or not result <= left | right:
        raise AttributeValueError(
            f"contract to labels {list(attrs.result)} of {list(attrs.left)} and {list(attrs.right)}"
        )
    if alone := (left ^ right) - result:
        raise AttributeValueError(
            f"contract over label {min(alone)}, which one operand alone has",
            help="sum over it before",
        )


def _product(x: Array, y: Array, *, left: Labels, right: Labels, result: Labels) -> Array:
    """By one stack of matrix products."""
    sizes = {**dict(zip(left, x.shape, strict=True)), **dict(zip(right, y.shape, strict=True))}
    batch = [label for label in result if label in left and label in right]
    rows = [label for label in result if label not in right]
    columns = [label for label in result if label not in left]
    inner = [label for label in left if label not in result]

    def arranged(array: Array, labels: Labels, *groups: list[int]) -> Array:
        order = [labels.index(label) for group in (batch, *groups) for label in group]
        extents = [math.prod(sizes[label] for label in group) for group in groups]
        lead = [sizes[label] for label in batch]
        return array.transpose(order).reshape(*lead, *extents)

    product = np.matmul(arranged(x, left, rows, inner), arranged(y, right, inner, columns))
    found = [*batch, *rows, *columns]
    whole = product.reshape([sizes[label] for label in found])
    return np.array(whole.transpose([found.index(label) for label in result]), order="C")


def _vjp(node: Node, g: Node, i: int) -> Node | None:
    if not node.dtype.is_float:
        return None
    attrs, other = node.attrs, node.operands[1 - i]
    assert isinstance(attrs, ContractAttrs)
    own, others = (attrs.left, attrs.right) if i == 0 else (attrs.right, attrs.left)
    return ops.contract(g, other, left=attrs.result, right=others, result=own)


def _jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (x, y), (by_x, by_y) = node.operands, tangents
    left = None if by_x is None else node.op.build((by_x, y), node.attrs)
    right = None if by_y is None else node.op.build((x, by_y), node.attrs)
    if left is None or right is None:
        return left or right
    return ops.add(left, right)


def _batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """One label more, in front."""
    attrs = node.attrs
    assert isinstance(attrs, ContractAttrs)
    label = max((*attrs.left, *attrs.right, -1)) + 1
    left, right = (
        (label, *labels) if each else labels
        for labels, each in zip((attrs.left, attrs.right), batched, strict=True)
    )
    wider = replace(attrs, left=left, right=right, result=(label, *attrs.result))
    return node.op.build(operands, wider)


def _sample(x: Shape, y: Shape, left: Labels, right: Labels, result: Labels) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        return draw(rng, dtype, x), draw(rng, dtype, y)

    attrs = {"left": left, "right": right, "result": result}
    return Sample(arrays, attrs, label=f"{x} {left} {y} {right} {result}")


def _refused(error: type, x: Shape, y: Shape, *labels: Labels) -> Sample:
    return replace(_sample(x, y, *labels), refuse=error)


_MATRICES = {"left": (0, 1), "right": (1, 2), "result": (0, 2)}


contract = register(
    Op(
        name="contract",
        family=Family.CONTRACTION,
        operands=("x", "y"),
        attrs=ContractAttrs,
        doc="Products of elements, summed over the labels that the result lacks, in any order of "
        "axes: every axis has a label, and axes of one label are one. Integers wrap. Errors are "
        "counted in the last place of the product of magnitudes.",
        infer=_infer,
        reference=accurate(_product),
        vjp=_vjp,
        jvp=_jvp,
        batch=_batch,
        dtypes=NUMBERS,
        analytic=True,
        cost=2,
        ulp=16,
        samples=(
            _sample((3, 5), (5, 2), (0, 1), (1, 2), (0, 2)),
            _sample((3, 5), (5, 2), (0, 1), (1, 2), (2, 0)),
            _sample((3,), (3,), (0,), (0,), ()),
            _sample((3,), (5,), (0,), (1,), (1, 0)),
            _sample((3, 2), (3, 2), (4, 7), (4, 7), (7, 4)),
            _sample((2, 3, 5), (5, 7, 2), (0, 1, 2), (2, 3, 0), (3, 1)),
            _sample((2, 3, 5, 7), (7, 3, 4), (0, 1, 2, 3), (3, 1, 4), (0, 4, 2)),
            _sample((2, 17, 5), (3, 5, 19), (0, 1, 2), (3, 2, 4), (4, 0, 1, 3)),
            _sample((2, 6, 5, 4), (3, 4, 19), (0, 1, 2, 3), (5, 3, 4), (0, 5, 1, 4, 2)),
            _sample((0, 3), (3, 2), (0, 1), (1, 2), (0, 2)),
            _sample((2, 0), (0, 3), (0, 1), (1, 2), (2, 0)),
            _refused(AttributeValueError, (3, 5), (5, 2), (0, 1), (1,), (0,)),
            _refused(AttributeValueError, (3, 3), (3, 2), (0, 0), (0, 2), (2,)),
            _refused(AttributeValueError, (3, 5), (5, 2), (0, 1), (1, 2), (0, 3)),
            _refused(AttributeValueError, (3, 5), (5, 2), (0, 1), (1, 2), (0, 0)),
            _refused(AttributeValueError, (3, 5), (5, 2), (0, 1), (1, 2), (0,)),
            _refused(ShapeError, (3, 5), (4, 2), (0, 1), (1, 2), (0, 2)),
            Sample(matrices_of_two_dtypes, _MATRICES, refuse=DTypeError, label="two dtypes"),
            *refused_dtypes(NUMBERS, 2, **_MATRICES),
        ),
    )
)
