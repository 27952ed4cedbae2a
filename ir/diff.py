"""Where two graphs begin to differ.

Owns `diff_graphs`. Imports the printer. Invariant: the answer is "" exactly when the graphs are
equal.
"""

from __future__ import annotations

import difflib
from itertools import zip_longest

from graphc.ir.graph import Graph
from graphc.ir.printer import graph_constants, print_graph


def diff_graphs(a: Graph, b: Graph, context: int = 3) -> str:
    """The first line that differs, in both graphs, with `context` lines before; "" if equal.

    The characters that differ are underlined:

        line 3 differs
            graph @loss(%x: f32[4]) -> (%y: f32[4]) {
              %h = tanh %x  : f32[4]
          -   %y = exp %h   : f32[4]
          ?        ^^^
          +   %y = sqrt %h  : f32[4]
          ?        ^^^^
    """
    if a == b:
        return ""
    left, right = print_graph(a).splitlines(), print_graph(b).splitlines()
    for i, (old, new) in enumerate(zip_longest(left, right)):
        if old != new:
            lines = [f"line {i + 1} differs"]
            lines += [f"    {line}" for line in left[max(i - context, 0) : i]]
            return "\n".join([*lines, *_underlined(old, new)]) + "\n"
    # Alike in print, so the difference is in the bits of a constant named by its hash.
    hashes = sorted(graph_constants(a).keys() ^ graph_constants(b).keys())
    return f"the constants differ: {' '.join(hashes)}\n" if hashes else "the graphs differ\n"


def _underlined(old: str | None, new: str | None) -> list[str]:
    if old is None or new is None:
        mark, line = ("+", new) if old is None else ("-", old)
        return [f"  {mark} {line}"]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    below: list[list[str]] = [[" "] * len(old), [" "] * len(new)]
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag != "equal":
            below[0][i:i_end] = "^" * (i_end - i)
            below[1][j:j_end] = "^" * (j_end - j)
    lines = []
    for mark, line, carets in (("-", old, below[0]), ("+", new, below[1])):
        lines.append(f"  {mark} {line}")
        if "^" in carets:
            lines.append(f"  ? {''.join(carets).rstrip()}")
    return lines
