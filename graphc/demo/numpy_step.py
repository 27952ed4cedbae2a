"""The demonstration's training step by hand, in NumPy.

Owns `NumpyStep`, what the compiled step is timed beside. Imports NumPy only. Invariant: float32
throughout, and every buffer that can be reused is: it is as fast as straightforward NumPy gets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)


class NumpyStep:
    """`step(images, labels)` returns the loss and updates copies of the parameters w, b, v, c."""

    def __init__(self, params: list[Array], rate: float) -> None:
        self.params = [value.copy() for value in params]
        self.moments = [(np.zeros_like(value), np.zeros_like(value)) for value in params]
        self.scratch = [np.empty_like(value) for value in params]
        self.rate = rate
        self.steps = 0

    def __call__(self, images: Array, labels: Array) -> float:
        w, b, v, c = self.params
        rows = np.arange(len(labels))
        hidden = images @ w
        hidden += b
        np.maximum(hidden, 0, out=hidden)
        scores = hidden @ v
        scores += c
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        sums = probabilities.sum(axis=1, keepdims=True)
        loss = float((np.log(sums[:, 0]) - scores[rows, labels]).mean())

        probabilities /= sums
        probabilities[rows, labels] -= 1
        probabilities /= np.float32(len(labels))
        d_hidden = probabilities @ v.T
        d_hidden *= hidden > 0
        gradients = [
            images.T @ d_hidden,
            d_hidden.sum(axis=0),
            hidden.T @ probabilities,
            probabilities.sum(axis=0),
        ]
        self._update(gradients)
        return loss

    def _update(self, gradients: list[Array]) -> None:
        """Adam, in place."""
        self.steps += 1
        by_mean = np.float32(self.rate / (1 - float(BETA1) ** self.steps))
        by_square = np.float32(1 / (1 - float(BETA2) ** self.steps))
        for value, gradient, (m, v), scratch in zip(
            self.params, gradients, self.moments, self.scratch, strict=True
        ):
            m *= BETA1
            np.multiply(gradient, 1 - BETA1, out=scratch)
            m += scratch
            v *= BETA2
            np.square(gradient, out=scratch)
            scratch *= 1 - BETA2
            v += scratch
            np.multiply(v, by_square, out=scratch)
            np.sqrt(scratch, out=scratch)
            scratch += EPSILON
            np.divide(m, scratch, out=scratch)
            scratch *= by_mean
            value -= scratch
