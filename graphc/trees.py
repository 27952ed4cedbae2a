"""Nested containers: taken apart into leaves, and put together again.

Owns `Tree`, `flatten` and the names of leaves. Imports the standard library only. Invariant: a
tree hashes and compares by structure alone, so it can be part of the key under which something
that was compiled for it is found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple


@dataclasses.dataclass(frozen=True, slots=True)
class Static:
    """A value that belongs to the structure: it is no leaf, and `build` puts it back."""

    value: Hashable

    def __eq__(self, other: object) -> bool:
        """Equal values of one type: 1, 1.0 and True are three."""
        if not isinstance(other, Static):
            return NotImplemented
        return type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


class Tree(NamedTuple):
    """How leaves are nested in tuples, lists, dicts, named tuples and dataclasses.

    `kind` is the container's class, or None for a leaf; None itself is a container of nothing.
    `keys` are a dict's keys or the names of fields; of a `Static`, the value itself.

    >>> leaves, tree = flatten({"w": 1, "layers": [(2, 3), None]})
    >>> leaves
    [1, 2, 3]
    >>> tree.build(["a", "b", "c"])
    {'w': 'a', 'layers': [('b', 'c'), None]}
    """

    kind: type[Any] | None = None
    keys: tuple[Hashable, ...] = ()
    items: tuple[Tree, ...] = ()

    def build(self, leaves: Sequence[Any]) -> Any:
        """The containers around other leaves."""
        return _build(self, iter(leaves))

    def paths(self, root: str = "") -> Iterator[str]:
        """A dotted name for each leaf, from the keys and positions that lead to it."""
        if self.kind is None:
            yield root
        names = self.keys if self.items and self.keys else range(len(self.items))
        for name, item in zip(names, self.items, strict=True):
            yield from item.paths(f"{root}.{name}" if root else str(name))

    @property
    def is_plain(self) -> bool:
        """Whether it has only tuples, lists and dicts with names as keys, and is not empty."""
        if self.kind is None:
            return True
        if self.kind is dict:
            fits = all(isinstance(key, str) for key in self.keys)
        else:
            fits = self.kind in (tuple, list)
        return fits and bool(self.items) and all(item.is_plain for item in self.items)

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is type(None):
            return "None"
        if self.kind is Static:
            return f"static {self.keys[0].value!r}"  # type: ignore[attr-defined]
        parts = [str(item) for item in self.items]
        if self.keys:
            parts = [f"{key}: {part}" for key, part in zip(self.keys, parts, strict=True)]
        inside = ", ".join(parts)
        if self.kind is tuple:
            return f"({inside})"
        if self.kind is list:
            return f"[{inside}]"
        return f"{{{inside}}}" if self.kind is dict else f"{self.kind.__name__}({inside})"


LEAF = Tree()


def flatten(value: object) -> tuple[list[Any], Tree]:
    """The leaves of nested containers, in order, and how they are nested."""
    leaves: list[Any] = []
    return leaves, _describe(value, leaves)


def map_leaves(function: Callable[[Any], Any], value: object) -> Any:
    """The same containers with `function` of each leaf."""
    leaves, tree = flatten(value)
    return tree.build([function(leaf) for leaf in leaves])


def _describe(value: Any, leaves: list[Any]) -> Tree:
    kind = type(value)
    if kind is tuple or kind is list:
        return Tree(kind, (), tuple([_describe(part, leaves) for part in value]))
    if kind is dict:
        return Tree(kind, tuple(value), tuple([_describe(part, leaves) for part in value.values()]))
    if value is None:
        return Tree(kind)
    if kind is Static:
        return Tree(kind, (value,))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return Tree(kind, value._fields, tuple([_describe(part, leaves) for part in value]))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value) if field.init)
        parts = [_describe(getattr(value, name), leaves) for name in names]
        return Tree(kind, names, tuple(parts))
    leaves.append(value)
    return LEAF


def _build(tree: Tree, leaves: Iterator[Any]) -> Any:
    if tree.kind is None:
        return next(leaves)
    items = [_build(item, leaves) for item in tree.items]
    if tree.kind in (tuple, list):
        return tree.kind(items)
    if tree.kind is dict:
        return dict(zip(tree.keys, items, strict=True))
    if tree.kind is type(None):
        return None
    if tree.kind is Static:
        return tree.keys[0].value  # type: ignore[attr-defined]
    return tree.kind(**dict(zip(map(str, tree.keys), items, strict=True)))
