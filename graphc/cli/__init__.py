"""The `graphc` command.

Owns the parser of the command line. Imports each command when it is run. Invariant: what is asked
for goes to stdout, all else to stderr; a mistake of the user's ends with code 2 and no traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from graphc import __version__
from graphc.cli.failure import CommandError
from graphc.config import VARIABLES
from graphc.stages import STAGES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        command = importlib.import_module(f"graphc.cli.{options.command}")
        command.run(options)
    except CommandError as error:
        sys.stderr.write(f"graphc {options.command}: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"graphc {options.command}: interrupted\n")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; the interpreter must not flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    variables = "\n".join(f"  {each.name:<18}   {each.help}" for each in VARIABLES)
    parser = argparse.ArgumentParser(
        prog="graphc",
        description="A compiler for differentiable tensor programs.",
        epilog=f"environment variables:\n{variables}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"graphc {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _add_cache(commands)
    _add_bench(commands)
    _add_build(commands)
    _add_demo(commands)
    _add_dump(commands)
    _add_explain(commands)
    _add_ops(commands)
    _add_profile(commands)
    return parser


def _add_cache(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cache = commands.add_parser(
        "cache",
        help="show or empty the cache of compiled steps",
        description="Show where compiled steps are kept and how much that is, or remove them all.",
    )
    cache.add_argument("action", choices=("info", "clear"), help="show it, or empty it")
    cache.add_argument("--json", action="store_true", help="write info as JSON")


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser(
        "build",
        help="write steps as a library for C",
        description="Write compiled steps as an object file, a C header and what goes with them: "
        "functions over one state, which need neither Python nor any library.",
    )
    build.add_argument(
        "programs",
        nargs="+",
        metavar="[ENTRY=]FILE.py:NAME",
        help="the steps, one or several, each with another name for it if need be",
    )
    build.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where to write it")
    build.add_argument("--name", default="", help="of the library (default: the folder's)")
    build.add_argument(
        "--target", default="", metavar="TRIPLE", help="the platform (default: this machine's)"
    )
    build.add_argument(
        "--cpu",
        default="",
        metavar="NAME",
        help="the processor, host, or several of x86 separated by commas, of which the last that "
        "can run is chosen where the code is called (default: the platform's oldest)",
    )
    build.add_argument(
        "--features", default="", help="instruction sets to add or remove: --features=-fma,+avx2"
    )
    build.add_argument("--threads", type=int, default=1, metavar="N", help="(default: %(default)s)")
    build.add_argument(
        "--force", action="store_true", help="replace a folder with other files in it"
    )
    build.add_argument(
        "--check", action="store_true", help="build again in another process and compare all bytes"
    )
    build.add_argument("--report", action="store_true", help="say how many bytes what takes")
    build.add_argument("--json", action="store_true", help="write it as JSON")


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser(
        "bench",
        help="measure graphc beside other frameworks, on this machine",
        description="Measure graphc beside JAX, PyTorch and PyTensor, whichever are installed, and "
        "beside what the machine can do. Results are compared before anything is timed.",
    )
    bench.add_argument("rows", nargs="*", metavar="ROW", help="rows (default: all; see --list)")
    bench.add_argument("--list", action="store_true", help="list rows, cases, sizes and targets")
    bench.add_argument("--case", default="", metavar="TEXT", help="cases with this in their name")
    bench.add_argument("--only", metavar="PEER,...", help="beside these frameworks only")
    bench.add_argument("--quick", action="store_true", help="a few seconds for each case")
    bench.add_argument(
        "--clock",
        default="wall",
        choices=("wall", "processor"),
        help="count elapsed time or, where other programs run beside, that of processors",
    )
    bench.add_argument("--threads", type=int, metavar="N", help="for all, in place of each case's")
    bench.add_argument("--scale", type=float, default=1, help="multiply all sizes")
    bench.add_argument(
        "--set", action="append", default=[], metavar="NAME=NUMBER", help="change a size"
    )
    bench.add_argument("--json", metavar="FILE", help="write all figures")
    bench.add_argument("--markdown", metavar="FILE", help="write the tables")
    bench.add_argument("--plot", metavar="FILE.png", help="draw how much longer others take")


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="train a network on handwritten digits",
        description="Train a network on 1797 handwritten digits, with a step that graphc "
        "differentiated, fused and compiled, and compare that step with NumPy's.",
    )
    demo.add_argument("--plot", metavar="FILE.png", help="draw the loss curve to a file")
    demo.add_argument("--epochs", type=int, default=40, help="passes over the data (%(default)s)")


def _add_dump(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stages = "\n".join(f"  {stage:<11} {meaning}" for stage, meaning in STAGES.items())
    dump = commands.add_parser(
        "dump",
        help="show a program at any stage of its compilation",
        description="Show a program at any stage of its compilation.",
        epilog=f"stages:\n{stages}\n  all         one after the other",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    dump.add_argument(
        "program",
        metavar="FILE.py[:NAME] | FILE.gir | demo",
        help="a Python file and the step or graph in it, the text of a graph, or the demo",
    )
    dump.add_argument("--stage", default="fused", help="which stage (%(default)s)")
    dump.add_argument(
        "--format",
        default="text",
        choices=("text", "dot", "json"),
        help="how graph stages are written (%(default)s)",
    )
    dump.add_argument(
        "--constants",
        metavar="FILE.npz",
        help="arrays too large for the text: written for a Python file, read for a .gir file",
    )


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = commands.add_parser(
        "explain",
        help="say what an error means and how to fix it",
        description="Say what an error means, with a program that gets it, the message, and the "
        "fix; without a code, list all errors.",
    )
    explain.add_argument("code", nargs="?", help="a code as in GC012, or the name of a class")
    explain.add_argument("--json", action="store_true", help="write it as JSON")


def _add_ops(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ops = commands.add_parser(
        "ops",
        help="list the operations",
        description="List every primitive operation: operands and attributes, dtypes, rules of "
        "differentiation and batching, accuracy, NumPy's names, and what it is.",
    )
    ops.add_argument("name", nargs="?", help="one operation, with its attributes and an example")
    ops.add_argument("--json", action="store_true", help="write it as JSON")


def _add_profile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    profile = commands.add_parser(
        "profile",
        help="show where the time of a step goes",
        description="Compile a program with a clock around each kernel, call it on random inputs, "
        "and show each kernel's time beside what this machine can do.",
    )
    profile.add_argument("program", metavar="FILE.py[:NAME] | FILE.gir | demo", help="as for dump")
    profile.add_argument("--constants", metavar="FILE.npz", help="arrays of a .gir file")
    profile.add_argument("--runs", type=int, help="calls (default: for a third of a second)")
    profile.add_argument("--threads", type=int, help="threads (default: as for gc.compile)")
    profile.add_argument("--json", action="store_true", help="write it as JSON")
