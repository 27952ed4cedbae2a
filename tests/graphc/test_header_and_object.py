"""A header and an object: their version, and that those of two builds do not go together."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

import graphc as gc
from graphc.aot import linking
from tests.graphc.exporting import Model, c_compiler, declare, run


@pytest.fixture
def model() -> Model:
    return declare()


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    model.export(tmp_path / "net")
    return tmp_path / "net"


def test_the_version_of_the_interface_can_be_read(folder: Path) -> None:
    library = gc.load(folder)
    code = ctypes.CDLL(str(folder / linking.shared_name(library.manifest)))
    assert ctypes.c_uint32.in_dll(code, "net_abi").value == 1
    assert "#define net_abi_version 1\n" in (folder / "net.h").read_text()


@pytest.mark.parametrize("form", ["object", "shared"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_and_object_of_two_builds_do_not_link(
    form: str, language: str, model: Model, folder: Path, tmp_path: Path
) -> None:
    """Also where the program never calls init: it goes on with a state that it kept."""
    other = gc.export(tmp_path / "other", name="net", train=model.train)
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void) { return net_train(0, 0, 0, 0, 0) != net_unaligned; }\n'
    )
    compiler = c_compiler() if language == "c" else "c++"
    for code in (folder, tmp_path / "other"):
        linked = code / ("net.o" if form == "object" else linking.shared_name(other.manifest))
        command = [compiler, "-Wall", "-Wextra", "-Werror", f"-I{folder}", "-x", language, "main.c"]
        command += ["-x", "none", str(linked), "-o", "program"]
        outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if code == folder:
            assert outcome.returncode == 0, outcome.stderr
            run([tmp_path / "program"], tmp_path)
        else:
            assert outcome.returncode
            assert gc.load(folder).manifest.build_symbol in outcome.stderr
