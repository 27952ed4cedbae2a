"""Linear systems, inverses and determinants.

Owns `solve`, `solve_triangular`, `inv`, `det`, `slogdet` and `matrix_power`. Imports the op
records. Invariant: a matrix is factored once, whatever is solved with it; a singular one gives inf
and NaN, never an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphc.functions import reductions
from graphc.functions.contraction import matmul
from graphc.functions.elementwise import apply
from graphc.functions.matrix_arguments import matrices_of, system_of
from graphc.functions.refusal import refused
from graphc.functions.triangles import eye
from graphc.ir.build import broadcast, ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.bundle import items
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


@public(module="linalg")
def solve(a: TensorLike, b: TensorLike) -> Tensor:
    """x in `a @ x = b`, by LU with partial pivoting. Integers become f64.

    `b` of one axis is a vector; any other `b` has right sides in its columns. Axes before the
    matrices broadcast. Where `a` is singular, the result is inf and NaN (NumPy raises); a step
    compiled with `debug_nans=True` says where. Derivatives use the factors again (Giles 2008,
    section 2.2.3).

    Raises `ShapeError` for matrices that are not square and for right sides that do not fit.

    >>> import graphc as gc
    >>> a, b = gc.input("a", (5, 3, 3)), gc.input("b", (3, 2))
    >>> gc.linalg.solve(a, b).shape
    (5, 3, 2)
    """
    system = system_of("solve", a, b)
    packed, order, _ = items(ops.lu(system.a))
    factored = system.repeated(system.a, 2), system.repeated(packed, 2), system.repeated(order, 1)
    return system.solution(ops.lu_solve(*factored, system.repeated(system.b, 2)))


@public(module="linalg")
def solve_triangular(
    a: TensorLike,
    b: TensorLike,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """x in `a @ x = b` for triangular `a`, of which nothing but the triangle is read.

    `trans` is 0 or "N" for `a`, 1 or "T" for its transpose; with `unit_diagonal` the diagonal is
    taken for ones. As `scipy.linalg.solve_triangular`, with shapes as in `solve`. A zero on the
    diagonal gives inf and NaN.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise AttributeValueError(f"solve_triangular has no trans={trans!r}", help="use 0 or 1")
    system = system_of("solve_triangular", a, b)
    return system.solution(
        ops.triangular_solve(
            system.repeated(system.a, 2),
            system.repeated(system.b, 2),
            lower=bool(lower),
            transpose=trans not in (0, "N"),
            unit_diagonal=bool(unit_diagonal),
        )
    )


@public(module="linalg")
def inv(a: TensorLike) -> Tensor:
    """The inverse of square matrices; inf and NaN where one is singular. Integers become f64.

    `solve(a, b)` is faster and more accurate than `inv(a) @ b`.
    """
    node = matrices_of("inv", a, square=True)
    return solve(Tensor(node), eye(node.shape[-1], dtype=node.dtype))


@public(module="linalg")
def det(a: TensorLike) -> Tensor:
    """The determinant of square matrices; of integers in f64.

    It is 0 for singular matrices. Its derivative is found by way of the inverse: for a singular
    matrix, where the true one is the adjugate, it comes out as inf or NaN.
    """
    packed, _, sign = _factors("det", a)
    return Tensor(sign) * reductions.prod(_diagonal(packed), -1)


@public(module="linalg")
def slogdet(a: TensorLike) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its magnitude, of square matrices.

    For singular matrices the sign is 0, the logarithm -inf, and its derivative inf or NaN. The
    derivative of the logarithm is the transposed inverse.

    >>> import graphc as gc
    >>> sign, logarithm = gc.linalg.slogdet(gc.input("a", (5, 3, 3)))
    >>> logarithm.shape
    (5,)
    """
    packed, _, sign = _factors("slogdet", a)
    diagonal = _diagonal(packed)
    signs = apply(ops.sign, diagonal)
    logarithms = apply(ops.log, abs(diagonal))
    return SlogdetResult(Tensor(sign) * reductions.prod(signs, -1), reductions.sum(logarithms, -1))


@public(module="linalg")
def matrix_power(a: TensorLike, n: int) -> Tensor:
    """The product of `n` square matrices, in about log2(n) products; of the inverses for n < 0."""
    tensor = as_tensor(a)
    node = tensor.node
    if len(node.shape) < 2 or node.shape[-1] != node.shape[-2]:
        raise refused(ShapeError("matrix_power takes square matrices", operand=0), node)
    if not isinstance(n, int):
        raise AttributeValueError(f"matrix_power takes a whole number, got {n!r}")
    if n == 0:
        return Tensor(broadcast(eye(node.shape[-1], dtype=node.dtype).node, node.shape))
    base = inv(tensor) if n < 0 else tensor
    result = base
    for bit in bin(abs(n))[3:]:
        result = matmul(result, result)
        if bit == "1":
            result = matmul(result, base)
    return result


def _factors(name: str, a: TensorLike) -> tuple[Node, ...]:
    return items(ops.lu(matrices_of(name, a, square=True)))


def _diagonal(packed: Node) -> Tensor:
    rank = len(packed.shape)
    return Tensor(ops.diagonal(packed, offset=0, axis1=rank - 2, axis2=rank - 1))
