"""Programs of many kinds to export: what they are made of, and what they are called with.

Owns `PROGRAMS`. Each is declared with its inputs by entry; sizes are odd, so that no vector and no
tile fits them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

Array = np.ndarray[Any, Any]


@dataclass
class Program:
    """Steps by the names of their entries, and what each is called with."""

    steps: dict[str, gc.Step]
    arguments: dict[str, Sequence[Array]]
    rounds: int = 200


def f32(values: Any) -> Array:
    return np.asarray(values, "float32")


def normal(*shape: int, seed: int = 0) -> Array:
    return f32(np.random.default_rng(seed).standard_normal(shape))


def mlp(sizes: Sequence[int], batch: int, optimizer: Any, kind: Any = gc.float32) -> Program:
    x, y = gc.input("x", (batch, sizes[0]), kind), gc.input("y", (batch, sizes[-1]), kind)
    h, params = x, []
    for i, (rows, columns) in enumerate(itertools.pairwise(sizes)):
        weights = normal(rows, columns, seed=i) / np.sqrt(rows)
        w = gc.param(f"w{i}", weights.astype(kind.numpy))
        b = gc.param(f"b{i}", np.zeros(columns, kind.numpy))
        params += [w, b]
        h = (gc.tanh(h) if i else h) @ w + b
    loss = ((h - y) ** 2).mean()
    train = gc.compile([x, y], loss, optimizer.updates(loss, params), threads=1)
    data = normal(batch, sizes[0]).astype(kind.numpy)
    wanted = normal(batch, sizes[-1], seed=1).astype(kind.numpy)
    steps = {"train": train, "predict": gc.compile([x], h, threads=1)}
    return Program(steps, {"train": (data, wanted), "predict": (data,)})


def odd_sizes() -> Program:
    return mlp([1, 3, 7, 13, 17, 33, 1], 7, gc.optim.SGD(0.02, 0.9, nesterov=True))


def halves() -> Program:
    return mlp([17, 33, 3], 5, gc.optim.SGD(0.05), gc.float16)


def brain_halves() -> Program:
    return mlp([9, 21, 2], 3, gc.optim.SGD(0.05), gc.bfloat16)


def clipped_gradients() -> Program:
    clip = gc.optim.clip_by_global_norm(0.5)
    return mlp([9, 31, 2], 11, gc.optim.Adam(0.003, clip=clip))


def batch_norm() -> Program:
    """A convolution net with running averages, which `train` updates and `predict` reads."""
    x, y = gc.input("image", (3, 1, 9, 9)), gc.input("label", (3,), gc.int64)
    filters, last = gc.nn.Conv2d(5, 3, bias=False, seed=1), gc.nn.Dense(10, seed=2)
    h = filters(x)
    mean, variance = h.mean((0, 2, 3)), h.var((0, 2, 3))
    averages = gc.param("averages", f32([np.zeros(5), np.ones(5)]))

    def scores(mean: gc.Tensor, variance: gc.Tensor) -> gc.Tensor:
        normed = gc.nn.relu(gc.nn.batch_norm(h, mean, variance))
        return last(gc.reshape(gc.nn.max_pool(normed, 2), (3, -1)))

    loss = gc.nn.softmax_cross_entropy(scores(mean, variance), y).mean()
    updates = gc.optim.SGD(0.02, 0.9).updates(loss, [*filters.params, *last.params])
    updates[averages] = 0.9 * averages + 0.1 * gc.stack([mean, variance])
    steps = {
        "train": gc.compile([x, y], loss, updates, threads=1),
        "predict": gc.compile([x], scores(averages[0], averages[1]), threads=1),
    }
    images = normal(3, 1, 9, 9)
    return Program(steps, {"train": (images, np.array([1, 0, -3])), "predict": (images,)}, 50)


def recurrence() -> Program:
    x = gc.input("x", (1, 1500, 3))
    cell, last = gc.nn.GRU(5, seed=1), gc.nn.Dense(1, seed=3)
    loss = ((last(cell(x)) - x[:, :, :1]) ** 2).mean()
    updates = gc.optim.SGD(0.01).updates(loss, cell.params + last.params)
    return Program(
        {"train": gc.compile([x], loss, updates, threads=1)}, {"train": (normal(1, 1500, 3),)}, 10
    )


def attention() -> Program:
    tokens, following = (gc.input(name, (2, 13), gc.int32) for name in ("tokens", "following"))
    table = gc.nn.Embedding(11, 12, seed=1)
    mixed = gc.nn.MultiHeadAttention(3, causal=True, seed=2)
    norm, last = gc.nn.LayerNorm(), gc.nn.Dense(11, seed=3)
    h = table(tokens)
    scores = last(h + gc.nn.gelu(mixed(norm(h))))
    loss = gc.nn.softmax_cross_entropy(scores, following).mean()
    params = [each for layer in (table, mixed, norm, last) for each in layer.params]
    train = gc.compile([tokens, following], loss, gc.optim.SGD(0.05).updates(loss, params))
    ids = np.random.default_rng(0).integers(0, 11, (2, 14)).astype("int32")
    return Program({"train": train}, {"train": (ids[:, :-1].copy(), ids[:, 1:].copy())}, 50)


def random_numbers() -> Program:
    """Dropout by a key in the state, which the state remembers from call to call."""
    x, w = gc.input("x", (8, 13)), gc.param("w", normal(13, 3, seed=1))
    key = gc.param("key", gc.random.key(5))
    use, following = gc.random.split(key)
    h = gc.nn.dropout(x, 0.4, use) @ w
    loss = (h**2).mean()
    updates = {w: w - 0.01 * gc.grad(loss, w), key: following}
    outputs = [loss, gc.random.permutation(following, 7), gc.random.randint(use, (3,), 0, 9)]
    return Program({"train": gc.compile([x], outputs, updates)}, {"train": (normal(8, 13),)})


def control_flow() -> Program:
    w, n, x = gc.param("w", f32([1.5, -0.5, 2])), gc.param("n", np.int64(0)), gc.input("x", 3)
    rounds = gc.while_loop(lambda v: (v * v).sum() > 1e-3, lambda v: v * 0.7, x)
    turned = gc.cond(n % 2 == 0, gc.sin, lambda v: gc.cos(v) * 2, w)
    block = gc.checkpoint(lambda v: gc.tanh(gc.tanh(v * 1.1) + rounds))

    @gc.custom_gradient
    def bounded(v: gc.Tensor) -> Any:
        return v, lambda adjoint: gc.clip(adjoint, -0.1, 0.1)

    loss = (bounded(block(block(turned))) * x).sum()
    train = gc.compile([x], (loss, rounds), {w: w - 0.1 * gc.grad(loss, w), n: n + 1})
    return Program({"train": train}, {"train": (f32([0.3, 1, 2]),)})


def linear_algebra() -> Program:
    a, b = gc.param("a", normal(7, 7, seed=3)), gc.input("b", (7, 2))
    s = a @ a.T + 7 * gc.eye(7)
    factor, solved = gc.linalg.cholesky(s), gc.linalg.solve(s, b)
    q, _ = gc.linalg.qr(a)
    loss = (solved**2).sum() + 0.1 * gc.log(gc.diagonal(factor)).sum() + 0.1 * (q[:, 0] ** 3).sum()
    train = gc.compile([b], loss, {a: a - 0.01 * gc.grad(loss, a)})
    values = gc.compile([], [gc.linalg.eigh(s)[0], gc.linalg.svdvals(a)])
    return Program({"train": train, "values": values}, {"train": (normal(7, 2),), "values": ()}, 20)


def sorting() -> Program:
    x, ids = gc.input("x", (5, 33)), gc.input("ids", (5,), gc.int32)
    w = gc.param("w", normal(33, seed=1))
    h = x * w
    best, places = gc.top_k(h, 4)
    loss = 0.01 * best.sum() + (gc.segment_sum(gc.sort(h, axis=1), ids, 3) ** 2).mean()
    train = gc.compile([x, ids], (loss, places), {w: w - 0.01 * gc.grad(loss, w)})
    return Program({"train": train}, {"train": (normal(5, 33), np.array([0, 2, 2, 1, -3], "i4"))})


def second_order() -> Program:
    p, v = gc.param("p", np.array([-1.2, 1.0])), gc.input("v", 2, gc.float64)
    f = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    newton = p - gc.linalg.solve(gc.hessian(f, p), gc.grad(f, p))
    steps = {
        "train": gc.compile([], f, {p: p - 0.001 * gc.grad(f, p)}),
        "product": gc.compile([v], gc.hvp(f, p, v)),
        "newton": gc.compile([], newton),
    }
    return Program(steps, {"train": (), "product": (np.array([1.0, 0.5]),), "newton": ()})


def per_example() -> Program:
    x, w = gc.input("x", (9, 5)), gc.param("w", normal(5, 3, seed=1))

    def gradient(example: gc.Tensor, w: gc.Tensor) -> Any:
        return gc.grad(lambda w: (gc.tanh(example @ w) ** 2).sum())(w)

    gradients = gc.vmap(gradient, in_axes=(0, None))(x, w)
    norms = gc.sqrt((gradients**2).sum((1, 2), keepdims=True))
    mean = (gradients / gc.maximum(norms, 1)).mean(0)
    return Program(
        {"train": gc.compile([x], norms, {w: w - 0.1 * mean})}, {"train": (normal(9, 5),)}
    )


def integers() -> Program:
    image = gc.input("image", (9, 11), gc.uint8)
    count, counts = gc.param("count", np.int32(3)), gc.param("counts", np.zeros(256, "int64"))
    seen = gc.param("seen", np.array([True, False, True]))
    small, large = gc.param("small", np.array([-5, 7], "i2")), gc.param("large", np.uint64(2**63))
    empty = gc.param("empty", np.zeros((0, 3), "float32"))
    updates = {
        count: count + 1,
        counts: counts.at[gc.ravel(image).astype(gc.int64)].add(1),
        seen: ~seen,
        small: small * 3 - 1,
        large: large // 3 + 5,
        empty: empty * 2,
    }
    mean = image.astype(gc.float32).mean()
    steps = {
        "look": gc.compile([image], (mean, count * 2), updates),
        "peek": gc.compile([], [empty, seen, large]),
    }
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11)).astype("uint8")
    return Program(steps, {"look": (pixels,), "peek": ()})


def unusual_entries() -> Program:
    """Without inputs, without outputs, without either; that read a param and leave it alone."""
    empty, scalar = gc.input("empty", (0, 4)), gc.input("scalar", ())
    w, table = gc.param("w", np.float32(2)), gc.param("table", f32([1, 2, 3]))
    steps = {
        "no_inputs": gc.compile([], w * 3),
        "no_outputs": gc.compile([scalar], [], {w: w * 0.99 + scalar}),
        "neither": gc.compile([], [], {w: w + 1}),
        "nothing": gc.compile([empty, scalar], (empty * w + scalar, empty.sum(), w)),
        "same": gc.compile([], [w, table], {table: table}),
    }
    no, half = np.zeros((0, 4), "float32"), np.asarray(0.5, "float32")
    arguments: dict[str, Sequence[Array]] = dict.fromkeys(steps, ())
    return Program(steps, {**arguments, "no_outputs": (half,), "nothing": (no, half)})


PROGRAMS: dict[str, Callable[[], Program]] = {
    program.__name__: program
    for program in (
        *(odd_sizes, halves, brain_halves, clipped_gradients, batch_norm, recurrence, attention),
        *(random_numbers, control_flow, linear_algebra, sorting, second_order, per_example),
        *(integers, unusual_entries),
    )
}
