"""sin, cos and tan for all finite arguments.

Owns the reductions modulo pi up to a bound and the polynomials for sin and tan. Imports `number`,
pairs of floats and `revolutions`. Invariant: within 2 ULP for every argument, at the cost of one
well predicted branch.

Method: x = k pi + r with |r| <= pi / 2, so that a single odd polynomial and a sign give the result;
for tan modulo pi / 2, with r as a pair. Up to a bound, pi in three parts is subtracted k times
(Cody & Waite 1980; the first fused multiply-add is exact). Beyond, `revolutions` finds x / pi
modulo 2, in a function of its own that is called only when a lane needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen.values import Value, index
from graphc.codegen.vector_math.double_number import DoubleNumber, sum_ordered
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.codegen.vector_math.revolutions import revolutions, split, times_pi
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    pi: tuple[float, float, float]
    """Parts of pi, all positive, so that no step of the reduction turns a -0 into a 0."""
    limit: float
    """The reduction by parts is good up to here."""
    tail: tuple[float, ...]
    """sin(r) = r + r**3 * tail(r**2), for |r| a little over pi / 2."""
    tangent: tuple[float, ...]
    """tan(r) = r + r**3 * tangent(r**2), for |r| a little over pi / 4."""


_CONSTANTS = {
    # Relative errors 2**-27.0 and 2**-29.3.
    float32: _Constants(
        pi=(3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14),
        limit=40000.0,
        tail=(-0.16666658, 0.00833303, -0.0001980685, 2.599519e-06),
        tangent=(
            0.33333352,
            0.13332577,
            0.054069865,
            0.021230116,
            0.010972154,
            -8.4563537e-05,
            0.0044626002,
        ),
    ),
    # Relative errors 2**-61.4 and 2**-56.2.
    float64: _Constants(
        pi=(3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32),
        limit=2.0**30,
        tail=(
            -0.16666666666666666,
            0.008333333333333203,
            -0.0001984126984121051,
            2.7557319211151166e-06,
            -2.5052106860706592e-08,
            1.605893859376447e-10,
            -7.64295224826093e-13,
            2.720673752218665e-15,
        ),
        tangent=(
            0.33333333333332765,
            0.1333333333341643,
            0.05396825392578334,
            0.021869489630518556,
            0.008863218857984067,
            0.0035922918641829176,
            0.0014547409314819015,
            0.0005951368505585357,
            0.00022216602812532134,
            0.0001369681665142528,
            -2.701304415740868e-05,
            9.00310614201745e-05,
            -4.519030919048764e-05,
            2.0939021697470752e-05,
        ),
    ),
}

_INVERSE_PI = 0.31830988618379067153776752674503

_SLOW_LANES = 8
"""Most lanes that the slow function computes at once."""


def sin(b: VectorScalars, value: Value) -> Value:
    """The sine of an angle in radians; NaN for infinities."""
    x = Number(b, value)
    magnitude = abs(x)
    quotient = magnitude.times_plus(_INVERSE_PI, x.format.rounder)
    k = quotient - x.format.rounder
    sign = (quotient.bits << (x.dtype.bits - 1)) ^ (x.bits & x.format.sign_bit)
    fast = _flip(_sine(_reduced(magnitude, k)), sign)
    return _unless_huge(x, magnitude, fast, "sin")


def cos(b: VectorScalars, value: Value) -> Value:
    """The cosine of an angle in radians; NaN for infinities."""
    x = Number(b, value)
    magnitude = abs(x)
    # cos x = -sin(x - pi / 2): the multiple of pi taken off is k + 1 / 2.
    quotient = magnitude.times_plus(_INVERSE_PI, -0.5) + x.format.rounder
    k = quotient - x.format.rounder
    sign = (quotient.bits << (x.dtype.bits - 1)) ^ x.format.sign_bit
    fast = _flip(_sine(_reduced(magnitude, k + 0.5)), sign)
    return _unless_huge(x, magnitude, fast, "cos")


def tan(b: VectorScalars, value: Value) -> Value:
    """The tangent of an angle in radians; NaN for infinities."""
    x = Number(b, value)
    magnitude = abs(x)
    quotient = magnitude.times_plus(2.0 * _INVERSE_PI, x.format.rounder)
    quarters = quotient - x.format.rounder
    r = _reduced_pair(magnitude, quarters * 0.5)
    fast = _flip(_tangent(r, quotient), x.bits & x.format.sign_bit)
    return _unless_huge(x, magnitude, fast, "tan")


def _flip(x: Number, sign: Number) -> Number:
    """x with its sign turned where the sign bit of an integer is set."""
    return (x.bits ^ sign).as_float(x.dtype)


def _reduced(x: Number, k: Number) -> Number:
    """x - k pi."""
    for part in _CONSTANTS[x.dtype].pi:
        x = k.times_plus(-part, x)
    return x


def _reduced_pair(x: Number, k: Number) -> DoubleNumber:
    """x - k pi with what rounding lost."""
    first, second, third = _CONSTANTS[x.dtype].pi
    exact = k.times_plus(-first, x)
    product = k * -second
    error = k.times_plus(-second, -product)
    # Where the product is the larger, both cancel and the sum is exact or nearly so.
    return sum_ordered(exact, product, k.times_plus(-third, error))


def _tangent(r: DoubleNumber, quarters: Number) -> Number:
    """tan(r + quarters * pi / 2) for |r| a little over pi / 4.

    The number of quarter turns stands in the low bits of a float.
    """
    square = r.high * r.high
    cubic = square * r.high * polynomial(square, _CONSTANTS[square.dtype].tangent, square * square)
    estimate = r.high + cubic
    # The derivative of the tangent is 1 more than its square.
    slope = estimate.times_plus(estimate, 1.0)
    small = r.low.times_plus(slope, cubic)
    total = r.high + small
    lost = (r.high - total) + small
    odd = (quarters.bits << (square.dtype.bits - 1)) < 0
    quotient = odd.choose(-1.0, total) / odd.choose(total, 1.0)
    # The cotangent is also changed by what its divisor lost.
    return (quotient * quotient).times_plus(odd.choose(lost, 0.0), quotient)


def _sine(r: Number) -> Number:
    """sin(r) for |r| a little over pi / 2."""
    square = r * r
    first, *rest = _CONSTANTS[r.dtype].tail
    # The order keeps rounding errors small enough for |sin| <= 1 to hold.
    series = square.times_plus(first, square * square * polynomial(square, rest))
    return series.times_plus(r, r)


def _unless_huge(x: Number, magnitude: Number, fast: Number, name: str) -> Value:
    """`fast`, or the result of the slow function in lanes where |x| is beyond the limit."""
    function = x.b.function
    huge = magnitude > _CONSTANTS[x.dtype].limit
    symbol = _slow_function(x.b, name, x.value)
    before = function.block
    with function.when(function.any_lane(huge.value), hint="huge"):
        slow = function.emit(
            f"call fastcc {x.value.type} @{symbol}({x.value.typed})", x.dtype, x.value.lanes
        )
        mixed = function.select(huge.value, slow, fast.value)
        last = function.block
    return function.emit(
        f"phi {fast.value.type} [{fast.value.ref}, %{before}], [{mixed.ref}, %{last}]",
        x.dtype,
        x.value.lanes,
    )


def _slow_function(b: VectorScalars, name: str, like: Value) -> str:
    """The symbol of the function that reduces modulo pi exactly, made on first use."""
    module = b.function.module
    symbol = f"{name}_huge_{like.dtype}x{like.lanes}"
    if all(function.name != symbol for function in module.functions):
        parameter = Value("%x", like.dtype, like.lanes)
        function = module.function(symbol, [parameter], f"internal fastcc {parameter.type}")
        # A builder like the caller's; naming its class here would import in a circle.
        result = _slow_by_parts(type(b)(function), name, parameter)
        function.raw(f"ret {result.typed}")
    return symbol


def _slow_by_parts(b: VectorScalars, name: str, x: Value) -> Value:
    """The result of the slow function, a part of a long vector at a time: it is long code."""
    if x.lanes <= _SLOW_LANES:
        return _slow_result(name, Number(b, x)).value
    function = b.function
    room = function.stack_slots(x.dtype, x.lanes)
    function.store(x, room)
    with function.loop(index(0), index(x.lanes), _SLOW_LANES, (), "part") as loop:
        place = function.offset(room, x.dtype, loop.counter)
        part = Number(b, function.load(place, x.dtype, _SLOW_LANES))
        function.store(_slow_result(name, part).value, place)
    return function.load(room, x.dtype, x.lanes)


def _slow_result(name: str, x: Number) -> Number:
    wide = x.cast(float64)
    slow = _slow_tangent(wide) if name == "tan" else _slow(wide, half=name == "cos")
    return slow.cast(x.dtype)


def _slow(x: Number, *, half: bool) -> Number:
    """sin(x), or with `half` sin(x + pi / 2), for any double-precision x."""
    terms = revolutions(abs(x))
    if half:
        terms = [x.of(0.5), *terms]
    whole, fraction = split(terms)
    r = times_pi(fraction)
    sign = (whole + x.format.rounder).bits << (x.dtype.bits - 1)
    # The sine is odd; the cosine, of |x| here too, is even.
    flipped = sign if half else sign ^ (x.bits & x.format.sign_bit)
    return _flip(_sine(r.high + r.low), flipped)


def _slow_tangent(x: Number) -> Number:
    """tan(x) for any double-precision x."""
    quarters, fraction = split([term * 2.0 for term in revolutions(abs(x))])
    r = times_pi(DoubleNumber(fraction.high * 0.5, fraction.low * 0.5))
    return _flip(_tangent(r, quarters + x.format.rounder), x.bits & x.format.sign_bit)
