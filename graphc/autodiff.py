"""Derivatives of tensors, as tensors.

Owns `grad`, `value_and_grad` and `jvp`. Imports `ir.passes.differentiate`. Invariant: the graph
is made numerically stable before it is differentiated, but not across the tensors that it is
differentiated for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.ir import build
from graphc.ir.diagnostics import GradientError
from graphc.ir.graph import Node
from graphc.ir.location import Origin, current_provenance, provenance
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.passes.stabilize import stabilize_nodes
from graphc.promotion import as_node
from graphc.public import at_user_line
from graphc.runtime.artifact import Structure
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def grad(y: Tensor, wrt: Any, seed: TensorLike | None = None) -> Any:
    """The gradient of `y` with respect to tensors of its graph, intermediate ones included.

    `wrt` is a tensor or a tuple, list or dict of tensors; gradients come in the same structure,
    each with shape and dtype of its tensor. A `y` that is no scalar needs a `seed` of its shape:
    the result is the gradient of `(seed * y).sum()`. Where `y` does not depend on a tensor the
    gradient is zero. Gradients are ordinary tensors: use them, print them, differentiate them.

    Raises `GradientError` for a non-scalar `y` without seed, for integers and booleans, and for
    what is no tensor.

    >>> import graphc as gc
    >>> w = gc.input("w", 3)
    >>> gc.grad((w * w).sum(), w).shape
    (3,)
    """
    return _gradients(y, wrt, seed)


@at_user_line
def value_and_grad(y: Tensor, wrt: Any, seed: TensorLike | None = None) -> tuple[Tensor, Any]:
    """`(y, grad(y, wrt, seed))`."""
    return y, _gradients(y, wrt, seed)


@at_user_line
def jvp(y: Tensor, wrt: Any, direction: Any) -> Tensor:
    """The derivative of `y` when the tensors of `wrt` move along `direction`.

    Forward mode. `direction` has the structure of `wrt`, and each part the shape and dtype of its
    tensor. Zero where `y` does not depend on any of them. Raises as `grad` does.
    """
    nodes = _differentiable(y, wrt)
    directions = [as_node(part) for part in Structure.of(direction)[0]]
    if [part.type for part in directions] != [node.type for node in nodes]:
        raise GradientError(
            f"the direction is {_types(directions)}, but what moves is {_types(nodes)}",
            help="give one direction for each tensor, of its shape and dtype",
        )
    output, *moving = stabilize_nodes([y.node, *nodes], nodes)
    (tangent,) = tangents([output], moving, directions)
    return Tensor(_zero(y.node) if tangent is None else tangent)


def _gradients(y: Tensor, wrt: Any, seed: TensorLike | None) -> Any:
    nodes = _differentiable(y, wrt)
    seed_node = _seed(y.node, seed)
    output, *stable = stabilize_nodes([y.node, *nodes], nodes)
    found = adjoints([output], [seed_node], stable)
    tensors = [
        Tensor(_zero(node) if adjoint is None else adjoint)
        for node, adjoint in zip(nodes, found, strict=True)
    ]
    return Structure.of(wrt)[1].build(tensors)


def _zero(node: Node) -> Node:
    """The gradient for what has no influence."""
    with provenance(current_provenance().loc, Origin("no dependence", node.name)):
        return build.zeros_like(node)


def _seed(y: Node, seed: TensorLike | None) -> Node:
    if seed is None:
        if y.shape:
            raise GradientError(
                f"the gradient of {_described(y)}, which is no scalar, needs a seed",
                help="take y.sum() or y.mean(), or pass seed= with the shape of y",
            )
        with provenance(current_provenance().loc, Origin("seed", y.name)):
            return build.ones_like(y)
    node = build.cast(as_node(seed), y.dtype)
    if node.shape != y.shape:
        raise GradientError(
            f"the seed has shape {list(node.shape)}, but {_described(y)} is differentiated",
            help="the seed weighs the elements of y and has its shape",
        )
    return node


def _differentiable(y: object, wrt: object) -> list[Node]:
    if not isinstance(y, Tensor):
        raise GradientError(
            f"what is differentiated must be a tensor, got {type(y).__name__}",
            help="graphc differentiates graphs, not functions: call the function first"
            if callable(y)
            else "",
        )
    _check_float(y.node)
    nodes = []
    for leaf in Structure.of(wrt)[0]:
        if not isinstance(leaf, Tensor):
            raise GradientError(
                f"wrt must name tensors of the graph, got {type(leaf).__name__}",
                help="pass a tensor or a tuple, list or dict of tensors",
            )
        _check_float(leaf.node)
        nodes.append(leaf.node)
    return nodes


def _check_float(node: Node) -> None:
    if not node.dtype.is_float:
        raise GradientError(
            f"{_described(node)} has no gradient: only floats have",
            help="convert to a float with .astype(gc.float32) before it enters the computation",
        )


def _described(node: Node) -> str:
    return f"{node.name} ({node.type})" if node.name else f"a value of type {node.type}"


def _types(nodes: list[Node]) -> str:
    return ", ".join(str(node.type) for node in nodes) or "nothing"
