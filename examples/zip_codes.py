"""The convolutional network that read zip codes in 1989, training on handwritten digits.

Source: LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition", Neural
Computation 1(4), 1989: 1256 units, 9760 free parameters, learned one image at a time. Which eight
feature maps each map of the second layer sees is not in the paper; here they are three overlapping
sets. Its images are not public: these have 8 by 8 pixels, each of which is drawn as 2 by 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import graphc as gc

EPOCHS, RATE = 23, 0.03
MAPS_SEEN = ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 8, 9, 10, 11])

split = gc.datasets.held_out(*gc.datasets.digits())
rng = np.random.default_rng(1989)


def weights(name: str, shape: tuple[int, ...], fan_in: int) -> gc.Parameter:
    """Weights that are uniform within 2.4 over the number of inputs of a unit."""
    bound = 2.4 / fan_in
    return gc.param(name, rng.uniform(-bound, bound, shape).astype("float32"))


def biases(name: str, shape: tuple[int, ...]) -> gc.Parameter:
    return gc.param(name, np.zeros(shape, "float32"))


def squash(x: gc.Tensor) -> gc.Tensor:
    """The symmetric sigmoid, which is 1 at 1 and -1 at -1."""
    return 1.7159 * gc.tanh(2 / 3 * x)


def framed(maps: gc.Tensor) -> gc.Tensor:
    """Maps in a frame of background, two units wide before and one behind: strides of two fit."""
    return gc.pad(maps, ((0, 0), (0, 0), (2, 1), (2, 1)), constant_values=-1)


kernels1, biases1 = weights("kernels1", (12, 1, 5, 5), 25), biases("biases1", (12, 8, 8))
kernels2 = [weights(f"kernels2_{i}", (4, 8, 5, 5), 200) for i in range(3)]
biases2 = biases("biases2", (12, 4, 4))
weights3, biases3 = weights("weights3", (192, 30), 192), biases("biases3", (30,))
weights4, biases4 = weights("weights4", (30, 10), 30), biases("biases4", (10,))
params = [kernels1, biases1, *kernels2, biases2, weights3, biases3, weights4, biases4]


def network(images: gc.Tensor) -> gc.Tensor:
    """[batch, 1, 16, 16] from -1 to 1 -> [batch, 10], of which the right one is near 1."""
    maps = squash(gc.nn.conv2d(framed(images), kernels1, stride=2) + biases1)
    seen = [gc.take(framed(maps), indices, axis=1) for indices in MAPS_SEEN]
    parts = [gc.nn.conv2d(*pair, stride=2) for pair in zip(seen, kernels2, strict=True)]
    features = squash(gc.concatenate(parts, axis=1) + biases2)
    hidden = squash(features.reshape(-1, 192) @ weights3 + biases3)
    return squash(hidden @ weights4 + biases4)


image = gc.input("image", (1, 1, 16, 16))
wanted = gc.input("wanted", (1, 10))
loss = gc.square(network(image) - wanted).mean()
gradients = gc.grad(loss, params)
updates = {p: p - RATE * g for p, g in zip(params, gradients, strict=True)}
train = gc.compile([image, wanted], loss, updates)


def drawn(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Digits of 8 by 8 pixels from 0 to 1, as images of 16 by 16 from -1 to 1."""
    pixels = images.reshape(-1, 1, 8, 8).repeat(2, axis=2).repeat(2, axis=3)
    return 2 * pixels - 1


def targets(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    return np.where(np.arange(10) == labels[:, None], 1, -1).astype("float32")


def learn(epoch: int) -> float:
    """See each training image once, in an order of the epoch's own; the mean loss."""
    shuffled = gc.training.batches(*split[:2], size=1, seed=epoch)
    return float(np.mean([train(drawn(x), targets(y)) for x, y in shuffled]))


def test_accuracy() -> float:
    """How many of the held-out images the network gets right."""
    images = gc.input("images", (len(split.test_labels), 1, 16, 16))
    predict = gc.compile([images], network(images).argmax(axis=1))
    return float((predict(drawn(split.test_images)) == split.test_labels).mean())


def main() -> None:
    """Train for all epochs, with a line for each."""
    print(f"{sum(p.size for p in params)} parameters")
    for epoch in range(1, EPOCHS + 1):
        print(f"epoch {epoch:3}   loss {learn(epoch):.4f}")
    print(f"test accuracy {test_accuracy():.1%}")


if __name__ == "__main__":
    main()
