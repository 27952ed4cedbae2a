"""Calls of functions from outside: the user's own, native or in Python.

Owns the records of `external` and `call`. Imports ctypes, for samples, and `ir.foreign`.
Invariants: the address of a function is data that is bound when a program is loaded, never part of
its code; no call is made while a program is compiled.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from graphc.ir.diagnostics import DTypeError, GradientError, GraphError, ShapeError
from graphc.ir.foreign import ForeignFunction
from graphc.ir.foreign import register as register_foreign
from graphc.ir.graph import Attrs, Graph, Node
from graphc.ir.op import NO_GRADIENT, Array, Family, OfResults, Op, Sample
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.batching import Batched, batch_size, repeated
from graphc.ir.ops.bundle import items
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import Deferred, draw
from graphc.ir.routine import ArrayView, RoutineBuilder
from graphc.ir.types import DType, TensorType, TupleType, float32, float64, uint64


@dataclass(frozen=True)
class ForeignAttrs(Attrs):
    """`function`: which one, by its name in this process."""

    function: ForeignFunction


WORDS = TensorType(uint64, (2,))
"""The type of what says where a function is."""


@cache
def _doubling() -> dict[str, ForeignFunction]:
    """2 x of three numbers, for samples."""
    kind, numbers = TensorType(float64, (3,)), ctypes.POINTER(ctypes.c_double)

    def double(x: Any, y: Any) -> None:
        y[0], y[1], y[2] = 2 * x[0], 2 * x[1], 2 * x[2]

    native = ctypes.CFUNCTYPE(None, numbers, numbers)(double)
    address = ctypes.cast(native, ctypes.c_void_p).value or 0

    def make(name: str) -> ForeignFunction:
        return ForeignFunction(
            name,
            (kind,),
            (kind,),
            address,
            gives_status=False,
            evaluate=lambda x: [2 * x],
            owner=native,
        )

    return {"function": register_foreign("doubling", make)}


external = register(
    Op(
        name="external",
        family=Family.SOURCE,
        operands=(),
        attrs=ForeignAttrs,
        infer=lambda types, attrs: WORDS,
        reference=lambda function: function.words,
        doc="Where this process has a function that the program calls.",
        samples=(Sample(lambda rng, dtype: (), Deferred(_doubling)),),
        value=lambda attrs: attrs.function.words,
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        foreign=True,
        cost=0,
    )
)


def _call_type(types: Sequence[TensorType], attrs: ForeignAttrs) -> TensorType:
    function = attrs.function
    where, *given = types
    if where != WORDS:
        raise DTypeError(f"call takes {WORDS}, the place of a function, first", operand=0)
    if len(given) != len(function.operands):
        raise ShapeError(
            f"{function.name} takes {len(function.operands)} operands, got {len(given)}"
        )
    for position, (found, expected) in enumerate(
        zip(given, function.operands, strict=True), start=1
    ):
        if found != expected:
            error = ShapeError if found.dtype == expected.dtype else DTypeError
            raise error(f"{function.name} takes {expected} here", operand=position)
    return TupleType.of(function.results)


def _call_reference(where: Array, *operands: Array, function: ForeignFunction) -> tuple[Array, ...]:
    return tuple(function.evaluate(*operands))


def _call(b: RoutineBuilder, attrs: ForeignAttrs, where: ArrayView, *arrays: ArrayView) -> None:
    b.call(where, *arrays)


def _refuse(node: Node, *_: Any) -> NoReturn:
    name = vars(node.attrs)["function"].name
    raise GradientError(
        f"the function {name!r} is called without a derivative",
        help="declare it: gc.call(..., vjp=...) for gc.grad, jvp=... for gc.jvp; or put "
        "gc.stop_gradient around an operand",
    )


def _call_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """One call for all examples if the function takes them, else one after the other."""
    function: ForeignFunction = vars(node.attrs)["function"]
    given, each = operands[1:], batched[1:]
    size = batch_size(operands, batched)
    if function.for_batch is not None:
        wider = function.for_batch(size)
        stacks = [repeated(x, has_batch, size) for x, has_batch in zip(given, each, strict=True)]
        return node.op(external(function=wider), *stacks, function=wider)
    inputs = [ops.input(type=type_, name=f"x{i}") for i, type_ in enumerate(function.operands)]
    results = items(node.op(external(function=function), *inputs, function=function))
    order = sorted(range(len(given)), key=lambda i: not each[i])
    names = tuple(f"out{i}" for i in range(len(results)))
    body = Graph(function.name, tuple(inputs[i] for i in order), (), results, names)
    return ops.scan(*(given[i] for i in order), body=body, length=size, slices=sum(each))


def _sample(
    size: int, refuse: type[GraphError] | None = None, given: DType | None = None
) -> Sample:
    return Sample(
        lambda rng, dtype: (_doubling()["function"].words, draw(rng, given or dtype, (size,))),
        Deferred(_doubling),
        refuse=refuse,
        label=f"of {size}{given or ''}",
        differentiable=False,
    )


call = register(
    Op(
        name="call",
        family=Family.ROUTINE,
        operands=("where", "*operands"),
        attrs=ForeignAttrs,
        infer=_call_type,
        reference=_call_reference,
        doc="The results of a function from outside, which is assumed to depend on its operands "
        "alone.",
        vjp=OfResults(_refuse),
        jvp=OfResults(_refuse),
        batch=_call_batch,
        routine=_call,
        presumed=(0,),
        sample_dtypes=(float64,),
        samples=(
            _sample(3),
            _sample(4, ShapeError),
            _sample(0, ShapeError),
            _sample(3, DTypeError, float32),
        ),
        stored=True,
        foreign=True,
        cost=0,
    )
)
