"""The documentation runs: snippets, commands and graphs in README.md and docs/, doctests, examples.

How a page is read:

- a block marked `python` is run; all of a page's blocks are one program, or several where their
  marks name files (`python mlp.py`). What it prints must be what the `text` block after it says;
- a block marked `python raises` must raise what the `text` block after it says;
- a block marked `console` is a `graphc` command, a C compiler's or a program's that it built, and
  what it prints;
- a block marked `c` and with a name is such a program's file;
- a block marked `gir` is a graph; it must be printed as it stands.

`...` in an expected output stands for anything. A block marked `host` besides shows what depends
on the machine: its command must work, its output is not compared. Stages after the graphs are
made for a machine with 256-bit vectors, so that they can be. `pytest --bless` writes outputs anew
where they have no `...`.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import io
import linecache
import re
import shlex
import subprocess
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import pytest

from graphc.cli import main
from graphc.codegen.target import host_target
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from tests.rooms import ROOT, module_name, sources

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

_FENCE = re.compile(r"^```(?P<mark>\S.*?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?:graphc|ir|codegen|runtime|tests|examples|benchmarks)/[\w/]+\.\w+\b")
_LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the words behind its fence, its text, and where that begins in the page."""

    words: list[str]
    text: str
    start: int

    @property
    def kind(self) -> str:
        return self.words[0]

    @property
    def is_exact(self) -> bool:
        return "host" not in self.words and "..." not in self.text

    def accepts(self, output: str) -> bool:
        """Whether `output` is what the block says, as far as it says it."""
        checker = doctest.OutputChecker()
        return "host" in self.words or checker.check_output(self.text, output, doctest.ELLIPSIS)


NOTHING = Block([""], "", 0)
"""What follows the last block."""


def blocks_of(page: str) -> list[Block]:
    return [
        Block(match["mark"].split(), match["text"], match.start("text"))
        for match in _FENCE.finditer(page)
    ]


@dataclass
class Program:
    """The `python` blocks of one file, run one after the other in one namespace."""

    name: str
    source: str = ""
    namespace: dict[str, object] = field(default_factory=dict)

    def run(self, code: str, raises: bool) -> str:
        """What a block prints, or what it raises. The file grows by it, for commands to read."""
        first = self.source.count("\n")
        self.source += code
        Path(self.name).write_text(self.source, encoding="utf-8")
        linecache.clearcache()
        output = io.StringIO()
        with redirect_stdout(output):
            if not raises:
                exec(compile("\n" * first + code, self.name, "exec"), self.namespace)
                return output.getvalue()
            with pytest.raises(Exception) as caught:  # noqa: PT011  the text block says which
                exec(compile("\n" * first + code, self.name, "exec"), self.namespace)
        return "".join(traceback.format_exception_only(caught.value))


def run_command(line: str) -> str:
    """What `$ graphc ...`, `$ cc ...` or `$ ./program` prints to stdout."""
    prompt, command, *arguments = shlex.split(line)
    assert prompt == "$", f"a console block begins `$`, not {line}"
    if command != "graphc":
        assert command == "cc" or command.startswith("./"), f"the tests do not run {command}"
        done = subprocess.run([command, *arguments], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout
    linecache.clearcache()
    output = io.StringIO()
    with redirect_stdout(output):
        assert main(arguments) == 0, line
    return output.getvalue()


def outputs_of(blocks: list[Block], page: str) -> Iterator[tuple[Block, str]]:
    """Run a page's blocks in order; each block that shows an output, with the real one."""
    programs: dict[str, Program] = {}
    printed = ""
    for block, following in zip(blocks, [*blocks[1:], NOTHING], strict=False):
        if block.kind == "python":
            names = [word for word in block.words if word.endswith(".py")]
            name = names[0] if names else f"{page}.py"
            program = programs.setdefault(name, Program(name))
            printed = program.run(block.text, "raises" in block.words)
            shown = following.kind == "text"
            assert shown or not printed, f"a text block must show what this prints:\n{block.text}"
        elif block.kind == "text":
            yield block, printed
        elif block.kind == "console":
            line, _, expected = block.text.partition("\n")
            at = block.start + len(line) + 1
            yield Block(block.words, expected, at), run_command(line)
        elif block.kind == "c" and len(block.words) > 1:
            Path(block.words[1]).write_text(block.text, encoding="utf-8")
        elif block.kind == "gir":
            yield block, print_graph(parse_graph(block.text))


@pytest.fixture
def pinned_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host, as if its vectors and caches were those of a common machine."""
    target = replace(
        host_target(),
        vector_bits=256,
        vector_registers=16,
        l1_bytes=32 << 10,
        l2_bytes=1 << 20,
        l3_bytes=16 << 20,
        cores=2,
    )
    monkeypatch.setattr("graphc.codegen.pipeline.host_target", lambda: target)


@pytest.mark.usefixtures("pinned_target")
@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_page(path: Path, bless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = path.read_text(encoding="utf-8")
    written, end = [], 0
    for block, output in outputs_of(blocks_of(page), path.stem):
        if block.accepts(output):
            continue
        line = page.count("\n", 0, block.start) + 1
        if not (bless and block.is_exact):
            pytest.fail(
                f"{path.name}:{line} shows\n{block.text}\nbut it is\n{output}\n"
                f"if this is right: pytest tests/test_docs.py -k {path.stem} --bless",
                pytrace=False,
            )
        written += [page[end : block.start], output]
        end = block.start + len(block.text)
    if written:
        path.write_text("".join([*written, page[end:]]), encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_links_lead_somewhere(path: Path) -> None:
    for match in _LINK.finditer(path.read_text(encoding="utf-8")):
        assert (path.parent / match["file"]).exists(), f"{path.name} links to {match['file']}"


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_files_spoken_of_are_there(path: Path) -> None:
    for file in set(_PATH.findall(path.read_text(encoding="utf-8"))):
        assert (ROOT / file).exists(), f"{path.name} speaks of {file}"


def test_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {match["file"] for match in _LINK.finditer(index)}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked


WITH_DOCTESTS = [
    module_name(path) for path in sources() if ">>> " in (ROOT / path).read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_DOCTESTS)
def test_doctests(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def load_example(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example has a `main` that prints something; `EPOCHS`, if it has any, is made one."""
    monkeypatch.chdir(tmp_path)
    example = load_example(path)
    monkeypatch.setattr(example, "EPOCHS", 1, raising=False)
    example.main()
    assert capsys.readouterr().out
