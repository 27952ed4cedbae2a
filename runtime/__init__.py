"""What runs an artifact: loading, calling, parameters' memory, artifacts on disk.

Read it last, after codegen/. Imports NumPy, llvmlite.binding and the standard library. Invariant:
it knows neither `ir` nor `codegen`, so a saved artifact runs with this folder alone.
"""
