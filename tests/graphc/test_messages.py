"""What a user reads after a mistake: code, the line with a caret, expected and got, help."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

import graphc as gc

GIVEN = """\
x, w = gc.input("x", (32, 784)), gc.input("w", (748, 10))
v, b, s = gc.input("v", 3), gc.input("b", 4), gc.input("s")
none, flag = gc.input("none", (3, 0)), gc.input("flag", 3, gc.bool_)
"""

MISTAKES = [
    (
        "GC014",
        "gc.sum(x, axis=2)",
        "x,",
        "sum along axis 2",
        "x is f32[32,784], which has axes -2 to 1",
    ),
    ("GC014", "x.max(axis='rows')", "x.", "got 'rows'", "x is f32[32,784]"),
    ("GC014", "gc.softmax(v, axis=-2)", "v,", "softmax along axis -2", "which has axes -1 to 0"),
    (
        "GC012",
        "v + b",
        "b",
        "add cannot broadcast [3] with [4]",
        "b is f32[4], but v has shape [3]",
    ),
    (
        "GC012",
        "gc.where(flag, v, b)",
        "b)",
        "[3] with [4]",
        "but flag and v have shape [3] together",
    ),
    ("GC012", "x @ w", "w", "equal inner sizes", "w is f32[748,10] (inner size 748), but x is"),
    ("GC012", "gc.concatenate([x, w])", "w]", "equal sizes on all other axes", "w is f32[748,10]"),
    (
        "GC012",
        "none.max(axis=1)",
        "none",
        "max of no elements",
        "which has no elements along axes [1]",
    ),
    ("GC012", "gc.argmax(none, axis=1)", "none", "argmax of no elements", "none is f32[3,0]"),
    ("GC012", "gc.input('q', (3, -1))", "gc", "f32[3,-1] has a negative size", ""),
    ("GC012", "gc.zeros((3, -1))", "gc", "to [3, -1], which has a negative size", ""),
    ("GC012", "v.reshape((2, 2))", "v.", "cannot reshape to [2, 2]", "which has 3 elements, not 4"),
    ("GC012", "v.reshape((-2, 2))", "v.", "which has a negative size", ""),
    ("GC012", "gc.broadcast_to(v, (3, 4))", "v,", "cannot broadcast to [3, 4]", "v is f32[3]"),
    ("GC014", "x[0.5]", "x[", "a float cannot be part of an index", "x is f32[32,784]"),
    ("GC013", "x[b]", "x[", "made of integers, got <Tensor b: f32[4]>", "x is f32[32,784]"),
    (
        "GC014",
        "x[40]",
        "x[",
        "index 40 is outside of axis 0, which has size 32",
        "x is f32[32,784]",
    ),
    ("GC013", "gc.take(x, b)", "b)", "take takes integer indices", "b is f32[4]"),
    (
        "GC012",
        "gc.einsum('ij,jk->ik', x, w)",
        "w)",
        "label 'j' has sizes 784 and 748",
        "w is f32[748,10]",
    ),
    ("GC014", "gc.einsum('ij>i', x)", "gc", "have '>' where a letter should be", ""),
    ("GC013", "gc.left_shift(v, 1)", "v,", "does not take f32 and a Python int", "v is f32[3]"),
    ("GC013", "-flag", "flag", "neg does not take bool", "flag is bool[3]"),
    ("GC013", "flag - flag", "flag", "sub does not take bool and bool", "flag is bool[3]"),
    ("GC013", "v & flag", "v", "& combines bools, or the bits of integers", "v is f32[3]"),
    ("GC013", "v + 1j", "v", "graphc has no dtype 'complex128'", ""),
    (
        "GC017",
        "gc.scan(lambda c, r: (c + 0.5, None), 0, v)",
        "gc",
        "carry of scan goes in as i64[] and comes out as f64[]",
        "",
    ),
    (
        "GC017",
        "gc.scan(lambda c, r: ((c, c), None), v, x)",
        "gc",
        "the carry of scan goes in as * and comes out as (*, *)",
        "",
    ),
    ("GC017", "gc.scan(lambda c, r: (c, r), v, s)", "gc", "along axis 0, but it is a scalar", ""),
    (
        "GC013",
        "gc.cond(flag, lambda: v, lambda: v)",
        "flag",
        "one bool, got bool[3]",
        "flag is bool[3]",
    ),
    ("GC017", "gc.cond(s > 0, lambda: v, lambda: b)", "gc", "give f32[3] and f32[4]", ""),
]


@pytest.mark.parametrize(
    ("code", "mistake", "caret", "summary", "note"), MISTAKES, ids=[each[1] for each in MISTAKES]
)
def test_a_mistake_is_told(
    code: str, mistake: str, caret: str, summary: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"{GIVEN}y = {mistake}\n"
    lines = source.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, "net.py", (len(source), None, lines, "net.py"))
    with pytest.raises(gc.errors.GraphError) as caught:
        exec(compile(source, "net.py", "exec"), {"gc": gc, "np": np})
    head, line, below, *rest = str(caught.value).splitlines()
    assert head.startswith(f"{code} {caught.value.title}: ")
    assert summary in head
    assert line == f"   |  net.py:4   y = {mistake}"
    assert line[below.index("^") :].startswith(caret)
    assert note in below
    assert rest[0].startswith("   = help: ")
