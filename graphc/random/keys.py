"""Keys, and the random bits that belong to them.

Owns `key`, `split`, `fold_in` and `bits`. Imports the record of `philox`. Invariant: what is drawn
for one purpose is never drawn for another: the two upper words of Philox's counter are the
purpose, the two lower ones count the blocks.

    bits      counter = (block, 0, 0)   numbers
    split     counter = (block, 1, 0)   new keys
    fold_in   counter = (data, 2, 0)    one new key

For one key Philox maps different counters to different blocks, so these never meet. Keys have 64
bits: among n keys that were derived, two are the same with a probability of about n*n / 2**65.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from graphc.functions.axes import shape_of
from graphc.functions.joining import concatenate, stack
from graphc.functions.refusal import refused
from graphc.ir.build import constant, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.types import DType, Shape, TensorType, int64, uint32, uint64
from graphc.promotion import as_dtype, as_node, as_tensor
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

_BITS, _SPLIT, _FOLD_IN = range(3)
"""The purposes that tell streams of one key apart."""

_KEY = TensorType(uint32, (2,))
_LOWER = 0xFFFFFFFF


@overload
def key(seed: int) -> NDArray[np.uint32]: ...
@overload
def key(seed: Tensor) -> Tensor: ...
@at_user_line
def key(seed: Any) -> NDArray[np.uint32] | Tensor:
    """The key of a seed: its 64 bits as two u32 words, the lower one first.

    Of a Python integer an array, which a parameter can begin with and a step can be called with;
    of an integer tensor a tensor. The same number gives the same key either way.

    Raises `DTypeError` for a seed that is no integer and `AttributeValueError` for one of more
    than 64 bits.

    >>> key(7)
    array([7, 0], dtype=uint32)
    """
    return _words("key", seed)


@at_user_line
def split(key: TensorLike, num: int = 2) -> Tensor:
    """`num` new keys, u32[num, 2]. Use each key once: draw from it, or split it.

    The first of them do not depend on `num`. Raises `DTypeError` or `ShapeError` for what is no
    key and `ShapeError` for a negative `num`.

    >>> import graphc as gc
    >>> first, second = gc.random.split(gc.random.key(0))
    >>> first.shape
    (2,)
    """
    (count,) = checked_shape("split", num)
    words = ops.philox(as_key("split", key), _counter(_SPLIT), size=2 * count, dtype=uint32)
    return Tensor(reshape(words, (count, 2)))


@at_user_line
def fold_in(key: TensorLike, data: TensorLike) -> Tensor:
    """A new key from a key and an integer of up to 64 bits, such as the number of a step.

    Different integers give different streams. Raises as `split` does, and `DTypeError` for `data`
    that is no integer.
    """
    node = as_key("fold_in", key)
    block = _words("fold_in", data)
    if block.shape != (2,):
        raise ShapeError(
            f"fold_in takes one integer, got shape {list(block.shape[:-1])}",
            help="for a key of each of several integers, use gc.vmap",
        )
    counter = concatenate([block, np.array([_FOLD_IN, 0], np.uint32)])
    return Tensor(ops.philox(node, counter.node, size=2, dtype=uint32))


@at_user_line
def bits(key: TensorLike, shape: object = (), dtype: object = uint32) -> Tensor:
    """Random bits as integers of any dtype, row-major in the order of the key's stream.

    Each is made of one 32-bit word, or two where it has 64 bits, so that the first ones do not
    depend on how many follow. Raises `DTypeError` for a dtype that is no integer.
    """
    kind = as_dtype(dtype)
    if not kind.is_integer:
        raise DTypeError(f"bits are integers, not {kind}", help="use gc.random.uniform for floats")
    return words("bits", key, shape, uint64 if kind.bits == 64 else uint32).astype(kind)


def words(name: str, key: TensorLike, shape: object, dtype: DType) -> Tensor:
    """Random bits of u32 or u64, for a function of this name."""
    node, sizes = as_key(name, key), checked_shape(name, shape)
    size = TensorType(dtype, sizes).size
    return Tensor(reshape(ops.philox(node, _counter(_BITS), size=size, dtype=dtype), sizes))


def as_key(name: str, key: TensorLike) -> Node:
    """The node of a key; raises for what is none."""
    node = as_node(key)
    help = "make a key with gc.random.key(seed)"
    if node.dtype is not _KEY.dtype:
        error: DTypeError | ShapeError = DTypeError(
            f"{name} takes a key, {_KEY}", operand=0, help=help
        )
        raise refused(error, node)
    if node.shape != _KEY.shape:
        error = ShapeError(
            f"{name} takes a key, {_KEY}",
            operand=0,
            help="take one of several keys, keys[i], or use gc.vmap" if node.shape else help,
        )
        raise refused(error, node)
    return node


def checked_shape(name: str, shape: object) -> Shape:
    """A shape, none of its sizes negative."""
    sizes = shape_of(name, shape)
    if any(size < 0 for size in sizes):
        raise ShapeError(f"{name} needs sizes of 0 or more, got {list(sizes)}")
    return sizes


def _counter(purpose: int) -> Node:
    return constant(np.array([0, 0, purpose, 0], np.uint32))


def _words(name: str, number: Any) -> NDArray[np.uint32] | Tensor:
    """The lower and the upper half of an integer: an array of a Python integer, else a tensor."""
    if isinstance(number, Tensor):
        tensor = as_tensor(number)
        if not tensor.dtype.is_integer:
            raise refused(DTypeError(f"{name} takes an integer", operand=0), tensor.node)
        wide = tensor.astype(int64).astype(uint64) if tensor.dtype.kind == "int" else tensor
        wide = wide.astype(uint64)
        return stack([(wide & _LOWER).astype(uint32), (wide >> 32).astype(uint32)], axis=-1)
    try:
        whole = operator.index(number)
    except TypeError:
        raise DTypeError(f"{name} takes an integer, got {number!r}") from None
    if not -(1 << 63) <= whole < 1 << 64:
        raise AttributeValueError(f"{name} takes an integer of 64 bits, got {whole}")
    return np.array([whole & _LOWER, whole >> 32 & _LOWER], np.uint32)
