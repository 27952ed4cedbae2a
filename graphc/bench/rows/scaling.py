"""How the time to compile grows: beside ten times that of a tenth of the size."""

from __future__ import annotations

from dataclasses import replace

from graphc.bench import frameworks
from graphc.bench.case import Case, Row
from graphc.bench.rows import mlp, waves
from graphc.bench.target import TimesPeer

_LINEAR = (TimesPeer(1.5, ("a tenth, ten times",)),)
_OWN = ("graphc",)

_DEEP = Case(
    "100 000 elementwise nodes",
    {"elements": 8, "rounds": 33_333},
    waves.data,
    frameworks.function({name: waves.MODELS[name] for name in _OWN}),
    _LINEAR,
    measure="scaling",
    scaled="rounds",
)
_LAYERS = replace(
    mlp.case("MLP of 1000 layers of 32", mlp.WIDE),
    sizes={"batch": 32, "inputs": 32, "hidden": 32, "layers": 999, "classes": 10},
    builds=frameworks.training({name: mlp.MODELS[name] for name in _OWN}, 0.1),
    targets=_LINEAR,
    work=None,
    measure="scaling",
    scaled="layers",
)

ROW = Row("Compile time of large programs", (_LAYERS, _DEEP))
