"""A small C program that uses a library.

Owns `example_text`. Imports `c_names`. Invariant: it builds with the header and the object alone,
and its exit status says whether all calls succeeded.
"""

from __future__ import annotations

from graphc.aot.c_names import Parameter, parameters_of
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
    size_t i;
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
    for entry in manifest.entries:
        parameters = parameters_of(entry)
        for parameter in parameters:
            array = _array(entry, parameter)
            size = max(parameter.argument.size, 1)
            arrays.append(f"static {parameter.type} {array}[{size}];\n")
            if not parameter.is_output:
                fills.append(_fill(entry, parameter, array))
        calls.append(_call(manifest, entry, parameters))
    return _TEXT.format(
        name=manifest.name,
        rounds=_ROUNDS,
        options=" -pthread" if manifest.threads > 1 else "",
        arrays="".join(arrays),
        fills="\n".join(fills),
        calls="".join(calls),
    )


def _array(entry: LibraryEntry, parameter: Parameter) -> str:
    return f"{entry.name}_{parameter.name}"


def _fill(entry: LibraryEntry, parameter: Parameter, array: str) -> str:
    """Numbers that differ; indices that are in range."""
    sizes = [guard.size for guard in entry.guards if guard.input == parameter.argument.name]
    most = min([*sizes, 100]) if parameter.argument.dtype != "bool" else 2
    value = f"i % {most}"
    if parameter.type in ("float", "double"):
        value = "(double)(i % 17) / 16.0 - 0.5"
    count = parameter.argument.size
    return f"    for (i = 0; i < {count}; i++) {array}[i] = ({parameter.type})({value});"


def _call(manifest: LibraryManifest, entry: LibraryEntry, parameters: tuple[Parameter, ...]) -> str:
    arguments = ", ".join(["state", "workspace", *(_array(entry, each) for each in parameters)])
    lines = [
        f"        status = {manifest.name}_{entry.name}({arguments});",
        "        if (status) return failed(status);",
    ]
    if results := [each for each in parameters if each.is_output]:
        first = _array(entry, results[0])
        lines.append(f'        printf("{entry.name}: %g\\n", (double){first}[0]);')
    return "\n".join(lines) + "\n"
