"""Several results: the op that takes one of them, and the op that holds values together.

Owns the records of `item` and `pack`. Invariant: nothing else takes an operand of `TupleType`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.diagnostics import AttributeValueError, DTypeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import NO_GRADIENT, Array, Family, OfResults, Op, Sample, item_index
from graphc.ir.ops.batching import batch_stacked
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import TensorType, TupleType


@dataclass(frozen=True)
class ItemAttrs(Attrs):
    """`index`: which of the results, counted from 0."""

    index: int


def _item_type(types: Sequence[TensorType], attrs: ItemAttrs) -> TensorType:
    (bundle,) = types
    if not isinstance(bundle, TupleType):
        raise DTypeError("item takes the results of an op that has several", operand=0)
    if not 0 <= attrs.index < len(bundle.results):
        raise AttributeValueError(f"item {attrs.index} of {len(bundle.results)} results", operand=0)
    return bundle.results[attrs.index]


def _item_reference(results: tuple[Array, ...], index: int) -> Array:
    return results[index]


def _item_batch(node: Node, operands: Sequence[Node], batched: Sequence[bool]) -> Node:
    (results,) = operands
    index = item_index(node)
    return results.operands[index] if results.op is pack else item(results, index=index)


item = register(
    Op(
        name="item",
        family=Family.ITEM,
        operands=("results",),
        attrs=ItemAttrs,
        infer=_item_type,
        reference=_item_reference,
        doc="One of the results of an op that has several. Differentiation looks through it.",
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        batch=_item_batch,
        stored=True,
        cost=0,
    )
)


def _pack(b: RoutineBuilder, attrs: Attrs, *arrays: ArrayView) -> None:
    count = len(arrays) // 2
    for operand, result in zip(arrays[:count], arrays[count:], strict=True):
        b.copy(operand, result)


pack = register(
    Op(
        name="pack",
        family=Family.ROUTINE,
        operands=("*values",),
        infer=lambda types, attrs: TupleType.of(types),
        reference=lambda *values: values,
        doc="Several values held together, as an op with several results holds them.",
        vjp=OfResults(lambda node, adjoints, wanted: adjoints),
        jvp=OfResults(lambda node, tangents: tangents),
        batch=batch_stacked,
        routine=_pack,
        stored=True,
        cost=0,
        samples=(
            Sample(lambda rng, dtype: (draw(rng, dtype, (3,)), draw(rng, dtype, (2, 17)))),
            Sample(lambda rng, dtype: (draw(rng, dtype, ()), draw(rng, dtype, (0,)))),
        ),
    )
)


def items(node: Node, *names: str) -> tuple[Node, ...]:
    """Every result of a node, named where `names` has one."""
    if node.op is pack:
        return node.operands
    assert isinstance(node.type, TupleType)
    padded = (*names, *[""] * len(node.type.results))
    return tuple(item(node, index=i, name=padded[i]) for i in range(len(node.type.results)))
