"""JSON to and from frozen dataclasses, checked field by field against their type annotations.

Owns `to_json`, `canonical_json` and `from_json`. Imports the standard library only. Invariant: what
`from_json` returns has exactly the annotated types; anything else is refused with the path of the
culprit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def to_json(value: Any) -> Any:
    """The value as JSON's dicts, lists, strings and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    return value


def canonical_json(value: Any) -> bytes:
    """The same bytes for equal values: what a digest is taken of."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":")).encode()


def from_json(record: type[Record], data: object, path: str = "manifest") -> Record:
    """The dataclass `record` read from JSON data.

    Every field must be there and of the annotated type, and there must be no other. Raises
    `ValueError` naming the path.

    >>> from dataclasses import make_dataclass
    >>> Point = make_dataclass("Point", [("x", int), ("y", int)])
    >>> from_json(Point, {"x": 1, "y": "2"}, "point")
    Traceback (most recent call last):
    ...
    ValueError: point.y must be int, not str
    """
    if not isinstance(data, dict):
        raise ValueError(f"{path} must be an object, not {type(data).__name__}")
    hints = _hints(record)  # type: ignore[arg-type]  # classes can be hashed
    if unknown := sorted(data.keys() - hints.keys()):
        raise ValueError(f"{path} has an unknown field {unknown[0]!r}")
    if missing := sorted(hints.keys() - data.keys()):
        raise ValueError(f"{path} lacks the field {missing[0]!r}")
    values = {name: _convert(hint, data[name], f"{path}.{name}") for name, hint in hints.items()}
    return record(**values)


@cache
def _hints(record: type[Any]) -> dict[str, Any]:
    """The annotations of a record, which take longer to find than one takes to read."""
    return get_type_hints(record)


def _convert(hint: Any, value: object, path: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return from_json(hint, value, path)
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{path} must be a list, not {type(value).__name__}")
        item = get_args(hint)[0]
        return tuple(_convert(item, part, f"{path}[{i}]") for i, part in enumerate(value))
    expected = origin or hint
    if type(value) is not expected:
        raise ValueError(f"{path} must be {expected.__name__}, not {type(value).__name__}")
    return value
