"""Nested tuples, lists and dicts of tensors, taken apart and put together.

Owns `flatten`, `rebuild` and `labels`. Imports nothing of graphc. Invariant: leaves come in the
order they are written, and `rebuild(tree, flatten(tree))` has the form of `tree`.

>>> flatten({"loss": 1, "parts": (2, 3)})
[1, 2, 3]
>>> labels({"loss": 1, "parts": (2, 3)})
['loss', 'parts.0', 'parts.1']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def flatten(tree: object) -> list[Any]:
    """The leaves: everything that is no tuple, list or dict."""
    leaves: list[Any] = []
    transform(tree, leaves.append)
    return leaves


def labels(tree: object) -> list[str]:
    """A dotted name for each leaf, from keys and positions; "" if the tree is a leaf."""
    return flatten(_labelled(tree, ""))


def rebuild(tree: object, leaves: Iterable[object]) -> Any:
    """`tree` with its leaves replaced in order."""
    replacements = iter(leaves)
    return transform(tree, lambda leaf: next(replacements))


def transform(tree: object, change: Callable[[Any], Any]) -> Any:
    """`tree` with `change` applied to every leaf. Named tuples keep their type."""
    if isinstance(tree, Mapping):
        return {key: transform(value, change) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(transform(value, change) for value in tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(transform(value, change) for value in tree)
    return change(tree)


def _labelled(tree: object, prefix: str) -> Any:
    dot = f"{prefix}." if prefix else ""
    if isinstance(tree, Mapping):
        return {key: _labelled(value, f"{dot}{key}") for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return [_labelled(value, f"{dot}{position}") for position, value in enumerate(tree)]
    return prefix
