"""The polynomials of exp2, cbrt, erfc, erfinv, lgamma and digamma, fitted as those of `minimax`.

Owns their targets, weights and intervals. Prints coefficients and errors. From the top of the
repository:

    python -m benchmarks.special_fits [NAME ...]
"""

from __future__ import annotations

from functools import cache

import mpmath as mp

from benchmarks.minimax import Fit, Real, RealFunction, erf_near, print_fits

HALF_LOG_TWO_PI = "0.918938533204672741780329736405617639861397473637783412817151540482765695927"
DIGAMMA_ZERO = "1.46163214496836234126265954232572132846819620400644629512959840830"


def relative(
    target: RealFunction,
    low: float,
    high: float,
    bits: int,
    count: int,
    center: float = 0.0,
) -> Fit:
    """A fit whose error is relative to the target itself."""
    kept = cache(target)
    return Fit(
        target=kept,
        weight=lambda x: 1 / abs(kept(x)),
        low=low,
        high=high,
        count=count,
        bits=bits,
        center=center,
    )


def exp2(bits: int, count: int) -> Fit:
    """2**f = 1 + f * p(f), relative to it."""
    return Fit(
        target=lambda f: mp.expm1(f * mp.log(2)) / f if f else mp.log(2),
        weight=lambda f: abs(f) / mp.mpf(2) ** f,
        low=-0.5,
        high=0.5,
        count=count,
        bits=bits,
    )


def erfc(bits: int, count: int, center: float, last: float) -> Fit:
    """(1 + 2 x) exp(x**2) erfc(x) = p(t), t = (x - center) / (x + center), for 0 <= x <= last."""

    def target(t: Real) -> Real:
        x = center * (1 + t) / (1 - t)
        return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)

    return relative(target, -1, (last - center) / (last + center), bits, count)


def erfinv_ratio(w: Real) -> Real:
    """erfinv(x) / x for w = -log(1 - x**2)."""
    if w == 0:
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    return mp.erfinv(x) / x


def erfinv_far(bits: int, count: int, low: float, high: float, center: float) -> Fit:
    """erfinv(x) = x * p(sqrt(w) - center)."""
    return relative(lambda s: erfinv_ratio(s * s), low, high, bits, count, center)


def lgamma_near(bits: int, count: int, zero: int, low: float, high: float) -> Fit:
    """lgamma(zero + t) = t * p(t), for a zero of lgamma."""

    def target(t: Real) -> Real:
        return mp.loggamma(zero + t) / t if t else mp.digamma(zero)

    return relative(target, low, high, bits, count)


def lgamma_far(bits: int, count: int, high: float) -> Fit:
    """lgamma(y + 1/2) = y (log y - 1) + log(2 pi) / 2 + p(w) / y, relative to it; w = 1 / y**2."""

    @cache
    def target(w: Real) -> Real:
        if w < mp.mpf(10) ** -12:
            return -mp.mpf(1) / 24
        y = 1 / mp.sqrt(w)
        return y * (mp.loggamma(y + 0.5) - y * (mp.log(y) - 1) - mp.mpf(HALF_LOG_TWO_PI))

    @cache
    def weight(w: Real) -> Real:
        if w < mp.mpf(10) ** -12:
            return mp.mpf(0)
        y = 1 / mp.sqrt(w)
        return 1 / (y * mp.loggamma(y + 0.5))

    return Fit(target=target, weight=weight, low=0, high=high, count=count, bits=bits)


def digamma_near(bits: int, count: int, low: float, high: float, center: float) -> Fit:
    """digamma(x) = (x - zero) * p(x - center)."""

    def target(x: Real) -> Real:
        return mp.digamma(x) / (x - mp.mpf(DIGAMMA_ZERO))

    return relative(target, low, high, bits, count, center)


def digamma_far(bits: int, count: int, high: float) -> Fit:
    """digamma(y + 1/2) = log y + w * p(w), relative to it; w = 1 / y**2."""

    @cache
    def target(w: Real) -> Real:
        if w < mp.mpf(10) ** -12:
            return mp.mpf(1) / 24
        y = 1 / mp.sqrt(w)
        return (mp.digamma(y + 0.5) - mp.log(y)) / w

    @cache
    def weight(w: Real) -> Real:
        return w / mp.digamma(1 / mp.sqrt(w) + 0.5) if w else mp.mpf(0)

    return Fit(target=target, weight=weight, low=0, high=high, count=count, bits=bits)


def sine_of_pi(bits: int, count: int) -> Fit:
    """sin(pi r) = pi r (1 + u p(u)), u = r**2, relative to it, for |r| <= 1/2."""

    def ratio(u: Real) -> Real:
        return mp.sinc(mp.pi * mp.sqrt(u))

    return Fit(
        target=lambda u: (ratio(u) - 1) / u if u else -(mp.pi**2) / 6,
        weight=lambda u: u / ratio(u),
        low=0,
        high=0.25,
        count=count,
        bits=bits,
    )


def cotangent_of_pi(bits: int, count: int) -> Fit:
    """pi cot(pi r) = 1 / r + r p(u), u = r**2, for |r| <= 1/2."""

    def target(u: Real) -> Real:
        r = mp.sqrt(u)
        return (mp.pi * mp.cot(mp.pi * r) - 1 / r) / r if u else -(mp.pi**2) / 3

    return relative(target, 0, 0.25, bits, count)


def special_fits() -> dict[str, Fit]:
    """Every polynomial by its name in `codegen/vector_math`."""
    return {
        "exp2 f32": exp2(24, 6),
        "exp2 f64": exp2(53, 11),
        "cbrt f32": relative(lambda u: 1 / mp.cbrt(u), 1, 2, 24, 4),
        "cbrt f64": relative(lambda u: 1 / mp.cbrt(u), 1, 2, 53, 6),
        "erfc f32": erfc(24, 12, 2.0, 10.2),
        "erfc f64": erfc(53, 23, 4.0, 27.3),
        "erfc near f32": erf_near(24, 6, 0.75),
        "erfc near f64": erf_near(53, 12, 0.75),
        "erfinv near f32": relative(erfinv_ratio, 0, 5, 24, 11, 1.0),
        "erfinv far f32": erfinv_far(24, 11, 2.236, 4.1, 3.0),
        "erfinv near f64": relative(erfinv_ratio, 0, 6.25, 53, 25, 1.0),
        "erfinv middle f64": erfinv_far(53, 25, 2.5, 4.0, 3.25),
        "erfinv far f64": erfinv_far(53, 25, 4.0, 6.1, 5.0),
        "lgamma at 1 f32": lgamma_near(24, 13, 1, -0.5, 0.25),
        "lgamma at 2 f32": lgamma_near(24, 13, 2, -0.75, 1.0),
        "lgamma far f32": lgamma_far(24, 4, 0.16),
        "lgamma at 1 f64": lgamma_near(53, 26, 1, -0.5, 0.25),
        "lgamma at 2 f64": lgamma_near(53, 26, 2, -0.75, 1.0),
        "lgamma far f64": lgamma_far(53, 13, 0.16),
        "digamma near f32": digamma_near(24, 14, 1, 3, 2.0),
        "digamma far f32": digamma_far(24, 5, 0.16),
        "digamma near f64": digamma_near(53, 30, 1, 3, 2.0),
        "digamma far f64": digamma_far(53, 14, 0.16),
        "sin pi f32": sine_of_pi(24, 5),
        "sin pi f64": sine_of_pi(53, 9),
        "cot pi f32": cotangent_of_pi(24, 7),
        "cot pi f64": cotangent_of_pi(53, 15),
    }


if __name__ == "__main__":
    print_fits(special_fits(), __doc__)
