"""Reading types, numbers and attributes from the text form.

Owns what the text between `{` and `}` may hold, and how it fits an op's attribute class. Imports
the lexer, NumPy and the core of `ir`. Invariant: a value is given to an attribute only if it is of
the type that the class declares; what is not raises `ParseError` at the value.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from graphc.ir.foreign import ForeignFunction, find
from graphc.ir.graph import Attrs, Graph
from graphc.ir.lexer import Lexer, did_you_mean, shortened
from graphc.ir.op import Op
from graphc.ir.ops.value import ConstantValue
from graphc.ir.printer import attribute_value
from graphc.ir.types import DTYPES_BY_NAME, DType, Shape, TensorType, TupleType

Arrays = Mapping[str, np.ndarray[Any, Any]]

_MAX_RANK = 32
_MAX_ELEMENTS = 2**56
_MAX_NESTING = 40
_MAX_DIGITS = 400
_WORDS = {"true": True, "false": False, "none": None, "inf": math.inf, "nan": math.nan}


@dataclass(frozen=True, slots=True)
class ContentHash:
    """An array that the text names instead of spelling it."""

    digest: str


@dataclass(frozen=True, slots=True)
class Item:
    """`name = value` as it was read, with the places of both."""

    name: str
    value: Any
    name_at: int
    value_at: int


class _MisfitError(Exception):
    """A value that the attribute cannot hold; carries what was expected."""


class AttributeReader:
    """Reads types and attributes at the position of a lexer."""

    def __init__(self, lexer: Lexer, constants: Arrays) -> None:
        self._lexer = lexer
        self._constants = constants
        self._types: dict[str, TensorType] = {}
        self.graphs: dict[str, Graph] = {}
        self.nested: set[str] = set()

    def type(self) -> TensorType:
        """`f32[2,3]`, with a known dtype and sizes that memory could hold; or `(f32[2], i32[])`."""
        lexer = self._lexer
        if lexer.text == "(":
            return self._tuple_type()
        text = lexer.text
        known = self._types.get(text)
        if known is None:
            if lexer.kind != "type":
                lexer.fail("expected a type such as `f32[2,3]`")
            known = self._types[text] = self._parsed_type(text, lexer.start)
        lexer.advance()
        return known

    def _tuple_type(self) -> TensorType:
        lexer = self._lexer
        lexer.advance()
        results = []
        while lexer.text != ")":
            if lexer.text == "(":
                lexer.fail("expected a type such as `f32[2,3]`")
            results.append(self.type())
            if not lexer.accept(",") and lexer.text != ")":
                lexer.fail("expected `,` or `)`")
        lexer.advance()
        return TupleType.of(results)

    def _parsed_type(self, text: str, at: int) -> TensorType:
        fail_at = self._lexer.fail_at
        name, _, inner = text[:-1].partition("[")
        dtype = DTYPES_BY_NAME.get(name)
        if dtype is None:
            known = " ".join(DTYPES_BY_NAME)
            help = did_you_mean(name, DTYPES_BY_NAME) or f"the dtypes are {known}"
            fail_at(at, f"expected a dtype, got `{shortened(name)}`", help)
        sizes = [size.strip() for size in inner.split(",")] if inner.strip() else []
        if len(sizes) > _MAX_RANK:
            fail_at(at, f"expected at most {_MAX_RANK} axes, got {len(sizes)}")
        for size in sizes:
            if not (size.isdecimal() and len(size) <= 18):
                fail_at(at, f"expected sizes from 0 to {_MAX_ELEMENTS}, got `{shortened(size)}`")
        shape = tuple(map(int, sizes))
        # Zero sizes are left out: NumPy refuses shapes whose other axes are too large.
        if math.prod(size for size in shape if size) > _MAX_ELEMENTS:
            fail_at(at, f"expected at most {_MAX_ELEMENTS} elements, got `{shortened(text)}`")
        return TensorType(dtype, shape)

    def read(self) -> list[Item]:
        """`{name = value, ...}`, or nothing."""
        lexer = self._lexer
        items: list[Item] = []
        if not lexer.accept("{"):
            return items
        while lexer.text != "}":
            name_at = lexer.start
            name = lexer.take("word", "an attribute's name")
            lexer.expect("=")
            value_at = lexer.start
            items.append(Item(name, self._value(0), name_at, value_at))
            if not lexer.accept(",") and lexer.text != "}":
                lexer.fail("expected `,` or `}`")
        lexer.advance()
        return items

    def _value(self, depth: int) -> Any:
        lexer = self._lexer
        if lexer.text == "[":
            return self._list(depth)
        if lexer.kind == "number":
            return self._number()
        if lexer.kind == "type":
            return self.type()
        if lexer.kind == "hash":
            return ContentHash(lexer.advance()[1:])
        if lexer.kind == "string":
            return self._string()
        if lexer.kind == "graph":
            return self._graph()
        if lexer.text in _WORDS:
            return _WORDS[lexer.advance()]
        if lexer.text in DTYPES_BY_NAME:
            return DTYPES_BY_NAME[lexer.advance()]
        return lexer.fail("expected a value")

    def _foreign(self, name: str, at: int) -> ForeignFunction:
        function = find(name)
        if function is None:
            self._lexer.fail_at(
                at,
                f"this process has no function named `{shortened(name)}`",
                "a graph that calls one can be read only where that was made by gc.call",
            )
        return function

    def _list(self, depth: int) -> list[Any]:
        lexer = self._lexer
        if depth == _MAX_NESTING:
            lexer.fail(f"expected at most {_MAX_NESTING} nested lists")
        lexer.advance()
        values: list[Any] = []
        while lexer.text != "]":
            values.append(self._value(depth + 1))
            if not lexer.accept(",") and lexer.text != "]":
                lexer.fail("expected `,` or `]`")
        lexer.advance()
        return values

    def _number(self) -> int | float:
        lexer = self._lexer
        text, at = lexer.text, lexer.start
        if len(text) > _MAX_DIGITS:
            lexer.fail("expected a number of fewer digits")
        lexer.advance()
        if text == "-nan":
            return math.copysign(math.nan, -1.0)
        if not text.lstrip("-").isdecimal():
            return float(text)
        number = int(text)
        if not -(2**63) <= number < 2**64:
            lexer.fail_at(at, f"expected an integer of 64 bits, got `{shortened(text)}`")
        return number

    def _graph(self) -> Graph:
        """`@body`, a graph that stands before this one in the text."""
        lexer = self._lexer
        bare = lexer.text[1:]
        name = (unquoted(bare) or "") if bare.startswith('"') else bare
        if name not in self.graphs:
            summary = f"no graph before this one is named @{shortened(name)}"
            lexer.fail_at(lexer.start, summary, did_you_mean(name, self.graphs))
        lexer.advance()
        self.nested.add(name)
        return self.graphs[name]

    def _string(self) -> str:
        lexer = self._lexer
        text = unquoted(lexer.text)
        if text is None:
            lexer.fail("expected a string with the escapes of JSON")
        lexer.advance()
        return text

    def fit(self, op: Op, items: list[Item], type: TensorType, op_at: int) -> Attrs:
        """The attributes of `op` that `items` spell; a constant takes the annotated `type`."""
        fail_at = self._lexer.fail_at
        known = _fields(op)
        given: dict[str, Any] = {}
        for item in items:
            if item.name not in known:
                has = f"it has {', '.join(f'`{name}`' for name in known) or 'none'}"
                help = did_you_mean(item.name, known) or has
                fail_at(item.name_at, f"`{op.name}` has no attribute `{item.name}`", help)
            if item.name in given:
                fail_at(item.name_at, f"attribute `{item.name}` is given twice")
            try:
                given[item.name] = self._fitted(item, known[item.name][0], type)
            except _MisfitError as misfit:
                got = shortened(_spelled_value(item.value))
                fail_at(item.value_at, f"expected {misfit} for `{item.name}`, got `{got}`")
        for name, (_, required) in known.items():
            if required and name not in given:
                fail_at(op_at, f"`{op.name}` needs the attribute `{name}`")
        return op.attrs(**given)

    def _fitted(self, item: Item, hint: Any, type: TensorType) -> Any:
        if hint is ForeignFunction and isinstance(item.value, str):
            return self._foreign(item.value, item.value_at)
        if hint is not ConstantValue:
            return _fitted(item.value, hint)
        if not isinstance(item.value, ContentHash):
            return ConstantValue(_array(item.value, type))
        digest = item.value.digest
        array = self._constants.get(digest)
        fail_at = self._lexer.fail_at
        if array is None:
            help = "its array is kept beside the text (`graph_constants`) and must be given too"
            fail_at(item.value_at, f"no constant is named #{digest}", help)
        if (array.dtype, array.shape) != (type.dtype.numpy, type.shape):
            raise _MisfitError(f"a constant of type {type}")
        value = ConstantValue(array)
        if value.digest != digest:
            fail_at(item.value_at, f"the constant given for #{digest} is #{value.digest}")
        return value


def unquoted(text: str) -> str | None:
    """The text that a JSON string spells; None if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


@lru_cache(maxsize=1024)
def _fields(op: Op) -> dict[str, tuple[Any, bool]]:
    """For each attribute its declared type, and whether it must be given."""
    hints = get_type_hints(op.attrs)
    return {item.name: (hints[item.name], item.default is MISSING) for item in fields(op.attrs)}


def _fitted(value: Any, hint: Any) -> Any:
    """`value` as an attribute declared `hint` holds it; raises `_MisfitError`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        # A choice of just this type first: where both are taken, 1 is not 1.0.
        for choice in sorted(arguments, key=lambda choice: choice is not type(value)):
            try:
                return _fitted(value, choice)
            except _MisfitError:
                continue
    elif origin is Literal:
        if value in arguments:
            return value
    elif origin is tuple and isinstance(value, list):
        hints = arguments
        if arguments[-1] is Ellipsis:
            hints = arguments[:1] * len(value)
        if len(value) == len(hints):
            try:
                return tuple(_fitted(*pair) for pair in zip(value, hints, strict=True))
            except _MisfitError:
                raise _MisfitError(_spelled(hint)) from None
    elif hint is float and type(value) is int:
        return float(value)
    elif hint in (None, type(None)):
        if value is None:
            return None
    elif isinstance(hint, type) and type(value) is hint:
        return value
    raise _MisfitError(_spelled(hint))


_SPELLED = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("`true` or `false`", "`true` and `false`"),
    str: ("a string", "strings"),
    DType: ("a dtype", "dtypes"),
    TensorType: ("a type", "types"),
    ForeignFunction: ("the name of a function", "names of functions"),
    Graph: ("a graph such as `@body`", "graphs"),
    type(None): ("`none`", "`none`"),
}
"""What holds one value of a type, and several."""


def _spelled(hint: Any) -> str:
    """What an attribute takes, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_spelled, arguments))
    if origin is Literal:
        return " or ".join(f'`"{choice}"`' for choice in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        several = _SPELLED.get(arguments[0])
        return f"a list of {several[1]}" if several else f"a list, each {_spelled(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_spelled, arguments))}]"
    return _SPELLED.get(hint, ("another value",))[0]


def _spelled_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_spelled_value, value))}]"
    return f"#{value.digest}" if isinstance(value, ContentHash) else attribute_value(value)


def _array(value: Any, type: TensorType) -> np.ndarray[Any, Any]:
    """Nested lists of numbers as an array of `type`; raises `_MisfitError`."""
    if type.size == 0:
        if value != []:
            raise _MisfitError(f"`[]`, a constant of type {type},")
        return np.empty(type.shape, type.dtype.numpy)
    numbers = list(_elements(value, type.shape, type))
    try:
        return np.array(numbers, type.dtype.numpy).reshape(type.shape)
    except OverflowError:
        raise _MisfitError(f"numbers that fit {type.dtype}") from None


def _elements(value: Any, shape: Shape, type: TensorType) -> Iterator[int | float | bool]:
    if shape:
        if not isinstance(value, list) or len(value) != shape[0]:
            raise _MisfitError(f"nested lists of shape {list(type.shape)}")
        for part in value:
            yield from _elements(part, shape[1:], type)
        return
    dtype = type.dtype
    wanted: Any = (float, int) if dtype.is_float else int if dtype.is_integer else bool
    # `true` is an int to Python, not to the text.
    if not isinstance(value, wanted) or (isinstance(value, bool) and dtype.kind != "bool"):
        numbers = "`true` or `false`" if dtype.kind == "bool" else f"a number of {dtype}"
        raise _MisfitError(numbers)
    yield value
