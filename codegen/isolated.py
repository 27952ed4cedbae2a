"""Calls in a process of their own, for what LLVM may answer by ending the process.

Owns `isolated`. Imports the standard library and `codegen.errors`. Invariant: whatever happens
there, the caller gets a result or an exception.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from graphc.codegen.errors import BackendError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_PROGRAM = "from graphc.codegen.isolated import serve; serve()"


def isolated(
    function: Callable[Parameters, Result], *args: Parameters.args, **keywords: Parameters.kwargs
) -> Result:
    """What a function of a module returns, called in another process.

    Raises what it raises; `BackendError` with LLVM's last words if it ends the process. LLVM does
    so for code and processors that it has no instructions for.

    >>> isolated(divmod, 7, 2)
    (3, 1)
    """
    outcome = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=pickle.dumps((function, args, keywords)),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if outcome.returncode:
        words = outcome.stderr.decode(errors="replace").strip().splitlines()
        llvm = [line for line in words if "LLVM ERROR" in line] or words[:1]
        raise BackendError(f"LLVM gave up: {' '.join(llvm) or outcome.returncode}", "", 0)
    succeeded, answer = pickle.loads(outcome.stdout)
    if not succeeded:
        raise answer
    result: Result = answer
    return result


def serve() -> None:
    """Answer one call, from standard input to standard output."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed must not end up in the answer
    function, args, keywords = pickle.load(sys.stdin.buffer)
    try:
        answer = (True, function(*args, **keywords))
    except Exception as error:
        answer = (False, error)
    output.write(pickle.dumps(answer))
    output.close()
