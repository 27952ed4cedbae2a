"""The types of the functions in graphc's registry, printed from it by
`pytest tests/graphc/test_tensor_functions.py --bless`."""

from graphc.tensor import Axis, Tensor, TensorLike
from graphc.functions.arithmetic import astype as astype
from graphc.functions.arithmetic import clip as clip
from graphc.functions.arithmetic import deg2rad as deg2rad
from graphc.functions.arithmetic import deg2rad as radians
from graphc.functions.arithmetic import fabs as fabs
from graphc.functions.arithmetic import float_power as float_power
from graphc.functions.arithmetic import fmax as fmax
from graphc.functions.arithmetic import fmin as fmin
from graphc.functions.arithmetic import heaviside as heaviside
from graphc.functions.arithmetic import positive as positive
from graphc.functions.arithmetic import power as pow
from graphc.functions.arithmetic import power as power
from graphc.functions.arithmetic import rad2deg as degrees
from graphc.functions.arithmetic import rad2deg as rad2deg
from graphc.functions.arithmetic import reciprocal as reciprocal
from graphc.functions.arithmetic import where as where
from graphc.functions.bitwise import bitwise_and as bitwise_and
from graphc.functions.bitwise import bitwise_or as bitwise_or
from graphc.functions.bitwise import bitwise_xor as bitwise_xor
from graphc.functions.bitwise import invert as bitwise_invert
from graphc.functions.bitwise import invert as bitwise_not
from graphc.functions.bitwise import invert as invert
from graphc.functions.bitwise import logical_and as logical_and
from graphc.functions.bitwise import logical_not as logical_not
from graphc.functions.bitwise import logical_or as logical_or
from graphc.functions.bitwise import logical_xor as logical_xor
from graphc.functions.calls import call as call
from graphc.functions.cases import choose as choose
from graphc.functions.cases import piecewise as piecewise
from graphc.functions.cases import select as select
from graphc.functions.comparing import allclose as allclose
from graphc.functions.comparing import array_equal as array_equal
from graphc.functions.comparing import array_equiv as array_equiv
from graphc.functions.comparing import isclose as isclose
from graphc.functions.comparing import isin as isin
from graphc.functions.complex_parts import angle as angle
from graphc.functions.complex_parts import conj as conj
from graphc.functions.complex_parts import conj as conjugate
from graphc.functions.complex_parts import imag as imag
from graphc.functions.complex_parts import iscomplex as iscomplex
from graphc.functions.complex_parts import iscomplexobj as iscomplexobj
from graphc.functions.complex_parts import isreal as isreal
from graphc.functions.complex_parts import isrealobj as isrealobj
from graphc.functions.complex_parts import real as real
from graphc.functions.contraction import dot as dot
from graphc.functions.contraction import inner as inner
from graphc.functions.contraction import matmul as matmul
from graphc.functions.contraction import matvec as matvec
from graphc.functions.contraction import outer as outer
from graphc.functions.contraction import tensordot as tensordot
from graphc.functions.contraction import vdot as vdot
from graphc.functions.contraction import vecdot as vecdot
from graphc.functions.contraction import vecmat as vecmat
from graphc.functions.control import cond as cond
from graphc.functions.control import scan as scan
from graphc.functions.control import while_loop as while_loop
from graphc.functions.convolving import convolve as convolve
from graphc.functions.convolving import correlate as correlate
from graphc.functions.covariance import corrcoef as corrcoef
from graphc.functions.covariance import cov as cov
from graphc.functions.creation import arange as arange
from graphc.functions.creation import empty as empty
from graphc.functions.creation import empty_like as empty_like
from graphc.functions.creation import full as full
from graphc.functions.creation import full_like as full_like
from graphc.functions.creation import one_hot as one_hot
from graphc.functions.creation import ones as ones
from graphc.functions.creation import ones_like as ones_like
from graphc.functions.creation import zeros as zeros
from graphc.functions.creation import zeros_like as zeros_like
from graphc.functions.cumulative import cummax as cummax
from graphc.functions.cumulative import cummin as cummin
from graphc.functions.cumulative import cumprod as cumprod
from graphc.functions.cumulative import cumsum as cumsum
from graphc.functions.cumulative import cumulative_prod as cumulative_prod
from graphc.functions.cumulative import cumulative_sum as cumulative_sum
from graphc.functions.cumulative import logcumsumexp as logcumsumexp
from graphc.functions.differences import diff as diff
from graphc.functions.dynamic import dynamic_slice as dynamic_slice
from graphc.functions.dynamic import dynamic_update_slice as dynamic_update_slice
from graphc.functions.editing import delete as delete
from graphc.functions.editing import insert as insert
from graphc.functions.editing import ravel_multi_index as ravel_multi_index
from graphc.functions.editing import unravel_index as unravel_index
from graphc.functions.einsum import einsum as einsum
from graphc.functions.floats import isfinite as isfinite
from graphc.functions.floats import isinf as isinf
from graphc.functions.floats import isnan as isnan
from graphc.functions.floats import isneginf as isneginf
from graphc.functions.floats import isposinf as isposinf
from graphc.functions.floats import nan_to_num as nan_to_num
from graphc.functions.floats import signbit as signbit
from graphc.functions.floats import spacing as spacing
from graphc.functions.ignoring_nan import nanargmax as nanargmax
from graphc.functions.ignoring_nan import nanargmin as nanargmin
from graphc.functions.ignoring_nan import nancumprod as nancumprod
from graphc.functions.ignoring_nan import nancumsum as nancumsum
from graphc.functions.ignoring_nan import nanmedian as nanmedian
from graphc.functions.ignoring_nan import nanpercentile as nanpercentile
from graphc.functions.ignoring_nan import nanquantile as nanquantile
from graphc.functions.indexing import getitem as getitem
from graphc.functions.indexing import put_along_axis as put_along_axis
from graphc.functions.indexing import take as take
from graphc.functions.indexing import take_along_axis as take_along_axis
from graphc.functions.indexing import update_at as update_at
from graphc.functions.joining import append as append
from graphc.functions.joining import asarray as array
from graphc.functions.joining import asarray as asarray
from graphc.functions.joining import block as block
from graphc.functions.joining import column_stack as column_stack
from graphc.functions.joining import concatenate as concat
from graphc.functions.joining import concatenate as concatenate
from graphc.functions.joining import dstack as dstack
from graphc.functions.joining import hstack as hstack
from graphc.functions.joining import stack as stack
from graphc.functions.joining import vstack as vstack
from graphc.functions.layout import atleast_1d as atleast_1d
from graphc.functions.layout import atleast_2d as atleast_2d
from graphc.functions.layout import atleast_3d as atleast_3d
from graphc.functions.layout import broadcast_arrays as broadcast_arrays
from graphc.functions.layout import broadcast_to as broadcast_to
from graphc.functions.layout import expand_dims as expand_dims
from graphc.functions.layout import ndim as ndim
from graphc.functions.layout import ravel as ravel
from graphc.functions.layout import reshape as reshape
from graphc.functions.layout import shape as shape
from graphc.functions.layout import size as size
from graphc.functions.layout import squeeze as squeeze
from graphc.functions.layout import swapaxes as swapaxes
from graphc.functions.layout import transpose as permute_dims
from graphc.functions.layout import transpose as transpose
from graphc.functions.ordering import argpartition as argpartition
from graphc.functions.ordering import argsort as argsort
from graphc.functions.ordering import digitize as digitize
from graphc.functions.ordering import lexsort as lexsort
from graphc.functions.ordering import partition as partition
from graphc.functions.ordering import searchsorted as searchsorted
from graphc.functions.ordering import sort as sort
from graphc.functions.ordering import top_k as top_k
from graphc.functions.padding import pad as pad
from graphc.functions.polynomials import polyadd as polyadd
from graphc.functions.polynomials import polyder as polyder
from graphc.functions.polynomials import polyfit as polyfit
from graphc.functions.polynomials import polyint as polyint
from graphc.functions.polynomials import polymul as polymul
from graphc.functions.polynomials import polysub as polysub
from graphc.functions.polynomials import polyval as polyval
from graphc.functions.polynomials import vander as vander
from graphc.functions.products import cross as cross
from graphc.functions.products import kron as kron
from graphc.functions.quantiles import median as median
from graphc.functions.quantiles import percentile as percentile
from graphc.functions.quantiles import quantile as quantile
from graphc.functions.rearranging import flip as flip
from graphc.functions.rearranging import fliplr as fliplr
from graphc.functions.rearranging import flipud as flipud
from graphc.functions.rearranging import matrix_transpose as matrix_transpose
from graphc.functions.rearranging import moveaxis as moveaxis
from graphc.functions.rearranging import repeat as repeat
from graphc.functions.rearranging import resize as resize
from graphc.functions.rearranging import roll as roll
from graphc.functions.rearranging import rollaxis as rollaxis
from graphc.functions.rearranging import rot90 as rot90
from graphc.functions.rearranging import tile as tile
from graphc.functions.reductions import all as all
from graphc.functions.reductions import any as any
from graphc.functions.reductions import argmin as argmin
from graphc.functions.reductions import count_nonzero as count_nonzero
from graphc.functions.reductions import max as amax
from graphc.functions.reductions import max as max
from graphc.functions.reductions import min as amin
from graphc.functions.reductions import min as min
from graphc.functions.reductions import prod as prod
from graphc.functions.reductions import ptp as ptp
from graphc.functions.reductions import sum as sum
from graphc.functions.regions import checkpoint as checkpoint
from graphc.functions.regions import custom_gradient as custom_gradient
from graphc.functions.rounding import divmod as divmod
from graphc.functions.rounding import fix as fix
from graphc.functions.rounding import lcm as lcm
from graphc.functions.rounding import modf as modf
from graphc.functions.rounding import round as around
from graphc.functions.rounding import round as round
from graphc.functions.sampled import ediff1d as ediff1d
from graphc.functions.sampled import gradient as gradient
from graphc.functions.sampled import interp as interp
from graphc.functions.sampled import trapezoid as trapezoid
from graphc.functions.sampled import unwrap as unwrap
from graphc.functions.segments import bincount as bincount
from graphc.functions.segments import histogram as histogram
from graphc.functions.segments import segment_max as segment_max
from graphc.functions.segments import segment_mean as segment_mean
from graphc.functions.segments import segment_min as segment_min
from graphc.functions.segments import segment_prod as segment_prod
from graphc.functions.segments import segment_sum as segment_sum
from graphc.functions.softmax import log_softmax as log_softmax
from graphc.functions.softmax import logsumexp as logsumexp
from graphc.functions.softmax import softmax as softmax
from graphc.functions.spaces import geomspace as geomspace
from graphc.functions.spaces import linspace as linspace
from graphc.functions.spaces import logspace as logspace
from graphc.functions.spaces import meshgrid as meshgrid
from graphc.functions.special import entr as entr
from graphc.functions.special import log_sigmoid as log_sigmoid
from graphc.functions.special import logaddexp as logaddexp
from graphc.functions.special import logaddexp2 as logaddexp2
from graphc.functions.special import logit as logit
from graphc.functions.special import polygamma as polygamma
from graphc.functions.special import sinc as sinc
from graphc.functions.special import softplus as softplus
from graphc.functions.special import xlogy as xlogy
from graphc.functions.splitting import array_split as array_split
from graphc.functions.splitting import dsplit as dsplit
from graphc.functions.splitting import hsplit as hsplit
from graphc.functions.splitting import split as split
from graphc.functions.splitting import unstack as unstack
from graphc.functions.splitting import vsplit as vsplit
from graphc.functions.statistics import average as average
from graphc.functions.statistics import mean as mean
from graphc.functions.statistics import nanmax as nanmax
from graphc.functions.statistics import nanmean as nanmean
from graphc.functions.statistics import nanmin as nanmin
from graphc.functions.statistics import nanprod as nanprod
from graphc.functions.statistics import nanstd as nanstd
from graphc.functions.statistics import nansum as nansum
from graphc.functions.statistics import nanvar as nanvar
from graphc.functions.statistics import std as std
from graphc.functions.statistics import var as var
from graphc.functions.triangles import diag as diag
from graphc.functions.triangles import diagflat as diagflat
from graphc.functions.triangles import diagonal as diagonal
from graphc.functions.triangles import eye as eye
from graphc.functions.triangles import identity as identity
from graphc.functions.triangles import trace as trace
from graphc.functions.triangles import tri as tri
from graphc.functions.triangles import tril as tril
from graphc.functions.triangles import triu as triu
from graphc.functions.unknown_shapes import argwhere as argwhere
from graphc.functions.unknown_shapes import compress as compress
from graphc.functions.unknown_shapes import extract as extract
from graphc.functions.unknown_shapes import flatnonzero as flatnonzero
from graphc.functions.unknown_shapes import nonzero as nonzero
from graphc.functions.unknown_shapes import unique as unique

def abs(x: TensorLike, /) -> Tensor:
    """The magnitude."""

def absolute(x: TensorLike, /) -> Tensor:
    """The magnitude."""

def acos(x: TensorLike, /) -> Tensor:
    """Inverse cosine, in [0, pi]; NaN beyond 1 and -1, where the derivative is -inf."""

def acosh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic cosine; 0 of 1, where the derivative is infinite, NaN below."""

def add(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Sum."""

def arccos(x: TensorLike, /) -> Tensor:
    """Inverse cosine, in [0, pi]; NaN beyond 1 and -1, where the derivative is -inf."""

def arccosh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic cosine; 0 of 1, where the derivative is infinite, NaN below."""

def arcsin(x: TensorLike, /) -> Tensor:
    """Inverse sine, in [-pi/2, pi/2]; NaN beyond 1 and -1, where the derivative is infinite."""

def arcsinh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic sine, accurate near 0."""

def arctan(x: TensorLike, /) -> Tensor:
    """Inverse tangent, in [-pi/2, pi/2]; the ends are those of the infinities."""

def arctan2(y: TensorLike, x: TensorLike, /) -> Tensor:
    """Angle of the point (x, y) from the positive x axis, in [-pi, pi], as C99 has it: 0 of a positive x and y = 0, pi or -pi (by the sign of that 0) of a negative one, signed zeros and infinities included."""

def arctanh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic tangent; inf of 1 and -inf of -1, where the derivative is infinite, NaN beyond."""

def argmax(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The index of the largest element along one axis, or in row-major order along all, as i64."""

def asin(x: TensorLike, /) -> Tensor:
    """Inverse sine, in [-pi/2, pi/2]; NaN beyond 1 and -1, where the derivative is infinite."""

def asinh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic sine, accurate near 0."""

def atan(x: TensorLike, /) -> Tensor:
    """Inverse tangent, in [-pi/2, pi/2]; the ends are those of the infinities."""

def atan2(y: TensorLike, x: TensorLike, /) -> Tensor:
    """Angle of the point (x, y) from the positive x axis, in [-pi, pi], as C99 has it: 0 of a positive x and y = 0, pi or -pi (by the sign of that 0) of a negative one, signed zeros and infinities included."""

def atanh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic tangent; inf of 1 and -inf of -1, where the derivative is infinite, NaN beyond."""

def bitwise_count(x: TensorLike, /) -> Tensor:
    """How many bits of the magnitude of x are set, as u8."""

def bitwise_left_shift(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits of x moved up by y places; 0 where y is negative or not below the width."""

def bitwise_right_shift(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits of x moved down by y places, copies of the sign moved in; where y is negative or not below the width, nothing but the sign is left."""

def cbrt(x: TensorLike, /) -> Tensor:
    """The real cube root, of negative numbers too."""

def ceil(x: TensorLike, /) -> Tensor:
    """The smallest whole number that is not below x."""

def copy(x: TensorLike, /) -> Tensor:
    """x itself, in a buffer of its own."""

def copysign(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The magnitude of x with the sign of y, which zeros and NaN have, too."""

def cos(x: TensorLike, /) -> Tensor:
    """Cosine of an angle in radians; NaN of an infinity."""

def cosh(x: TensorLike, /) -> Tensor:
    """Hyperbolic cosine, (exp(x) + exp(-x)) / 2; infinite where that overflows."""

def digamma(x: TensorLike, /) -> Tensor:
    """The derivative of lgamma; -inf at 0, inf at -0, NaN at negative integers and -inf."""

def divide(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Quotient of floats, as IEEE 754 has it: x/0 is an infinity, 0/0 is NaN."""

def equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x equals y; NaN equals nothing."""

def erf(x: TensorLike, /) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x."""

def erfc(x: TensorLike, /) -> Tensor:
    """The complementary error function 1 - erf(x), accurate where it is small."""

def erfinv(x: TensorLike, /) -> Tensor:
    """The inverse of erf; infinite at -1 and 1, with its derivative, and NaN beyond."""

def exp(x: TensorLike, /) -> Tensor:
    """e to the power x."""

def exp2(x: TensorLike, /) -> Tensor:
    """2 to the power x; exact for whole numbers."""

def expm1(x: TensorLike, /) -> Tensor:
    """exp(x) - 1, accurate near 0."""

def floor(x: TensorLike, /) -> Tensor:
    """The largest whole number that is not above x."""

def floor_divide(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The largest whole number not above x / y."""

def fmod(x: TensorLike, y: TensorLike, /) -> Tensor:
    """x - trunc(x / y) * y, exactly, with the sign of x."""

def gcd(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The greatest common divisor of two integers' magnitudes; that of 0 and x is |x|."""

def greater(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x is above y; false of NaN."""

def greater_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x is not below y; false of NaN."""

def hypot(x: TensorLike, y: TensorLike, /) -> Tensor:
    """sqrt(x*x + y*y) without overflow on the way; infinite if either is, even beside NaN."""

def left_shift(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits of x moved up by y places; 0 where y is negative or not below the width."""

def less(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x is below y; false of NaN."""

def less_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x is not above y; false of NaN."""

def lgamma(x: TensorLike, /) -> Tensor:
    """log |Gamma(x)|; infinite at 0, at negative integers and at infinities."""

def log(x: TensorLike, /) -> Tensor:
    """Natural logarithm; -inf of 0, NaN of a negative number."""

def log10(x: TensorLike, /) -> Tensor:
    """Logarithm to base 10; -inf of 0, NaN of a negative number."""

def log1p(x: TensorLike, /) -> Tensor:
    """log(1 + x), accurate near 0; -inf of -1, NaN below."""

def log2(x: TensorLike, /) -> Tensor:
    """Logarithm to base 2; -inf of 0, NaN of a negative number, exact for powers of 2."""

def maximum(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The larger of two; NaN if either is."""

def minimum(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The smaller of two; NaN if either is."""

def mod(x: TensorLike, y: TensorLike, /) -> Tensor:
    """x - floor(x / y) * y, exactly, with the sign of y."""

def multiply(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Product."""

def negative(x: TensorLike, /) -> Tensor:
    """The negative."""

def nextafter(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The float next to x in the direction of y; y where they are equal."""

def not_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x differs from y; NaN differs from itself."""

def remainder(x: TensorLike, y: TensorLike, /) -> Tensor:
    """x - floor(x / y) * y, exactly, with the sign of y."""

def right_shift(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits of x moved down by y places, copies of the sign moved in; where y is negative or not below the width, nothing but the sign is left."""

def rint(x: TensorLike, /) -> Tensor:
    """The whole number nearest to x, of two as near the even one."""

def rsqrt(x: TensorLike, /) -> Tensor:
    """1 / sqrt(x)."""

def sigmoid(x: TensorLike, /) -> Tensor:
    """The logistic function 1 / (1 + exp(-x))."""

def sign(x: TensorLike, /) -> Tensor:
    """-1, 0 or 1; NaN of NaN."""

def sin(x: TensorLike, /) -> Tensor:
    """Sine of an angle in radians; NaN of an infinity."""

def sinh(x: TensorLike, /) -> Tensor:
    """Hyperbolic sine, (exp(x) - exp(-x)) / 2; infinite where that overflows."""

def sqrt(x: TensorLike, /) -> Tensor:
    """Square root; NaN of a negative number."""

def square(x: TensorLike, /) -> Tensor:
    """x times itself."""

def stop_gradient(x: TensorLike, /) -> Tensor:
    """x itself, taken as a constant by differentiation."""

def subtract(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Difference."""

def tan(x: TensorLike, /) -> Tensor:
    """Tangent of an angle in radians; NaN of an infinity."""

def tanh(x: TensorLike, /) -> Tensor:
    """Hyperbolic tangent."""

def true_divide(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Quotient of floats, as IEEE 754 has it: x/0 is an infinity, 0/0 is NaN."""

def trunc(x: TensorLike, /) -> Tensor:
    """The whole number next to x toward zero."""
