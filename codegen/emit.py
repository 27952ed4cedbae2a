"""Writing LLVM IR text: typed values, checked instructions, structured loops.

Owns `Value`, `Function` and `Module`. Text is written directly because it is several times faster
than building instruction objects; LLVM parses and verifies it before anything runs. Imports
`ir.types`. Invariants: operands of an instruction have equal types (checked here, with the names
of both); an instruction without effects is written in the outermost loop that has its operands.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from graphc.ir.types import DType, bool_, float32, int8, int64

POINTER = DType("ptr", "uint", 64)

Lines = list["str | Lines"]

FAST_CONTRACT = "contract"
"""The one float flag used: a multiply may be contracted with an add into an FMA."""


def llvm_type(dtype: DType, lanes: int = 1) -> str:
    """LLVM's spelling of a scalar (`float`) or a vector (`<16 x float>`)."""
    if dtype is POINTER:
        scalar = "ptr"
    elif dtype.is_float:
        scalar = "float" if dtype.bits == 32 else "double"
    else:
        scalar = f"i{dtype.bits}"
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def memory_type(dtype: DType, lanes: int = 1) -> str:
    """The type as stored: a bool takes a byte."""
    if dtype is bool_:
        return "i8" if lanes == 1 else f"<{lanes} x i8>"
    return llvm_type(dtype, lanes)


def literal(value: float | int | bool, dtype: DType) -> str:
    """A constant as LLVM writes it; floats in exact hexadecimal."""
    if dtype is bool_:
        return "true" if value else "false"
    if not dtype.is_float:
        return str(int(value))
    as_double = float(value)
    if dtype is float32:
        as_double = struct.unpack("f", struct.pack("f", as_double))[0]
    return f"0x{struct.unpack('>Q', struct.pack('>d', as_double))[0]:016X}"


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or constant: how it is written, its element type, how many lanes it has, and
    in how many nested loops it is (a constant is in none)."""

    ref: str
    dtype: DType
    lanes: int = 1
    depth: int = 0

    @property
    def type(self) -> str:
        return llvm_type(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        """`float %x`, as operands of a call or a store are written."""
        return f"{self.type} {self.ref}"


def constant(value: float | int | bool, dtype: DType, lanes: int = 1) -> Value:
    text = literal(value, dtype)
    if lanes > 1:
        text = f"splat ({llvm_type(dtype)} {text})"
    return Value(text, dtype, lanes)


def index(value: int) -> Value:
    return constant(value, int64)


def first_lanes(count: int, lanes: int) -> Value:
    """The mask of the first `count` of so many lanes."""
    bits = ", ".join("i1 true" if lane < count else "i1 false" for lane in range(lanes))
    return Value(f"<{bits}>", bool_, lanes)


@dataclass
class Loop:
    """An open loop: its counter and the values carried round it.

    `next` must be set to the carried values of the next round before the loop closes; then
    `results` holds them as they are after the last.
    """

    counter: Value
    carried: list[Value]
    next: list[Value] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)


class Function:
    """One LLVM function being written.

    Instructions go to the end, except that one without effects goes ahead of the loops in which
    none of its operands varies.
    """

    def __init__(
        self, module: Module, name: str, parameters: Sequence[Value], attributes: str
    ) -> None:
        self.module = module
        self.name = name
        self.parameters = tuple(parameters)
        self.attributes = attributes
        self.block = "entry"
        self.alias_scope = module.new_alias_scope()
        self._body: Lines = []
        self._lines = self._body
        self._count = 0
        # Of each open loop or condition the place just ahead of it, and how many of them code may
        # not be moved out of, because it might not run there.
        self._ahead: list[Lines] = []
        self._fixed = 0

    @property
    def depth(self) -> int:
        """How many loops and conditions are open."""
        return len(self._ahead)

    def fresh(self, dtype: DType, lanes: int = 1) -> Value:
        return self._named(dtype, lanes, self.depth)

    def _named(self, dtype: DType, lanes: int, depth: int) -> Value:
        self._count += 1
        return Value(f"%v{self._count}", dtype, lanes, depth)

    def fresh_label(self, hint: str) -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def raw(self, line: str) -> None:
        self._lines.append(f"  {line}")

    def comment(self, text: str) -> None:
        self._lines.append(f"  ; {text}")

    def emit(self, right: str, dtype: DType, lanes: int = 1) -> Value:
        """Append `%vN = right` here and return the value."""
        result = self.fresh(dtype, lanes)
        self._lines.append(f"  {result.ref} = {right}")
        return result

    def pure(self, right: str, dtype: DType, lanes: int, *operands: Value) -> Value:
        """Write `%vN = right`, which has no effect, where all of its operands first are."""
        depth = max([self._fixed, *(operand.depth for operand in operands)])
        if depth >= self.depth:
            return self.emit(right, dtype, lanes)
        result = self._named(dtype, lanes, depth)
        self._ahead[depth].append(f"  {result.ref} = {right}")
        return result

    def _reserve(self) -> Lines:
        """A place here that can be written to later; it dominates all that follows."""
        lines: Lines = []
        self._lines.append(lines)
        return lines

    @contextmanager
    def _nested(self, ahead: Lines, *, always_runs: bool) -> Iterator[None]:
        fixed = self._fixed
        self._ahead.append(ahead)
        if not always_runs:
            self._fixed = self.depth
        yield
        self._ahead.pop()
        self._fixed = fixed

    # Arithmetic

    def binary(self, opcode: str, x: Value, y: Value, flags: str = "") -> Value:
        """`opcode` applied to two values of one type, such as `add` or `fmul`."""
        if x.type != y.type:
            raise TypeError(f"{opcode} of {x.typed} and {y.typed}")
        flags = f"{flags} " if flags else ""
        return self.pure(f"{opcode} {flags}{x.typed}, {y.ref}", x.dtype, x.lanes, x, y)

    def compare(self, opcode: str, x: Value, y: Value) -> Value:
        """`opcode` is the whole comparison: `fcmp olt`, `icmp slt`, ..."""
        if x.type != y.type:
            raise TypeError(f"{opcode} of {x.typed} and {y.typed}")
        return self.pure(f"{opcode} {x.typed}, {y.ref}", bool_, x.lanes, x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        if x.type != y.type or condition.lanes not in (1, x.lanes):
            raise TypeError(f"select {condition.typed} of {x.typed} and {y.typed}")
        return self.pure(
            f"select {condition.typed}, {x.typed}, {y.typed}", x.dtype, x.lanes, condition, x, y
        )

    def convert(self, opcode: str, x: Value, dtype: DType) -> Value:
        """A cast instruction such as `sitofp`, `fpext`, `bitcast`."""
        right = f"{opcode} {x.typed} to {llvm_type(dtype, x.lanes)}"
        return self.pure(right, dtype, x.lanes, x)

    def unary(self, opcode: str, x: Value) -> Value:
        return self.pure(f"{opcode} {x.typed}", x.dtype, x.lanes, x)

    def intrinsic(self, name: str, *operands: Value, dtype: DType | None = None) -> Value:
        """A call of `llvm.NAME` overloaded on the first operand's type, which is the result's
        unless `dtype` says otherwise."""
        first = operands[0]
        result = dtype or first.dtype
        suffix = _intrinsic_suffix(first.dtype, first.lanes)
        symbol = f"llvm.{name}.{suffix}"
        returns = llvm_type(result, first.lanes)
        self.module.declare(
            f"declare {returns} @{symbol}({', '.join(operand.type for operand in operands)})"
        )
        arguments = ", ".join(operand.typed for operand in operands)
        right = f"call {returns} @{symbol}({arguments})"
        return self.pure(right, result, first.lanes, *operands)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        return self.intrinsic("fma", x, y, z)

    # Index arithmetic: operands are scalar i64; constants are folded here.

    def add_index(self, x: Value, y: Value) -> Value:
        if x.ref == "0":
            return y
        if y.ref == "0":
            return x
        if _is_number(x) and _is_number(y):
            return index(int(x.ref) + int(y.ref))
        return self.binary("add", x, y, "nsw")

    def scale_index(self, x: Value, factor: int) -> Value:
        if factor == 1:
            return x
        if _is_number(x):
            return index(int(x.ref) * factor)
        if factor == 0:
            return index(0)
        return self.binary("mul", x, index(factor), "nsw")

    # Vectors

    def splat(self, x: Value, lanes: int) -> Value:
        if lanes == x.lanes:
            return x
        if not x.ref.startswith("%"):
            return Value(f"splat ({x.typed})", x.dtype, lanes)
        vector = llvm_type(x.dtype, lanes)
        first = self.pure(f"insertelement {vector} poison, {x.typed}, i64 0", x.dtype, lanes, x)
        mask = f"<{lanes} x i32> zeroinitializer"
        right = f"shufflevector {vector} {first.ref}, {vector} poison, {mask}"
        return self.pure(right, x.dtype, lanes, first)

    def shuffle(self, x: Value, y: Value, picks: Sequence[int]) -> Value:
        """Lanes of x (0..n-1) and y (n..2n-1) in the order of `picks`; one pick is a scalar."""
        if len(picks) == 1:
            return (
                self.extract(x, picks[0])
                if picks[0] < x.lanes
                else self.extract(y, picks[0] - x.lanes)
            )
        mask = ", ".join(f"i32 {pick}" for pick in picks)
        right = f"shufflevector {x.typed}, {y.typed}, <{len(picks)} x i32> <{mask}>"
        return self.pure(right, x.dtype, len(picks), x, y)

    def extract(self, x: Value, lane: int) -> Value:
        return self.pure(f"extractelement {x.typed}, i64 {lane}", x.dtype, 1, x)

    def lane_numbers(self, lanes: int) -> Value:
        """The i64 vector 0, 1, 2, ..."""
        return Value(f"<{', '.join(f'i64 {i}' for i in range(lanes))}>", int64, lanes)

    # Memory

    def offset(self, base: Value, dtype: DType, offset: Value) -> Value:
        """The address `offset` elements after `base`; a vector offset gives a vector."""
        if offset.ref == "0":
            return base
        right = f"getelementptr {memory_type(dtype)}, {base.typed}, {offset.typed}"
        return self.pure(right, POINTER, offset.lanes, base, offset)

    # A load said to be `read_only` is from memory that no store of this function writes; then LLVM
    # may move it out of loops and past stores.

    def load(
        self, address: Value, dtype: DType, lanes: int = 1, *, read_only: bool = False
    ) -> Value:
        """A load of `lanes` neighbours, aligned to the element only."""
        stored = memory_type(dtype, lanes)
        right = f"load {stored}, {address.typed}, align {dtype.bytes}{self._scope(read_only)}"
        return self._loaded(right, dtype, lanes, read_only, address)

    def load_masked(
        self, address: Value, dtype: DType, mask: Value, *, read_only: bool = False
    ) -> Value:
        """Neighbours where `mask` is set, zero elsewhere; unset lanes are not touched."""
        stored, lanes = memory_type(dtype, mask.lanes), mask.lanes
        symbol = f"llvm.masked.load.{_memory_suffix(dtype, lanes)}.p0"
        self.module.declare(f"declare {stored} @{symbol}(ptr, i32, <{lanes} x i1>, {stored})")
        right = (
            f"call {stored} @{symbol}({address.typed}, i32 {dtype.bytes}, {mask.typed}, "
            f"{stored} zeroinitializer){self._scope(read_only)}"
        )
        return self._loaded(right, dtype, lanes, read_only, address, mask)

    def gather(
        self, addresses: Value, dtype: DType, mask: Value, *, read_only: bool = False
    ) -> Value:
        """One element from each address whose mask lane is set, zero elsewhere."""
        stored, lanes = memory_type(dtype, mask.lanes), mask.lanes
        symbol = f"llvm.masked.gather.{_memory_suffix(dtype, lanes)}.v{lanes}p0"
        self.module.declare(
            f"declare {stored} @{symbol}(<{lanes} x ptr>, i32, <{lanes} x i1>, {stored})"
        )
        right = (
            f"call {stored} @{symbol}({addresses.typed}, i32 {dtype.bytes}, {mask.typed}, "
            f"{stored} zeroinitializer){self._scope(read_only)}"
        )
        return self._loaded(right, dtype, lanes, read_only, addresses, mask)

    def _scope(self, read_only: bool) -> str:
        return f", !alias.scope !{self.alias_scope}" if read_only else ""

    def store(self, value: Value, address: Value) -> None:
        value = self._to_memory(value)
        self.raw(
            f"store {value.typed}, {address.typed}, align {value.dtype.bytes}, "
            f"!noalias !{self.alias_scope}"
        )

    def store_masked(self, value: Value, address: Value, mask: Value) -> None:
        """Store the lanes whose mask is set; the others are not touched."""
        if mask == first_lanes(1, value.lanes):
            # LLVM 22 makes one store as wide as the number before it was truncated of this.
            self.store(self.extract(value, 0), address)
            return
        value = self._to_memory(value)
        symbol = f"llvm.masked.store.{_intrinsic_suffix(value.dtype, value.lanes)}.p0"
        self.module.declare(f"declare void @{symbol}({value.type}, ptr, i32, {mask.type})")
        self.raw(
            f"call void @{symbol}({value.typed}, {address.typed}, i32 {value.dtype.bytes}, "
            f"{mask.typed}), !noalias !{self.alias_scope}"
        )

    def _loaded(
        self, right: str, dtype: DType, lanes: int, read_only: bool, *operands: Value
    ) -> Value:
        """A load, made a bool if it is one; it may be moved where nothing writes the memory."""
        stored = int8 if dtype is bool_ else dtype
        if read_only:
            value = self.pure(right, stored, lanes, *operands)
        else:
            value = self.emit(right, stored, lanes)
        if dtype is not bool_:
            return value
        return self.compare("icmp ne", value, constant(0, int8, lanes))

    def _to_memory(self, value: Value) -> Value:
        return self.convert("zext", value, int8) if value.dtype is bool_ else value

    # Control flow

    def label(self, name: str) -> None:
        self._lines.append(f"{name}:")
        self.block = name

    def jump(self, target: str) -> None:
        self.raw(f"br label %{target}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        self.raw(f"br {condition.typed}, label %{then}, label %{otherwise}")

    @contextmanager
    def loop(
        self,
        start: Value,
        stop: Value,
        step: int,
        carried: Sequence[Value] = (),
        hint: str = "loop",
    ) -> Iterator[Loop]:
        """A counted loop. With constant bounds that give no round the body is jumped over."""
        ahead = self._reserve()
        body, after = self.fresh_label(hint), self.fresh_label(f"{hint}_end")
        before = self.block
        never_empty = _is_number(start) and _is_number(stop) and int(start.ref) < int(stop.ref)
        if never_empty:
            self.jump(body)
        else:
            self.branch(self.compare("icmp slt", start, stop), body, after)
        self.label(body)
        with self._nested(ahead, always_runs=never_empty):
            counter = self.fresh(int64)
            phis = [self.fresh(value.dtype, value.lanes) for value in carried]
            head = self._reserve()
            loop = Loop(counter, phis)
            yield loop
            following = self.binary("add", counter, index(step), "nsw")
        if len(loop.next) != len(phis):
            raise ValueError(f"loop {hint} carries {len(phis)} values, got {len(loop.next)} back")
        last = self.block
        for phi, first, back in zip(
            (counter, *phis), (start, *carried), (following, *loop.next), strict=True
        ):
            head.append(f"  {phi.ref} = {_phi(first, before, back, last)}")
        self.branch(self.compare("icmp slt", following, stop), body, after)
        self.label(after)
        if never_empty:
            loop.results = [replace(value, depth=self.depth) for value in loop.next]
            return
        for first, back in zip(carried, loop.next, strict=True):
            right = _phi(first, before, back, last)
            loop.results.append(self.emit(right, first.dtype, first.lanes))

    @contextmanager
    def when(
        self, condition: Value, hint: str = "then", *, falls_through: bool = True
    ) -> Iterator[None]:
        """Run the block only if the scalar condition holds; a block that returns from the
        function does not fall through to what follows."""
        then, after = self.fresh_label(hint), self.fresh_label(f"{hint}_end")
        ahead = self._reserve()
        self.branch(condition, then, after)
        self.label(then)
        with self._nested(ahead, always_runs=False):
            yield
        if falls_through:
            self.jump(after)
        self.label(after)

    def call(self, callee: Function, arguments: Sequence[Value]) -> None:
        """Call a function of this module that returns nothing."""
        self.raw(f"call void @{callee.name}({', '.join(value.typed for value in arguments)})")

    def stack_slot(self, dtype: DType) -> Value:
        """Room for one value for as long as this function runs."""
        return self.emit(f"alloca {memory_type(dtype)}", POINTER)

    def text(self) -> str:
        parameters = ", ".join(parameter.typed for parameter in self.parameters)
        lines = [f"define {self.attributes} @{self.name}({parameters}) #0 {{", "entry:"]
        lines += _flatten(self._body)
        lines.append("}")
        return "\n".join(lines)


class Module:
    """A set of functions and the intrinsics they use."""

    def __init__(self, attributes: str = "") -> None:
        """`attributes` are function attributes, such as `"prefer-vector-width"="512"`."""
        self.attributes = attributes
        self.functions: list[Function] = []
        self._declarations: dict[str, None] = {}
        self._globals: dict[str, None] = {}
        self._metadata: list[str] = []

    def new_alias_scope(self) -> int:
        """The number of a metadata list that holds one alias scope of its own.

        LLVM Language Reference, "noalias and alias.scope metadata".
        """
        number = len(self._metadata)
        self._metadata += [
            f"!{number} = distinct !{{!{number}}}",
            f"!{number + 1} = distinct !{{!{number + 1}, !{number}}}",
            f"!{number + 2} = !{{!{number + 1}}}",
        ]
        return number + 2

    def declare(self, declaration: str) -> None:
        self._declarations[declaration] = None

    def define_global(self, definition: str) -> None:
        self._globals[definition] = None

    def function(
        self, name: str, parameters: Sequence[Value], attributes: str = "internal void"
    ) -> Function:
        """Begin a function; `attributes` is what stands between `define` and the name."""
        function = Function(self, name, parameters, attributes)
        self.functions.append(function)
        return function

    def text(self) -> str:
        parts = [*self._globals, *self._declarations]
        parts += [function.text() for function in self.functions]
        parts.append(f"attributes #0 = {{ nounwind {self.attributes} }}")
        parts += self._metadata
        return "\n".join(parts) + "\n"


def _phi(first: Value, before: str, back: Value, last: str) -> str:
    """`first` on the way from the block `before`, `back` on the way from the block `last`."""
    return f"phi {first.type} [{first.ref}, %{before}], [{back.ref}, %{last}]"


def _is_number(value: Value) -> bool:
    return not value.ref.startswith("%")


def _intrinsic_suffix(dtype: DType, lanes: int) -> str:
    letter = "f" if dtype.is_float else "i"
    scalar = f"{letter}{dtype.bits}"
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


def _memory_suffix(dtype: DType, lanes: int) -> str:
    return _intrinsic_suffix(int8 if dtype is bool_ else dtype, lanes)


def _flatten(lines: Lines) -> Iterator[str]:
    """The lines of nested lists in order, without recursion."""
    stack: list[Iterator[str | Lines]] = [iter(lines)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, str):
                yield item
            else:
                stack.append(iter(item))
                break
        else:
            stack.pop()
