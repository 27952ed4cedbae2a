"""`graphc bench`: graphc beside other frameworks, and beside what the machine can do.

Owns the benchmark. A row (`rows/`) is data: what is computed, how each framework writes it, what
is aimed at. Invariant: no row is treated in a way of its own, and none of its sizes is known to
the code that measures.
"""
