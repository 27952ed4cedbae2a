"""`memory_limit`: steps that keep to it, at which cost, with the same results."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.compilation import Step
from graphc.resources import bytes_of
from graphc.tensor import Tensor


def dense(layers: int, activate: Callable[[Any], Any] = gc.tanh) -> tuple[Any, Any, list[Any]]:
    """Input, loss and parameters of a deep network."""
    generator = np.random.default_rng(0)
    x = gc.input("x", (32, 24))
    params = []
    h: Any = x
    for i in range(layers):
        weight = gc.param(f"w{i}", 0.2 * generator.standard_normal((24, 24)).astype("f4"))
        bias = gc.param(f"b{i}", np.zeros(24, "f4"))
        params += [weight, bias]
        h = activate(h @ weight + bias)
    return x, (h * h).mean(), params


def blocks(count: int) -> tuple[Any, Any, list[Any]]:
    """The same of transformer blocks."""
    generator = np.random.default_rng(1)

    def param(name: str, *shape: int) -> Any:
        return gc.param(name, 0.1 * generator.standard_normal(shape).astype("f4"))

    x = gc.input("x", (2, 16, 24))
    params: list[Any] = []
    h: Any = x
    for i in range(count):
        weights = [param(f"qkv{i}", 24, 72), param(f"up{i}", 24, 48), param(f"down{i}", 48, 24)]
        params += weights
        qkv, up, down = weights
        normal = gc.nn.layer_norm(h)
        q, k, v = gc.split(normal @ qkv, 3, axis=2)
        scores = gc.softmax(q @ gc.swapaxes(k, 1, 2) / math.sqrt(24), axis=2)
        h = h + scores @ v
        h = h + gc.nn.gelu(gc.nn.layer_norm(h) @ up) @ down
    return x, (h * h).mean(), params


def step_of(program: tuple[Any, Any, list[Any]], limit: int | str | None = None) -> Step:
    x, loss, params = program
    gradients = gc.grad(loss, params)
    return gc.compile([x], (loss, *gradients), memory_limit=limit, threads=1, name="step")


def workspace(step: Step) -> int:
    return step.artifact.manifest.workspace_bytes


def results(step: Step) -> list[bytes]:
    (argument,) = step.inputs
    x = np.random.default_rng(2).standard_normal(argument.shape).astype("f4")
    return [np.asarray(value).tobytes() for value in step(x)]


def test_a_deep_network_runs_in_a_third_of_its_memory() -> None:
    program = dense(50)
    plain = step_of(program)
    limit = workspace(plain) // 3
    step = step_of(program, limit)
    assert workspace(step) <= limit
    assert results(step) == results(plain)
    fit = step.compilation.fit
    assert fit is not None
    assert fit.without == workspace(plain)
    # At most the forward half once more, which is a third of the whole.
    assert 0 < fit.extra < 0.36


@pytest.mark.parametrize("activate", [gc.nn.relu, gc.sigmoid, gc.nn.silu, gc.sin])
def test_activations(activate: Callable[[Any], Any]) -> None:
    program = dense(12, activate)
    plain = step_of(program)
    step = step_of(program, int(0.6 * workspace(plain)))
    assert workspace(step) <= 0.6 * workspace(plain)
    assert results(step) == results(plain)


@pytest.mark.parametrize("program", [blocks(3), dense(12, gc.nn.gelu)], ids=["blocks", "gelu"])
def test_what_is_rounded_in_other_places(program: tuple[Any, Any, list[Any]]) -> None:
    """A product that is added to is rounded once or twice, as it is stored or not."""
    plain = step_of(program)
    step = step_of(program, int(0.75 * workspace(plain)))
    assert workspace(step) <= 0.75 * workspace(plain)
    for ours, theirs in zip(results(step), results(plain), strict=True):
        a, b = np.frombuffer(ours, "f4"), np.frombuffer(theirs, "f4")
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * np.abs(b).max())


@pytest.mark.parametrize("program", [dense(10), blocks(1)], ids=["dense", "block"])
def test_any_limit_is_met_or_refused(program: tuple[Any, Any, list[Any]]) -> None:
    plain = workspace(step_of(program))
    generator = random.Random(3)
    for _ in range(2):
        limit = generator.randrange(plain + 100)
        try:
            assert workspace(step_of(program, limit)) <= limit
        except gc.errors.MemoryLimitError as error:
            least = int(str(error).split(" bytes of workspace")[0].split()[-1].replace(",", ""))
            assert limit < least <= plain
            assert workspace(step_of(program, least)) <= least


def test_training_with_updates_in_place() -> None:
    generator = np.random.default_rng(4)
    data = generator.standard_normal((32, 24)).astype("f4")
    losses = []
    for limit in (None, "30 kB"):
        x, loss, params = dense(10)
        step = gc.compile(
            [x], loss, gc.optim.Adam(0.01).updates(loss, params), memory_limit=limit, threads=1
        )
        if limit is not None:
            assert workspace(step) <= 30_000
        losses.append([float(step(data)) for _ in range(5)] + [params[0].value.tobytes()])
    assert losses[0] == losses[1]


def test_random_numbers_come_out_the_same_again() -> None:
    x = gc.input("x", (32, 24))
    key = gc.random.key(7)
    weights = [gc.param(f"w{i}", np.eye(24, dtype="f4")) for i in range(16)]
    h: Any = x
    for i, weight in enumerate(weights):
        noise = gc.random.normal(gc.random.fold_in(key, i), (32, 24))
        h = gc.sin(h @ weight * gc.exp(0.1 * noise))
    program = (x, (h * h).mean(), weights)
    plain = step_of(program)
    step = step_of(program, int(0.55 * workspace(plain)))
    assert results(step) == results(plain)


def test_none_and_a_large_limit_leave_everything_as_it_is() -> None:
    program = dense(4)
    plain, large = step_of(program), step_of(program, "1 GB")
    assert step_of(program, None).ir() == plain.ir() == large.ir()
    assert "limit" not in plain.memory()
    assert "limit       1,000,000,000 bytes" in large.memory()


def test_memory_says_what_it_costs() -> None:
    program = dense(10)
    plain = workspace(step_of(program))
    text = step_of(program, 2 * plain // 3).memory()
    assert f"limit       {2 * plain // 3:,} bytes; without it the workspace is {plain:,}" in text
    assert "% more operations" in text
    assert "test_memory_limit.py:" in text.split("recomputed")[1]


def test_a_limit_that_cannot_be_met() -> None:
    with pytest.raises(gc.errors.MemoryLimitError, match="raise memory_limit to") as caught:
        step_of(dense(10), 100)
    assert caught.value.code == "GC018"
    x = gc.input("x", (8, 8))
    with pytest.raises(gc.errors.MemoryLimitError):
        gc.compile([x], gc.exp(x @ x) @ x, memory_limit=0)


def test_checkpoint_goes_on_working() -> None:
    block = gc.checkpoint(lambda h: gc.tanh(gc.tanh(h)))
    program = dense(10, block)
    plain = step_of(program)
    step = step_of(program, int(0.7 * workspace(plain)))
    assert workspace(step) <= 0.7 * workspace(plain)
    assert results(step) == results(plain)


def test_a_function_from_outside_is_not_called_again() -> None:
    calls = []

    def seen(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        calls.append(1)
        return value

    x = gc.input("x", (16, 16))
    w = gc.param("w", np.eye(16, dtype="f4"))
    outside = gc.call(seen, gc.tanh(x @ gc.stop_gradient(w)), like=x)
    h: Tensor = x @ w
    for _ in range(8):
        h = gc.sin(h @ w) * outside
    loss = (h * h).mean()
    plain = gc.compile([x], gc.grad(loss, w), threads=1)
    step = gc.compile([x], gc.grad(loss, w), memory_limit=int(0.7 * workspace(plain)), threads=1)
    step(np.ones((16, 16), "f4"))
    assert len(calls) == 1


def test_the_limit_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    program = dense(10)
    plain = step_of(program)
    limit = 2 * workspace(plain) // 3
    for _ in range(2):
        assert workspace(step_of(program, limit)) <= limit
        assert workspace(step_of(program)) == workspace(plain)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), (0, 0), (np.int64(5), 5), ("64 MB", 64 * 10**6), ("1.5GiB", 3 << 29)],
)
def test_sizes(given: Any, expected: int | None) -> None:
    assert bytes_of(given) == expected


@pytest.mark.parametrize("given", [-1, 1.5, True, "", "5 QB", "MB", "-3 kB", [3]])
def test_what_is_no_size(given: Any) -> None:
    with pytest.raises(gc.errors.AttributeValueError, match="memory_limit"):
        bytes_of(given)
