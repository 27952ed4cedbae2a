"""Libraries run on other processors, emulated.

Not part of the ordinary tests, for they need qemu-user, Node.js and the package ziglang:
`python -m pytest tests/platforms/emulated.py tests/platforms/operations.py` runs them, and
`python -m tests.platforms.everything` every op and gradient on every machine.
"""
