"""Libraries on other processors, in other languages and in a browser.

Not part of the ordinary tests, for they need qemu, Node.js, Rust, Chromium and the package ziglang:
`python -m pytest tests/platforms/*.py` runs them, as CI does, and
`python -m tests.platforms.everything` every op and gradient on every machine.
"""
