"""Passes: from graph to graph, one file each, named by what they do.

Differentiation comes first, while the graph is built; then the rewrite passes, which share one
sweep (`rewriter`) over rules that are data (`rules`, written in `terms`). Invariant: a pass is a
pure function of its graph; what observes it is handed in.
"""
