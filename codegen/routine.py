"""Routines: ops that are loops of their own, written in the language of `ir.routine`.

Owns `Routine`, the plan of such a kernel, and `emit_routine`. Imports `ir` and `codegen`.
Invariant: results that nobody reads are written to scratch memory, so a routine never asks whether
a result is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.coordinates import Axis, Buffer, indices_of
from graphc.codegen.emit import Function
from graphc.codegen.operand import Operand, strided_access
from graphc.codegen.routine_builder import Callee, LoopWriter
from graphc.codegen.routine_values import Array
from graphc.codegen.values import Value, index
from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family, item_index
from graphc.ir.passes.pack_blocks import aligned
from graphc.ir.types import TensorType, int8, row_major_strides


@dataclass(frozen=True)
class Routine:
    """A kernel that is one op.

    `results` has, for each of its results, the node that is stored, or None if nobody reads it;
    `temporaries` are the arrays in its scratch memory: results that nobody reads, then those that
    the op asks for.
    """

    node: Node
    results: tuple[Node | None, ...]
    temporaries: tuple[TensorType, ...]
    vector_bytes: int
    workspace_bytes: int

    @property
    def scratch_bytes(self) -> int:
        return self.workspace_offset + aligned(self.workspace_bytes)

    @property
    def workspace_offset(self) -> int:
        """Where in the scratch memory the workspace of nested graphs begins."""
        return sum(aligned(max(temporary.bytes, 1)) for temporary in self.temporaries)


def plan_routine(
    nodes: Sequence[Node], writes: Sequence[Node], vector_bytes: int, workspace_bytes: int
) -> Routine:
    """The plan of a kernel of these nodes, which stores `writes`. `workspace_bytes` is what its
    nested graphs need; one of them runs at a time."""
    (node,) = (node for node in nodes if node.op.family is Family.ROUTINE)
    types = node.type.parts
    results: list[Node | None] = [None] * len(types)
    for written in writes:
        results[item_index(written) if written.op.family is Family.ITEM else 0] = written
    unread = (type_ for type_, result in zip(types, results, strict=True) if result is None)
    asked = node.op.scratch(node) if node.op.scratch else ()
    return Routine(node, tuple(results), (*unread, *asked), vector_bytes, workspace_bytes)


def emit_routine(
    function: Function,
    plan: Routine,
    buffers: Mapping[Node, Buffer],
    scratch: Value | None,
    callees: Mapping[Graph, Callee],
) -> None:
    """Write the loops of a routine into a function; `callees` are its nested graphs."""
    workspace = function.offset(scratch, int8, index(plan.workspace_offset)) if scratch else None
    builder = LoopWriter(function, plan.vector_bytes, callees, workspace)
    node = plan.node
    operands = [_operand(builder, operand, buffers) for operand in node.operands]
    temporaries = iter(_temporaries(builder, plan, scratch))
    results = [
        next(temporaries) if result is None else _stored(builder, result, buffers[result])
        for result in plan.results
    ]
    assert node.op.routine is not None
    node.op.routine(builder, node.attrs, *operands, *results, *temporaries)


def _operand(builder: LoopWriter, node: Node, buffers: Mapping[Node, Buffer]) -> Array:
    axes = tuple(Axis(f"axis{i}", size) for i, size in enumerate(node.shape))
    access = strided_access(Operand(node, indices_of(axes)), buffers)
    assert access is not None
    address = builder.function.offset(access.buffer.address, node.dtype, index(access.offset))
    strides = tuple(access.stride(axis) for axis in axes)
    return Array(builder, node.type, address, strides, access.buffer.written)


def _stored(builder: LoopWriter, node: Node, buffer: Buffer) -> Array:
    return Array(builder, node.type, buffer.address, buffer.strides, written=True)


def _temporaries(builder: LoopWriter, plan: Routine, scratch: Value | None) -> list[Array]:
    arrays = []
    offset = 0
    for type_ in plan.temporaries:
        assert scratch is not None
        address = builder.function.offset(scratch, int8, index(offset))
        strides = row_major_strides(type_.shape)
        arrays.append(Array(builder, type_, address, strides, written=True))
        offset += aligned(max(type_.bytes, 1))
    return arrays
