"""Libraries run on other processors, emulated.

Not part of the ordinary tests, for they need qemu-user, qemu-system-arm, Node.js, a browser and the
package ziglang: `python -m pytest tests/platforms/*.py` runs them.
"""
