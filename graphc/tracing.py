"""Running a function on symbolic tensors, and compiling what it builds.

Owns `trace`, `Traced` and what the leaves of arguments may be. Imports the tensor, `promotion` and
`trees`; the compiler, and with it LLVM, is loaded when something is compiled. Invariant: the
function sees tensors in place of all arrays and numbers, and runs once a trace.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

import graphc.functions  # noqa: F401  fills the registry, from which tensors take operators
from graphc.ir.build import ops
from graphc.ir.diagnostics import BoundaryError
from graphc.ir.graph import Node, fresh_name, substituted, topological
from graphc.ir.location import provenance
from graphc.ir.ops import source
from graphc.ir.types import TensorType, float64, int64
from graphc.promotion import WeakNode, as_dtype, as_result
from graphc.tensor import Tensor
from graphc.trees import Tree, flatten

if TYPE_CHECKING:
    from graphc.compilation import Step


def signature(leaf: Any) -> Any:
    """What of a leaf decides the code: dtype and shape; of a Python number, its type.

    None for what is neither an array nor a number.
    """
    kind = type(leaf)
    if kind is np.ndarray or isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype, leaf.shape
    return kind if kind is float or kind is int or kind is bool else None


def described(part: Any) -> str:
    """A signature in words."""
    if isinstance(part, type):
        return f"a Python {part.__name__}"
    dtype, shape = part
    return f"{dtype}{list(shape)}"


def as_array(leaf: object, name: str) -> Any:
    """A leaf as what has a signature. Raises `BoundaryError` for what cannot be traced."""
    if signature(leaf) is not None:
        return leaf
    if not isinstance(leaf, Tensor) and hasattr(leaf, "__array__"):
        return np.asarray(leaf)
    raise BoundaryError(
        f"argument {name} is a {type(leaf).__name__}, which cannot be traced",
        help="pass arrays, numbers, and tuples, lists and dicts of them; name what is to be part "
        "of the program itself in static_argnums= or static_argnames=",
    )


def contiguous(leaf: Any) -> Any:
    """A copy of an array as compiled code needs it: row-major, aligned, of native byte order."""
    if not isinstance(leaf, np.ndarray):
        return leaf
    return np.array(leaf, leaf.dtype.newbyteorder("="), order="C")


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function, none where they cannot be known."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def argument_names(function: Callable[..., Any], arguments: Tree) -> list[str]:
    """A name for each leaf of positional arguments: the parameter's, then the keys to the leaf."""
    count = len(arguments.items)
    names: list[str] = []
    for parameter in parameters_of(function):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}.{i}" for i in range(count - len(names))]
        elif parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    roots = (names + [f"arg{i}" for i in range(len(names), count)])[:count]
    parts = zip(roots, arguments.items, strict=True)
    return [path for root, item in parts for path in item.paths(root)]


@dataclass(frozen=True, slots=True)
class Traced:
    """A compiled function of leaves.

    `used` picks the leaves that the step takes, where it does not take all. `structure` is that
    of the outputs where the step cannot build it itself: it knows tuples, lists and dicts.
    """

    step: Step | None
    used: Callable[[Sequence[Any]], Sequence[Any]] | None
    structure: Tree | None

    def __call__(self, leaves: Sequence[Any]) -> Any:
        if self.used is not None:
            leaves = self.used(leaves)
        outputs = () if self.step is None else self.step(*leaves)
        return outputs if self.structure is None else self.structure.build(outputs)


def trace(
    function: Callable[[list[Tensor]], Any],
    leaves: Sequence[Any],
    names: Sequence[str],
    name: str,
    threads: int | None = None,
) -> Traced:
    """Run `function` on a symbolic tensor for each leaf, and compile what it returns.

    `names` are what the leaves are called in dumps; `threads` is that of `gc.compile`. Raises
    `BoundaryError` where the function returns what is no tensor, no array and no number.
    """
    tensors = [symbol(leaf, label) for leaf, label in zip(leaves, _legal(names), strict=True)]
    with provenance(None):  # what the function builds has the lines of the function
        returned, tree = flatten(function(tensors))
    outputs = [as_result(leaf, name, BoundaryError) for leaf in returned]
    return _compiled([tensor.node for tensor in tensors], outputs, tree, name, threads)


def _compiled(
    inputs: list[Node], outputs: list[Tensor], tree: Tree, name: str, threads: int | None
) -> Traced:
    if not outputs:
        return Traced(None, None, tree)
    roots = [output.node for output in outputs]
    inputs, roots = _distinct(inputs, roots)
    reached = set(topological(roots))
    used = [position for position, node in enumerate(inputs) if node in reached]
    built = [Tensor(node) for node in roots]
    step = _compile(
        [Tensor(inputs[position]) for position in used],
        tree.build(built) if tree.is_plain else tuple(built),
        re.sub(r"\W", "_", name, flags=re.ASCII),
        threads,
    )
    picks = None if len(used) == len(inputs) else _picker(used)
    return Traced(step, picks, None if tree.is_plain else tree)


def _compile(inputs: list[Tensor], outputs: Any, name: str, threads: int | None) -> Step:
    compiler: Any = importlib.import_module("graphc.compilation")
    step: Step = compiler.compile(inputs, outputs, name=name, threads=threads)
    return step


def _picker(positions: list[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda leaves: [leaves[position] for position in positions]


def symbol(leaf: Any, name: str) -> Tensor:
    """An input of the dtype and shape of a leaf; weak for a Python number."""
    if isinstance(leaf, (float, int)) and not isinstance(leaf, (bool, np.generic)):
        dtype = float64 if isinstance(leaf, float) else int64
        node = ops.input(type=TensorType(dtype, ()), name=name)
        return Tensor(WeakNode(node.op, (), node.attrs, node.type, node.loc, node.origin, name))
    array = np.asarray(leaf)
    return Tensor(ops.input(type=TensorType(as_dtype(array.dtype), array.shape), name=name))


def _legal(names: Sequence[str]) -> list[str]:
    """Names that the text form can spell, no two alike."""
    made: list[str] = []
    for name in names:
        legal = re.sub(r"[^A-Za-z0-9_.]", "_", name)
        made.append(fresh_name(legal if re.match(r"[A-Za-z_]", legal) else f"arg{legal}", made))
    return made


def _distinct(inputs: list[Node], roots: list[Node]) -> tuple[list[Node], list[Node]]:
    """The same program with inputs renamed that are called like a parameter it closes over."""
    order = list(topological(roots))
    held = {node.name for node in order if node.op is source.param}
    clashing = [node for node in inputs if node.name in held]
    if not clashing:
        return inputs, roots
    taken = held | {node.name for node in inputs}
    mapping = {node: node.renamed(fresh_name(node.name, taken)) for node in clashing}
    mapping = substituted(roots, mapping)
    return [mapping.get(node, node) for node in inputs], [mapping[root] for root in roots]
