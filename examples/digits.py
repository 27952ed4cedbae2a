"""A network that learns handwritten digits: what `graphc demo` runs, in one page.

- `python examples/digits.py` trains it;
- `graphc dump examples/digits.py` shows the kernels of its training step.
"""

from __future__ import annotations

import graphc as gc

BATCH, EPOCHS = 32, 40

split = gc.datasets.held_out(*gc.datasets.digits())
model = gc.nn.Sequential(gc.nn.Dense(64, gc.nn.relu), gc.nn.Dense(10), seed=0)

# The training step: forward, backward and update are one native function.
images = gc.input("images", (BATCH, 64))
labels = gc.input("labels", (BATCH,), gc.int32)
logits = model(images)
loss = gc.nn.softmax_cross_entropy(logits, labels).mean()
updates = gc.optim.Adam(0.003).updates(loss, model.params)
train = gc.compile([images, labels], loss, updates)


def test_accuracy() -> float:
    """How many of the held-out images the same parameters get right."""
    images = gc.input("images", split.test_images.shape)
    labels = gc.input("labels", split.test_labels.shape, gc.int32)
    hits = model(images).argmax(axis=1) == labels
    step = gc.compile([images, labels], hits.astype(gc.float32).mean())
    return float(step(split.test_images, split.test_labels))


def main() -> None:
    """Train for all epochs, with a line for every tenth."""
    for epoch in range(1, EPOCHS + 1):
        shuffled = gc.training.batches(*split[:2], size=BATCH, seed=epoch)
        losses = [train(*batch) for batch in shuffled]
        if epoch % 10 == 0:
            print(f"epoch {epoch:3}   loss {sum(losses) / len(losses):.4f}")
    print(f"test accuracy {test_accuracy():.1%}")


if __name__ == "__main__":
    main()
