"""Gradients and derivatives along directions.

Owns `grad`, `value_and_grad`, `vjp`, `jvp` and `hvp`. Imports the rest of the package. Invariant:
the first argument decides the form: a tensor is differentiated now, a function when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from graphc.autodiff import functional
from graphc.autodiff.functional import Argnums, applied_to, pulled_back
from graphc.autodiff.operands import (
    directions_of,
    output_of,
    outputs_of,
    scalar_of,
    seeds_of,
    variables_of,
)
from graphc.autodiff.sweeps import backward, forward
from graphc.ir.diagnostics import GradientError
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.trees import LEAF, flatten

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

Function = Callable[..., Any]


@overload
def grad(y: Tensor, wrt: Any, seed: TensorLike | None = None) -> Any: ...
@overload
def grad(
    y: Function, wrt: int | Sequence[int] = ..., *, argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
) -> Function: ...  # fmt: skip
@at_user_line
def grad(
    y: Any, wrt: Any = None, seed: Any = None, *, argnums: Any = 0, has_aux: bool = False
) -> Any:
    """The gradient of a tensor, or the function that computes a function's gradient.

    `grad(y, wrt)`: the gradient of the tensor `y` with respect to tensors of its graph,
    intermediate ones included. `wrt` is a tensor or a tuple, list or dict of tensors; gradients
    come in the same structure, each with shape and dtype of its tensor. A `y` that is no scalar
    needs a `seed` of its shape: the result is the gradient of `(seed * y).sum()`. Where `y` does
    not depend on a tensor the gradient is zero. Gradients are ordinary tensors: use them, print
    them, differentiate them.

    `grad(f, argnums=0)`: a function of the arguments of `f`, which must return a scalar, or with
    `has_aux` a pair of it and anything else. It returns the gradient with respect to the argument
    at `argnums` in that argument's structure (a tuple for several), with `has_aux` in a pair with
    the rest. Called with tensors it returns tensors, so transformations compose; called with
    arrays it is compiled by `gc.jit` and returns arrays.

    Raises `GradientError` for a non-scalar without seed, for integers and booleans, and for what
    is no tensor.

    >>> import graphc as gc
    >>> w = gc.input("w", 3)
    >>> gc.grad((w * w).sum(), w).shape
    (3,)
    >>> gc.grad(gc.grad(lambda x: x**3))(2.0)
    np.float32(12.0)
    """
    if callable(y):
        return functional.grad_of(y, argnums_of(wrt, argnums, seed), has_aux)
    return _gradients(y, wrt, seed)


@overload
def value_and_grad(y: Tensor, wrt: Any, seed: TensorLike | None = None) -> tuple[Tensor, Any]: ...
@overload
def value_and_grad(
    y: Function, wrt: int | Sequence[int] = ..., *, argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
) -> Function: ...  # fmt: skip
@at_user_line
def value_and_grad(
    y: Any, wrt: Any = None, seed: Any = None, *, argnums: Any = 0, has_aux: bool = False
) -> Any:
    """`(y, grad(y, wrt, seed))`, or the function that returns value and gradient of a function.

    With `has_aux` that function returns `((value, aux), gradient)`.
    """
    if callable(y):
        return functional.value_and_grad_of(y, argnums_of(wrt, argnums, seed), has_aux)
    return y, _gradients(y, wrt, seed)


@at_user_line
def vjp(y: Any, *operands: Any, has_aux: bool = False, **named: Any) -> Any:
    """The product of a vector with the Jacobian, in one backward sweep.

    `vjp(y, wrt, seed)`: the derivative of `(seed * y).sum()`, in the structure of `wrt`. `y` may be
    a tuple, list or dict of tensors with a `seed` of the same structure: all are added up.

    `vjp(f, *primals)`: the results of `f` and a function from a seed in their structure to a tuple
    of adjoints, one for each of `primals`; with `has_aux`, `f` returns a pair whose second part is
    returned as a third. For arrays that function is compiled, and computes `f` again.

    Raises `GradientError` for seeds that do not fit, integers and what is no tensor.

    >>> import graphc as gc
    >>> value, pullback = gc.vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> pullback(1.0)
    (np.float32(4.0), np.float32(3.0))
    """
    if callable(y):
        if named:
            raise TypeError(f"gc.vjp of a function has no argument {next(iter(named))}")
        return _vjp_of_function(y, operands, has_aux)
    return _vjp_of_tensors(y, *operands, **named)


@at_user_line
def jvp(y: Any, wrt: Any, direction: Any) -> Any:
    """The product of the Jacobian with a vector, in one forward sweep.

    `jvp(y, wrt, direction)`: the derivative of `y` when the tensors of `wrt` move along
    `direction`, which has the structure of `wrt`. `y` may be a tuple, list or dict of tensors. Zero
    where it does not depend on any of them.

    `jvp(f, primals, tangents)`: the results of `f(*primals)` and how they move.

    Raises as `grad` does.

    >>> import graphc as gc
    >>> gc.jvp(gc.sin, (0.0,), (2.0,))
    (np.float32(0.0), np.float32(2.0))
    """
    if callable(y):
        _check_primals("jvp", wrt, direction)
        return functional.jvp_of(y)(tuple(wrt), tuple(direction))
    outputs, tree = outputs_of(y)
    nodes, structure = variables_of(wrt)
    found = forward(outputs, nodes, directions_of(direction, nodes, structure))
    return tree.build([Tensor(node) for node in found])


@at_user_line
def hvp(y: Any, wrt: Any, v: Any) -> Any:
    """The product of the Hessian with a vector, at the cost of a few gradients.

    `hvp(y, wrt, v)`: for a scalar `y`, the derivative of its gradient along `v`, in the structure
    of `wrt`. `hvp(f, primals, tangents)`: the same for `f(*primals)`; a tuple with a part for each
    argument, or that part where there is one.

    Forward over reverse mode: the Hessian itself is never there. Raises as `grad` does.

    >>> import graphc as gc
    >>> gc.hvp(lambda x: x**3, (2.0,), (1.0,))
    np.float32(12.0)
    """
    if callable(y):
        _check_primals("hvp", wrt, v)
        return functional.hvp_of(y)(tuple(wrt), tuple(v))
    output = scalar_of(y)
    nodes, tree = variables_of(wrt)
    directions = directions_of(v, nodes, tree)
    gradients = backward([output], seeds_of(None, [output], LEAF), nodes)
    return tree.build([Tensor(node) for node in forward(gradients, nodes, directions)])


def argnums_of(wrt: Any, argnums: Any, seed: Any = None) -> Argnums:
    """Which arguments of a function are meant, by the second argument or by name."""
    chosen = argnums if wrt is None else wrt
    if seed is not None:
        raise GradientError(
            "a function is differentiated where it returns a scalar, without seed",
            help="use gc.vjp(f, *primals), whose second result takes a seed",
        )
    several = isinstance(chosen, Sequence) and all(isinstance(part, int) for part in chosen)
    if not (isinstance(chosen, int) or several):
        raise GradientError(
            f"for a function, argnums must be numbers of arguments, got {type(chosen).__name__}",
            help="write gc.grad(f, argnums=0)(x): the result is a function",
        )
    return chosen if isinstance(chosen, int) else tuple(chosen)


def _gradients(y: Any, wrt: Any, seed: Any) -> Any:
    output = output_of(y)
    nodes, tree = variables_of(wrt)
    found = backward([output], seeds_of(seed, [output], LEAF), nodes)
    return tree.build([Tensor(node) for node in found])


def _vjp_of_tensors(y: Any, wrt: Any, seed: Any = None) -> Any:
    outputs, tree = outputs_of(y)
    nodes, structure = variables_of(wrt)
    found = backward(outputs, seeds_of(seed, outputs, tree), nodes)
    return structure.build([Tensor(node) for node in found])


def _vjp_of_function(f: Function, primals: tuple[Any, ...], has_aux: bool) -> Any:
    if any(isinstance(leaf, Tensor) for leaf in flatten(primals)[0]):
        applied = applied_to(f, primals, has_aux)

        @at_user_line
        def pullback(seed: Any) -> Any:
            return pulled_back(applied, seed)

        result = (applied.result, pullback)
        return (*result, applied.aux) if has_aux else result

    compiled = functional.vjp_of(f, has_aux)
    results = functional.call_of(f)(*primals)
    if not has_aux:
        return results, lambda seed: compiled(primals, seed)
    outputs, aux = results
    return outputs, lambda seed: compiled(primals, seed), aux


def _check_primals(name: str, primals: Any, tangents: Any) -> None:
    for value, what in ((primals, "primals"), (tangents, "tangents")):
        if not isinstance(value, (tuple, list)):
            raise GradientError(
                f"{what} must be a tuple with a part for each argument, got {type(value).__name__}",
                help=f"write gc.{name}(f, (x,), (direction,))",
            )
