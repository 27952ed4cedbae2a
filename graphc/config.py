"""The environment variables that graphc reads.

Owns their names, defaults and help. Imports the standard library only. Invariant: no other module
reads the environment.
"""

from __future__ import annotations
