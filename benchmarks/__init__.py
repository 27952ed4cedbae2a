"""Scripts that measure accuracy, and make the fits behind it. Speed is `graphc bench`.

Run from the top of the repository as `python -m benchmarks.NAME`.
"""
