"""The scalar language on LLVM values: what op records are lowered with.

Owns `VectorScalars`, the code generator's `ScalarBuilder`. Operands may mix scalars and vectors
of one width; scalars are splatted where they meet a vector. Imports `ir` and `codegen`'s emitter
and vector math. Invariant: semantics are IEEE 754's, up to contraction of a multiply into an add.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.codegen import halves, rounding, vector_math
from graphc.codegen.division import divide, has_division
from graphc.codegen.emit import FAST_CONTRACT, Function
from graphc.codegen.multiply_add import multiply_add
from graphc.codegen.square_root import square_root
from graphc.codegen.values import Value, constant, is_number
from graphc.codegen.wide_conversions import needs_halves, to_float, to_integer
from graphc.ir.scalar import Comparison, Going, State, Step
from graphc.ir.types import HALVES, DType, bool_

_EXTREMUM: dict[Comparison, str] = {"gt": "maximum", "lt": "minimum"}
_FLOAT_PREDICATE = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


class VectorScalars:
    """`ScalarBuilder` that writes instructions into a function."""

    def __init__(self, function: Function) -> None:
        self.function = function

    def dtype(self, x: Value) -> DType:
        return x.dtype

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        return constant(value, dtype)

    def add(self, x: Value, y: Value) -> Value:
        return self._arithmetic("add", x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return self._arithmetic("sub", x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return self._arithmetic("mul", x, y)

    def div(self, x: Value, y: Value) -> Value:
        x, y = self.align(x, y)
        if x.dtype.is_float:
            return self.function.binary("fdiv", x, y)
        return self._floor_divide(x, y)

    def neg(self, x: Value) -> Value:
        if x.dtype.is_float:
            return self.function.unary("fneg", x)
        return self.sub(self.const(0, x.dtype), x)

    def abs(self, x: Value) -> Value:
        if x.dtype.is_float:
            return self.function.intrinsic("fabs", x)
        if x.dtype.kind != "int":
            return x
        negative = self.compare("lt", x, self.const(0, x.dtype))
        return self.select(negative, self.neg(x), x)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        x, y, z = self.align(x, y, z)
        if self.function.module.has("fma", x.dtype):
            return self.function.fma(x, y, z)
        return multiply_add(self, x, y, z)

    def maximum(self, x: Value, y: Value) -> Value:
        return self._extremum("gt", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        return self._extremum("lt", x, y)

    def compare(self, how: Comparison, x: Value, y: Value) -> Value:
        x, y = self.align(x, y)
        if x.dtype.is_float:
            return self.function.compare(f"fcmp {_FLOAT_PREDICATE[how]}", x, y)
        sign = "" if how in ("eq", "ne") else "s" if x.dtype.kind == "int" else "u"
        return self.function.compare(f"icmp {sign}{how}", x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        condition, x, y = self.align(condition, x, y)
        return self.function.select(condition, x, y)

    def logical_and(self, x: Value, y: Value) -> Value:
        return self.integer("and", x, y)

    def logical_or(self, x: Value, y: Value) -> Value:
        return self.integer("or", x, y)

    def logical_not(self, x: Value) -> Value:
        return self.integer("xor", x, self.const(True, bool_))

    def cast(self, x: Value, dtype: DType) -> Value:
        source = x.dtype
        if source is dtype:
            return x
        if dtype is bool_ and source not in HALVES:
            return self.compare("ne", x, self.const(0, source))
        if not x.ref.startswith("%"):
            x = self._materialised(x)
        if source in HALVES:
            return self.cast(halves.widen(self, x), dtype)
        if dtype in HALVES:
            return halves.narrow(self, x, dtype)
        convert = self.function.convert
        if source.is_float and dtype.is_float:
            return convert("fpext" if dtype.bits > source.bits else "fptrunc", x, dtype)
        if source.is_float:
            if needs_halves(self, dtype, source):
                return to_integer(self, x, dtype)
            # A plain fptosi of a value out of range is poison; freeze makes it some number.
            number = convert("fptosi" if dtype.kind == "int" else "fptoui", x, dtype)
            return self.function.unary("freeze", number)
        if dtype.is_float:
            if needs_halves(self, source, dtype):
                return to_float(self, x, dtype)
            return convert("sitofp" if source.kind == "int" else "uitofp", x, dtype)
        if dtype.bits < source.bits:
            return convert("trunc", x, dtype)
        if dtype.bits > source.bits:
            return convert("sext" if source.kind == "int" else "zext", x, dtype)
        return replace(x, dtype=dtype)

    def copysign(self, magnitude: Value, sign: Value) -> Value:
        return self.function.intrinsic("copysign", *self.align(magnitude, sign))

    def sqrt(self, x: Value) -> Value:
        if self.function.module.has("sqrt", x.dtype):
            return self.function.intrinsic("sqrt", x)
        return square_root(self, x)

    def floor(self, x: Value) -> Value:
        return self._rounded("floor", rounding.floor, x)

    def ceil(self, x: Value) -> Value:
        return self._rounded("ceil", rounding.ceil, x)

    def trunc(self, x: Value) -> Value:
        return self._rounded("trunc", rounding.trunc, x)

    def round_even(self, x: Value) -> Value:
        return self._rounded("roundeven", rounding.round_even, x)

    def _rounded(
        self, name: str, instead: Callable[[VectorScalars, Value], Value], x: Value
    ) -> Value:
        """By an instruction, if there is one: x86-64 has them since SSE4.1, Arm since version 8."""
        if self.function.module.has(name, x.dtype):
            return self.function.intrinsic(name, x)
        return instead(self, x)

    def bits(self, x: Value, dtype: DType) -> Value:
        return self.function.convert("bitcast", self._materialised(x), dtype)

    def bit_and(self, x: Value, y: Value) -> Value:
        return self.integer("and", x, y)

    def bit_or(self, x: Value, y: Value) -> Value:
        return self.integer("or", x, y)

    def bit_xor(self, x: Value, y: Value) -> Value:
        return self.integer("xor", x, y)

    def shift_left(self, x: Value, count: Value) -> Value:
        return self.integer("shl", x, count)

    def shift_right(self, x: Value, count: Value) -> Value:
        return self.integer("ashr" if x.dtype.kind == "int" else "lshr", x, count)

    def count_ones(self, x: Value) -> Value:
        return self.function.intrinsic("ctpop", x)

    def iterate(self, going: Going, step: Step, state: State) -> State:
        return tuple(
            self.function.iterate(
                self.align(*state),
                lambda carried: self.function.any_lane(going(*carried)),
                lambda carried: self.align(*step(*carried)),
            )
        )

    def exp(self, x: Value) -> Value:
        return vector_math.exp(self, x)

    def expm1(self, x: Value) -> Value:
        return vector_math.expm1(self, x)

    def log(self, x: Value) -> Value:
        return vector_math.log(self, x)

    def log1p(self, x: Value) -> Value:
        return vector_math.log1p(self, x)

    def tanh(self, x: Value) -> Value:
        return vector_math.tanh(self, x)

    def sigmoid(self, x: Value) -> Value:
        return vector_math.sigmoid(self, x)

    def erf(self, x: Value) -> Value:
        return vector_math.erf(self, x)

    def sin(self, x: Value) -> Value:
        return vector_math.sin(self, x)

    def cos(self, x: Value) -> Value:
        return vector_math.cos(self, x)

    def tan(self, x: Value) -> Value:
        return vector_math.tan(self, x)

    def asin(self, x: Value) -> Value:
        return vector_math.asin(self, x)

    def acos(self, x: Value) -> Value:
        return vector_math.acos(self, x)

    def atan(self, x: Value) -> Value:
        return vector_math.atan(self, x)

    def atan2(self, y: Value, x: Value) -> Value:
        return vector_math.atan2(self, *self.align(y, x))

    def sinh(self, x: Value) -> Value:
        return vector_math.sinh(self, x)

    def cosh(self, x: Value) -> Value:
        return vector_math.cosh(self, x)

    def asinh(self, x: Value) -> Value:
        return vector_math.asinh(self, x)

    def acosh(self, x: Value) -> Value:
        return vector_math.acosh(self, x)

    def atanh(self, x: Value) -> Value:
        return vector_math.atanh(self, x)

    def exp2(self, x: Value) -> Value:
        return vector_math.exp2(self, x)

    def log2(self, x: Value) -> Value:
        return vector_math.log2(self, x)

    def log10(self, x: Value) -> Value:
        return vector_math.log10(self, x)

    def cbrt(self, x: Value) -> Value:
        return vector_math.cbrt(self, x)

    def erfc(self, x: Value) -> Value:
        return vector_math.erfc(self, x)

    def erfinv(self, x: Value) -> Value:
        return vector_math.erfinv(self, x)

    def lgamma(self, x: Value) -> Value:
        return vector_math.lgamma(self, x)

    def digamma(self, x: Value) -> Value:
        return vector_math.digamma(self, x)

    def polygamma(self, x: Value, order: int) -> Value:
        return vector_math.polygamma(self, x, order)

    def hypot(self, x: Value, y: Value) -> Value:
        return vector_math.hypot(self, *self.align(x, y))

    def pow(self, x: Value, y: Value) -> Value:
        return vector_math.pow(self, *self.align(x, y))

    # What vector math needs beyond the protocol

    def align(self, *values: Value) -> tuple[Value, ...]:
        """The same values, all as wide as the widest."""
        lanes = max(value.lanes for value in values)
        return tuple(self.function.splat(value, lanes) for value in values)

    def integer(self, opcode: str, x: Value, y: Value) -> Value:
        """An integer instruction: `and`, `or`, `xor`, `shl`, `lshr`, `ashr`, `add`, `sub`."""
        x, y = self.align(x, y)
        return self.function.binary(opcode, x, y)

    def _arithmetic(self, name: str, x: Value, y: Value) -> Value:
        x, y = self.align(x, y)
        if x.dtype.is_float:
            return self.function.binary(f"f{name}", x, y, FAST_CONTRACT)
        return self.function.binary(name, x, y)

    def _extremum(self, how: Comparison, x: Value, y: Value) -> Value:
        has_number = is_number(x) or is_number(y)
        x, y = self.align(x, y)
        has_instruction = self.function.module.has(_EXTREMUM[how], x.dtype)
        if x.dtype.is_float and has_instruction and not has_number:
            # LLVM would merge the two selects below, and then take two comparisons for them.
            return self.function.intrinsic(_EXTREMUM[how], x, y, flags="nsz")
        better = self.select(self.compare(how, x, y), x, y)
        if not x.dtype.is_float:
            return better
        # The comparison is false if either is NaN, which gives y: only a NaN in x is left.
        return self.select(self.compare("ne", x, x), x, better)

    def _floor_divide(self, x: Value, y: Value) -> Value:
        """Truncating division corrected; the divisor is made safe before it is used."""
        zero, one = self.const(0, x.dtype), self.const(1, x.dtype)
        by_zero = self.compare("eq", y, zero)
        if x.dtype.kind != "int":
            safe = self.select(by_zero, one, y)
            if has_division(self, x.dtype):
                quotient = self.function.binary("udiv", x, safe)
            else:
                quotient, _ = divide(self, x, safe)
            return self.select(by_zero, zero, quotient)
        # The smallest integer divided by -1 traps, so -1 is handled as negation.
        by_minus_one = self.compare("eq", y, self.const(-1, x.dtype))
        safe = self.select(self.logical_or(by_zero, by_minus_one), one, y)
        if has_division(self, x.dtype):
            quotient = self.function.binary("sdiv", x, safe)
            remainder = self.function.binary("srem", x, safe)
        else:
            quotient, remainder = divide(self, x, safe)
        inexact = self.compare("ne", remainder, zero)
        opposite = self.compare("lt", self.integer("xor", remainder, safe), zero)
        lowered = self.sub(quotient, self.cast(self.logical_and(inexact, opposite), x.dtype))
        return self.select(by_zero, zero, self.select(by_minus_one, self.neg(x), lowered))

    def _materialised(self, x: Value) -> Value:
        """A constant given a name, as operand of an instruction that takes no literal splat."""
        if x.ref.startswith("%"):
            return x
        return self.function.unary("freeze", x)
