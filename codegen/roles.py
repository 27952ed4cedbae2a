"""Which axes of a product are its rows, columns, depth and batch.

Owns `contraction_of`. Imports `ir` and what a contraction is. Invariant: the columns move through
the result in equal steps, so that a vector of them is stored by one instruction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Buffer, Index, indices_of
from graphc.codegen.operand import Contraction, Operand, sliding
from graphc.ir.graph import Node
from graphc.ir.ops.tensor_contraction import ContractAttrs, Labels, sizes_of
from graphc.ir.types import row_major_strides

_ENOUGH_COLUMNS = 16
"""Elements of a vector: with more columns than this, one side is as good as the other."""


def contraction_of(node: Node, buffers: Mapping[Node, Buffer]) -> Contraction:
    """The contraction that a node is, without its stores and scratch. Of `buffers` only the
    strides are looked at."""
    if not isinstance(node.attrs, ContractAttrs):
        return matmul_contraction(node)
    product = _labelled(node, node.attrs)
    left, right = (
        replace(operand, slides=sliding(operand, buffers, across.leaves[0], product.depth.leaves))
        for operand, across in ((product.left, product.rows), (product.right, product.columns))
    )
    return replace(product, left=left, right=right)


def matmul_contraction(node: Node) -> Contraction:
    """The contraction that a matmul node is.

    `node` has operands [..., m, k] and [..., k, n] whose leading axes broadcast.
    """
    left, right = node.operands
    *lead, m, n = node.shape
    batch = tuple(Axis(f"batch{number}", size) for number, size in enumerate(lead))
    rows, columns = Axis("row", m), Axis("column", n)
    depth = Axis("depth", left.shape[-1], reduced=True)
    return Contraction(
        node=node,
        batch=batch,
        rows=rows,
        columns=columns,
        depth=depth,
        left=_batched(left, batch, rows, depth),
        right=_batched(right, batch, depth, columns),
        at=indices_of((*batch, rows, columns)),
    )


def _batched(node: Node, batch: Sequence[Axis], *matrix: Axis) -> Operand:
    """An operand with leading axes: those of size 1 are broadcast."""
    lead = node.shape[:-2]
    used = zip(lead, batch[len(batch) - len(lead) :], strict=True)
    at = (Index() if size == 1 else Index(((axis, 1),)) for size, axis in used)
    return Operand(node, (*at, *indices_of(matrix)))


@dataclass(frozen=True)
class _Roles:
    """The labels of a contraction by what they are, and its operands, that with the rows first."""

    batch: list[int]
    rows: list[int]
    columns: list[int]
    depth: list[int]
    operands: tuple[tuple[Node, Labels], tuple[Node, Labels]]


def _roles(node: Node, attrs: ContractAttrs, sizes: Mapping[int, int]) -> _Roles:
    """Vectors run along axes of the operand that has more of them in equal steps in the result;
    the other's axes are the rows. What is left over is done product by product. Axes of one
    element are nowhere."""
    strides = dict(zip(attrs.result, row_major_strides(node.shape), strict=True))
    x, y = (
        [label for label in attrs.result if label not in other and sizes[label] > 1]
        for other in (attrs.right, attrs.left)
    )
    of_x, of_y = (_in_equal_steps(own, sizes, strides) for own in (x, y))
    left, right = zip(node.operands, (attrs.left, attrs.right), strict=True)
    rows, columns = x, of_y
    if _merit(of_x, sizes, strides) > _merit(of_y, sizes, strides):
        rows, columns, left, right = y, of_x, right, left
    batch = [n for n in attrs.result if n not in (*rows, *columns) and sizes[n] != 1]
    depth = [n for n in left[1] if n not in attrs.result and sizes[n] != 1]
    return _Roles(batch, rows, columns, depth, (left, right))


def _labelled(node: Node, attrs: ContractAttrs) -> Contraction:
    """The contraction without what slides."""
    sizes = sizes_of(node)
    roles = _roles(node, attrs, sizes)
    axes = {label: Axis(f"batch{i}", sizes[label]) for i, label in enumerate(roles.batch)}
    groups = []
    for name in ("rows", "columns", "depth"):
        labels: list[int] = getattr(roles, name)
        hint, reduced = name.removesuffix("s"), name == "depth"
        for i, label in enumerate(labels):
            numbered = f"{hint}{i}" if len(labels) > 1 else hint
            axes[label] = Axis(numbered, sizes[label], reduced)
        groups.append(Axis.group(hint, [axes[label] for label in labels], reduced))
    rows, columns, depth = groups
    if not depth.extent:
        # Nothing is read.
        axes = {label: axis for label, axis in axes.items() if not axis.reduced}
        depth = Axis("depth", 0, reduced=True)
    left, right = (
        Operand(
            operand,
            _at(labels, axes),
            tuple(group for group in (across, depth) if group.parts),
        )
        for (operand, labels), across in zip(roles.operands, (rows, columns), strict=True)
    )
    return Contraction(
        node=node,
        batch=tuple(axes[label] for label in roles.batch),
        rows=rows,
        columns=columns,
        depth=depth,
        left=left,
        right=right,
        at=_at(attrs.result, axes),
    )


def _at(labels: Labels, axes: Mapping[int, Axis]) -> tuple[Index, ...]:
    return tuple(Index(((axes[label], 1),)) if label in axes else Index() for label in labels)


def _in_equal_steps(
    labels: Sequence[int], sizes: Mapping[int, int], strides: Mapping[int, int]
) -> list[int]:
    """The last of these labels along which the result is walked in equal steps."""
    found: list[int] = []
    for label in reversed(labels):
        if found and strides[label] != sizes[found[0]] * strides[found[0]]:
            break
        found.insert(0, label)
    return found


def _merit(labels: Iterable[int], sizes: Mapping[int, int], strides: Mapping[int, int]) -> float:
    """How well vectors run along these axes of the result: neighbours, and enough of them."""
    chosen = list(labels)
    if not chosen:
        return 0.0
    useful = min(math.prod(sizes[label] for label in chosen), _ENOUGH_COLUMNS)
    return useful if strides[chosen[-1]] == 1 else useful / 2
