"""Regions: parts of a program whose derivative is not that of what they compute step by step.

Owns the records of `region` and `after`. `region` serves `gc.checkpoint`, which computes again
what the adjoint needs, and `gc.custom_gradient`, which brings its own adjoint; the pass
`inline_regions` writes it out once everything is differentiated. Imports the differentiation pass.
Invariant: what is computed again waits for an adjoint, so it is not kept from the forward sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir.diagnostics import ControlError, GradientError
from graphc.ir.graph import Attrs, Graph, Node
from graphc.ir.interpreter import evaluate
from graphc.ir.nested import splice
from graphc.ir.op import Array, Family, OfResults, Op, Sample
from graphc.ir.ops.algebra import ops, zeros_like
from graphc.ir.ops.batch_control import batch_region
from graphc.ir.ops.batching import batch_size, repeated
from graphc.ir.ops.bundle import items
from graphc.ir.ops.combinators import layout
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import Deferred, draw
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import TensorType, TupleType, float64

after = layout(
    "after",
    ("x", "token"),
    doc="x as it is, not to be used before `token` is there: what is computed from it is not "
    "merged with what is computed from x itself.",
    infer=lambda types, attrs: types[0],
    reference=lambda x, token: x,
    access=lambda node: None,
    vjp=lambda node, g, i: g if i == 0 else None,
    jvp=lambda node, tangents: tangents[0],
    batch=lambda node, operands, batched: repeated(
        node.op(*operands), batched[0], batch_size(operands, batched)
    ),
    samples=(
        Sample(lambda rng, dtype: (draw(rng, dtype, (3, 5)), draw(rng, dtype, (5,)))),
        Sample(lambda rng, dtype: (draw(rng, dtype, ()), draw(rng, dtype, ()))),
    ),
)


@dataclass(frozen=True)
class RegionAttrs(Attrs):
    """`body` computes the results. `rule` takes operands, results and their adjoints (those of
    floats) and gives the adjoints of the operands that are floats; without it `body` runs again
    and is differentiated. `forward` takes operands, results and the tangents of the operands that
    are floats and gives the tangents of the results that are."""

    body: Graph
    rule: Graph | None = None
    forward: Graph | None = None


def _region_type(types: Sequence[TensorType], attrs: RegionAttrs) -> TensorType:
    body = attrs.body
    given = [inner.type for inner in body.inputs]
    if body.params or given != list(types):
        raise ControlError(f"a region of {len(given)} inputs got other operands")
    results = [output.type for output in body.outputs]
    of_operands, of_results = ([t for t in each if t.dtype.is_float] for each in (given, results))
    for rule, taken, expected in (
        (attrs.rule, of_results, of_operands),
        (attrs.forward, of_operands, of_results),
    ):
        if rule is None:
            continue
        if [node.type for node in rule.inputs] != [*given, *results, *taken]:
            raise ControlError("a rule of a region takes operands, results and what they move by")
        if [node.type for node in rule.outputs] != expected:
            raise ControlError("a rule of a region gives an adjoint or a tangent for each float")
    return TupleType.of(results)


def _region_reference(
    *operands: Array, body: Graph, rule: Graph | None, forward: Graph | None
) -> tuple[Array, ...]:
    return tuple(evaluate(body.outputs, dict(zip(body.inputs, operands, strict=True))))


def _region(b: RoutineBuilder, attrs: RegionAttrs, *arrays: ArrayView) -> None:
    count = len(attrs.body.inputs)
    b.run(attrs.body, arrays[:count], (), arrays[count:])


def _region_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    attrs: Any = node.attrs
    if attrs.rule is None:
        return _again(node, attrs.body, results, wanted)
    values = items(node)
    seeds = [
        zeros_like(value) if g is None else g
        for value, g in zip(values, results, strict=True)
        if value.dtype.is_float
    ]
    found = iter(splice(attrs.rule, [*node.operands, *values, *seeds]))
    return [next(found) if operand.dtype.is_float else None for operand in node.operands]


def _again(
    node: Node, body: Graph, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """The adjoints of a body that is run again once an adjoint arrives."""
    arriving = [(i, g) for i, g in enumerate(results) if g is not None]
    if not arriving:
        return [None] * len(node.operands)
    operands = [ops.after(x, arriving[0][1], name=x.name) for x in node.operands]
    outputs = splice(body, operands)
    asked = [i for i, is_wanted in enumerate(wanted) if is_wanted]
    found = adjoints(
        [outputs[i] for i, _ in arriving],
        [g for _, g in arriving],
        [operands[i] for i in asked],
    )
    contributions: list[Node | None] = [None] * len(node.operands)
    for i, adjoint in zip(asked, found, strict=True):
        contributions[i] = adjoint
    return contributions


def _region_jvp(node: Node, moving: Sequence[Node | None]) -> list[Node | None]:
    attrs: Any = node.attrs
    if attrs.forward is not None:
        values = items(node)
        seeds = [
            zeros_like(x) if t is None else t
            for x, t in zip(node.operands, moving, strict=True)
            if x.dtype.is_float
        ]
        found = iter(splice(attrs.forward, [*node.operands, *values, *seeds]))
        return [next(found) if value.dtype.is_float else None for value in values]
    if attrs.rule is not None:
        raise GradientError(
            "a custom gradient has a rule for reverse mode only",
            help="take gc.grad or gc.vjp, or leave the function without a custom gradient",
        )
    pairs = [(x, t) for x, t in zip(node.operands, moving, strict=True) if t is not None]
    outputs = splice(attrs.body, node.operands)
    return tangents(outputs, [x for x, _ in pairs], [t for _, t in pairs])


def _product() -> dict[str, Any]:
    kind = TensorType(float64, (3,))
    x, y = ops.input(type=kind, name="x"), ops.input(type=kind, name="y")
    return {"body": Graph("product", (x, y), (), (ops.mul(x, ops.sin(y)), ops.exp(x)), ("a", "b"))}


def _product_sample(size: int, refuse: Any = None) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, (size,)), draw(rng, dtype, (size,))),
        Deferred(_product),
        refuse=refuse,
        label=f"of {size}",
    )


region = register(
    Op(
        name="region",
        family=Family.ROUTINE,
        operands=("*operands",),
        attrs=RegionAttrs,
        infer=_region_type,
        reference=_region_reference,
        doc="A part of the program with a derivative of its own: computed again, or given.",
        vjp=OfResults(_region_vjp),
        jvp=OfResults(_region_jvp),
        batch=batch_region,
        routine=_region,
        sample_dtypes=(float64,),
        ulp=8,
        samples=(_product_sample(3), _product_sample(4, ControlError)),
        stored=True,
        cost=0,
    )
)
