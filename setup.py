"""Find the packages: each folder that pyproject.toml maps into graphc, and the packages in it.

Folders beside graphc/ cannot be found by what pyproject.toml offers without also being installed
as top-level modules called ir, codegen and runtime.
"""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

settings = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))
folders = settings["tool"]["setuptools"]["package-dir"]

setup(
    packages=[
        name
        for package, folder in folders.items()
        for name in (package, *(f"{package}.{inner}" for inner in find_packages(folder)))
    ]
)
