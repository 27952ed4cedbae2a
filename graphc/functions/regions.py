"""Parts of a program with a derivative of their own: `checkpoint` and `custom_gradient`.

Owns those functions. Imports `closures` and the region record. Invariant: the value of a region is
that of the function as it stands; only how it is differentiated differs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphc.closures import Body, legal, result_node, run
from graphc.ir.build import cast, ops, zeros_like
from graphc.ir.diagnostics import GradientError
from graphc.ir.graph import Graph, Node, topological, with_operands
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
        body, (given, _), tensors = _placeholders(f, (args, {}))
        returned = f(*given)
        if not isinstance(returned, tuple) or len(returned) != 2 or not callable(returned[1]):
            raise GradientError(
                "a function with a custom gradient returns its result and the gradient's function",
                help="return y, lambda g: ...",
            )
        leaves, tree = flatten(returned[0])
        results = [result_node(leaf, f) for leaf in leaves]
        rule_of = functools.partial(_rule, body, results, given, returned[1])
        body.capture(results)
        graph = body.graph(results)
        node = ops.region(*tensors, *body.captured, body=graph, rule=rule_of(graph.name))
        return tree.build([Tensor(each) for each in items(node)])

    return region


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
    body: Body, results: list[Node], arguments: Any, backward: Callable[..., Any], name: str
) -> Graph:
    """The graph from arguments, results and adjoints to the adjoints of the arguments."""
    rule = Body(f"{name}_gradient")
    mapping = {
        node: rule.input(inner.name, node.type).node
        for node, inner in [*zip(body.inputs, body.inputs, strict=True), *body.captured.items()]
    }
    for node in results:
        mapping.setdefault(node, rule.input(node.name or "y", node.type).node)
    adjoints = [
        rule.input(f"d_{node.name or 'y'}", node.type) for node in results if node.dtype.is_float
    ]
    mapping |= {each.node: each.node for each in adjoints}
    outputs = _adjoints_of(arguments, backward(*adjoints))
    outputs += [zeros_like(node) for node in body.captured if node.dtype.is_float]
    for node in topological(outputs, tuple(mapping)):
        if node not in mapping:
            mapping[node] = with_operands(node, tuple(mapping[o] for o in node.operands))
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph(rule.name, tuple(rule.inputs), (), tuple(mapping[o] for o in outputs), names)


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
        given = [cast(as_tensor(leaf).node, node.dtype) for leaf, node in _pairs(entry, floats)]
        for adjoint, node in zip(given, floats, strict=True):
            if adjoint.shape != node.shape:
                raise GradientError(
                    f"the adjoint of {node.name} has shape {list(adjoint.shape)}, but "
                    f"{node.name} is {node.type}"
                )
        adjoints += given
    return adjoints


def _pairs(entry: Any, floats: list[Node]) -> list[tuple[Any, Node]]:
    leaves = flatten(entry)[0]
    if len(leaves) != len(floats):
        raise GradientError(f"{len(leaves)} adjoints for an argument of {len(floats)} floats")
    return list(zip(leaves, floats, strict=True))
