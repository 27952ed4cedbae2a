"""Derivatives of tensors as tensors, and of functions as functions.

Owns the public transformations. `operands` checks what they are given, `sweeps` works on nodes,
`functional` makes functions of them. Invariant: the graph is made numerically stable before it is
differentiated, but not across the tensors that it is differentiated for.
"""

from __future__ import annotations

from graphc.autodiff.gradients import grad, hvp, jvp, value_and_grad, vjp
from graphc.autodiff.matrices import hessian, jacfwd, jacobian, jacrev

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "value_and_grad",
    "vjp",
]
