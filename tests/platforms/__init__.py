"""Libraries run on other processors, emulated, in a browser and from another language.

Not part of the ordinary tests, for they need qemu-user, qemu-system-arm, Node.js, a browser, Rust
and the package ziglang: `python -m pytest tests/platforms/*.py` runs them.
"""
