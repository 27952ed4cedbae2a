"""Names of a library, its entries and their arguments, in C, in CMake and from Python."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import graphc as gc
from graphc.cli import main
from graphc.runtime.library_manifest import RESERVED
from tests.graphc.exporting import STRICT, c_compiler, cpp_compiler, run, tool

X = np.arange(3, dtype="float32")


def doubling(name: str = "x") -> gc.Step:
    """A step whose input has a name, beside inputs of types from headers."""
    x, count = gc.input(name, 3), gc.input("n", 3, gc.int32)
    return gc.compile([x, count], {"x": x * 2, "y": x + count})


def run_example(folder: Path, name: str, *options: str) -> str:
    """Build the example with all warnings, and run it."""
    command = [c_compiler(), *STRICT, *options, "example.c", f"{name}.o", "-o", "example"]
    run(command, folder)
    return run([folder / "example"], folder)


@pytest.mark.parametrize(
    "name",
    [
        *("layer.w", "for", "class", "state", "workspace", "i", "status", "void"),
        *("int32_t", "size_t", "NULL", "INT8_MAX", "linux", "net_alignment", "net_param"),
    ],
)
def test_of_an_input(name: str, tmp_path: Path) -> None:
    gc.export(tmp_path / "net", name="net", f=doubling(name))
    assert "f: -1" in run_example(tmp_path / "net", "net")
    run_example(tmp_path / "net", "net", "-std=gnu99")
    got = gc.load(tmp_path / "net").f(X, X.astype("int32"))
    assert_array_equal(got["x"], 2 * X)


MACROS = """
errno NULL EOF INT8_MAX CHAR_BIT stdin stdout stderr assert true bool INFINITY NAN M_PI I complex
imaginary SIZE_MAX UINT64_C WCHAR_MAX RAND_MAX L_tmpnam P_tmpdir FOPEN_MAX PRId32 offsetof va_list
isnan sin noreturn linux unix near far small interface setjmp SIGINT and xor GRAPHC_net_H
"""
KEYWORDS = """
int class template default signed nullptr char8_t concept co_await constinit typeof_unqual final
import _Bool _Complex _Atomic _Generic _Thread_local _Static_assert __func__ __cplusplus __FILE__
"""
OF_THE_PROGRAM = "main state workspace status round i last aligned failed FILE printf net net_param"
HEADERS = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg
stdbool stddef stdint stdio stdlib string time wchar wctype
"""


def test_of_very_many_inputs(tmp_path: Path) -> None:
    """With the names of macros, keywords and what the example declares; behind all headers of C."""
    names = f"{MACROS} {KEYWORDS} {OF_THE_PROGRAM}".split()
    dtypes = [gc.float32, gc.float16, gc.bfloat16, gc.bool_, gc.int64, gc.uint8, gc.float64]
    inputs = [gc.input(name, 2, dtypes[i % 7]) for i, name in enumerate(names)]
    total = sum((x.astype(gc.float32).sum() for x in inputs), gc.const(np.float32(0)))
    folder = tmp_path / "net"
    gc.export(folder, name="net", many=gc.compile(inputs, total))
    includes = "".join(f"#include <{header}.h>\n" for header in HEADERS.split())
    (folder / "all.c").write_text(f'{includes}#include "net.h"\n')
    assert run_example(folder, "net", "-Wshadow", "-Wconversion").count("many:") == 5
    strict = [*STRICT[1:], "-Wconversion", "-Wshadow", "-Wundef", "-Wcast-qual", "-fsyntax-only"]
    for standard in ("c99", "c11", "gnu11"):
        run([c_compiler(), f"-std={standard}", *strict, "all.c", "example.c"], folder)
    for standard in ("c++11", "c++17"):
        command = [cpp_compiler(), f"-std={standard}", *strict, "-x", "c++"]
        run([*command, "all.c", "example.c"], folder)


def test_indices_without_signs_have_none_in_the_header(tmp_path: Path) -> None:
    table = gc.const(np.arange(7, dtype="float32"))
    i, j = gc.input("i", 3, gc.uint8), gc.input("j", 3, gc.int8)
    gc.export(tmp_path / "net", name="net", f=gc.compile([i, j], table[i] + table[j]))
    header = (tmp_path / "net" / "net.h").read_text()
    assert "i is u8[3]; each value is from 0 to 6" in header
    assert "j is i8[3]; each value is from -7 to 6" in header


@pytest.mark.parametrize(
    "name", ["int", "x-y", "2net", "example", "test", "help", "install", "_stdint", "linux"]
)
def test_of_a_library(name: str, tmp_path: Path) -> None:
    """With the compiler's own ways, and with CMake."""
    written = gc.export(tmp_path / name, f=doubling())
    run_example(tmp_path / name, written.manifest.name)
    run([tool("cmake"), "-S", tmp_path / name, "-B", tmp_path / "b"], tmp_path)


def test_arrays_of_the_example_do_not_clash(tmp_path: Path) -> None:
    """Two entries and their inputs, glued; and what would be a type of C."""
    steps = {"a": doubling("b_c"), "a_b": doubling("c"), "size": doubling("t")}
    gc.export(tmp_path / "net", steps, name="net")
    assert run_example(tmp_path / "net", "net").count("size:") == 5


def test_an_entry_without_inputs_and_one_without_outputs(tmp_path: Path) -> None:
    w, x = gc.param("w", X), gc.input("x", 3)
    steps = {"read": gc.compile([], w + 0), "write": gc.compile([x], (), {w: w + x})}
    gc.export(tmp_path / "both", steps, name="net")
    gc.export(tmp_path / "read", name="net", read=steps["read"])
    run_example(tmp_path / "both", "net")
    run_example(tmp_path / "read", "net")
    library = gc.load(tmp_path / "both")
    library.write(X)
    assert_array_equal(library.read(), 2 * X)


def test_every_name_of_a_library_is_reserved(tmp_path: Path) -> None:
    """Those of its header, and of the library in Python."""
    written = gc.export(tmp_path / "net", name="net", f=doubling())
    header = (tmp_path / "net" / "net.h").read_text()
    names = {*re.findall(r"\bnet_(\w+)", header)} - {"f"}
    build = written.manifest.build_symbol.removeprefix("net_")
    public = {name for name in dir(gc.load(tmp_path / "net")) if not name.startswith("_")} - {"f"}
    assert names - {build} | public == RESERVED


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_of_an_entry_that_every_library_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(gc.errors.NameClashError, match=f"named {name}, .*\n.*such as {name}_step"):
        gc.export(tmp_path / "net", {name: doubling()})
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("name", ["run", "__x", "f2", "main", "example", "folder", "steps"])
def test_of_other_entries(name: str, tmp_path: Path) -> None:
    gc.export(tmp_path / "net", {name: doubling()}, name="net")
    run_example(tmp_path / "net", "net")
    got = getattr(gc.load(tmp_path / "net"), name)(X, X.astype("int32"))
    assert_array_equal(got["x"], 2 * X)


@pytest.mark.parametrize("name", ["target", "init"])
def test_the_command_refuses_an_entry(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "program.py"
    path.write_text(f"import graphc as gc\nx = gc.input('x', 3)\n{name} = gc.compile([x], x)\n")
    assert main(["build", f"{path}:{name}", "-o", str(tmp_path / "net")]) == 2
    assert f"an entry cannot be named {name}" in capsys.readouterr().err
