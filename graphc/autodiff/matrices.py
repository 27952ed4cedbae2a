"""Jacobians and Hessians.

Owns `jacobian`, `jacfwd`, `jacrev` and `hessian`. Imports the rest of the package. Invariant: all
rows (or columns) come from one sweep over a batch of unit seeds, which are computed where they are
used; the result is the only thing of its size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.autodiff import functional
from graphc.autodiff.gradients import argnums_of
from graphc.autodiff.operands import outputs_of, scalar_of, seeds_of, variables_of
from graphc.autodiff.sweeps import Mode, backward, jacobians
from graphc.ir.diagnostics import GradientError
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.trees import LEAF

Function = Callable[..., Any]


@at_user_line
def jacobian(
    y: Any,
    wrt: Any = None,
    *,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    mode: Mode | None = None,
) -> Any:
    """The derivative of every element of `y` with respect to every element of `wrt`.

    `jacobian(y, wrt)` has the shape `y.shape + wrt.shape`. Nested tensors give nested results, for
    each part of `y` what is nested as `wrt`. `jacobian(f, argnums=0)` is a function of the
    arguments of `f` that does this for its results, as `grad` does. `mode` is "reverse" or
    "forward"; without it, that which needs fewer seeds.

    Raises `GradientError` as `grad` does, and `BatchError` for an op that cannot be vectorised.

    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> gc.jacobian(gc.stack([x[0], x[1]]), x).shape
    (2, 3)
    """
    if mode not in (None, "reverse", "forward"):
        raise GradientError(f"the mode of a jacobian is 'reverse' or 'forward', got {mode!r}")
    if callable(y):
        return functional.jacobian_of(y, argnums_of(wrt, argnums), has_aux, mode)
    outputs, tree = outputs_of(y)
    nodes, structure = variables_of(wrt)
    rows = jacobians(outputs, nodes, mode)
    return tree.build([structure.build([Tensor(node) for node in row]) for row in rows])


@at_user_line
def jacfwd(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """`jacobian(f)` in forward mode: for functions with fewer arguments than results."""
    function: Function = jacobian(f, argnums=argnums, has_aux=has_aux, mode="forward")
    return function


@at_user_line
def jacrev(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """`jacobian(f)` in reverse mode: for functions with fewer results than arguments."""
    function: Function = jacobian(f, argnums=argnums, has_aux=has_aux, mode="reverse")
    return function


@at_user_line
def hessian(
    y: Any, wrt: Any = None, *, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Any:
    """All second derivatives of a scalar.

    `hessian(y, wrt)` has the shape `wrt.shape + wrt.shape`; for nested tensors the structure of
    `wrt`, with that structure again in each part. `hessian(f, argnums=0)` is a function, as
    `grad(f)` is. Forward over reverse mode. Where a product with a vector is enough, `gc.hvp` is
    far cheaper.

    >>> import graphc as gc
    >>> gc.hessian(lambda x: x**3)(2.0)
    np.float32(12.0)
    """
    if callable(y):
        return functional.hessian_of(y, argnums_of(wrt, argnums), has_aux)
    output = scalar_of(y)
    nodes, tree = variables_of(wrt)
    gradients = backward([output], seeds_of(None, [output], LEAF), nodes)
    rows = jacobians(gradients, nodes, "forward")
    return tree.build([tree.build([Tensor(node) for node in row]) for row in rows])
