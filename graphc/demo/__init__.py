"""The demonstration: a network that learns handwritten digits.

Owns the program that `graphc demo` runs, written as a user would write it, and the same step by
hand in NumPy. Invariant: both compute the same updates from the same batches.
"""

from __future__ import annotations
