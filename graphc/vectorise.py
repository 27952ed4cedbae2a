"""`vmap`: a function of one example becomes a function of a batch of them.

Owns `vmap`. Imports `ir.passes.batch`, `trees`, `tracing` and the tensor. Invariant: the
function is called once, on placeholders with the shapes of one example; what it returns is then
rebuilt for the batch, and no placeholder is left in it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from graphc.ir.build import ops
from graphc.ir.diagnostics import BatchError
from graphc.ir.graph import Node
from graphc.ir.location import current_provenance
from graphc.ir.ops.batching import repeated
from graphc.ir.passes.batch import batch_nodes
from graphc.promotion import as_node
from graphc.public import at_user_line
from graphc.source import caller
from graphc.tensor import Tensor
from graphc.tracing import argument_names
from graphc.trees import Tree, flatten

Axes: TypeAlias = "int | Sequence[Any] | Mapping[str, Any] | None"
"""An axis for all parts of a value, None for none, or one of these for each part."""


@dataclass(frozen=True)
class _Leaf:
    """A part of the arguments or of the results: where it stands, and its batch axis."""

    path: str
    value: Any
    axis: int | None


@dataclass(frozen=True)
class _Examples:
    """Arguments for one example, and the stacks that their placeholders stand for."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    stacks: dict[Node, Node]
    size: int


@at_user_line
def vmap(
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """`f` over a batch: the function that applies it to every example at once.

    `in_axes` says along which axis the examples of an argument lie: one axis for all positional
    arguments, or a tuple with an entry for each; an entry is an axis (negative ones count from
    the last), None for what is the same for all examples, or a tuple, list or dict of entries for
    the parts of such an argument. Keyword arguments have their examples on axis 0. `out_axes`
    says in the same way where the examples of the results go; None is for a result that is the
    same for all. `axis_size` is the number of examples, needed only if no argument has them.

    `f` is called once, with tensors of the shapes of one example. Tensors that it takes from
    outside are the same for all examples. Derivatives taken inside `f` are those of each example.
    Called with arrays and no tensor, the function is compiled by `gc.jit` and returns arrays.

    Raises `BatchError`, at the call, where no argument has examples, their numbers differ, axes do
    not fit the arguments or results, or a result with axis None differs between examples; and at
    the line in `f`, for an op that cannot be vectorised.

    >>> import graphc as gc
    >>> def loss(w, x, y):
    ...     return (gc.sum(w * x) - y) ** 2
    >>> def gradient(w, x, y):
    ...     return gc.grad(loss(w, x, y), w)
    >>> w, xs, ys = gc.input("w", 3), gc.input("xs", (8, 3)), gc.input("ys", 8)
    >>> gc.vmap(gradient, in_axes=(None, 0, 0))(w, xs, ys).shape
    (8, 3)
    """
    if not callable(f):
        raise BatchError(f"vmap takes a function, got {type(f).__name__}")

    @functools.wraps(f)
    def vectorised(*args: Any, **kwargs: Any) -> Any:
        if _are_arrays_alone(flatten((args, kwargs))[0]):
            return compiled()(*args, **kwargs)
        name = caller().target if current_provenance().loc is None else ""
        examples = _one_example(f, in_axes, axis_size, args, kwargs)
        result = f(*examples.args, **examples.kwargs)
        return _stacked(result, out_axes, examples, name)

    @functools.cache
    def compiled() -> Callable[..., Any]:
        jitted: Callable[..., Any] = importlib.import_module("graphc").jit(vectorised)
        return jitted

    return vectorised


def _are_arrays_alone(leaves: list[Any]) -> bool:
    arrays = any(isinstance(leaf, np.ndarray) for leaf in leaves)
    return arrays and not any(isinstance(leaf, Tensor) for leaf in leaves)


@at_user_line
def _one_example(
    f: Callable[..., Any],
    in_axes: Axes,
    axis_size: int | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> _Examples:
    """The arguments with placeholders in place of stacks."""
    values, tree = flatten((args, kwargs))
    positional, keywords = tree.items
    names = [*argument_names(f, positional), *keywords.paths()]
    axes = [*_argument_axes(f, in_axes, positional), *_spread(0, keywords, "", "in_axes")]
    leaves = [_Leaf(*parts) for parts in zip(names, values, axes, strict=True)]
    moved = {i: _to_front(leaf) for i, leaf in enumerate(leaves) if leaf.axis is not None}
    size = _common_size([(leaves[i], stack) for i, stack in moved.items()], axis_size)
    stacks: dict[Node, Node] = {}
    for i, stack in moved.items():
        one = ops.input(type=stack.type.with_shape(stack.shape[1:]), name=leaves[i].path)
        stacks[one] = stack
        values[i] = Tensor(one)
    one_args, one_kwargs = tree.build(values)
    return _Examples(one_args, one_kwargs, stacks, size)


def _argument_axes(f: Callable[..., Any], in_axes: Axes, given: Tree) -> Iterator[int | None]:
    """The axis of every leaf of the positional arguments."""
    entries = in_axes if isinstance(in_axes, (tuple, list)) else [in_axes] * len(given.items)
    if len(entries) != len(given.items):
        raise BatchError(
            f"in_axes has {len(entries)} entries for {len(given.items)} arguments",
            help="give one axis for all arguments, or a tuple with an entry for each",
        )
    whole = argument_names(f, Tree(tuple, (), (Tree(),) * len(given.items)))
    for name, entry, item in zip(whole, entries, given.items, strict=True):
        yield from _spread(entry, item, name, "in_axes")


def _spread(axes: Any, tree: Tree, path: str, what: str) -> Iterator[int | None]:
    """The axis of every leaf of a tree, from axes that are nested as far as they differ."""
    if axes is None or isinstance(axes, int):
        yield from (axes for _ in tree.paths())
        return
    given = _parts(axes)
    if given is None:
        raise BatchError(f"{what} must be axes or None, got {axes!r} for {path}")
    keys = tree.keys or tuple(range(len(tree.items)))
    if tree.kind is None or given.keys() != set(keys):
        raise BatchError(
            f"{what} is {axes!r} for {path}, which is "
            f"{'one value' if tree.kind is None else f'nested as {tree}'}",
            help="nest axes as the value is nested, or give one axis for all its parts",
        )
    for key, item in zip(keys, tree.items, strict=True):
        yield from _spread(given[key], item, f"{path}.{key}", what)


def _parts(axes: Any) -> dict[Any, Any] | None:
    """Nested axes by key or position; None for what is not nested."""
    if isinstance(axes, dict):
        return axes
    if isinstance(axes, (tuple, list)):
        return dict(zip(getattr(axes, "_fields", range(len(axes))), axes, strict=True))
    return None


def _to_front(leaf: _Leaf) -> Node:
    """The stack with its examples on axis 0."""
    node = as_node(leaf.value)
    axis = _position(leaf, len(node.shape), "in_axes", f"{leaf.path} is {node.type}")
    rest = [other for other in range(len(node.shape)) if other != axis]
    return ops.transpose(node, perm=(axis, *rest)) if axis else node


def _position(leaf: _Leaf, rank: int, what: str, found: str) -> int:
    """The axis of a leaf, counted from 0."""
    axis = leaf.axis
    assert axis is not None
    if not -rank <= axis < rank:
        raise BatchError(
            f"{what} is {axis} for {leaf.path}, but {found}",
            help="use None for what is the same for all examples",
        )
    return axis % rank


def _common_size(stacks: list[tuple[_Leaf, Node]], axis_size: int | None) -> int:
    """How many examples there are; all arguments must have that many."""
    found = [
        (stack.shape[0], f"{leaf.path} has {stack.shape[0]} on axis {leaf.axis}")
        for leaf, stack in stacks
    ]
    if axis_size is not None:
        found.insert(0, (axis_size, f"axis_size is {axis_size}"))
    if not found:
        raise BatchError(
            "no argument is mapped over, so the number of examples is unknown",
            help="give an argument an axis in in_axes, or pass axis_size=",
        )
    size, first = found[0]
    for other, second in found[1:]:
        if other != size:
            raise BatchError(
                f"the numbers of examples differ: {first}, but {second}",
                help="use None in in_axes for what is the same for all examples",
            )
    return size


@at_user_line
def _stacked(result: Any, out_axes: Axes, examples: _Examples, name: str) -> Any:
    """What `f` returned for one example, for all of them; a single tensor is called `name`."""
    values, tree = flatten(result)
    axes = _spread(out_axes, tree, "the result", "out_axes")
    paths = tree.paths("the result")
    leaves = [_Leaf(*parts) for parts in zip(paths, values, axes, strict=True)]
    found = batch_nodes([as_node(value) for value in values], examples.stacks, examples.size)
    nodes = [
        _placed(node, batched, leaf, examples.size)
        for leaf, (node, batched) in zip(leaves, found, strict=True)
    ]
    if name and isinstance(result, Tensor):
        (node,) = nodes
        if not node.name and node.operands and node not in examples.stacks.values():
            nodes = [node.renamed(name)]
    return tree.build([Tensor(node) for node in nodes])


def _placed(node: Node, batched: bool, leaf: _Leaf, size: int) -> Node:
    """A result with its examples on the axis asked for."""
    if leaf.axis is None:
        if batched:
            raise BatchError(
                f"out_axes is None for {leaf.path}, which differs from example to example",
                help="give it an axis; None is for what is the same for all examples",
            )
        return node
    stack = repeated(node, batched, size)
    rank = len(stack.shape)
    axis = _position(leaf, rank, "out_axes", f"a batch of it has {rank} axes")
    perm = (*range(1, axis + 1), 0, *range(axis + 1, rank))
    return ops.transpose(stack, perm=perm) if axis else stack
