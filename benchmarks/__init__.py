"""Scripts that measure: speed, accuracy and the fits behind them.

Run from the top of the repository as `python -m benchmarks.NAME`.
"""
