"""Control: a body that runs once for each slice of its operands, and carries values along.

Owns the record of `scan`; its derivatives are in `ir.ops.scan_rules`. Invariant: a body is a step
like any other program: what it carries are its parameters, which it updates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import ControlError
from graphc.ir.graph import Attrs, Graph, Update
from graphc.ir.interpreter import evaluate
from graphc.ir.nested import taken_by
from graphc.ir.op import Array, Family, OfResults, Op, Sample
from graphc.ir.ops.algebra import ops, scalar
from graphc.ir.ops.batch_control import batch_scan
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import Deferred, draw
from graphc.ir.ops.scan_rules import scan_jvp, scan_vjp
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import DType, TensorType, TupleType, float64, int32


@dataclass(frozen=True)
class ScanAttrs(Attrs):
    """`body`: run `length` times.

    Operands are the first values of the body's parameters; then what it gets slice by slice along
    axis 0 (`slices` of them, the last slice first if `reverse` is set); then what it captures.
    Results are the last values of the parameters, then the body's outputs, stacked on a new axis 0
    in the order of the slices.
    """

    body: Graph
    length: int
    slices: int
    reverse: bool = False


def _scan_type(types: Sequence[TensorType], attrs: ScanAttrs) -> TensorType:
    body, length = attrs.body, attrs.length
    if len(types) != len(body.boundary) or not 0 <= attrs.slices <= len(body.inputs):
        raise ControlError(
            f"scan gives {len(types)} operands to a body that takes {len(body.boundary)}"
        )
    if length < 0:
        raise ControlError(f"scan runs its body {length} times")
    carries = len(body.params)
    given = [
        TensorType(type_.dtype, type_.shape[1:]) if position - carries < attrs.slices else type_
        for position, type_ in enumerate(types[carries:], start=carries)
    ]
    for position, type_ in enumerate(types[carries : carries + attrs.slices], start=carries):
        if type_.shape[:1] != (length,):
            raise ControlError(
                f"scan of length {length} takes as many slices",
                operand=position,
                detail=f"which has shape {list(type_.shape)}",
            )
    pairs = zip([*types[:carries], *given], taken_by(body), strict=True)
    for position, (type_, inner) in enumerate(pairs):
        if type_ != inner.type:
            raise ControlError(
                f"the body of scan takes {inner.type} as {inner.name or 'operand'}",
                operand=position,
            )
    stacked = [TensorType(y.dtype, (length, *y.shape)) for y in body.outputs]
    return TupleType.of([*types[:carries], *stacked])


def _scan_reference(
    *operands: Array, body: Graph, length: int, slices: int, reverse: bool
) -> tuple[Array, ...]:
    carries = len(body.params)
    state = {param: operands[i] for i, param in enumerate(body.params)}
    sliced = dict(zip(body.inputs, operands[carries:], strict=True))
    stacked = [np.zeros((length, *y.shape), y.dtype.numpy) for y in body.outputs]
    for t in reversed(range(length)) if reverse else range(length):
        given = {x: sliced[x][t] if i < slices else sliced[x] for i, x in enumerate(body.inputs)}
        results = evaluate(body.roots, {**state, **given})
        for stack, value in zip(stacked, results, strict=False):
            stack[t] = value
        new = results[len(stacked) :]
        state.update((u.param, value) for u, value in zip(body.updates, new, strict=True))
    return (*state.values(), *stacked)


def _scan(b: RoutineBuilder, attrs: ScanAttrs, *arrays: ArrayView) -> None:
    """What is carried lies where its last value is wanted, and is updated there."""
    body = attrs.body
    count, taken = len(body.params), len(body.boundary)
    sliced = arrays[count : count + attrs.slices]
    captured = arrays[count + attrs.slices : taken]
    carried, stacked = arrays[taken : taken + count], arrays[taken + count :]
    for first, last in zip(arrays, carried, strict=False):
        b.copy(first, last)
    with b.loop(attrs.length, backward=attrs.reverse) as t:
        given = (*(x.at(t) for x in sliced), *captured)
        b.run(body, given, carried, [y.at(t) for y in stacked])


def _cell(name: str, *, skewed: bool = False) -> dict[str, Any]:
    """h, n = tanh(h * w + x), n + 1, which gives h * x; `skewed` gives attributes that misfit."""
    kind = TensorType(float64, (3,))
    h = ops.param(type=kind, name="h")
    n = ops.param(type=TensorType(int32, ()), name="n")
    x = ops.input(type=kind, name="x")
    w = ops.input(type=kind, name="w")
    new = ops.tanh(ops.add(ops.mul(h, w), x))
    following = ops.add(n, scalar(1, int32))
    body = Graph(
        name, (x, w), (h, n), (ops.mul(h, x),), ("y",), (Update(h, new), Update(n, following))
    )
    return {"body": body, "length": 5 if skewed else 4, "slices": 1}


def _cell_operands(
    length: int, width: int = 3
) -> Callable[[np.random.Generator, DType], tuple[Array, ...]]:
    return lambda rng, dtype: (
        draw(rng, dtype, (3,)),
        np.array(7, np.int32),
        draw(rng, dtype, (length, width)),
        draw(rng, dtype, (3,)),
    )


scan = register(
    Op(
        name="scan",
        family=Family.ROUTINE,
        operands=("*operands",),
        attrs=ScanAttrs,
        infer=_scan_type,
        reference=_scan_reference,
        doc="Runs a body once for each slice of its operands, and carries values along.",
        vjp=OfResults(scan_vjp),
        jvp=OfResults(scan_jvp),
        batch=batch_scan,
        routine=_scan,
        sample_dtypes=(float64,),
        ulp=16,
        samples=(
            Sample(_cell_operands(4), Deferred(lambda: _cell("cell")), label="forward"),
            Sample(
                _cell_operands(4),
                Deferred(lambda: {**_cell("cell"), "reverse": True}),
                label="reverse",
            ),
            Sample(
                _cell_operands(0), Deferred(lambda: {**_cell("cell"), "length": 0}), label="nothing"
            ),
            Sample(
                _cell_operands(4),
                Deferred(lambda: _cell("cell", skewed=True)),
                refuse=ControlError,
                label="another length",
            ),
            Sample(
                _cell_operands(4, 2),
                Deferred(lambda: _cell("cell")),
                refuse=ControlError,
                label="another width",
            ),
            Sample(
                _cell_operands(4),
                Deferred(lambda: {**_cell("cell"), "length": -1}),
                refuse=ControlError,
                label="a negative length",
            ),
        ),
        stored=True,
        cost=0,
    )
)
