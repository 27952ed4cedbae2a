"""What the records of linear algebra share: stacks of matrices, their triangles, formulas on them.

Owns the helpers that those records are written with. Imports the algebra. Invariant: a matrix
stands in the last two axes; all axes before them are batch axes, equal for all operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.diagnostics import DTypeError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.op import Array, Sample
from graphc.ir.ops.algebra import Expression, ops, scalar
from graphc.ir.ops.batching import Batched, batch_size, repeated
from graphc.ir.ops.samples import draw
from graphc.ir.routine import ArrayView, Index, RoutineBuilder
from graphc.ir.types import DType, Shape, TensorType, int64


def check_matrices(name: str, types: Sequence[TensorType], *, square: bool = True) -> TensorType:
    """The type of the first operand; raises unless it is a matrix, square if need be, and all
    operands have its batch axes."""
    a = types[0]
    if a.rank < 2:
        raise ShapeError(
            f"{name} needs matrices, in the last two axes",
            operand=0,
            detail=f"which has {a.rank} axes",
        )
    if square and a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"{name} needs square matrices", operand=0)
    return a


def check_alike(name: str, types: Sequence[TensorType], position: int, shape: Shape) -> None:
    """Raise unless an operand has the dtype of the first one and this shape."""
    a, other = types[0], types[position]
    if other.dtype != a.dtype:
        raise DTypeError(
            f"{name} needs operands of one dtype",
            operand=position,
            detail=f"but {{0}} is {a}",
            help="convert one of them with .astype(...)",
        )
    if other.shape != shape:
        raise ShapeError(
            f"{name} needs shape {list(shape)} here", operand=position, detail=f"but {{0}} is {a}"
        )


def batch_matrices(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """One more batch axis, which every operand gets."""
    size = batch_size(operands, batched)
    stacks = [repeated(x, each, size) for x, each in zip(operands, batched, strict=True)]
    return node.op.build(stacks, node.attrs)


def part(array: ArrayView, place: Sequence[Any]) -> ArrayView:
    """The part of an array at indices of its first axes."""
    for index in place:
        array = array.at(index)
    return array


def by_matrix(function: Callable[..., Any], results: int = 1) -> Callable[..., Any]:
    """A reference of single matrices as one of stacks, computed in f64 and rounded once.

    `function(*operands, **attrs)` gets the part of every operand that belongs to one matrix, the
    first of which has two axes.
    """

    def reference(*arrays: Array, **attrs: Any) -> Any:
        first = arrays[0]
        lead, dtype = first.shape[:-2], first.dtype
        wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in arrays]
        places = list(np.ndindex(*lead))
        given = [[x[place] for x in wide] for place in places]
        # Of no matrices, one of zeros tells the shapes.
        blank = [np.zeros(x.shape[len(lead) :], x.dtype) for x in wide]
        parts = [function(*each, **attrs) for each in given or [blank]]
        columns = list(zip(*parts, strict=True)) if results > 1 else [parts]
        stacks = [np.stack(column)[: len(places)] for column in columns]
        shaped = [stack.reshape((*lead, *stack.shape[1:])) for stack in stacks]
        found = tuple(stack.astype(dtype) if stack.dtype.kind == "f" else stack for stack in shaped)
        return found if results > 1 else found[0]

    return reference


def transposed(x: Node) -> Node:
    *batch, rows, columns = range(len(x.shape))
    return ops.transpose(x, perm=(*batch, columns, rows))


def product(*factors: Node) -> Node:
    """The matrix product of several, from the left."""
    result = factors[0]
    for factor in factors[1:]:
        result = ops.matmul(result, factor)
    return result


def plus(*terms: Node | None) -> Node | None:
    """The sum of those that are there."""
    total: Node | None = None
    for term in terms:
        if term is not None:
            total = term if total is None else ops.add(total, term)
    return total


def lower(x: Node, diagonal: int = 0) -> Node:
    """What is on and below a diagonal, zeros above it; NaN above does not come through."""
    return ops.where(below(x, diagonal), x, scalar(0, x.dtype))


def upper(x: Node, diagonal: int = 0) -> Node:
    """What is on and above a diagonal, zeros below it."""
    return ops.where(below(x, diagonal - 1), scalar(0, x.dtype), x)


def below(x: Node, diagonal: int = 0) -> Node:
    """Where a matrix is on or below a diagonal."""
    rows, columns = x.shape[-2:]
    row = Expression(ops.iota(shape=(rows, 1), axis=0, dtype=int64))
    column = ops.iota(shape=(1, columns), axis=1, dtype=int64)
    return (row + diagonal).ge(Expression(column)).node


def mirrored(x: Node) -> Node:
    """The symmetric matrix that has the lower triangle of `x`."""
    return ops.where(below(x), x, transposed(x))


def folded(x: Node) -> Node:
    """The transpose of `mirrored`: what is above the diagonal is added to its mirror image."""
    return lower(ops.add(x, lower(transposed(x), -1)))


def on_diagonal(x: Node) -> Node:
    """Vectors, in the last axis, as the diagonals of matrices of zeros."""
    size = x.shape[-1]
    row = Expression(ops.iota(shape=(size, 1), axis=0, dtype=int64))
    column = Expression(ops.iota(shape=(1, size), axis=1, dtype=int64))
    spread = ops.reshape(x, shape=(*x.shape, 1))
    return ops.where(row.eq(column).node, spread, scalar(0, x.dtype))


def diagonal_of(x: Node) -> Node:
    rank = len(x.shape)
    return ops.diagonal(x, offset=0, axis1=rank - 2, axis2=rank - 1)


def solved(
    a: Node, b: Node, *, lower: bool = True, transpose: bool = False, unit_diagonal: bool = False
) -> Node:
    """X in a X = b, of which `a` is triangular."""
    return ops.triangular_solve(a, b, lower=lower, transpose=transpose, unit_diagonal=unit_diagonal)


def solved_right(
    a: Node, b: Node, *, lower: bool = True, transpose: bool = False, unit_diagonal: bool = False
) -> Node:
    """X in X a = b, of which `a` is triangular."""
    return transposed(
        solved(
            a,
            transposed(b),
            lower=lower,
            transpose=not transpose,
            unit_diagonal=unit_diagonal,
        )
    )


UNROLLED = 4
"""So many rows are added to one at once, which saves loads and stores; a power of 2."""


def add_rows(
    b: RoutineBuilder,
    target: ArrayView,
    source: ArrayView,
    rows: tuple[Any, Any],
    columns: tuple[Any, Any],
    factor: Callable[[Any], Any],
) -> None:
    """Add `factor(j)` times row j of `source` to a row, for the rows and columns between two
    bounds."""
    first, last = rows
    rest = first + ((last - first) & (UNROLLED - 1))

    def add(chosen: Sequence[Any]) -> None:
        factors = [factor(j) for j in chosen]

        def body(c: Any) -> None:
            total = target[c]
            for j, each in zip(chosen, factors, strict=True):
                total = total + each * source[j, c]
            target[c] = total

        b.lanes(*columns, target.dtype, body)

    with b.loop(first, rest) as j:
        add([j])
    with b.loop((last - rest) >> (UNROLLED.bit_length() - 1)) as block:
        add([rest + block * UNROLLED + k for k in range(UNROLLED)])


def by_panels(b: RoutineBuilder, size: int, body: Callable[[Index, Index], None]) -> None:
    """Run `body(first, end)` for a few neighbouring rows or columns after the other."""
    with b.loop(size // UNROLLED) as panel:
        body(panel * UNROLLED, panel * UNROLLED + UNROLLED)
    if size % UNROLLED:
        body(size // UNROLLED * UNROLLED, size)


SIZES = (0, 1, 2, 3, 5, 17, 33)
"""The sizes that matrices are tested at."""


def well_conditioned(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """Random matrices near the identity, times numbers of one sign or the other, whose singular
    values are all different and between 1/2 and 3 or so."""
    *lead, rows, columns = shape
    size = max(rows, columns, 1)
    noise = rng.normal(size=shape) * (0.35 / np.sqrt(size))
    scale = np.linspace(1, 2, columns) * rng.choice([-1, 1], (*lead, 1, columns))
    return np.asarray((np.eye(rows, columns) + noise) * scale, dtype.numpy)


def positive_definite(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """Random symmetric matrices with eigenvalues between 1/4 and 9 or so."""
    wide = well_conditioned(rng, DType.of(np.float64), shape)
    found: Array = (wide @ np.swapaxes(wide, -1, -2)).astype(dtype.numpy)
    return found


def matrix_samples(
    make: Callable[[np.random.Generator, DType, Shape], Array], **attrs: Any
) -> tuple[Sample, ...]:
    """Square matrices of every size, and a batch of them."""

    def sample(shape: Shape) -> Sample:
        return Sample(lambda rng, dtype: (make(rng, dtype, shape),), attrs, label=str(shape))

    shapes = [(n, n) for n in SIZES] + [(2, 3, 4, 4), (0, 3, 3), (5, 1, 1), (1, 2, 2), (2, 0, 0)]
    return tuple(sample(shape) for shape in shapes)


def refused_matrices(*shapes: Shape, **attrs: Any) -> tuple[Sample, ...]:
    """One operand of a shape that is not taken."""
    return tuple(
        Sample(
            lambda rng, dtype, shape=shape: (draw(rng, dtype, shape),),  # type: ignore[misc]
            attrs,
            refuse=ShapeError,
            label=f"shape {shape}",
        )
        for shape in shapes
    )
