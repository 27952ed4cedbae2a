"""Libraries in programs: two at once, by way of CMake and pkg-config, in folders that moved."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from tests.graphc.exporting import STRICT, c_compiler, run, tool

SIDE = 128

PROGRAM = """\
#include <stdio.h>

#include "left.h"
#include "right.h"

static unsigned char memory[left_state_bytes + right_state_bytes + left_workspace_bytes +
                            right_workspace_bytes + 4 * left_alignment];
static unsigned char *end = memory;
static float x[SIDE * SIDE];

static void *place(size_t bytes) {
    unsigned char *begin = end + (left_alignment - (uintptr_t)end % left_alignment);
    end = begin + bytes;
    return begin;
}

int main(void) {
    void *first = place(left_state_bytes), *second = place(right_state_bytes);
    float sums[2];
    int32_t rows[2] = {0, SIDE - 1};
    int i;
    for (i = 0; i < SIDE * SIDE; i++) x[i] = 1;
    if (left_init(first) || right_init(second)) return 1;
    if (left_step(first, place(left_workspace_bytes), x, rows, &sums[0])) return 2;
    if (right_step(second, place(right_workspace_bytes), x, rows, &sums[1])) return 3;
    printf("%g %g\\n", sums[0], sums[1]);
    return 0;
}
""".replace("SIDE", str(SIDE))
PRINTED = f"{SIDE * SIDE * 2 * 0.5:g} {SIDE * SIDE * 2 * 0.25:g}\n"

CMAKE = """\
cmake_minimum_required(VERSION 3.13)
project(both C)
{}
add_executable(both main.c)
target_link_libraries(both PRIVATE {})
"""


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A program beside two libraries, whose functions and parameters have the same names."""
    for name, value in (("left", 0.5), ("right", 0.25)):
        w = gc.param("w", np.full((SIDE, SIDE), value, "float32"))
        x, rows = gc.input("x", (SIDE, SIDE)), gc.input("rows", 2, gc.int32)
        step = gc.compile([x, rows], (x @ w)[rows].sum(), {w: w / 2})
        gc.export(tmp_path / "made" / name, name=name, threads=request.param, step=step)
    (tmp_path / "main.c").write_text(PROGRAM)
    return tmp_path


def run_cmake(folder: Path, *lines: str) -> str:
    *finding, libraries = lines
    (folder / "CMakeLists.txt").write_text(CMAKE.format("\n".join(finding), libraries))
    run([tool("cmake"), "-S", ".", "-B", "a build"], folder)
    run([tool("cmake"), "--build", "a build"], folder)
    return run([folder / "a build" / "both"], folder)


def test_cmake_builds_the_example(folder: Path, tmp_path: Path) -> None:
    run([tool("cmake"), "-S", folder, "-B", tmp_path / "b"], tmp_path)
    run([tool("cmake"), "--build", tmp_path / "b"], tmp_path)
    assert "train:" in run([tmp_path / "b" / "example"], tmp_path)


def test_two_objects_in_one_program(project: Path) -> None:
    objects = [project / "made" / name / f"{name}.o" for name in ("left", "right")]
    include = [f"-I{each.parent}" for each in objects]
    run([c_compiler(), *STRICT, *include, "main.c", *objects, "-pthread", "-o", "both"], project)
    assert run([project / "both"], project) == PRINTED


def test_two_shared_libraries_in_one_program(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [project / "made" / name for name in ("left", "right")]
    places = [option for each in folders for option in (f"-I{each}", f"-L{each}")]
    run([c_compiler(), *places, "main.c", "-lleft", "-lright", "-o", "both"], project)
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(map(str, folders)))
    assert run([project / "both"], project) == PRINTED


def test_cmake_adds_folders_with_spaces_in_their_names(project: Path) -> None:
    (project / "made").rename(project / "third party")
    folders = [f'add_subdirectory("third party/{name}" {name})' for name in ("left", "right")]
    assert run_cmake(project, *folders, "left right") == PRINTED


def test_pkg_config_finds_folders_that_moved(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "made").rename(project / "moved")
    folders = [project / "moved" / name for name in ("left", "right")]
    monkeypatch.setenv("PKG_CONFIG_PATH", os.pathsep.join(map(str, folders)))
    options = run([tool("pkg-config"), "--cflags", "--libs", "left", "right"], project).split()
    run([c_compiler(), *STRICT, "main.c", *options, "-o", "both"], project)
    assert run([project / "both"], project) == PRINTED
    finding = "pkg_check_modules(BOTH REQUIRED IMPORTED_TARGET left right)"
    printed = run_cmake(project, "find_package(PkgConfig REQUIRED)", finding, "PkgConfig::BOTH")
    assert printed == PRINTED
