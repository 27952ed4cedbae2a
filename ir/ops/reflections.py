"""Householder's reflections, which QR, the tridiagonal form and singular vectors are made with.

Owns the loops that make and apply them. Imports the language of routines. Invariant: a reflection
is I - tau v v^T with v = 1 at its first place; of a vector that has zeros after its first place it
is the identity, as in LAPACK, so signs are NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.ops.matrices import add_rows
from graphc.ir.routine import ArrayView, Index, Number, RoutineBuilder


def reflect(
    b: RoutineBuilder,
    first: Index,
    last: Index,
    load: Callable[[Index], Number],
    store: Callable[[Index, Number], None],
) -> tuple[Number, Number]:
    """Make the reflection of the vector between two bounds to a multiple of its first place.

    The elements after the first become those of v. Returns what the first becomes, and tau.
    Golub and Van Loan, "Matrix Computations", algorithm 5.1.1.
    """
    head = load(first)
    zero, one = b.number(0, head.dtype), b.number(1, head.dtype)
    largest = b.variable(zero)
    with b.loop(first + 1, last) as i:
        largest.set(b.maximum(largest.get(), b.abs(load(i))))
    nothing = largest.get().eq(0)
    unit = b.select(nothing, one, b.maximum(largest.get(), b.abs(head)))
    squares = b.variable((head / unit) * (head / unit))
    with b.loop(first + 1, last) as i:
        scaled = load(i) / unit
        squares.set(squares.get() + scaled * scaled)
    reflected = b.select(nothing, head, -b.copysign(unit * b.sqrt(squares.get()), head))
    divisor = b.select(nothing, one, head - reflected)
    tau = b.select(nothing, zero, (reflected - head) / b.select(nothing, one, reflected))
    with b.loop(first + 1, last) as i:
        store(i, load(i) / divisor)
    return reflected, tau


def apply_reflection(
    b: RoutineBuilder,
    vector: Callable[[Index], Number],
    tau: Number,
    target: ArrayView,
    rows: tuple[Index, Index],
    columns: tuple[Index, Index],
    products: ArrayView,
) -> None:
    """Reflect the columns of a matrix between two bounds; v lies along `rows`. `products` is
    scratch memory for a row."""
    first, last = rows
    dtype = target.dtype
    b.lanes(*columns, dtype, lambda c: products.__setitem__(c, target[first, c]))
    add_rows(b, products, target, (first + 1, last), columns, vector)

    def begin(c: Index) -> None:
        products[c] = products[c] * tau
        target[first, c] = target[first, c] - products[c]

    b.lanes(*columns, dtype, begin)
    with b.loop(first + 1, last) as i:
        factor: Any = -vector(i)
        b.lanes(
            *columns,
            dtype,
            lambda c: target.__setitem__((i, c), target[i, c] + factor * products[c]),
        )


def factorise(b: RoutineBuilder, work: ArrayView, taus: ArrayView, products: ArrayView) -> None:
    """Make `work` upper triangular by reflections, of which v stays below the diagonal."""
    rows, columns = work.shape
    with b.loop(columns) as k:
        reflected, tau = reflect(
            b, k, rows, lambda i: work[i, k], lambda i, v: work.__setitem__((i, k), v)
        )
        work[k, k], taus[k] = reflected, tau
        apply_reflection(b, lambda i: work[i, k], tau, work, (k, rows), (k + 1, columns), products)


def orthonormal(
    b: RoutineBuilder, work: ArrayView, taus: ArrayView, products: ArrayView, q: ArrayView
) -> None:
    """The first columns of the product of the reflections that `factorise` has left."""
    rows, columns = q.shape
    with b.loop(rows) as i:
        b.lanes(0, columns, q.dtype, lambda c: q.__setitem__((i, c), 0))
    with b.loop(columns) as k:
        q[k, k] = 1
    with b.loop(0, columns, backward=True) as k:
        apply_reflection(b, lambda i: work[i, k], taus[k], q, (k, rows), (k, columns), products)
