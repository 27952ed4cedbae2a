"""The loops of the symmetric eigenvalue problem: to tridiagonal form, and from there to diagonal.

Owns those two steps. Imports `reflections` and the language of routines. Invariant: eigenvectors
are kept as rows, so that what is done to two of them runs along memory.
"""

from __future__ import annotations

from graphc.ir.ops.reflections import reflect
from graphc.ir.routine import ArrayView, Index, Number, RoutineBuilder
from graphc.ir.types import int64

MOST_STEPS = 50
"""So many QR steps an eigenvalue are enough; two or three are usual."""


def tridiagonalise(
    b: RoutineBuilder,
    work: ArrayView,
    rows: ArrayView,
    diagonal: ArrayView,
    beside: ArrayView,
    products: ArrayView,
) -> None:
    """Make a symmetric matrix tridiagonal by reflections from both sides, the transposed product
    of which goes to `rows`. `work` holds all of the matrix, and is used up.

    Golub and Van Loan, "Matrix Computations", algorithm 8.3.1.
    """
    size, dtype = work.shape[0], work.dtype
    with b.loop(size) as k:
        with b.loop(size) as c:
            rows[k, c] = 0
        rows[k, k] = 1
    with b.loop(max(size - 1, 0)) as k:
        first = k + 1
        reflected, tau = reflect(
            b, first, size, lambda i: work[k, i], lambda i, v: work.__setitem__((k, i), v)
        )
        beside[k] = reflected
        work[k, first] = 1
        _reflect_both_sides(b, work, k, tau, products)
        diagonal[k] = work[k, k]
        work[k, k] = tau
    if size:
        diagonal[size - 1] = work[size - 1, size - 1]
        beside[size - 1] = 0
    with b.loop(0, max(size - 1, 0), backward=True) as k:
        first, tau = k + 1, work[k, k]
        with b.loop(first, size) as i:
            along = b.sum(first, size, dtype, lambda c: rows[i, c] * work[k, c]) * tau
            b.lanes(
                first,
                size,
                dtype,
                lambda c: rows.__setitem__((i, c), rows[i, c] - along * work[k, c]),
            )


def _reflect_both_sides(
    b: RoutineBuilder, work: ArrayView, k: Index, tau: Number, products: ArrayView
) -> None:
    """A - v w^T - w v^T below and right of k, with w = p - tau (p v) / 2 v and p = tau A v; v is
    row k of `work`."""
    size, dtype = work.shape[0], work.dtype
    first = k + 1
    with b.loop(first, size) as i:
        products[i] = b.sum(first, size, dtype, lambda c: work[i, c] * work[k, c]) * tau
    shared = b.sum(first, size, dtype, lambda c: products[c] * work[k, c]) * tau * 0.5
    b.lanes(
        first,
        size,
        dtype,
        lambda c: products.__setitem__(c, products[c] - shared * work[k, c]),
    )
    with b.loop(first, size) as i:
        mine, other = work[k, i], products[i]

        def body(c: Index, i: Index = i, mine: Number = mine, other: Number = other) -> None:
            work[i, c] = work[i, c] - mine * products[c] - other * work[k, c]

        b.lanes(first, size, dtype, body)


def diagonalise(b: RoutineBuilder, diagonal: ArrayView, beside: ArrayView, rows: ArrayView) -> None:
    """Make a tridiagonal matrix diagonal by QR steps, and turn `rows` as the axes are turned.

    Golub and Van Loan, "Matrix Computations", algorithm 8.3.3.
    """
    size = diagonal.shape[0]
    if size < 2:
        return
    end = b.variable(b.number(size - 1, int64))
    left = b.variable(b.number(MOST_STEPS * size, int64))
    with b.repeat() as leave_unless:
        leave_unless((end.get() > 0) & (left.get() > 0))
        last = end.get()
        coupled = _is_coupled(b, diagonal, beside, last)
        with b.when(~coupled):
            end.set(last - 1)
        with b.when(coupled):
            begin = b.variable(last - 1)
            with b.repeat() as search_unless:
                search_unless(begin.get() > 0)
                search_unless(_is_coupled(b, diagonal, beside, begin.get()))
                begin.set(begin.get() - 1)
            _step(b, diagonal, beside, rows, begin.get(), last)
            left.set(left.get() - 1)


def _is_coupled(b: RoutineBuilder, diagonal: ArrayView, beside: ArrayView, i: Index) -> Number:
    """Whether what stands beside the diagonal at i - 1 and i is more than rounding."""
    dtype = diagonal.dtype
    size = b.abs(diagonal[i - 1]) + b.abs(diagonal[i])
    return b.abs(beside[i - 1]) > size * 2.0**-dtype.digits + dtype.smallest_normal


def _step(
    b: RoutineBuilder,
    diagonal: ArrayView,
    beside: ArrayView,
    rows: ArrayView,
    first: Index,
    last: Index,
) -> None:
    """An implicit QR step with Wilkinson's shift on the block from `first` to `last`."""
    dtype, size = diagonal.dtype, rows.shape[1]
    zero, one = b.number(0, dtype), b.number(1, dtype)
    corner, half = beside[last - 1], (diagonal[last - 1] - diagonal[last]) * 0.5
    away = half + b.copysign(b.hypot(half, corner), half)
    x = b.variable(diagonal[first] - (diagonal[last] - corner * (corner / away)))
    bulge = b.variable(beside[first])
    with b.loop(first, last) as k:
        length = b.hypot(x.get(), bulge.get())
        still = length.eq(0)
        safe = b.select(still, one, length)
        cosine, sine = b.select(still, one, x.get() / safe), bulge.get() / safe
        with b.when(k > first):
            beside[k - 1] = length
        here, after, between = diagonal[k], diagonal[k + 1], beside[k]
        turned = sine * (after - here) + 2 * cosine * between
        diagonal[k] = here + sine * turned
        diagonal[k + 1] = after - sine * turned
        x.set(cosine * turned - between)
        beside[k] = x.get()
        bulge.set(zero)
        with b.when(k + 1 < last):
            bulge.set(sine * beside[k + 1])
            beside[k + 1] = cosine * beside[k + 1]
        rotate(b, rows, k, k + 1, cosine, sine, size)


def rotate(
    b: RoutineBuilder, rows: ArrayView, i: Index, j: Index, cosine: Number, sine: Number, size: int
) -> None:
    """Turn two rows into each other."""

    def turn(c: Index) -> None:
        one, other = rows[i, c], rows[j, c]
        rows[i, c] = cosine * one + sine * other
        rows[j, c] = cosine * other - sine * one

    b.lanes(0, size, rows.dtype, turn)
