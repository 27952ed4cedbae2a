"""A network that goes on learning on a microcontroller. README.md says how to build it.

It tells gestures apart by 24 readings of an accelerometer, and learns from one example at a time:
state and workspace together take less than 64 KiB.
"""

from __future__ import annotations

import graphc as gc

READINGS, HIDDEN, GESTURES = 24, 32, 5
RATE, MOMENTUM = 0.02, 0.9

network = gc.nn.Sequential(gc.nn.Dense(HIDDEN, gc.nn.relu), gc.nn.Dense(GESTURES), seed=0)

readings = gc.input("readings", (1, READINGS))
gesture = gc.input("gesture", (1,), gc.int32)
scores = network(readings)
loss = gc.nn.softmax_cross_entropy(scores, gesture).mean()
optimizer = gc.optim.SGD(RATE, momentum=MOMENTUM)
learn = gc.compile([readings, gesture], loss, optimizer.updates(loss, network.params))
classify = gc.compile([readings], scores.argmax(axis=1))
