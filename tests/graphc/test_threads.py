"""`threads=`: how many there may be, where the number comes from, and that no bit depends on it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.target import host_target
from graphc.runtime.loading import load

rng = np.random.default_rng(0)
STEPS = 200
IMAGES = rng.standard_normal((8, 64, 300)).astype("float32")
LABELS = rng.integers(0, 10, (8, 64)).astype("int32")


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "off")
    monkeypatch.delenv("GRAPHC_THREADS", raising=False)


def training_step(threads: int) -> gc.Step:
    """A perceptron of two layers, layer norm and Adam: products, rows, maps and reductions."""
    x, y = gc.input("x", (64, 300)), gc.input("y", (64,), gc.int32)
    w = gc.param("w", gc.init.glorot_uniform((300, 200), seed=0))
    v = gc.param("v", gc.init.glorot_uniform((200, 10), seed=1))
    b = gc.param("b", np.zeros(200, "float32"))
    hidden = gc.tanh(x @ w + b)
    centred = hidden - hidden.mean(axis=1, keepdims=True)
    loss = gc.nn.softmax_cross_entropy(centred @ v, y).mean() + 1e-4 * gc.sum(w * w)
    updates = gc.optim.Adam(1e-2).updates(loss, [w, v, b])
    return gc.compile([x, y], loss, updates=updates, threads=threads)


def trained(threads: int) -> tuple[bytes, ...]:
    step = training_step(threads)
    losses = [step(IMAGES[i % 8], LABELS[i % 8]) for i in range(STEPS)]
    assert losses[-1] < 0.5 * losses[0]
    state = [values.tobytes() for _, values in sorted(step.snapshot().items())]
    return np.array(losses).tobytes(), *state


def test_training_gives_the_same_bits_for_any_number_of_threads() -> None:
    single = trained(1)
    for threads in (2, 5, 5):
        assert trained(threads) == single
    assert training_step(5).manifest.threads > 1


def long_step(**options: Any) -> gc.Step:
    x = gc.input("x", 300_000)
    return gc.compile([x], {"y": gc.tanh(x), "total": gc.sum(gc.exp(-x))}, **options)


def test_the_number_comes_from_the_argument_the_environment_or_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert long_step().manifest.threads == min(host_target().cores, 8)
    monkeypatch.setenv("GRAPHC_THREADS", "3")
    assert long_step().manifest.threads == 3
    assert long_step(threads=2).manifest.threads == 2
    assert long_step(threads=np.int64(1)).manifest.threads == 1
    monkeypatch.setenv("GRAPHC_THREADS", "0")
    assert long_step().manifest.threads == min(host_target().cores, 8)


def test_the_dump_shows_how_kernels_are_shared() -> None:
    kernels = long_step(threads=2).ir("kernels")
    assert "units, 2 tasks\n" in kernels
    assert "  shared    r0 in 64 blocks, 2 tasks\n" in kernels


def test_short_work_stays_on_one_thread() -> None:
    x = gc.input("x", 100)
    assert gc.compile([x], gc.tanh(x), threads=8).manifest.threads == 1


@pytest.mark.parametrize("threads", [0, -1, 1025, 2.0, "2", True])
def test_a_number_that_cannot_be_is_refused(threads: Any) -> None:
    with pytest.raises(gc.errors.AttributeValueError, match="whole number from 1 to 1024"):
        long_step(threads=threads)
    with pytest.raises(gc.errors.AttributeValueError, match="whole number from 1 to 1024"):
        gc.jit(gc.tanh, threads=threads)
    with pytest.raises(gc.errors.AttributeValueError, match="whole number from 1 to 1024"):
        gc.jit(threads=threads)


@pytest.mark.parametrize("value", ["many", "-2", "1025"])
def test_an_environment_that_cannot_be_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_THREADS", value)
    with pytest.raises(ValueError, match="GRAPHC_THREADS"):
        long_step()


def test_jit_takes_threads() -> None:
    x = rng.standard_normal(300_000).astype("float32")
    steps = [gc.jit(lambda x: gc.tanh(x), threads=threads).trace(x) for threads in (1, 2)]
    assert [step.manifest.threads for step in steps] == [1, 2]
    assert steps[0](x).tobytes() == steps[1](x).tobytes()


def test_a_saved_step_brings_all_but_the_pool(tmp_path: Path) -> None:
    x = rng.standard_normal(300_000).astype("float32")
    step = long_step(threads=3)
    step.save(tmp_path / "step")
    expected, found = step(x), load(tmp_path / "step")(x)
    assert all(found[key].tobytes() == expected[key].tobytes() for key in expected)


def test_the_cache_keeps_steps_by_their_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        for threads in (1, 2):
            assert long_step(threads=threads, name="f").manifest.threads == threads


def test_steps_may_run_in_several_threads_at_once() -> None:
    x = rng.standard_normal(300_000).astype("float32")
    steps = [long_step(threads=2) for _ in range(3)]
    expected = steps[0](x)
    wrong: list[int] = []

    def call(number: int) -> None:
        for _ in range(30):
            got = steps[number](x)
            if any(got[key].tobytes() != expected[key].tobytes() for key in expected):
                wrong.append(number)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong
