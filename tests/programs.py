"""What steps a random program is made of.

Owns the instructions, each of which adds one step of its kind to a program, and `make_program`,
which tries them in random order. Invariant: one seed gives one program, on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.program import LARGEST_SIZE, Array, Program, broadcasts, has_axes, has_elements

SIZES = (1, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 65)
"""Sizes of axes: around the widths of vectors and tiles."""


def make_program(seed: int, length: int, dtype: type[np.floating[Any]]) -> Program:
    """A program of some `length` steps whose floats are `dtype` unless a step converts them."""
    rng = np.random.default_rng(seed)
    program = Program(rng, dtype)
    sizes = [int(size) for size in rng.choice(SIZES, 3)]
    if program.chance(0.05):
        sizes[0] = 0

    def shape() -> tuple[int, ...]:
        drawn = tuple(int(rng.choice(sizes)) for _ in range(int(rng.integers(0, 4))))
        while math.prod(drawn) > LARGEST_SIZE // 4:
            drawn = drawn[1:]
        return drawn

    for _ in range(int(rng.integers(1, 4))):
        program.add_leaf("input", shape())
    alike = shape()
    for kind in ("param", "param", "const"):
        program.add_leaf(kind, alike if kind == "param" else shape())
    if program.chance(0.4):
        program.add_leaf("input", shape(), rng.choice(["i4", "i8", "?", "u1", "i2"]))
    weights = np.array([weight for weight, _ in INSTRUCTIONS])
    chosen = rng.choice(len(INSTRUCTIONS), 2 * length, p=weights / weights.sum())
    for number in chosen:
        if len(program.steps) < length:
            try:
                INSTRUCTIONS[number][1](program)
            except LookupError:
                continue  # no value fits the instruction
    return program


INSTRUCTIONS: list[tuple[float, Callable[[Program], None]]] = []
"""What can be a step, each with how often it is tried."""


def instruction(
    weight: float,
) -> Callable[[Callable[[Program], None]], Callable[[Program], None]]:
    def register(function: Callable[[Program], None]) -> Callable[[Program], None]:
        INSTRUCTIONS.append((weight, function))
        return function

    return register


UNARY: dict[str, Callable[[Any], Any]] = {
    "exp": lambda x: np.exp(np.clip(x, -4, 3)),
    "expm1": lambda x: np.expm1(np.minimum(x, 2)),
    "log": lambda x: np.log(np.abs(x) + 0.5),
    "log1p": lambda x: np.log1p(np.square(x)),
    "sqrt": lambda x: np.sqrt(x * x + 0.1),
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "floor": lambda x: np.floor(x * 2.3),
    "sign": np.sign,
    "negative": lambda x: -x,
    "abs": np.abs,
    "square": np.square,
    "reciprocal": lambda x: 1 / (1 + x * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "logistic": lambda x: np.exp(x) / (1 + np.exp(x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "log of sigmoid": lambda x: np.log(1 / (1 + np.exp(-x))),
    "cube": lambda x: x**3,
    "to the 0": lambda x: x**0,
    "to the -1": lambda x: (abs(x) + 0.5) ** -1,
    "root": lambda x: (x * x + 0.3) ** 0.5,
    "power of two": lambda x: 2.0 ** np.clip(x, -3, 3),
    "affine": lambda x: 0.37 * x - 1.25,
    "from one": lambda x: 1 - x,
    "quarter": lambda x: x / 4,
    "relu": lambda x: np.maximum(x, 0),
    "clip": lambda x: np.clip(x, -0.5, 0.75),
    "times 0": lambda x: x * 0,
    "less itself": lambda x: x - x,
    "no nan": lambda x: np.where(np.isnan(x), 1, x),
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where less": lambda x, y: np.where(x < y, x, y),
    "where not": lambda x, y: np.where(~(x > 0), y, x),
    "div": lambda x, y: x / (1.5 + np.square(y)),
    "pow": lambda x, y: np.power(np.abs(x) + 0.25, np.clip(y, 0, 2)),
}


@instruction(8)
def unary(p: Program) -> None:
    name = str(p.rng.choice(list(UNARY)))
    p.add_step(name, UNARY[name], p.pick_float())


@instruction(9)
def binary(p: Program) -> None:
    i = p.pick_number()
    j = p.pick_for(p.values[i].shape)
    floats = "f" in (p.values[i].dtype.kind, p.values[j].dtype.kind)
    name = str(p.rng.choice(list(BINARY) if floats else list(BINARY)[:-2]))
    p.add_step(name, BINARY[name], *((i, j) if p.chance(0.5) else (j, i)))


@instruction(1)
def compare(p: Program) -> None:
    i = p.pick_number()
    comparisons: list[Any] = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal]
    function = comparisons[int(p.rng.integers(len(comparisons)))]
    p.add_step(function.__name__, function, i, p.pick_for(p.values[i].shape))


@instruction(1)
def logic(p: Program) -> None:
    i = p.pick(lambda value: value.dtype == bool)
    shape = p.values[i].shape
    j = p.pick(lambda value: value.dtype == bool and broadcasts(value.shape, shape))
    functions: list[Callable[[Any, Any], Any]] = [
        lambda x, y: x & y,
        np.logical_or,
        lambda x, y: x ^ ~y,
    ]
    p.add_step("logic", functions[int(p.rng.integers(3))], i, j)


@instruction(2)
def where(p: Program) -> None:
    condition = p.pick(lambda value: value.dtype == bool)
    i = p.pick_for(p.values[condition].shape)
    both = np.broadcast_shapes(p.values[condition].shape, p.values[i].shape)
    p.add_step("where", np.where, condition, i, p.pick_for(both))


@instruction(1)
def cast(p: Program) -> None:
    dtype = np.dtype(str(p.rng.choice(["f4", "f8", "i4", "i8", "?", "i1"])))
    p.add_step(f"cast to {dtype}", lambda x: x.astype(dtype), p.pick())


@instruction(4)
def reduce(p: Program) -> None:
    i = p.pick_number()
    value, keepdims = p.values[i], p.chance(0.4)
    axis: Any = None
    if value.ndim and p.chance(0.8):
        count = int(p.rng.integers(1, value.ndim + 1))
        drawn = p.rng.choice(value.ndim, count, replace=False)
        axis = tuple(int(a) - (value.ndim if p.chance(0.4) else 0) for a in drawn)
        axis = axis[0] if count == 1 and p.chance(0.5) else axis
    name = str(p.rng.choice(["sum", "mean", "max", "min", "prod"] if value.size else ["sum"]))
    function = getattr(np, name)

    def reduction(x: Any) -> Any:
        near_one = np.cos(x) * 0.25 + 1 if name == "prod" else x
        return function(near_one, axis=axis, keepdims=keepdims)

    p.add_step(f"{name} {axis} {keepdims}", reduction, i)


@instruction(1)
def argmax(p: Program) -> None:
    i = p.pick(has_elements)
    axis = p.axis(p.values[i].ndim)
    keepdims: Any = p.chance(0.4)  # NumPy's stubs overload on literal booleans only
    p.add_step(f"argmax {axis}", lambda x: np.argmax(x, axis=axis, keepdims=keepdims), i)


@instruction(2)
def normalize(p: Program) -> None:
    i = p.pick_float(has_elements)
    axis = p.axis(p.values[i].ndim)

    def softmax(x: Any) -> Any:
        return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)

    def log_softmax(x: Any) -> Any:
        return np.log(softmax(x))

    def log_sum_exp(x: Any) -> Any:
        return np.log(np.sum(np.exp(x), axis=axis))

    def standardize(x: Any) -> Any:
        centred = x - np.mean(x, axis=axis, keepdims=True)
        return centred / np.sqrt(np.mean(centred * centred, axis=axis, keepdims=True) + 0.1)

    functions = [softmax, log_softmax, log_sum_exp, standardize]
    function = functions[int(p.rng.integers(len(functions)))]
    p.add_step(f"{function.__name__} {axis}", function, i)


@instruction(4)
def matmul(p: Program) -> None:
    i = p.pick_float(has_axes)
    functions: list[Callable[[Any, Any], Any]] = [
        lambda x, y: x @ y,
        lambda x, y: np.matmul(y, x),
        lambda x, y: np.swapaxes(x, -1, -2) @ y,
        lambda x, y: x @ np.swapaxes(y, -1, -2),
        lambda x, y: x.T @ y.T,
    ]

    def fits(function: Callable[[Any, Any], Any], value: Array) -> bool:
        try:
            # The size alone is asked for, and NumPy may warn of numbers in its library's padding.
            with np.errstate(all="ignore"):
                return bool(function(p.values[i], value).size <= LARGEST_SIZE)
        except ValueError:
            return False

    for number in p.rng.permutation(len(functions)):
        function = functions[number]
        partners = [
            j
            for j, value in enumerate(p.values)
            if value.dtype.kind == "f" and value.ndim and fits(function, value)
        ]
        if partners:
            p.add_step(f"matmul {number}", function, i, int(p.rng.choice(partners)))
            return


@instruction(2)
def reshape(p: Program) -> None:
    i = p.pick(lambda value: value.size > 0)
    rest = p.values[i].size
    shape: list[int] = []
    while rest > 1 and len(shape) < 3:
        factors = [size for size in range(2, rest + 1) if rest % size == 0]
        shape.append(int(p.rng.choice(factors)))
        rest //= shape[-1]
    shape.insert(int(p.rng.integers(0, len(shape) + 1)), -1 if p.chance(0.5) else rest)
    p.add_step(f"reshape {shape}", lambda x: np.reshape(x, tuple(shape)), i)


@instruction(3)
def rearrange(p: Program) -> None:
    i = p.pick(has_axes)
    rank = p.values[i].ndim
    axes = tuple(int(axis) - (rank if p.chance(0.2) else 0) for axis in p.rng.permutation(rank))
    axis, other = p.axis(rank), p.axis(rank)
    functions: list[Callable[[Any], Any]] = [
        lambda x: np.transpose(x, axes),
        lambda x: np.swapaxes(x, axis, other),
        lambda x: np.expand_dims(x, axis),
        np.squeeze,
        np.ravel,
    ]
    p.add_step("rearrange", functions[int(p.rng.integers(len(functions)))], i)


@instruction(1)
def broadcast(p: Program) -> None:
    i = p.pick(lambda value: value.ndim < 4)
    shape = tuple(3 if size == 1 and p.chance(0.5) else size for size in p.values[i].shape)
    leading = (int(p.rng.integers(1, 4)),)
    p.add_step(f"broadcast {shape}", lambda x: np.broadcast_to(x, leading + shape), i)


@instruction(2)
def index(p: Program) -> None:
    i = p.pick(has_axes)
    entries: list[Any] = []
    for size in p.values[i].shape:
        if size and p.chance(0.15):
            entries.append(int(p.rng.integers(-size, size)))
        else:
            start, stop = (
                None if p.chance(0.4) else int(p.rng.integers(-size - 1, size + 2)) for _ in "ab"
            )
            entries.append(slice(start, stop, int(p.rng.choice([1, 1, 2, 3, -1, -2]))))
    place = int(p.rng.integers(0, len(entries)))
    if p.chance(0.3):
        entries[place] = ...
    if p.chance(0.3):
        entries.insert(place, None)
    chosen = tuple(entries)
    if p.values[i][chosen].size or p.chance(0.2):
        p.add_step(f"index {chosen}", lambda x: x[chosen], i)


@instruction(1)
def pad(p: Program) -> None:
    i = p.pick_number(has_axes)
    widths = [tuple(int(n) for n in p.rng.integers(0, 3, 2)) for _ in p.values[i].shape]
    p.add_step(f"pad {widths}", lambda x: np.pad(x, widths, constant_values=1), i)


@instruction(2)
def join(p: Program) -> None:
    i = p.pick(has_axes)
    shape, rank = p.values[i].shape, p.values[i].ndim
    axis = p.axis(rank)

    def fits(value: Array) -> bool:
        others = (n for n in range(rank) if n != axis % rank)
        return value.ndim == rank and all(value.shape[n] == shape[n] for n in others)

    if p.chance(0.5):
        operands = i, p.pick(fits), p.pick(fits)
        p.add_step(f"concatenate {axis}", lambda *xs: np.concatenate(xs, axis=axis), *operands)
    else:
        j = p.pick(lambda value: value.shape == shape)
        p.add_step(f"stack {axis}", lambda x, y: np.stack([x, y, x], axis=axis), i, j)


@instruction(1)
def take(p: Program) -> None:
    i = p.pick(has_elements)
    shape, axis = list(p.values[i].shape), p.axis(p.values[i].ndim)
    size = shape[axis]
    shape[axis] = int(p.rng.integers(1, 5))
    places = p.rng.integers(-size, size, shape)
    functions: list[Callable[[Any], Any]] = [
        lambda x: np.take_along_axis(x, places, axis=axis),
        lambda x: np.take(x, places.ravel()[:5], axis=axis),
        lambda x: np.take_along_axis(x, np.argmax(x, axis=axis, keepdims=True), axis=axis),
    ]
    p.add_step(f"take {axis}", functions[int(p.rng.integers(len(functions)))], i)
