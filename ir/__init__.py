"""The graph and what is done to it: types, nodes, op records, text form, passes.

Read it second, after graphc/. Imports NumPy, NetworkX and the standard library. Invariant: nothing
here knows of LLVM, of the user-facing functions, or of files.
"""
