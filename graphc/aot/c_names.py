"""Names and types in C.

Owns `c_identifier`, `variable_name`, `fresh`, `c_type` and `parameters_of`. Imports the contract of
libraries. Invariant: a name that leaves here can be declared in C and in C++, beside the others of
its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphc.runtime.artifact import Argument
from graphc.runtime.library_manifest import LibraryEntry

_KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class co_await
co_return co_yield compl concept const consteval constexpr constinit const_cast continue decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend goto
if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
protected public register reinterpret_cast requires restrict return short signed sizeof static
static_assert static_cast struct switch template this thread_local throw true try typedef typeid
typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
"""
"""Of C and of C++: the header is for both."""

_TYPES = {"bool": "uint8_t", "f16": "uint16_t", "bf16": "uint16_t", "f32": "float", "f64": "double"}
"""Those that are not intN_t or uintN_t. A bool is a byte, 0 or 1; 16-bit floats are their bits."""


_OF_HEADERS = re.compile(
    r"\w+_t|std\w+|I|[A-Z][A-Z0-9_]\w*|errno|complex|imaginary|noreturn|near|far|small|interface"
    r"|vector|pixel|linux|unix|i386|arm|mips|sun"
)
"""Types and macros of headers that a program may include before ours, and of compilers. A macro has
two capitals to begin with, or is one of those exceptions."""

_OF_COMPILERS = re.compile(r"_[_A-Z]\w*")
"""Names that a program must not have."""


@dataclass(frozen=True)
class Parameter:
    """A pointer that an entry takes: its name and type in C, and what it points to."""

    name: str
    type: str
    argument: Argument
    is_output: bool

    @property
    def declaration(self) -> str:
        return f"{'' if self.is_output else 'const '}{self.type} *{self.name}"


def c_type(dtype: str) -> str:
    """The type of an element.

    >>> c_type("f32"), c_type("i8"), c_type("bool")
    ('float', 'int8_t', 'uint8_t')
    """
    if dtype in _TYPES:
        return _TYPES[dtype]
    prefix = "u" if dtype.startswith("u") else ""
    return f"{prefix}int{dtype.lstrip('iu')}_t"


def c_identifier(name: str) -> str:
    """The nearest name that C takes.

    >>> c_identifier("layer.0/w"), c_identifier("2d"), c_identifier("new")
    ('layer_0_w', '_2d', 'new_')
    """
    text = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    if text[0].isdigit():
        text = f"_{text}"
    return f"{text}_" if text in _KEYWORDS.split() else text


def variable_name(name: str, library: str) -> str:
    """The nearest name of a variable, beside the headers of C and that of the library.

    >>> variable_name("size_t", "net"), variable_name("net_alignment", "net")
    ('size_t_', 'net_alignment_')
    >>> variable_name("_Bool", "net"), variable_name("EOF", "net"), variable_name("X", "net")
    ('Bool_', 'EOF_', 'X')
    """
    text = c_identifier(name)
    if _OF_COMPILERS.fullmatch(text):
        text = c_identifier(f"{text.strip('_')}_")
    taken = _OF_HEADERS.fullmatch(text) or text.startswith(f"{library}_")
    return f"{text}_" if taken else text


def parameters_of(entry: LibraryEntry, library: str) -> tuple[Parameter, ...]:
    """What the function of an entry of `library` takes behind the state and the workspace."""
    taken = {"state", "workspace"}
    found = []
    for arguments, is_output in ((entry.inputs, False), (entry.outputs, True)):
        for argument in arguments:
            name = fresh(variable_name(argument.name, library), taken)
            found.append(Parameter(name, c_type(argument.dtype), argument, is_output))
    return tuple(found)


def fresh(name: str, taken: set[str]) -> str:
    """A name that nothing else has, now `taken`: an output may be called as an input is."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
