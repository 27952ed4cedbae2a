"""Transformations of functions: what a function of tensors has to do with its derivatives.

Owns `Application` and the functions that transformations return. Imports `sweeps` and
`just_in_time`. Invariant: a function is differentiated for fresh variables, which nothing but its
arguments can be made of; what it takes from outside is constant.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphc.autodiff.operands import (
    described,
    directions_of,
    name_of,
    returned_by,
    scalar_returned_by,
    seeds_of,
)
from graphc.autodiff.sweeps import Mode, backward, forward, jacobians
from graphc.ir.build import ops
from graphc.ir.diagnostics import GradientError, GraphError
from graphc.ir.graph import Node
from graphc.ir.location import provenance
from graphc.just_in_time import Jitted, jit
from graphc.promotion import as_node
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.trees import LEAF, Tree, flatten

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]

_KEPT = 256
"""Of how many functions the compiled derivatives are kept for the next call."""


@dataclass(frozen=True)
class Application:
    """What a function returned for fresh variables in place of some arguments.

    `tree` is how the variables are nested: as those arguments are.
    """

    f: Function
    result: Any
    aux: Any
    variables: list[Node]
    tree: Tree

    @staticmethod
    def of(
        f: Function, args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
    ) -> Application:
        chosen = _chosen(f, args, argnums)
        leaves, tree = flatten(chosen)
        paths = tree.paths(str(argnums) if isinstance(argnums, int) else "")
        variables = [_variable(leaf, path) for leaf, path in zip(leaves, paths, strict=True)]
        fresh = tree.build([Tensor(node) for node in variables])
        by_number = (
            {argnums: fresh} if isinstance(argnums, int) else dict(zip(argnums, fresh, strict=True))
        )
        by_number = {number % len(args): value for number, value in by_number.items()}
        given = [by_number.get(number, value) for number, value in enumerate(args)]
        with provenance(None):  # what the function builds has the lines of the function
            result = f(*given, **kwargs)
        aux = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise GradientError(
                    f"with has_aux=True, {name_of(f)} must return a pair of what is "
                    f"differentiated and anything else, got {type(result).__name__}"
                )
            result, aux = result
        return Application(f, result, aux, variables, tree)

    def gradient(self) -> tuple[Tensor, Any]:
        """The scalar result, and its gradient in the structure of the arguments."""
        output = scalar_returned_by(self.f, self.result)
        found = backward([output], seeds_of(None, [output], LEAF), self.variables)
        return Tensor(output), self.tree.build([Tensor(node) for node in found])


def _chosen(f: Function, args: Sequence[Any], argnums: Argnums) -> Any:
    for number in (argnums,) if isinstance(argnums, int) else argnums:
        if not -len(args) <= number < len(args):
            raise GradientError(
                f"argnums has {number}, but {name_of(f)} was called with {len(args)} arguments",
                help="argnums counts positional arguments from 0",
            )
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def _variable(leaf: Any, path: str) -> Node:
    """A node of its own with the value of a leaf."""
    try:
        node = as_node(leaf)
    except GraphError:
        raise GradientError(
            f"argument {path} is a {type(leaf).__name__}, which has no gradient",
            help="choose the arguments to differentiate for with argnums=",
        ) from None
    if not node.dtype.is_float:
        raise GradientError(
            f"argument {path} is {described(node)} and has no gradient: only floats have",
            help="pass a float, or choose other arguments with argnums=",
        )
    return ops.reshape(node, shape=node.shape, name=node.name)


def kept(make: Callable[..., Function]) -> Callable[..., Jitted]:
    """Make the transformed function once for each function and each choice of options, so that
    what was compiled for it is found again. `make(f, *options)` gives a function of tensors."""

    def transformed(f: Function, *options: Any) -> Jitted:
        made = make(f, *options)
        functools.update_wrapper(made, f, assigned=("__module__", "__doc__"))
        made.__name__ = f"{make.__name__.removesuffix('_of')}_{name_of(f).strip('<>')}"
        return jit(made)

    cached = lru_cache(_KEPT)(transformed)

    def find(f: Function, *options: Any) -> Jitted:
        try:
            hash(f)
        except TypeError:
            return transformed(f, *options)
        return cached(f, *options)

    return find


@kept
def grad_of(f: Function, argnums: Argnums, has_aux: bool) -> Function:
    @at_user_line
    def gradient(*args: Any, **kwargs: Any) -> Any:
        applied = Application.of(f, args, kwargs, argnums, has_aux)
        _, found = applied.gradient()
        return (found, applied.aux) if has_aux else found

    return gradient


@kept
def value_and_grad_of(f: Function, argnums: Argnums, has_aux: bool) -> Function:
    @at_user_line
    def gradient(*args: Any, **kwargs: Any) -> Any:
        applied = Application.of(f, args, kwargs, argnums, has_aux)
        value, found = applied.gradient()
        return ((value, applied.aux) if has_aux else value), found

    return gradient


@kept
def call_of(f: Function) -> Function:
    return lambda *args: f(*args)


@kept
def vjp_of(f: Function, has_aux: bool) -> Function:
    @at_user_line
    def pullback(primals: tuple[Any, ...], seed: Any) -> Any:
        return pulled_back(applied_to(f, primals, has_aux), seed)

    return pullback


@kept
def jvp_of(f: Function) -> Function:
    @at_user_line
    def pushforward(primals: tuple[Any, ...], directions: tuple[Any, ...]) -> Any:
        applied = applied_to(f, primals, False)
        outputs, tree = returned_by(f, applied.result)
        moving = directions_of(directions, applied.variables, applied.tree)
        found = forward(outputs, applied.variables, moving)
        return tree.build(list(map(Tensor, outputs))), tree.build(list(map(Tensor, found)))

    return pushforward


@kept
def hvp_of(f: Function) -> Function:
    @at_user_line
    def product(primals: tuple[Any, ...], directions: tuple[Any, ...]) -> Any:
        applied = applied_to(f, primals, False)
        moving = directions_of(directions, applied.variables, applied.tree)
        output = scalar_returned_by(f, applied.result)
        gradients = backward([output], seeds_of(None, [output], LEAF), applied.variables)
        found = forward(gradients, applied.variables, moving)
        products = applied.tree.build(list(map(Tensor, found)))
        return products[0] if len(primals) == 1 else products

    return product


@kept
def jacobian_of(f: Function, argnums: Argnums, has_aux: bool, mode: Mode | None) -> Function:
    @at_user_line
    def matrix(*args: Any, **kwargs: Any) -> Any:
        applied = Application.of(f, args, kwargs, argnums, has_aux)
        outputs, tree = returned_by(f, applied.result)
        rows = jacobians(outputs, applied.variables, mode)
        found = tree.build([applied.tree.build(list(map(Tensor, row))) for row in rows])
        return (found, applied.aux) if has_aux else found

    return matrix


@kept
def hessian_of(f: Function, argnums: Argnums, has_aux: bool) -> Function:
    @at_user_line
    def matrix(*args: Any, **kwargs: Any) -> Any:
        applied = Application.of(f, args, kwargs, argnums, has_aux)
        output = scalar_returned_by(f, applied.result)
        gradients = backward([output], seeds_of(None, [output], LEAF), applied.variables)
        rows = jacobians(gradients, applied.variables, "forward")
        found = applied.tree.build([applied.tree.build(list(map(Tensor, row))) for row in rows])
        return (found, applied.aux) if has_aux else found

    return matrix


def applied_to(f: Function, primals: tuple[Any, ...], has_aux: bool) -> Application:
    """`f` of variables in place of all its arguments."""
    return Application.of(f, primals, {}, tuple(range(len(primals))), has_aux)


def pulled_back(applied: Application, seed: Any) -> Any:
    """Each argument's adjoint, for a seed in the structure of the results."""
    outputs, tree = returned_by(applied.f, applied.result)
    found = backward(outputs, seeds_of(seed, outputs, tree), applied.variables)
    return applied.tree.build(list(map(Tensor, found)))
