"""What is differentiated, for what, and along what: checked and made nodes.

Owns those checks and their messages. Imports `promotion` and `trees`. Invariant: nodes that leave
here are floats, and a seed or direction has the type of its node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir import build
from graphc.ir.diagnostics import GradientError
from graphc.ir.graph import Node
from graphc.ir.location import Origin, current_provenance, provenance
from graphc.promotion import as_node, as_result
from graphc.tensor import Tensor
from graphc.trees import Tree, flatten

_NESTED = "pass a tensor or a tuple, list or dict of tensors"


def output_of(y: object, what: str = "what is differentiated") -> Node:
    """The node of a float tensor to differentiate."""
    if not isinstance(y, Tensor):
        raise GradientError(f"{what} must be a tensor, got {type(y).__name__}")
    _check_float(as_node(y))
    return as_node(y)


def scalar_of(y: object, what: str = "what is differentiated") -> Node:
    """The node of a float tensor without axes."""
    node = output_of(y, what)
    if node.shape:
        raise GradientError(
            f"the gradient of {described(node)}, which is no scalar, needs a seed",
            help="take y.sum() or y.mean(), or pass seed= with the shape of y",
        )
    return node


def outputs_of(y: object) -> tuple[list[Node], Tree]:
    """The nodes of a float tensor or of nested ones."""
    leaves, tree = flatten(y)
    return [output_of(leaf) for leaf in leaves], tree


def returned_by(f: object, result: object) -> tuple[list[Node], Tree]:
    """The nodes of what a function returned; arrays and numbers are constants."""
    leaves, tree = flatten(result)
    return [_returned(f, leaf) for leaf in leaves], tree


def scalar_returned_by(f: object, result: object) -> Node:
    """The node of the scalar that a function returned."""
    nodes, tree = returned_by(f, result)
    name = name_of(f)
    if tree.kind is not None:
        raise GradientError(
            f"{name} returns {tree}, but only a scalar has a gradient",
            help="return one tensor; with has_aux=True, return it and anything else as a pair",
        )
    if nodes[0].shape:
        raise GradientError(
            f"{name} returns {described(nodes[0])}, but only a scalar has a gradient",
            help="return its sum or mean; gc.jacobian and gc.vjp take functions of any shape",
        )
    return nodes[0]


def _returned(f: object, leaf: Any) -> Node:
    node = as_result(leaf, name_of(f), GradientError).node
    _check_float(node)
    return node


def variables_of(wrt: object) -> tuple[list[Node], Tree]:
    """The nodes of the tensors to differentiate for."""
    leaves, tree = flatten(wrt)
    if not leaves:
        raise GradientError("there is no tensor to differentiate for", help=_NESTED)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise GradientError(
                f"wrt must name tensors of the graph, got {type(leaf).__name__}", help=_NESTED
            )
        _check_float(leaf.node)
    return [leaf.node for leaf in leaves], tree


def seeds_of(seed: object, nodes: Sequence[Node], tree: Tree) -> list[Node]:
    """A seed for each output; without any, 1 for a scalar."""
    if seed is None:
        with provenance(current_provenance().loc, Origin("seed", nodes[0].name if nodes else "")):
            return [build.ones_like(scalar_of(Tensor(node))) for node in nodes]
    leaves = _aligned(seed, tree, "the seed", "what is differentiated")
    found = [_cast(leaf, node) for leaf, node in zip(leaves, nodes, strict=True)]
    for given, node in zip(found, nodes, strict=True):
        if given.shape != node.shape:
            raise GradientError(
                f"the seed has shape {list(given.shape)}, but {described(node)} is differentiated",
                help="the seed weighs the elements of y and has its shape",
            )
    return found


def directions_of(direction: object, nodes: Sequence[Node], tree: Tree) -> list[Node]:
    """A direction for each tensor that moves."""
    leaves = _aligned(direction, tree, "the direction", "what moves")
    found = [_cast(leaf, node) for leaf, node in zip(leaves, nodes, strict=True)]
    if [part.type for part in found] != [node.type for node in nodes]:
        raise GradientError(
            f"the direction is {_types(found)}, but what moves is {_types(nodes)}",
            help="give one direction for each tensor, of its shape",
        )
    return found


def _aligned(given: object, tree: Tree, what: str, other: str) -> list[Any]:
    leaves, found = flatten(given)
    if found != tree:
        raise GradientError(
            f"{what} is nested as {found}, but {other} is nested as {tree}",
            help="give one part for each tensor, in the same tuples, lists and dicts",
        )
    return leaves


def _cast(value: Any, like: Node) -> Node:
    """`value` in the dtype of `like`, as a number or array beside it would be."""
    node = as_node(value)
    if not (node.dtype.is_float or node.dtype.is_integer):
        raise GradientError(f"{described(node)} is no direction: only numbers are")
    return build.cast(node, like.dtype)


def _check_float(node: Node) -> None:
    if not node.dtype.is_float:
        raise GradientError(
            f"{described(node)} has no gradient: only floats have",
            help="convert to a float with .astype(gc.float32) before it enters the computation",
        )


def described(node: Node) -> str:
    return f"{node.name} ({node.type})" if node.name else f"a value of type {node.type}"


def name_of(f: object) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _types(nodes: Sequence[Node]) -> str:
    return ", ".join(str(node.type) for node in nodes) or "nothing"
