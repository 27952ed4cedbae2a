"""Functions of arrays that stay in cache, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes
from graphc.bench.target import Target, Within, of_jax

NANOSECOND = 1e-9
Model = Callable[[Any, Any, Any], Any]


def _data(sizes: Sizes, generator: np.random.Generator) -> Data:
    x, y = generator.uniform(0.1, 3, (2, sizes["elements"])).astype("float32")
    return Data({}, {"x": x, "y": y})


def _one(sizes: Sizes, generator: np.random.Generator) -> Data:
    return Data({}, {"x": _data(sizes, generator).inputs["x"]})


def _case(name: str, models: dict[str, Model], *targets: Target) -> Case:
    return Case(
        f"{name}, f32 in cache, 1 thread",
        {"elements": 16384},
        _data if name == "pow" else _one,
        frameworks.function(models),
        targets,
        threads=1,
        elements=lambda sizes: sizes["elements"],
        tolerance=1e-5,
    )


def _named(name: str, find: Callable[[Any], Any], *targets: Target) -> Case:
    """A function that each framework has, found in its module; JAX's are in several."""

    def model(library: Any, params: Any, inputs: Any) -> Any:
        return find(library)(inputs["x"])

    libraries = {"graphc": model, "jax": _of_jax(name), "torch": model, "pytensor": model}
    return _case(name, libraries, *targets)


def _of_jax(name: str) -> Model:
    def model(jax: Any, params: Any, inputs: Any) -> Any:
        homes = (jax.numpy, jax.nn, jax.scipy.special)
        return next(getattr(home, name) for home in homes if hasattr(home, name))(inputs["x"])

    return model


def _activation(name: str, graphc: Model, jax: Model, torch: Model) -> Case:
    return _case(name, {"graphc": graphc, "jax": jax, "torch": torch}, of_jax(0.4))


def _pow(library: Any, params: Any, inputs: Any) -> Any:
    return inputs["x"] ** inputs["y"]


_QUICK = Within(0.25 * NANOSECOND)

ROW = Row(
    "Functions",
    (
        _named("exp", lambda library: library.exp, _QUICK),
        _named("log", lambda library: library.log, _QUICK),
        _named("tanh", lambda library: library.tanh, _QUICK),
        _named("sin", lambda library: library.sin, _QUICK),
        _named("cos", lambda library: library.cos, _QUICK),
        _named("erf", lambda library: library.erf, _QUICK),
        _named("sigmoid", lambda library: library.sigmoid, _QUICK),
        _case(
            "pow",
            {"graphc": _pow, "jax": _pow, "torch": _pow, "pytensor": _pow},
            Within(0.6 * NANOSECOND),
        ),
        _activation(
            "softplus",
            lambda gc, params, inputs: gc.nn.softplus(inputs["x"]),
            lambda jax, params, inputs: jax.nn.softplus(inputs["x"]),
            lambda torch, params, inputs: torch.nn.functional.softplus(inputs["x"]),
        ),
        _activation(
            "gelu",
            lambda gc, params, inputs: gc.nn.gelu(inputs["x"]),
            lambda jax, params, inputs: jax.nn.gelu(inputs["x"], approximate=False),
            lambda torch, params, inputs: torch.nn.functional.gelu(inputs["x"]),
        ),
    ),
)
