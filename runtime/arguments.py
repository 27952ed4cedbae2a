"""The Python half of a call: everything that the native entry does not take as it stands.

Owns `Binder`, which turns unusual but valid calls into plain ones and raises the one error of an
invalid call. Imports NumPy and the rest of `runtime`. Invariants: arguments are looked at, never
changed; what `normalise` returns passes every check of the entry.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.artifact import Argument, Manifest, Structure
from graphc.runtime.buffers import address_range
from graphc.runtime.callback import RAISED, take_raised
from graphc.runtime.errors import (
    AlignmentError,
    ArgumentCountError,
    ArgumentDTypeError,
    ArgumentShapeError,
    ByteOrderError,
    ContiguityError,
    IndexRangeError,
    InternalCallError,
    MissingInputError,
    NotAnArrayError,
    OutputStructureError,
    OverlapError,
    ReadOnlyError,
    ScalarValueError,
    UnexpectedArgumentError,
)

Array = NDArray[Any]


class Binder:
    """Binds the arguments of a call to the inputs and outputs of one executable."""

    def __init__(
        self, manifest: Manifest, params: Sequence[Array], constants: Sequence[Array]
    ) -> None:
        self.manifest = manifest
        self._names = [argument.name for argument in manifest.inputs]
        self._state = [
            _Region.of(f"parameter {param.name!r}", values)
            for param, values in zip(manifest.params, params, strict=True)
        ]
        self._updated = [
            region
            for region, param in zip(self._state, manifest.params, strict=True)
            if param.name in manifest.updates
        ]
        self._state += [
            _Region.of(f"constant {constant.name!r}", values)
            for constant, values in zip(manifest.constants, constants, strict=True)
        ]

    def normalise(self, *args: Any, **keywords: Any) -> tuple[Any, ...]:
        """The inputs in order; then, if `out` was given, the output arrays and `out` itself.

        Raises a `CallError`.
        """
        out = keywords.pop("out", None)
        values = self._bind(args, keywords)
        inputs = [
            self._input(argument, value)
            for argument, value in zip(self.manifest.inputs, values, strict=True)
        ]
        if out is None:
            return tuple(inputs)
        return (*inputs, *self._outputs(out, inputs), out)

    def fail(self, status: int, *inputs: Any) -> NoReturn:
        """Raise what a non-zero status of the kernels means."""
        if status == RAISED:
            raise take_raised()
        guards = self.manifest.guards
        if not 0 < status <= len(guards):
            raise InternalCallError(
                f"{self._call} ended with status {status}",
                help="this is a defect in graphc; please report it with the graph",
            )
        guard = guards[status - 1]
        named = dict(zip(self._names, inputs, strict=True))
        values = np.asarray(named[guard.input])
        wrong = np.argwhere((values < guard.minimum) | (values >= guard.size))
        found = ""
        if len(wrong):
            position = tuple(map(int, wrong[0]))
            where = f" at position {list(position)}" if position else ""
            found = f", got {values[position]}{where}"
        used = f" (used at {guard.location})" if guard.location else ""
        raise IndexRangeError(
            f"{self._call} expects every value of {guard.input!r} to be from {guard.minimum} to "
            f"{guard.size - 1}{used}{found}",
            help=f"it indexes an axis of size {guard.size}",
        )

    @property
    def _call(self) -> str:
        return f"{self.manifest.name}()"

    # Which argument is which input.

    def _bind(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        names = self._names
        if len(args) > len(names):
            raise ArgumentCountError(
                f"{self._call} takes {len(names)} inputs ({', '.join(names)}), got {len(args)}",
                help="parameters are not passed; outputs are passed as out=",
            )
        bound = dict(zip(names, args, strict=False))
        for name, value in keywords.items():
            self._refuse_keyword(name, names, bound)
            bound[name] = value
        if missing := [name for name in names if name not in bound]:
            listed = ", ".join(map(repr, missing))
            raise MissingInputError(
                f"{self._call} needs {listed}, got {len(bound)} of {len(names)} inputs",
                help=f"the inputs are {', '.join(names)}, in this order or by name",
            )
        return [bound[name] for name in names]

    def _refuse_keyword(self, name: str, names: list[str], bound: dict[str, Any]) -> None:
        if name in bound:
            raise UnexpectedArgumentError(
                f"{self._call} got {name!r} twice, by position and by name",
                help=f"the inputs are {', '.join(names)}, in this order or by name",
            )
        if name in names:
            return
        close = difflib.get_close_matches(name, names, 1)
        raise UnexpectedArgumentError(
            f"{self._call} has no input {name!r}; its inputs are {', '.join(names) or 'none'}",
            help=f"did you mean {close[0]!r}?" if close else "outputs are passed as out=",
        )

    # Inputs.

    def _input(self, argument: Argument, value: Any) -> Array:
        where = f"input {argument.name!r}"
        array = self._as_array(where, argument, value)
        self._check(where, argument, array)
        if self._updated and _Region.of(where, array).first_overlap(self._updated):
            return np.array(array, order="C")
        return array

    def _as_array(self, where: str, argument: Argument, value: Any) -> Array:
        """The value's memory as an array; nothing is copied but scalars."""
        if type(value) is np.ndarray:  # asked first: np.ma takes longer to import than all of this
            return value
        if isinstance(value, np.ndarray):
            if isinstance(value, np.ma.MaskedArray):
                raise self._not_array(
                    where, argument, "a masked array", "fill it: np.ma.filled(x, value)"
                )
            return value.view(np.ndarray)
        if isinstance(value, np.generic):
            return np.asarray(value)
        if isinstance(value, (bool, int, float)) and not argument.shape:
            return self._as_scalar(where, argument, value)
        try:
            view = memoryview(value)
        except TypeError:
            raise self._not_array(
                where, argument, _describe_type(value), "pass a NumPy array: np.asarray(x, dtype)"
            ) from None
        try:
            return np.asarray(view)
        except ValueError:
            raise self._not_array(
                where, argument, f"a buffer of format {view.format!r}", "pass a NumPy array"
            ) from None

    def _not_array(self, where: str, argument: Argument, got: str, help: str) -> NotAnArrayError:
        return NotAnArrayError(
            f"{self._call} expects {where} to be an array {argument.type}, got {got}", help=help
        )

    def _as_scalar(self, where: str, argument: Argument, value: float) -> Array:
        """A Python number for an input without axes: a float for floats, an int for any number
        that can hold it, a bool for bools."""
        kind = argument.dtype.rstrip("0123456789")
        accepted = {"bool": bool, "i": int, "u": int}.get(kind, (int, float))
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
            raise ArgumentDTypeError(
                f"{self._call} expects {where} to be {argument.type}, got the Python "
                f"{type(value).__name__} {value!r}",
                help="numbers are not converted between kinds; convert it before the call",
            )
        try:
            with np.errstate(over="ignore"):
                return np.array(value, argument.numpy)
        except OverflowError:
            raise ScalarValueError(
                f"{self._call} expects {where} to be {argument.type}, which cannot hold {value}",
                help="declare the input with a wider dtype",
            ) from None

    # The checks that the entry makes as well, in words.

    def _check(self, where: str, argument: Argument, array: Array) -> None:
        self._check_dtype(where, argument, array)
        fits = array.shape == argument.shape and array.flags.c_contiguous
        if fits and array.flags.aligned:
            return
        expected = f"{self._call} expects {where} to be {argument.type}"
        if array.shape != argument.shape:
            raise ArgumentShapeError(
                f"{expected}, got shape {_brackets(array.shape)}",
                help="shapes are fixed when the graph is compiled; nothing is broadcast",
            )
        if not array.flags.c_contiguous:
            raise ContiguityError(
                f"{expected} in contiguous row-major order, got strides "
                f"{_brackets(array.strides)} in bytes",
                help=f"copy it: np.ascontiguousarray({_identifier(argument.name)})",
            )
        raise AlignmentError(
            f"{expected} at a multiple of {argument.numpy.itemsize} bytes, got an address that is "
            f"{array.ctypes.data % argument.numpy.itemsize} more",
            help=f"copy it: {_identifier(argument.name)}.copy()",
        )

    def _check_dtype(self, where: str, argument: Argument, array: Array) -> None:
        if array.dtype == argument.numpy:
            return
        expected = f"{self._call} expects {where} to be {argument.type}"
        name = _identifier(argument.name)
        if array.dtype.newbyteorder("=") == argument.numpy:
            raise ByteOrderError(
                f"{expected} in native byte order, got dtype {array.dtype.str!r}",
                help=f"convert it: {name}.astype({name}.dtype.newbyteorder('='))",
            )
        raise ArgumentDTypeError(
            f"{expected} ({argument.numpy.name}), got dtype {array.dtype}",
            help=f"convert it: {name}.astype({argument.numpy.name!r})",
        )

    # Outputs given by the caller.

    def _outputs(self, out: Any, inputs: list[Array]) -> list[Array]:
        taken = [
            _Region.of(f"input {name!r}", array)
            for name, array in zip(self._names, inputs, strict=True)
        ]
        taken += self._state
        given: dict[int, Any] = {}
        arrays: dict[int, Array] = {}
        for path, position, value in self._match(self.manifest.structure, out, "out"):
            if position in given and given[position] is value:
                continue
            array = self._output(path, self.manifest.outputs[position], value)
            region = _Region.of(path, array)
            if other := region.first_overlap(taken):
                raise OverlapError(
                    f"{self._call} cannot write to {path}, which shares memory with {other.name}",
                    help="pass an array of its own, or leave out= away to get a new one",
                )
            if position in given:
                raise OutputStructureError(
                    f"{self._call} returns one array in two places, got another one as {path}",
                    help="pass the same array in both places",
                )
            taken.append(region)
            given[position], arrays[position] = value, array
        return [arrays[position] for position in range(len(arrays))]

    def _output(self, path: str, argument: Argument, value: Any) -> Array:
        if not isinstance(value, np.ndarray):
            raise self._not_array(
                path, argument, _describe_type(value), "pass an array made with np.empty"
            )
        array = value.view(np.ndarray)
        self._check(path, argument, array)
        if not array.flags.writeable:
            raise ReadOnlyError(
                f"{self._call} cannot write to {path}, which is read-only",
                help="pass a copy, or leave out= away to get a new array",
            )
        return array

    def _match(self, structure: Structure, value: Any, path: str) -> Iterator[tuple[str, int, Any]]:
        """The leaves of `out` with their paths, after comparing it with the outputs' structure."""
        if structure.kind == "one":
            yield path, structure.output, value
            return
        kinds: dict[str, type[Any]] = {"tuple": tuple, "list": list, "dict": dict}
        kind = kinds[structure.kind]
        if not isinstance(value, kind) or len(value) != len(structure.items):
            got = _describe_type(value)
            if isinstance(value, kind):
                got = f"{structure.kind} of {len(value)}"
            raise OutputStructureError(
                f"{self._call} expects {path} to be a {structure.kind} of "
                f"{len(structure.items)}, got {got}",
                help="out has the structure of the outputs",
            )
        keys: Sequence[Any] = structure.keys or range(len(structure.items))
        for key, item in zip(keys, structure.items, strict=True):
            if structure.kind == "dict" and key not in value:
                raise OutputStructureError(
                    f"{self._call} expects {path} to have the key {key!r}, got "
                    f"{', '.join(map(repr, value))}",
                    help="out has the structure of the outputs",
                )
            yield from self._match(item, value[key], f"{path}[{key!r}]")


@dataclass(frozen=True, slots=True)
class _Region:
    """Where a contiguous array lies, under the name that messages use."""

    name: str
    start: int
    end: int

    @staticmethod
    def of(name: str, array: Array) -> _Region:
        return _Region(name, *address_range(array))

    def first_overlap(self, others: Iterable[_Region]) -> _Region | None:
        """The first that has a byte in common with this one."""
        for other in others:
            if max(self.start, other.start) < min(self.end, other.end):
                return other
        return None


def _describe_type(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _brackets(sizes: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, sizes))}]"


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "x"
