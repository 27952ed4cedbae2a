"""Whether tensors are equal, nearly so, or found among others.

Owns those functions. Imports the op records through `apply`. Invariant: each gives bools; one that
compares whole tensors gives a scalar, known while the graph is declared if the shapes decide it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions import reductions
from graphc.functions.elementwise import apply
from graphc.functions.layout import expand_dims
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.ir.ops.combinators import broadcast_shapes
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def isclose(
    a: TensorLike,
    b: TensorLike,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether `|a - b| <= atol + rtol * |b|`, element by element.

    Infinities are close to themselves alone, NaN to NaN with `equal_nan`, else to nothing.
    Integers and bools are compared as f64.

    >>> import graphc as gc
    >>> gc.isclose(gc.input("x", 3), 1.0).dtype.name
    'bool'
    """
    x, y = (reductions.as_floats(Tensor(node)) for node in common([a, b]))
    near = (abs(x - y) <= atol + rtol * abs(y)) & (abs(y) < math.inf)
    found = near | apply(ops.eq, x, y)
    if equal_nan:
        found = found | (apply(ops.ne, x, x) & apply(ops.ne, y, y))
    return found


@public
def allclose(
    a: TensorLike,
    b: TensorLike,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether all elements are `isclose`, as a scalar bool."""
    return reductions.all(isclose(a, b, rtol, atol, equal_nan))


@public
def array_equal(a1: TensorLike, a2: TensorLike, equal_nan: bool = False) -> Tensor:
    """Whether the shapes and all elements are equal; with `equal_nan` NaN is equal to NaN."""
    x, y = as_tensor(a1), as_tensor(a2)
    if x.shape != y.shape:
        return as_tensor(False)
    same = apply(ops.eq, x, y)
    if equal_nan:
        same = same | (apply(ops.ne, x, x) & apply(ops.ne, y, y))
    return reductions.all(same)


@public
def array_equiv(a1: TensorLike, a2: TensorLike) -> Tensor:
    """Whether all elements are equal once the operands are broadcast to one shape."""
    x, y = as_tensor(a1), as_tensor(a2)
    try:
        broadcast_shapes("array_equiv", [x.shape, y.shape])
    except ShapeError:
        return as_tensor(False)
    return reductions.all(apply(ops.eq, x, y))


@public
def isin(
    element: TensorLike,
    test_elements: TensorLike,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> Tensor:
    """Whether each element is equal to one of `test_elements`, or with `invert` to none.

    Every element is compared with every other one. `assume_unique` and `kind` are there for
    NumPy's sake.
    """
    x, among = as_tensor(element), as_tensor(test_elements).reshape(-1)
    found = reductions.any(apply(ops.eq, expand_dims(x, -1), among), -1)
    return ~found if invert else found
