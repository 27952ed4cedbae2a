"""Operations that are functions of their own.

Owns `call_operation`. Imports `ir` and the emitter. Where a kernel has many costly operations,
their code is written once for the module and called. Invariant: a function is named after all that
its code depends on: the operation, its attributes, and the types and constants of its operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import cast

from graphc.codegen.emit import Function
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import Value, is_number
from graphc.ir.graph import Node

COSTLY = 8
"""Cost an element from which an operation is worth a call: a dozen instructions or more."""


def is_costly(node: Node) -> bool:
    """Whether an operation may be a function of its own."""
    return node.op.lower is not None and node.op.cost >= COSTLY


def lowered(scalars: VectorScalars, node: Node, values: Sequence[Value]) -> Value:
    """Write the operation of a node here, on these operands."""
    assert node.op.lower is not None
    attributes = {field.name: getattr(node.attrs, field.name) for field in fields(node.attrs)}
    return cast(Value, node.op.lower(scalars, *values, **attributes))


def call_operation(function: Function, node: Node, values: Sequence[Value]) -> Value:
    """Write a call of the operation of a node, and the function itself at its first use."""
    arguments = [value for value in values if not is_number(value)]
    if not arguments:
        return lowered(VectorScalars(function), node, values)
    like = tuple(value if is_number(value) else (value.dtype, value.lanes) for value in values)
    module, key = function.module, (node.op.name, node.attrs, like)
    found = module.operations.get(key)
    if found is None:
        found = module.operations[key] = _write(function, node, values)
    symbol, result = found
    typed = ", ".join(argument.typed for argument in arguments)
    right = f"call fastcc {result.type} @{symbol}({typed})"
    return function.pure(right, result.dtype, result.lanes, *arguments)


def _write(caller: Function, node: Node, values: Sequence[Value]) -> tuple[str, Value]:
    """Write the function; its symbol, and a value of its result's type."""
    own = [
        value if is_number(value) else Value(f"%x{i}", value.dtype, value.lanes)
        for i, value in enumerate(values)
    ]
    module = caller.module
    symbol = f"{node.op.name}.{len(module.operations)}"
    parameters = [value for value in own if not is_number(value)]
    function = module.function(symbol, parameters, "internal fastcc")
    result = lowered(VectorScalars(function), node, own)
    function.raw(f"ret {result.typed}")
    function.attributes += f" {result.type}"
    return symbol, result
