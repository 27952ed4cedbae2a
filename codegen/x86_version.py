"""Which version of its code an x86 processor can run, found while a program runs.

Owns `version_text`. Imports the questions. Invariant: the code that asks is for the least processor
of the platform, so that it runs everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.cpuid import SYSTEM, Question

# LLVM takes text of instructions only on the processor that it is about. As data at the entry of a
# function, which LLVM calls prologue data, their bytes can be written anywhere. They end in a
# return, so that the body, which LLVM wants to see, is never reached.
_CPUID_64 = (
    "53"  # push rbx
    "4989d0"  # mov r8, rdx
    "89f8"  # mov eax, edi
    "89f1"  # mov ecx, esi
    "0fa2"  # cpuid
    "418900"  # mov [r8], eax
    "41895804"  # mov [r8 + 4], ebx
    "41894808"  # mov [r8 + 8], ecx
    "4189500c"  # mov [r8 + 12], edx
    "5b"  # pop rbx
    "c3"  # ret
)
_CPUID_32 = (
    "53"  # push ebx
    "57"  # push edi
    "8b44240c"  # mov eax, [esp + 12]
    "8b4c2410"  # mov ecx, [esp + 16]
    "8b7c2414"  # mov edi, [esp + 20]
    "0fa2"  # cpuid
    "8907"  # mov [edi], eax
    "895f04"  # mov [edi + 4], ebx
    "894f08"  # mov [edi + 8], ecx
    "89570c"  # mov [edi + 12], edx
    "5f"  # pop edi
    "5b"  # pop ebx
    "c3"  # ret
)
_XGETBV = (
    "31c9"  # xor ecx, ecx
    "0f01d0"  # xgetbv
    "c3"  # ret
)

_TEXT = """\
@graphc.found = internal global i32 0
{questions}
{cpuid}
{xgetbv}
; Whether all questions, of 5 words each, have the right answer.
define internal i1 @graphc.answers(ptr %questions, i32 %count) #0 {{
entry:
  %answer = alloca [4 x i32], align 4
  br label %next
next:
  %i = phi i32 [ 0, %entry ], [ %following, %right ]
  %done = icmp eq i32 %i, %count
  br i1 %done, label %yes, label %ask
ask:
  %question = getelementptr [5 x i32], ptr %questions, i32 %i
  %question.subleaf = getelementptr i32, ptr %question, i32 1
  %question.register = getelementptr i32, ptr %question, i32 2
  %question.mask = getelementptr i32, ptr %question, i32 3
  %question.least = getelementptr i32, ptr %question, i32 4
  %leaf = load i32, ptr %question
  %system = icmp eq i32 %leaf, {system}
  br i1 %system, label %saved, label %known
saved:
  %kept = call {convention}i32 @graphc.xgetbv()
  br label %compare
known:
  ; Of a leaf behind its last, a processor says anything. The last begins a series of leaves.
  %series = and i32 %leaf, {series}
  call {convention}void @graphc.cpuid(i32 %series, i32 0, ptr %answer)
  %last = load i32, ptr %answer
  %behind = sub i32 %last, %leaf
  %there = icmp ult i32 %behind, 65536
  br i1 %there, label %look, label %no
look:
  %subleaf = load i32, ptr %question.subleaf
  call {convention}void @graphc.cpuid(i32 %leaf, i32 %subleaf, ptr %answer)
  %register = load i32, ptr %question.register
  %place = getelementptr i32, ptr %answer, i32 %register
  %said = load i32, ptr %place
  br label %compare
compare:
  %value = phi i32 [ %kept, %saved ], [ %said, %look ]
  %mask = load i32, ptr %question.mask
  %least = load i32, ptr %question.least
  %masked = and i32 %value, %mask
  %enough = icmp uge i32 %masked, %least
  br i1 %enough, label %right, label %no
right:
  %following = add i32 %i, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}
; The number of the last version that can run, -1 for none. Whoever asks at the same time finds the
; same, so it is kept without a lock.
define internal i32 @graphc.version() #0 {{
entry:
  %known = load atomic i32, ptr @graphc.found monotonic, align 4
  %asked = icmp ne i32 %known, 0
  br i1 %asked, label %answered, label %version{count}
answered:
  ret i32 %known
{attempts}
found:
  %version = phi i32 {outcomes}
  store atomic i32 %version, ptr @graphc.found monotonic, align 4
  ret i32 %version
}}
"""


def version_text(versions: Sequence[Sequence[Question]], *, is_64_bit: bool) -> str:
    """LLVM text of `i32 @graphc.version()`, given what each version, from 1, has to ask."""
    convention = "x86_64_sysvcc " if is_64_bit else ""
    numbers = range(len(versions), 0, -1)
    return _TEXT.format(
        questions="\n".join(_table(i + 1, asked) for i, asked in enumerate(versions)),
        cpuid=_function(
            f"{convention}void @graphc.cpuid(i32 %leaf, i32 %subleaf, ptr %answer)",
            _CPUID_64 if is_64_bit else _CPUID_32,
            "ret void",
        ),
        xgetbv=_function(f"{convention}i32 @graphc.xgetbv()", _XGETBV, "ret i32 0"),
        convention=convention,
        system=SYSTEM,
        series=-(1 << 31),
        count=len(versions),
        attempts="\n".join(_attempt(i, len(versions[i - 1])) for i in numbers),
        outcomes=", ".join([*(f"[ {i}, %version{i} ]" for i in numbers), "[ -1, %version0 ]"]),
    )


def _table(number: int, asked: Sequence[Question]) -> str:
    rows = (", ".join(f"i32 {word}" for word in question.words) for question in asked)
    table = ", ".join(f"[5 x i32] [{row}]" for row in rows)
    kind = f"[{len(asked)} x [5 x i32]]"
    return f"@graphc.questions{number} = private unnamed_addr constant {kind} [{table}]"


def _attempt(number: int, count: int) -> str:
    below = f"version{number - 1}"
    lines = [
        f"version{number}:",
        f"  %can{number} = call i1 @graphc.answers(ptr @graphc.questions{number}, i32 {count})",
        f"  br i1 %can{number}, label %found, label %{below}",
    ]
    return "\n".join(lines if number > 1 else [*lines, f"{below}:", "  br label %found"])


def _function(signature: str, instructions: str, body: str) -> str:
    data = "".join(f"\\{byte:02x}" for byte in bytes.fromhex(instructions))
    size = len(instructions) // 2
    return (
        f"define internal {signature} noinline optnone nounwind "
        f'prologue [{size} x i8] c"{data}" {{ {body} }}'
    )
