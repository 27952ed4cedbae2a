"""`graphc bench`: the rows of the benchmark, beside whichever frameworks are installed.

Owns the command. Imports `graphc.bench`. Invariant: tables go to stdout, progress to stderr; each
result is in the JSON file as soon as it is known.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

from graphc import __version__
from graphc.bench import plot, report, rows
from graphc.bench import run as running
from graphc.bench.frameworks import FRAMEWORKS, PEERS
from graphc.bench.result import Result
from graphc.bench.worker import Request
from graphc.cli.failure import CommandError, meant
from graphc.codegen.target import host_target


def run(options: argparse.Namespace) -> None:
    """Measure what was asked for and report it."""
    names = _chosen(options.rows)
    if options.list:
        sys.stdout.write(_listing(names))
        return
    requests = [_request(name, options) for name in names]
    results: list[Result] = []
    for request in requests:
        for result in running.results(request):
            results.append(result)
            sys.stderr.write(report.text([result]))
            sys.stderr.flush()
            _write(options.json, _as_json(results))
    sys.stdout.write(report.markdown(results, about()))
    _write(options.markdown, report.markdown(results, about()))
    if options.plot:
        _plot(results, options.plot)


def _chosen(given: list[str]) -> list[str]:
    names = [name for each in given for name in each.split(",") if name]
    for name in names:
        if name not in rows.NAMES:
            raise CommandError(f"there is no row {name!r}{meant(name, rows.NAMES)}")
    return names or list(rows.NAMES)


def _request(name: str, options: argparse.Namespace) -> Request:
    cases = [case.name for case in rows.load(name).cases if options.case in case.name]
    only = options.only.split(",") if options.only else None
    for peer in only or ():
        if peer not in PEERS and importlib.util.find_spec(peer) is None:
            raise CommandError(f"there is no framework {peer!r}{meant(peer, PEERS)}")
    return Request(
        row=name,
        cases=cases,
        quick=options.quick,
        threads=options.threads,
        scale=options.scale,
        sizes=dict(map(_size, options.set)),
        only=only,
        clock=options.clock,
    )


def _size(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isdecimal() or int(number) < 1:
        raise CommandError(f"--set takes NAME=NUMBER, got {text!r}")
    return name, int(number)


def _listing(names: list[str]) -> str:
    lines = []
    for name in names:
        row = rows.load(name)
        lines.append(f"{name:14} {row.title}")
        for case in row.cases:
            sizes = " ".join(f"{n}={size}" for n, size in case.sizes.items())
            aims = "; ".join(target.show(None) for target in case.targets)
            lines.append(f"  {case.name}  [{sizes}]  {aims}")
    return "\n".join(lines) + "\n"


def about() -> list[str]:
    """The machine and what is installed, as lines of markdown."""
    target = host_target()
    modules = dict.fromkeys(FRAMEWORKS[peer].MODULE for peer in PEERS)
    found = [module for module in modules if importlib.util.find_spec(module)]
    versions = [f"{module} {importlib.metadata.version(module)}" for module in found]
    return [
        f"- {platform.machine()}, {target.cpu}, {target.vector_bits}-bit vectors, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
        f"- {', '.join([f'graphc {__version__}', *versions])}, Python {platform.python_version()}",
    ]


def _as_json(results: list[Result]) -> str:
    found = {"about": about(), "results": [result.as_json() for result in results]}
    return json.dumps(found, indent=1) + "\n"


def _write(path: str | None, content: str) -> None:
    if path:
        try:
            Path(path).write_text(content, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error}") from None


def _plot(results: list[Result], path: str) -> None:
    try:
        plot.draw(results, path)
    except ImportError:
        raise CommandError(
            'drawing needs matplotlib, in the extra "plot": pip install "graphc[plot]"'
        ) from None
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot draw to {path}: {error}") from None
    sys.stderr.write(f"plot: {path}\n")
