"""Loops and branches inside a compiled program: `scan`, `cond`, `while_loop`.

Owns those functions. Imports `closures` and the control records. Invariant: a function given here
is called once, on placeholders; it may use tensors from outside, which are captured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.closures import Body, legal, operand_nodes, run
from graphc.functions.joining import concatenate
from graphc.functions.regions import checkpoint
from graphc.ir.build import ops
from graphc.ir.diagnostics import ControlError
from graphc.ir.graph import Node
from graphc.ir.ops.bundle import items
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor
from graphc.trees import Tree, flatten, map_leaves


@public
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    segment: int | None = None,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` for each slice `x` of `xs` along axis 0.

    `init` is the first carry; `carry`, `x` and `y` are tensors or tuples, lists and dicts of them,
    and a carry keeps its structure, shapes and dtypes. Returns the last carry and the `y` stacked
    on a new axis 0. Without `xs`, `f` runs `length` times on None. With `reverse` it begins at the
    last slice; the `y` are stacked in the order of the slices all the same.

    The adjoint runs the other way. It stacks what it needs of each step; with `segment=k` it keeps
    the carry of every k-th step alone, and computes the steps between again.

    Raises `ControlError` where lengths differ or `f` does not return what it must.

    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", 4)
    >>> total, sums = gc.scan(lambda total, each: (total + each,) * 2, gc.const(np.float32(0)), x)
    >>> gc.compile([x], sums)(np.array([1, 2, 3, 4], "float32"))
    array([ 1.,  3.,  6., 10.], dtype=float32)
    """
    slices, tree = operand_nodes(xs)
    count = _length(slices, tree, length)
    if segment is not None:
        return _segmented(f, init, (slices, tree), count, reverse, segment)
    first, carry_tree = operand_nodes(init)
    body = Body(getattr(f, "__name__", "body").strip("<>"))
    state = [
        body.param(legal(path, "carry"), node.type)
        for path, node in zip(carry_tree.paths(), first, strict=True)
    ]
    parts = [
        body.input(legal(path, "x"), node.type.with_shape(node.shape[1:]))
        for path, node in zip(tree.paths(), slices, strict=True)
    ]
    results, returned = run(f, carry_tree.build(state), tree.build(parts))
    if returned.kind is not tuple or len(returned.items) != 2:
        raise ControlError(
            f"the function of scan must return a carry and an output, got {returned}",
            help="return (carry, y), where * stands for a tensor; y may be None",
        )
    _check_carry("scan", carry_tree, first, returned.items[0], results)
    graph = body.graph(results[len(first) :], results[: len(first)])
    operands = [*first, *slices, *body.captured]
    node = ops.scan(*operands, body=graph, length=count, slices=len(slices), reverse=reverse)
    found = [Tensor(each) for each in items(node)]
    stacked = returned.items[1].build(found[len(first) :])
    return carry_tree.build(found[: len(first)]), stacked


def _length(slices: Sequence[Node], tree: Tree, length: int | None) -> int:
    sizes = {}
    for path, node in zip(tree.paths("xs"), slices, strict=True):
        if not node.shape:
            raise ControlError(
                f"scan slices {path} along axis 0, but it is a scalar",
                help="what is the same in every step is taken by the function from outside",
            )
        sizes[path] = node.shape[0]
    if length is None and not sizes:
        raise ControlError("scan needs xs or a length", help="pass length=, the number of steps")
    count = next(iter(sizes.values())) if length is None else length
    for path, size in sizes.items():
        if size != count:
            raise ControlError(
                f"scan of length {count}, but {path} has {size} slices",
                help="all of xs have as many slices along axis 0, and length, if given, is that",
            )
    return count


def _check_carry(
    name: str, tree: Tree, before: Sequence[Node], after: Tree, results: Sequence[Node]
) -> None:
    """Raise unless a carry comes out as it went in."""
    if after != tree:
        raise ControlError(
            f"the carry of {name} goes in as {tree} and comes out as {after}",
            help="return it nested as it is given; * stands for a tensor",
        )
    for path, old, new in zip(tree.paths("carry"), before, results, strict=False):
        if old.type != new.type:
            raise ControlError(
                f"{path} of {name} goes in as {old.type} and comes out as {new.type}",
                help="a carry keeps shape and dtype: broadcast or convert its first value",
            )


def _segmented(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: tuple[list[Node], Tree],
    count: int,
    reverse: bool,
    segment: int,
) -> tuple[Any, Any]:
    """A scan of scans of `segment` steps, each computed again for its adjoint; what is left over
    is a scan of its own at the end."""
    if segment < 1:
        raise ControlError(f"scan in segments of {segment} steps")
    slices, tree = xs
    whole = count // segment * segment
    begin, rest = (count - whole, (0, count - whole)) if reverse else (0, (whole, count))

    def part(first: int, last: int) -> Any:
        return tree.build([Tensor(node)[first:last] for node in slices])

    blocks = map_leaves(
        lambda x: x.reshape((count // segment, segment, *x.shape[1:])), part(begin, begin + whole)
    )
    inner = checkpoint(lambda carry, x: scan(f, carry, x, length=segment, reverse=reverse))
    carry, ys = scan(inner, init, blocks, length=count // segment, reverse=reverse)
    flat = map_leaves(lambda y: y.reshape((whole, *y.shape[2:])), ys)
    if whole == count:
        return carry, flat
    carry, last = scan(f, carry, part(*rest), length=count - whole, reverse=reverse)
    leaves, tree = flatten(flat)
    pairs = zip(leaves, flatten(last)[0], strict=True)
    joined = [concatenate([b, a] if reverse else [a, b]) for a, b in pairs]
    return carry, tree.build(joined)


@public
def cond(
    condition: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """`true_fun(*operands)` if the scalar bool `condition` holds, else `false_fun(*operands)`.

    Only the chosen one runs. Both return tensors, nested alike, of the same shapes and dtypes.
    What a function computes is part of it; what it takes from outside is computed in any case.
    For elements, use `gc.where`.

    Raises `ControlError` where the two do not return the same, `DTypeError` where the condition is
    no scalar bool.

    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> y = gc.cond(x.sum() > 0, gc.sqrt, lambda x: -x, x)
    >>> gc.compile([x], y)(np.array([1, 4, 9], "float32"))
    array([1., 2., 3.], dtype=float32)
    """
    nodes, tree = operand_nodes(operands)
    branches = [_branch(function, nodes, tree) for function in (true_fun, false_fun)]
    first, second = (tree for _, _, tree in branches)
    if first != second:
        raise ControlError(
            f"the branches of cond return {first} and {second}",
            help="make both return results nested alike; * stands for a tensor",
        )
    captured = dict.fromkeys(node for body, _, _ in branches for node in body.captured)
    graphs = [body.graph(results, capturing=captured) for body, results, _ in branches]
    node = ops.cond(
        as_tensor(condition).node, *nodes, *captured, then=graphs[0], otherwise=graphs[1]
    )
    return first.build([Tensor(each) for each in items(node)])


def _branch(
    function: Callable[..., Any], nodes: Sequence[Node], tree: Tree
) -> tuple[Body, list[Node], Tree]:
    body = Body(getattr(function, "__name__", "branch").strip("<>"))
    placeholders = [
        body.input(legal(path, "x"), node.type)
        for path, node in zip(tree.paths(), nodes, strict=True)
    ]
    body.begin()
    results, returned = run(function, *tree.build(placeholders))
    body.capture(results)
    return body, results, returned


@public
def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Run `value = body_fun(value)` as long as `cond_fun(value)`, a scalar bool, holds.

    The value is a tensor or nested tensors, and keeps its structure, shapes and dtypes. How often
    the body runs is known when it has run, so there is forward mode (`gc.jvp`) and no reverse
    mode: `gc.grad` raises `GradientError`; use `gc.scan` where the number of steps is known.

    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", ())
    >>> y = gc.while_loop(lambda v: v < 100, lambda v: v * v, x)
    >>> float(gc.compile([x], y)(np.float32(3)))
    6561.0
    """
    first, tree = operand_nodes(init_val)
    bodies = [
        Body(getattr(function, "__name__", "body").strip("<>")) for function in (cond_fun, body_fun)
    ]
    results = []
    for body, function in zip(bodies, (cond_fun, body_fun), strict=True):
        state = [
            body.param(legal(path, "value"), node.type)
            for path, node in zip(tree.paths(), first, strict=True)
        ]
        results.append(run(function, tree.build(state)))
        body.capture(results[-1][0])
    (verdict, _), (new, after) = results
    _check_carry("while_loop", tree, first, after, new)
    captured = dict.fromkeys(node for body in bodies for node in body.captured)
    node = ops.while_loop(
        *first,
        *captured,
        condition=bodies[0].graph(verdict, capturing=captured),
        body=bodies[1].graph((), new, capturing=captured),
    )
    return tree.build([Tensor(each) for each in items(node)])
