"""What is compiled once for all processes: the key of a program, and its place in the cache.

Owns `Slot`. Imports `ir`, the target and `runtime.cache`, not the compiler: where a program is
found, nothing else of it is loaded. Invariant: two programs of one key have the same object code
and the same manifest, so the key covers all that either is made from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphc.codegen
import graphc.ir
import graphc.runtime
from graphc import config
from graphc.codegen.target import Target, compiler, host_target
from graphc.ir.graph import Graph
from graphc.ir.nested import all_graphs
from graphc.ir.ops import OPS
from graphc.ir.printer import named_constants, print_graph
from graphc.resources import Resources
from graphc.runtime.artifact import (
    POOL_SYMBOL,
    Artifact,
    Manifest,
    PythonRecord,
    Structure,
    TargetRecord,
)
from graphc.runtime.cache import Cache, Entry
from graphc.runtime.errors import ArtifactError
from graphc.runtime.records import to_json
from graphc.runtime.threads import compiled_pool, load_pool, pool_text

Array = NDArray[Any]

LARGEST_LIMIT = 1 << 30
"""MiB."""


def opened() -> Cache | None:
    """The cache that the environment names, None where it names none."""
    folder = config.cache_folder()
    if folder is None:
        return None
    return Cache(folder, config.CACHE_LIMIT.number(LARGEST_LIMIT) << 20)


@dataclass(frozen=True)
class Cached:
    """What the cache has of a program: the code, and the values of its constants."""

    artifact: Artifact
    constants: tuple[Array, ...]
    externals: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Slot:
    """Where a program is kept, or would be. `held` are the arrays that it brings itself."""

    cache: Cache
    key: bytes
    held: tuple[Array, ...]

    @staticmethod
    def of(graph: Graph, structure: Structure, resources: Resources) -> Slot | None:
        """The slot of a program for this machine with these resources; None where there is no
        cache, and for a program that means something in this process alone."""
        cache = opened()
        sources = source_digest()
        if cache is None or sources is None or not _is_portable(graph):
            return None
        constants = named_constants(graph)
        described = [
            print_graph(graph),
            *(value.sha256 for value in constants),
            json.dumps(to_json(structure)),
            repr((*_surroundings(host_target()), *resources)),
            sources,
        ]
        # Lengths first, so that no two lists of texts run together to the same bytes.
        texts = [text.encode() for text in described]
        content = hashlib.sha256(repr([len(text) for text in texts]).encode())
        for text in texts:
            content.update(text)
        return Slot(cache, content.digest(), tuple(value.array for value in constants))

    def fetch(self) -> Cached | None:
        """What is kept here."""
        entry = self.cache.fetch(self.key)
        if entry is None:
            return None
        constants = tuple(
            self.held[value] if isinstance(value, int) else value for value in entry.constants
        )
        return Cached(entry.artifact, constants)

    def store(self, artifact: Artifact, constants: tuple[Array, ...]) -> None:
        """Keep what was compiled, unless the compiler's files have changed under it."""
        if source_digest() == _source_digest_now():
            places = {id(array): position for position, array in enumerate(self.held)}
            values = tuple(places.get(id(array), array) for array in constants)
            self.cache.store(self.key, Entry(artifact, values))

    def discard(self) -> None:
        """Remove what is kept here."""
        self.cache.discard(self.key)


def load_pool_from(cache: Cache) -> None:
    """Have the pool of threads, whose object is kept like a step; where it is not there, it is
    compiled and put there."""

    def kept() -> bytes:
        entry = cache.fetch(_pool_key())
        if entry is not None:
            return entry.artifact.kernels
        manifest = Manifest("pool", POOL_SYMBOL, TargetRecord(host_target().triple, "", ""))
        artifact = Artifact(manifest, compiled_pool(), b"")
        cache.store(_pool_key(), Entry(artifact))
        return artifact.kernels

    try:
        load_pool(kept)
    except ArtifactError:  # what was written can no longer be linked: it is compiled when needed
        cache.discard(_pool_key())


def _pool_key() -> bytes:
    triple = host_target().triple
    text = repr(("pool", triple, pool_text(triple, linked=False), compiler()))
    return hashlib.sha256(text.encode()).digest()


def _is_portable(graph: Graph) -> bool:
    """Whether the text of a graph says all about it: it is of known ops, and calls nothing that
    lives in this process."""
    return all(
        OPS.get(node.op.name) is node.op and not node.op.foreign
        for each in all_graphs(graph)
        for node in each.nodes
    )


@cache
def _surroundings(target: Target) -> tuple[object, ...]:
    """What besides the program and graphc itself decides the code."""
    return graphc.__version__, target, compiler(), PythonRecord.current(), np.__version__


@cache
def source_digest() -> str | None:
    """Which graphc this process runs. None where that cannot be told: a file was changed after
    graphc was loaded."""
    return _source_digest_now()


def _source_digest_now() -> str | None:
    try:
        files = sorted(_source_files())
    except OSError:  # graphc is not in files, or one has just been replaced
        return None
    if not files or max(changed for _, _, changed in files) >= graphc._loaded_at * 1e9:
        return None
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _source_files() -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of each file of graphc; contents would take longer to read."""
    whole = graphc.__path__[0]
    rooms = [room.__path__[0] for room in (graphc.ir, graphc.codegen, graphc.runtime)]
    # In a checkout the rooms lie beside graphc/, installed they are part of it.
    pending = [whole, *(room for room in rooms if not room.startswith(whole + os.sep))]
    while pending:
        for item in os.scandir(pending.pop()):
            if item.name.endswith(".py") and not item.name.startswith("."):
                found = item.stat()
                yield item.path, found.st_size, found.st_mtime_ns
            elif item.is_dir() and item.name != "__pycache__":
                pending.append(item.path)
