"""Instructions of AVX-512 that help with elementary functions and have no portable form.

Owns `available` and one function for each instruction. Imports `number` and the emitter.
Invariant: each gives the same bits for every number of lanes; narrow vectors are widened to a
register, wide ones are cut into registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.codegen.values import Value, constant, literal, llvm_type
from graphc.codegen.vector_math.number import Number
from graphc.ir.types import DType, float32, int8, int16, int32

_REGISTER = {float32: 16}
"""Lanes of a register; 8 of the other format."""

_CURRENT_ROUNDING = constant(4, int32)


def available(x: Number) -> bool:
    """Whether the code that `x` is in is for a processor with AVX-512."""
    return x.b.function.module.has_avx512


def lookup(index: Number, table: Sequence[float], dtype: DType) -> Number:
    """The elements of a table of one or two registers that the lowest bits of an integer name."""
    function, lanes = index.b.function, _lanes(dtype)
    tables = [_vector(table[i : i + lanes], dtype) for i in range(0, len(table), lanes)]
    name = "ps" if dtype is float32 else "pd"

    def emit(places: Value) -> Value:
        if len(tables) == 1:
            single = name.replace("p", "") + "f"
            symbol = f"x86.avx512.permvar.{single}.512"
            return function.target_intrinsic(symbol, tables[0], tables[0], places)
        symbol = f"x86.avx512.vpermi2var.{name}.512"
        return function.target_intrinsic(symbol, tables[0], tables[0], places, tables[1])

    return _by_registers(emit, dtype, index)


def scaled(x: Number, exponent: Number) -> Number:
    """x * 2**floor(exponent), rounded once, for any exponent."""
    return _masked("scalef", x, exponent)


def exponent(x: Number) -> Number:
    """floor(log2 |x|) as a float, of subnormal numbers too; -inf of 0, inf of infinities."""
    return _masked("getexp", x)


def mantissa(x: Number) -> Number:
    """x / 2**e in [3/4, 3/2), e an integer; 1 of zeros and of inf, NaN of negative numbers."""
    return _masked("getmant", x, immediate=0b1111)


def reciprocal(x: Number) -> Number:
    """1 / x to within 0.55 ulp (double: 0.6), where neither is subnormal or infinite.

    Steps of Newton's method from 14 bits, exact residuals (Muller et al., Handbook of
    Floating-Point Arithmetic, 2nd ed., section 4.7).
    """
    function = x.b.function
    name = "ps" if x.dtype is float32 else "pd"

    def emit(operand: Value) -> Value:
        symbol = f"x86.avx512.rcp14.{name}.512"
        return function.target_intrinsic(symbol, operand, operand, operand, _all(x.dtype))

    result = _by_registers(emit, x.dtype, x)
    for _ in range(1 if x.dtype is float32 else 2):
        result = (-x).times_plus(result, 1.0).times_plus(result, result)
    return result


def _masked(name: str, *operands: Number, immediate: int | None = None) -> Number:
    """An instruction in its masked form, with all lanes set."""
    function, dtype = operands[0].b.function, operands[0].dtype
    suffix = "ps" if dtype is float32 else "pd"
    extra = [] if immediate is None else [constant(immediate, int32)]

    def emit(*values: Value) -> Value:
        symbol = f"x86.avx512.mask.{name}.{suffix}.512"
        rest = (*extra, values[0], _all(dtype), _CURRENT_ROUNDING)
        return function.target_intrinsic(symbol, values[0], *values, *rest)

    return _by_registers(emit, dtype, *operands)


def _by_registers(emit: Callable[..., Value], dtype: DType, *operands: Number) -> Number:
    """`emit` of whole registers, for values of any number of lanes."""
    b, function = operands[0].b, operands[0].b.function
    values = b.align(*(operand.value for operand in operands))
    lanes, register = values[0].lanes, _lanes(dtype)
    if lanes < register:
        picks = [i % lanes for i in range(register)]
        wide = [
            function.splat(v, register) if lanes == 1 else function.shuffle(v, v, picks)
            for v in values
        ]
        result = emit(*wide)
        return Number(b, function.shuffle(result, result, range(lanes)))
    parts = [
        emit(*(_cut(operands[0], v, start, register) for v in values))
        for start in range(0, lanes, register)
    ]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [function.shuffle(x, y, range(2 * x.lanes)) for x, y in pairs]
    return Number(b, parts[0])


def _cut(like: Number, value: Value, start: int, lanes: int) -> Value:
    if value.lanes == lanes:
        return value
    return like.b.function.shuffle(value, value, range(start, start + lanes))


def _lanes(dtype: DType) -> int:
    return _REGISTER.get(dtype, 8)


def _all(dtype: DType) -> Value:
    """The mask of all lanes."""
    return constant(-1, int16 if dtype is float32 else int8)


def _vector(numbers: Sequence[float], dtype: DType) -> Value:
    """A constant register, filled up with zeros."""
    lanes = _lanes(dtype)
    padded = [*numbers, *[0.0] * (lanes - len(numbers))]
    scalar = llvm_type(dtype)
    text = ", ".join(f"{scalar} {literal(number, dtype)}" for number in padded)
    return Value(f"<{text}>", dtype, lanes)
