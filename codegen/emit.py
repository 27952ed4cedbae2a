"""LLVM instructions, checked as they are written.

Owns `Function` and `Module`. Imports `codegen.writer`. Invariant: operands of an instruction have
equal types; a mistake is reported here, with both operands, and not by LLVM.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from graphc.codegen.masks import hidden, may_be_truncated
from graphc.codegen.values import (
    POINTER,
    Value,
    constant,
    first_lanes,
    index,
    intrinsic_suffix,
    is_number,
    llvm_type,
    memory_suffix,
    memory_type,
)
from graphc.codegen.writer import Writer
from graphc.ir.types import DType, bool_, int8, int32, int64

FAST_CONTRACT = "contract"
"""The one float flag used: a multiply may be contracted with an add into an FMA."""


class Function(Writer):
    """One LLVM function: every instruction the code generator uses.

    `names` are those of the graph's values, for comments.
    """

    def __init__(
        self, module: Module, name: str, parameters: Sequence[Value], attributes: str
    ) -> None:
        super().__init__(name, parameters, attributes)
        self.module = module
        self.names: Mapping[Any, str] = {}
        self.alias_scope = module.new_alias_scope()

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

    def intrinsic(
        self, name: str, *operands: Value, dtype: DType | None = None, flags: str = ""
    ) -> Value:
        """A call of `llvm.NAME` overloaded on the first operand's type, which is the result's
        unless `dtype` says otherwise."""
        first = operands[0]
        result = dtype or first.dtype
        suffix = intrinsic_suffix(first.dtype, first.lanes)
        symbol = f"llvm.{name}.{suffix}"
        returns = llvm_type(result, first.lanes)
        self.module.declare(
            f"declare {returns} @{symbol}({', '.join(operand.type for operand in operands)})"
        )
        arguments = ", ".join(operand.typed for operand in operands)
        call = f"call {flags}" if flags else "call"
        right = f"{call} {returns} @{symbol}({arguments})"
        return self.pure(right, result, first.lanes, *operands)

    def target_intrinsic(self, name: str, like: Value, *operands: Value) -> Value:
        """A call of `llvm.NAME`, which one target only has; the result is of the type of `like`."""
        types = ", ".join(operand.type for operand in operands)
        self.module.declare(f"declare {like.type} @llvm.{name}({types})")
        arguments = ", ".join(operand.typed for operand in operands)
        right = f"call {like.type} @llvm.{name}({arguments})"
        return self.pure(right, like.dtype, like.lanes, *operands)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once; a call of the C library where the target has no instruction."""
        return self.intrinsic("fma", x, y, z)

    # Index arithmetic: operands are scalar i64; constants are folded here.

    def add_index(self, x: Value, y: Value) -> Value:
        if x.ref == "0":
            return y
        if y.ref == "0":
            return x
        if is_number(x) and is_number(y):
            return index(int(x.ref) + int(y.ref))
        return self.binary("add", x, y, "nsw")

    def scale_index(self, x: Value, factor: int) -> Value:
        if factor == 1:
            return x
        if is_number(x):
            return index(int(x.ref) * factor)
        if factor == 0:
            return index(0)
        return self.binary("mul", x, index(factor), "nsw")

    def divide_index(self, x: Value, divisor: int) -> Value:
        """`x` is not negative."""
        if divisor == 1:
            return x
        if is_number(x):
            return index(int(x.ref) // divisor)
        if self.module.has("divide", int64):
            return self.binary("udiv", x, index(divisor))
        # The memory of a processor of 32 bits holds fewer elements than these count.
        low = self.convert("trunc", x, int32)
        return self.convert("zext", self.binary("udiv", low, constant(divisor, int32)), int64)

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

    def first_part(self, x: Value, lanes: int) -> Value:
        """The first lanes of a vector."""
        return x if lanes == x.lanes else self.shuffle(x, x, range(lanes))

    def with_first_part(self, x: Value, part: Value) -> Value:
        """x with its first lanes exchanged for those of a shorter vector."""
        lanes = x.lanes
        if part.lanes == lanes:
            return part
        repeated = self.shuffle(part, part, [lane % part.lanes for lane in range(lanes)])
        own, kept = range(part.lanes), range(lanes + part.lanes, 2 * lanes)
        return self.shuffle(repeated, x, [*own, *kept])

    def extract(self, x: Value, lane: int) -> Value:
        return self.pure(f"extractelement {x.typed}, i64 {lane}", x.dtype, 1, x)

    def any_lane(self, mask: Value) -> Value:
        """Whether any lane of a mask is set; a constant mask is one of first lanes, and so has."""
        if mask.lanes == 1:
            return mask
        if is_number(mask):
            return constant(True, bool_)
        symbol = f"llvm.vector.reduce.or.{intrinsic_suffix(bool_, mask.lanes)}"
        self.module.declare(f"declare i1 @{symbol}({mask.type})")
        return self.pure(f"call i1 @{symbol}({mask.typed})", bool_, 1, mask)

    def lane_numbers(self, lanes: int) -> Value:
        """The i64 vector 0, 1, 2, ...; of one lane, a scalar."""
        if lanes == 1:
            return index(0)
        return Value(f"<{', '.join(f'i64 {i}' for i in range(lanes))}>", int64, lanes)

    # Memory

    def constant_table(self, numbers: Sequence[int], dtype: DType) -> Value:
        """The address of constants, side by side."""
        return Value(self.module.constant_table(numbers, dtype), POINTER)

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
        if mask.lanes == 1:
            # LLVM masks vectors alone.
            self.module.declare("@graphc.zero = private constant i64 0, align 8")
            place = self.select(mask, address, Value("@graphc.zero", POINTER))
            return self.load(place, dtype, read_only=read_only)
        stored, lanes = memory_type(dtype, mask.lanes), mask.lanes
        symbol = f"llvm.masked.load.{memory_suffix(dtype, lanes)}.p0"
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
        symbol = f"llvm.masked.gather.{memory_suffix(dtype, lanes)}.v{lanes}p0"
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

    def prefetch(self, address: Value, *, to_write: bool) -> None:
        """Ask for the cache line of an address, which may be any: nothing is touched."""
        self.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.raw(f"call void @llvm.prefetch.p0({address.typed}, i32 {int(to_write)}, i32 3, i32 1)")

    def store(self, value: Value, address: Value) -> None:
        value = self._to_memory(value)
        self.raw(
            f"store {value.typed}, {address.typed}, align {value.dtype.bytes}, "
            f"!noalias !{self.alias_scope}"
        )

    def store_masked(self, value: Value, address: Value, mask: Value) -> None:
        """Store the lanes whose mask is set; the others are not touched."""
        if mask == first_lanes(1, value.lanes):
            self.store(self.extract(value, 0), address)
            return
        value = self._to_memory(value)
        if may_be_truncated(value.dtype) and self.module.has_avx512:
            mask = hidden(self, mask)
        symbol = f"llvm.masked.store.{intrinsic_suffix(value.dtype, value.lanes)}.p0"
        self.module.declare(f"declare void @{symbol}({value.type}, ptr, i32, {mask.type})")
        self.raw(
            f"call void @{symbol}({value.typed}, {address.typed}, i32 {value.dtype.bytes}, "
            f"{mask.typed}), !noalias !{self.alias_scope}"
        )

    def scatter(self, value: Value, addresses: Value, mask: Value) -> None:
        """Store each lane whose mask is set at its own address."""
        value = self._to_memory(value)
        lanes = value.lanes
        symbol = f"llvm.masked.scatter.{intrinsic_suffix(value.dtype, lanes)}.v{lanes}p0"
        self.module.declare(
            f"declare void @{symbol}({value.type}, <{lanes} x ptr>, i32, <{lanes} x i1>)"
        )
        self.raw(
            f"call void @{symbol}({value.typed}, {addresses.typed}, i32 {value.dtype.bytes}, "
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

    def stack_slot(self, dtype: DType) -> Value:
        """Room for one value for as long as this function runs."""
        return self.slot(f"alloca {memory_type(dtype)}", POINTER)

    def stack_vector(self, dtype: DType, lanes: int) -> Value:
        """The same for a vector."""
        return self.slot(f"alloca [{lanes} x {memory_type(dtype)}], align 64", POINTER)

    def stack_slots(self, dtype: DType, count: int) -> Value:
        """The same for several values, side by side."""
        return self.slot(f"alloca [{count} x {memory_type(dtype)}]", POINTER)


class Module:
    """A set of functions and the intrinsics they use."""

    def __init__(
        self,
        attributes: str = "",
        *,
        has_avx512: bool = False,
        missing: Sequence[str] = (),
        own_sections: bool = False,
    ) -> None:
        """`attributes` are function attributes, such as `"prefer-vector-width"="512"`;
        `has_avx512` says that the target has the instructions of AVX-512, and `missing` which
        operations it has none for, as `Target` lists them. With `own_sections` each function is in
        a section of its name, so that a linker can leave it out and a reader can weigh it."""
        self.attributes = attributes
        self.has_avx512 = has_avx512
        self.missing = frozenset(missing)
        self.own_sections = own_sections
        self.functions: list[Function] = []
        self.operations: dict[Hashable, tuple[str, Value]] = {}
        """Operations that are functions: the symbol and a value of the result's type."""
        self.segments: dict[Hashable, str] = {}
        """Segments of kernels that are functions: the symbol."""
        self._declarations: dict[str, None] = {}
        self._globals: dict[str, None] = {}
        self._tables: dict[str, str] = {}
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

    def has(self, operation: str, *dtypes: DType) -> bool:
        """Whether the target has instructions for an operation on such numbers."""
        return ".".join([operation, *map(str, dtypes)]) not in self.missing

    def declare(self, declaration: str) -> None:
        self._declarations[declaration] = None

    def constant_table(self, numbers: Sequence[int], dtype: DType) -> str:
        """The name of constants of the module; equal tables are one."""
        kind = llvm_type(dtype)
        elements = ", ".join(f"{kind} {number}" for number in numbers)
        table = f"internal constant [{len(numbers)} x {kind}] [{elements}]"
        name = self._tables.setdefault(table, f"@table{len(self._tables)}")
        self.define_global(f"{name} = {table}")
        return name

    def define_global(self, definition: str) -> None:
        self._globals[definition] = None

    def function(
        self, name: str, parameters: Sequence[Value], attributes: str = "internal void"
    ) -> Function:
        """Begin a function; `attributes` is what stands between `define` and the name."""
        function = Function(self, name, parameters, attributes)
        function.section = f".text.{name}" if self.own_sections else ""
        self.functions.append(function)
        return function

    def text(self) -> str:
        parts = [*self._globals, *self._declarations]
        parts += [function.text() for function in self.functions]
        parts.append(f"attributes #0 = {{ nounwind {self.attributes} }}")
        parts += self._metadata
        return "\n".join(parts) + "\n"
