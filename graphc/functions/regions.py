"""Parts of a program with a derivative of their own: `checkpoint` and `custom_gradient`.

Owns those functions. Imports `closures` and the region record. Invariant: the value of a region is
that of the function as it stands; only how it is differentiated differs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from graphc.closures import Body, legal, result_node, run
from graphc.ir.build import cast, ops, zeros_like
from graphc.ir.diagnostics import GradientError
from graphc.ir.graph import Graph, Node, topological, with_operands
from graphc.ir.op import Family
from graphc.ir.ops.bundle import items
from graphc.promotion import as_tensor
from graphc.public import at_user_line, public
from graphc.tensor import Tensor
from graphc.trees import flatten


@public
def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, whose adjoint keeps the arguments alone and computes what is between again.

    Saves the memory of a deep program's intermediate values for the price of a second forward
    sweep. Arguments and results are tensors or tuples, lists and dicts of them; other arguments
    are passed on as they are.

    >>> import graphc as gc
    >>> x = gc.input("x", (64, 64))
    >>> block = gc.checkpoint(lambda x: gc.tanh(gc.tanh(x @ x)))
    >>> gc.grad(block(block(x)).sum(), x).shape
    (64, 64)
    """

    @functools.wraps(f)
    @at_user_line
    def region(*args: Any, **kwargs: Any) -> Any:
        body, placeholders, tensors = _placeholders(f, (args, kwargs))
        given, named = placeholders
        results, tree = run(functools.partial(f, **named), *given)
        graph = body.graph(results)
        node = ops.region(*tensors, *body.captured, body=graph)
        return tree.build([Tensor(each) for each in items(node)])

    return region


@public
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of its own: `f` returns its result and a function that maps
    adjoints of the result to the adjoints of the arguments.

    The result is a tensor or nested tensors. The second function gets one adjoint for each of its
    floats, and returns an adjoint for each argument that is a float tensor (None is zero). What
    `f` takes from outside gets no gradient. There is no forward mode.

    Raises `GradientError` where the adjoints do not fit the arguments.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.custom_gradient
    ... def clipped(x):
    ...     return x, lambda g: gc.clip(g, -1, 1)
    >>> x = gc.input("x", 2)
    >>> d_x = gc.grad((clipped(x) ** 2).sum(), x)
    >>> gc.compile([x], d_x)(np.array([3, 0.25], "float32"))
    array([1. , 0.5], dtype=float32)
    """

    @functools.wraps(f)
    @at_user_line
    def region(*args: Any) -> Any:
        return set_apart(f, args, _with_backward)

    return region


class Rules(NamedTuple):
    """A result and how it is differentiated: `backward(*adjoints)`, one for each float of the
    result, gives an adjoint for each argument; `forward(*tangents)`, one for each float of the
    arguments, gives the tangents of the result. What is missing is found by differentiation."""

    result: Any
    backward: Callable[..., Any] | None = None
    forward: Callable[..., Any] | None = None


def _with_backward(returned: Any) -> Rules:
    if not isinstance(returned, tuple) or len(returned) != 2 or not callable(returned[1]):
        raise GradientError(
            "a function with a custom gradient returns its result and the gradient's function",
            help="return y, lambda g: ...",
        )
    return Rules(*returned)


def set_apart(
    f: Callable[..., Any], args: tuple[Any, ...], rules_of: Callable[[Any], Rules]
) -> Any:
    """The result of `f(*args)`, differentiated by the rules that are found in what it returns."""
    body, (given, _), tensors = _placeholders(f, (args, {}))
    found = rules_of(f(*given))
    leaves, tree = flatten(found.result)
    results = [result_node(leaf, f) for leaf in leaves]
    body.capture(results)
    graph = body.graph(results)
    rules: dict[str, Any] = {}
    if found.backward is not None:
        adjoints_of = functools.partial(_adjoints, body, given, found.backward)
        rules["rule"] = _rule(body, results, "gradient", "d_", results, adjoints_of)
    if found.forward is not None:
        tangents_of = functools.partial(_tangents, results, body.inputs, found.forward)
        moving = [*body.inputs, *body.captured]
        rules["forward"] = _rule(body, results, "tangent", "t_", moving, tangents_of)
    node = ops.region(*tensors, *body.captured, body=graph, **rules)
    return tree.build([Tensor(each) for each in items(node)])


def _placeholders(
    f: Callable[..., Any], arguments: Any
) -> tuple[Body, tuple[Any, Any], list[Node]]:
    """A body, the arguments with placeholders in place of tensors, and those tensors' nodes."""
    leaves, tree = flatten(arguments)
    body = Body(getattr(f, "__name__", "region").strip("<>"))
    tensors: list[Node] = []
    given: list[Any] = []
    for path, leaf in zip(tree.paths(), leaves, strict=True):
        if isinstance(leaf, Tensor):
            tensors.append(as_tensor(leaf).node)
            name = leaf.node.name or legal(path, "x")
            given.append(body.input(name, tensors[-1].type))
        else:
            given.append(leaf)
    body.begin()
    built: tuple[Any, Any] = tree.build(given)
    return body, built, tensors


def _rule(
    body: Body,
    results: list[Node],
    what: str,
    prefix: str,
    moving: list[Node],
    outputs_of: Callable[[list[Tensor]], list[Node]],
) -> Graph:
    """The graph from arguments, results and what the floats of `moving` move by to what
    `outputs_of` makes of that."""
    rule = Body(f"{body.name}_{what}")
    mapping = {
        node: rule.input(inner.name, node.type).node
        for node, inner in [*zip(body.inputs, body.inputs, strict=True), *body.captured.items()]
    }
    for node in results:
        mapping.setdefault(node, rule.input(node.name or "y", node.type).node)
    by = [rule.input(prefix + (n.name or "y"), n.type) for n in moving if n.dtype.is_float]
    mapping |= {each.node: each.node for each in by}
    outputs = outputs_of(by)
    for node in topological(outputs, tuple(mapping)):
        if node not in mapping:
            _check_closed(node, body.name)
            mapping[node] = with_operands(node, tuple(mapping[o] for o in node.operands))
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph(rule.name, tuple(rule.inputs), (), tuple(mapping[o] for o in outputs), names)


def _check_closed(node: Node, name: str) -> None:
    """Refuse a rule that takes from outside what the result does not."""
    if node.op.family is Family.SOURCE and node.op.value is None and node.op.position is None:
        raise GradientError(
            f"the derivative of {name} uses {node.name}, which {name} does not take",
            help="make it an operand",
        )


def _adjoints(
    body: Body, arguments: Any, backward: Callable[..., Any], by: list[Tensor]
) -> list[Node]:
    """The adjoints of arguments; what is captured gets none."""
    zeros = [zeros_like(node) for node in body.captured if node.dtype.is_float]
    return _adjoints_of(arguments, backward(*by)) + zeros


def _tangents(
    results: list[Node], arguments: list[Node], forward: Callable[..., Any], by: list[Tensor]
) -> list[Node]:
    """The tangents of results; what is captured is given none."""
    floats = [node for node in results if node.dtype.is_float]
    moving = sum(node.dtype.is_float for node in arguments)
    returned = flatten(forward(*by[:moving]))[0]
    if len(returned) != len(floats):
        raise GradientError(f"{len(returned)} tangents for {len(floats)} results that are floats")
    return [_fitted(leaf, node, "tangent") for leaf, node in zip(returned, floats, strict=True)]


def _adjoints_of(arguments: tuple[Any, ...], returned: Any) -> list[Node]:
    """One adjoint for each float placeholder among the arguments."""
    entries = returned if isinstance(returned, tuple) else (returned,)
    if len(entries) != len(arguments):
        raise GradientError(
            f"a custom gradient of {len(arguments)} arguments gave {len(entries)} adjoints",
            help="return one for each argument, None for zero",
        )
    adjoints: list[Node] = []
    for argument, entry in zip(arguments, entries, strict=True):
        tensors = [leaf for leaf in flatten(argument)[0] if isinstance(leaf, Tensor)]
        floats = [tensor.node for tensor in tensors if tensor.node.dtype.is_float]
        if entry is None:
            adjoints += [zeros_like(node) for node in floats]
            continue
        adjoints += [_fitted(leaf, node, "adjoint") for leaf, node in _pairs(entry, floats)]
    return adjoints


def _fitted(leaf: Any, node: Node, what: str) -> Node:
    """An adjoint or tangent of a node, in the node's dtype."""
    found = cast(as_tensor(leaf).node, node.dtype)
    if found.shape != node.shape:
        name = node.name or "a result"
        raise GradientError(
            f"the {what} of {name} has shape {list(found.shape)}, but {name} is {node.type}"
        )
    return found


def _pairs(entry: Any, floats: list[Node]) -> list[tuple[Any, Node]]:
    leaves = flatten(entry)[0]
    if len(leaves) != len(floats):
        raise GradientError(f"{len(leaves)} adjoints for an argument of {len(floats)} floats")
    return list(zip(leaves, floats, strict=True))
