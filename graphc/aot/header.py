"""The C header of a library.

Owns `header_text`. Imports the contract of libraries and `c_names`. Invariant: the text is C99 and
C++, and says of every pointer what it must point to.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from graphc.aot.c_names import parameters_of
from graphc.runtime.library_manifest import (
    ABI,
    ALIGNMENT,
    MESSAGES,
    STATUSES,
    LibraryEntry,
    LibraryManifest,
)
from graphc.runtime.platforms import architecture

_COLUMNS = 97
"""Of text in a comment."""

_TEXT = """\
/* {name}: a model that learns, compiled by graphc {version} for {processors}.
 *
 * You own all memory: allocate {name}_state_bytes and {name}_workspace_bytes, both aligned to
 * {name}_alignment bytes, and call {name}_init(state) once. Together that is {total} bytes.
 * The state holds the parameters: write its bytes to a file to keep what was learned, read them
 * back, and have them checked with {name}_check(state). The workspace holds nothing between calls.
 * Functions allocate nothing and keep nothing; calls on different states and workspaces may run at
 * the same time{threads}.
 *
{linked}
 *{processor}
 * Arrays are contiguous, row-major and of the element types below; one without elements may be
 * NULL. What a function writes (state, workspace, results) lies apart from all else that it is
 * given; two inputs may be the same array.
 *
 * Every function returns 0, or a status that {name}_message explains; then it has changed nothing.
 */
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {name}_abi_version {abi}
#define {name}_state_bytes ((size_t){state})
#define {name}_workspace_bytes ((size_t){workspace})
#define {name}_alignment ((size_t){alignment})

/* The object's version of the interface: {name}_abi_version. */
extern const uint32_t {name}_abi;

/* What this header and its object have in common: those of two builds do not link. */
#define {name}_interface UINT64_C({interface:#018x})
#ifdef __GNUC__
extern const uint8_t {build_symbol};
static const uint8_t *const {name}_build __attribute__((used)) = &{build_symbol};
#endif

enum {{
{statuses}
}};

/* A parameter in the state, `offset` bytes from its beginning. */
typedef struct {{
    const char *name;
    const char *type;
    const size_t *shape;
    size_t rank;
    size_t offset;
    size_t bytes;
}} {name}_param;

/* The parameters, with one behind the last whose name is NULL:
{params}
 */
extern const {name}_param {name}_params[{count}];

int {name}_initialize(void *state, uint64_t interface_number);
int {name}_validate(const void *state, uint64_t interface_number);

/* Give all parameters their initial values. */
static inline int {name}_init(void *state) {{
    return {name}_initialize(state, {name}_interface);
}}

/* Whether a state was initialized here or by another build of the same model: 0 if it was. */
static inline int {name}_check(const void *state) {{
    return {name}_validate(state, {name}_interface);
}}

/* What a status means, in English. */
const char *{name}_message(int status);
{entries}
#ifdef __cplusplus
}}
#endif

#endif
"""


def header_text(manifest: LibraryManifest, undefined: Iterable[str]) -> str:
    """`NAME.h`; `undefined` are the functions of others that the object calls."""
    name = manifest.name
    statuses = ",\n".join(
        f"    {name}_{status} = {number} /* {MESSAGES[number]} */"
        for status, number in STATUSES.items()
    )
    params = [f" *   {each.name}: {each.type}" for each in manifest.state] or [" *   none"]
    total = manifest.state_bytes + manifest.workspace_bytes
    threads = f", on up to {manifest.threads} threads each, which wait for later calls"
    return _TEXT.format(
        name=name,
        version=manifest.graphc_version,
        processors=_processors(manifest),
        total=total,
        threads=threads if manifest.threads > 1 else "",
        processor=_processor_check(manifest),
        linked="\n".join(_linked(undefined)),
        guard=f"GRAPHC_{name}_H",
        abi=ABI,
        state=manifest.state_bytes,
        workspace=manifest.workspace_bytes,
        alignment=ALIGNMENT,
        interface=manifest.interface,
        build_symbol=manifest.build_symbol,
        statuses=statuses,
        params="\n".join(params),
        count=len(manifest.state) + 1,
        entries="".join(_entry(manifest, entry) for entry in manifest.entries),
    )


def _processor_check(manifest: LibraryManifest) -> str:
    """What is said of a processor that is not the right one."""
    target = manifest.targets[0]
    family = architecture(target.triple)
    if family == "x86":
        return f"""
 * On a processor without the instructions that the code needs, every function of a state returns
 * {manifest.name}_wrong_processor before any other code runs.
 *"""
    if family.startswith("wasm"):
        return ""
    return f"""
 * The processor is not checked on this platform: it must have what {target.cpu} has.
 *"""


def _linked(undefined: Iterable[str]) -> Iterator[str]:
    """What must be linked with the object."""
    names = sorted(undefined)
    # Names with an underscore are a compiler's, by the rules of C.
    of_compiler = [name for name in names if name.startswith("_")]
    of_system = [name for name in names if not name.startswith("_")]
    if not names:
        yield " * Nothing needs to be linked with the object: no C library, no mathematical one."
    if of_system:
        yield " * Link the object with the system's threads (-pthread). It calls"
        yield from _listed(of_system)
    if of_compiler:
        yield " * Link the object with the compiler's runtime library (such as libgcc). It calls"
        yield from _listed(of_compiler)


def _listed(names: Iterable[str]) -> Iterator[str]:
    indent = " *   "
    text = f"{', '.join(names)}."
    yield textwrap.fill(text, 99, initial_indent=indent, subsequent_indent=indent)


def _processors(manifest: LibraryManifest) -> str:
    cpus = " or ".join(target.cpu or "any processor" for target in manifest.targets)
    return f"{manifest.targets[0].triple}, {cpus}"


def _entry(manifest: LibraryManifest, entry: LibraryEntry) -> str:
    pointers = ["void *state", "void *workspace"]
    pointers += [each.declaration for each in parameters_of(entry, manifest.name)]
    parameters = ",\n    ".join(pointers)
    comment = "\n".join(f" * {line}".rstrip() for line in _comment(manifest.name, entry))
    return f"\n/*{comment[2:]}\n */\nint {manifest.name}_{entry.name}(\n    {parameters});\n"


def _comment(library: str, entry: LibraryEntry) -> Iterator[str]:
    changes = f"Changes {', '.join(entry.updates) or 'no parameter'}."
    yield from textwrap.wrap(changes, _COLUMNS, subsequent_indent="  ", break_long_words=False)
    for parameter in parameters_of(entry, library):
        verb = "gets" if parameter.is_output else "is"
        notes = [
            f"; each value is from {guard.minimum} to {guard.size - 1}"
            for guard in entry.guards
            if not parameter.is_output and guard.input == parameter.argument.name
        ]
        yield f"  {parameter.name} {verb} {parameter.argument.type}{''.join(notes)}"
