"""Functions generated from the records of elementwise ops.

Owns their generator, and `apply`, which builds any such op on what a user passes. Imports the op
records. Invariant: no op is named here; name, arguments and documentation are the record's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter as Argument
from typing import TYPE_CHECKING, Any

from graphc.functions.exact_comparison import exactly_compared
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import GraphError
from graphc.ir.op import Family, Op
from graphc.ir.ops import OPS
from graphc.promotion import promoted
from graphc.public import at_user_line
from graphc.registry import FUNCTIONS, register
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


def apply(op: Op, *operands: TensorLike, **attrs: Any) -> Tensor:
    """Build a node on operands promoted to the dtypes that NumPy computes in.

    An error names the operand as the user wrote it, not the conversion put before it.
    """
    exact = exactly_compared(op, operands)
    if exact is not None:
        return exact
    nodes = promoted(op, operands)
    given = [
        operand.node if isinstance(operand, Tensor) else node
        for operand, node in zip(operands, nodes, strict=True)
    ]
    if given != nodes:
        try:
            op.infer([node.type for node in nodes], op.attrs(**attrs))
        except GraphError as error:
            raise refused(error, *given) from None
    return Tensor(op(*nodes, **attrs))


def generate() -> None:
    """Make and register the function of every elementwise op that is not written by hand."""
    for op in OPS.values():
        names = op.numpy or (op.name,)
        if op.family is Family.ELEMENTWISE and not fields(op.attrs) and names[0] not in FUNCTIONS:
            register(_elementwise(op, names[0]), names)


def _elementwise(op: Op, name: str) -> Callable[..., Tensor]:
    def function(*operands: TensorLike) -> Tensor:
        if len(operands) != len(op.operands):
            raise TypeError(
                f"gc.{name}({', '.join(op.operands)}) takes {len(op.operands)} operands, "
                f"got {len(operands)}"
            )
        return apply(op, *operands)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _document(op)
    operands = [
        Argument(operand, Argument.POSITIONAL_ONLY, annotation="TensorLike")
        for operand in op.operands
    ]
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        operands, return_annotation="Tensor"
    )
    return at_user_line(function)


def _document(op: Op) -> str:
    dtypes = " ".join(dtype.name for dtype in op.dtypes)
    means = f"\n\nSymbolic counterpart of `np.{op.numpy[0]}`." if op.numpy else ""
    return f"{op.doc}\n\nOperands broadcast; computed in {dtypes}.{means}"
