"""A small C program that uses a library.

Owns `example_text`. Imports `c_names`. Invariant: it builds with the header and the object alone,
and its exit status says whether all calls succeeded.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.aot.c_names import Parameter, fresh, parameters_of, variable_name
from graphc.runtime.library_manifest import LibraryEntry, LibraryManifest

_TEXT = """\
/* Calls each function of {name} {rounds} times on made-up data, and prints the first number of its
 * first result. Build it: cc example.c {name}.o -o example{options} */
#include <stdio.h>

#include "{name}.h"

static unsigned char state_memory[{name}_state_bytes + {name}_alignment];
static unsigned char workspace_memory[{name}_workspace_bytes + {name}_alignment];

{arrays}
static void *aligned(void *memory) {{
    uintptr_t address = (uintptr_t)memory, last = {name}_alignment - 1;
    return (void *)((address + last) & ~last);
}}

static int failed(int status) {{
    fprintf(stderr, "{name}: %s\\n", {name}_message(status));
    return 1;
}}

int main(void) {{
    void *state = aligned(state_memory), *workspace = aligned(workspace_memory);
    int status = {name}_init(state), round;
    if (status) return failed(status);
{fills}
    for (round = 0; round < {rounds}; round++) {{
{calls}    }}
    return 0;
}}
"""

_ROUNDS = 5


def example_text(manifest: LibraryManifest) -> str:
    """`example.c`."""
    arrays, fills, calls = [], [], []
    taken = {"state_memory", "workspace_memory", "aligned", "failed", "main"}
    for entry in manifest.entries:
        used = []
        for parameter in parameters_of(entry, manifest.name):
            wished = variable_name(f"{entry.name}_{parameter.name}", manifest.name)
            array = fresh(wished, taken)
            used.append((parameter, array))
            size = max(parameter.argument.size, 1)
            arrays.append(f"static {parameter.type} {array}[{size}];\n")
            if not parameter.is_output:
                fills.append(_fill(entry, parameter, array))
        calls.append(_call(manifest, entry, used))
    return _TEXT.format(
        name=manifest.name,
        rounds=_ROUNDS,
        options=" -pthread" if manifest.threads > 1 else "",
        arrays="".join(arrays),
        fills="\n".join(["    size_t i;", *fills]) if fills else "",
        calls="".join(calls),
    )


def _fill(entry: LibraryEntry, parameter: Parameter, array: str) -> str:
    """Numbers that differ; indices that are in range."""
    sizes = [guard.size for guard in entry.guards if guard.input == parameter.argument.name]
    most = min([*sizes, 100]) if parameter.argument.dtype != "bool" else 2
    value = f"i % {most}"
    if parameter.type in ("float", "double"):
        value = "(double)(i % 17) / 16.0 - 0.5"
    count = parameter.argument.size
    return f"    for (i = 0; i < {count}; i++) {array}[i] = ({parameter.type})({value});"


def _call(
    manifest: LibraryManifest, entry: LibraryEntry, used: Sequence[tuple[Parameter, str]]
) -> str:
    arguments = ", ".join(["state", "workspace", *(array for _, array in used)])
    lines = [
        f"        status = {manifest.name}_{entry.name}({arguments});",
        "        if (status) return failed(status);",
    ]
    if results := [array for parameter, array in used if parameter.is_output]:
        first = results[0]
        lines.append(f'        printf("{entry.name}: %g\\n", (double){first}[0]);')
    return "\n".join(lines) + "\n"
