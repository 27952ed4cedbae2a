"""The microarchitecture level of an x86-64 processor, found while a program runs.

Owns `level_text` and `level_of`. Imports `codegen.target`. Invariant: the code that asks uses the
baseline's instructions alone, so that it runs everywhere.

Source: System V Application Binary Interface, AMD64 Architecture Processor Supplement, table 3.1;
the bits of CPUID are from Intel's Software Developer's Manual, volume 2A.
"""

from __future__ import annotations

from graphc.codegen.target import Target

_BASELINE = 1
_WIDTHS = {128: _BASELINE, 256: 3, 512: 4}


def level_of(target: Target) -> int:
    """The least level that code for a target needs; 1 for other processors."""
    if not target.is_x86_64:
        return _BASELINE
    if target.cpu == "x86-64-v2":
        return 2
    level = _WIDTHS[target.vector_bits]
    return max(level, 3) if target.has("fma.f32") else level


def _mask(*bits: int) -> int:
    return sum(1 << bit for bit in bits)


# In ECX of leaf 1, EBX of leaf 7, ECX of leaf 0x80000001 and XCR0.
_V2 = _mask(0, 9, 13, 19, 20, 23)  # SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT
_V3_FIRST = _mask(12, 22, 27, 28, 29)  # FMA, MOVBE, OSXSAVE, AVX, F16C
_V3_SEVENTH = _mask(3, 5, 8)  # BMI1, AVX2, BMI2
_V3_EXTENDED = _mask(5)  # LZCNT
_V3_SAVED = _mask(1, 2)  # the system keeps SSE and AVX registers
_V4_SEVENTH = _mask(16, 17, 28, 30, 31)  # AVX512 F, DQ, CD, BW, VL
_V4_SAVED = _mask(1, 2, 5, 6, 7)

# LLVM takes text of instructions only on the processor that it is about. As data at the entry of a
# function, which LLVM calls prologue data, their bytes can be written anywhere. Both end in a
# return, so that the body, which LLVM wants to see, is never reached.
_CPUID = (
    "53"  # push rbx
    "89f8"  # mov eax, edi
    "31c9"  # xor ecx, ecx
    "0fa2"  # cpuid
    "8906"  # mov [rsi], eax
    "895e04"  # mov [rsi + 4], ebx
    "894e08"  # mov [rsi + 8], ecx
    "5b"  # pop rbx
    "c3"  # ret
)
_XGETBV = (
    "31c9"  # xor ecx, ecx
    "0f01d0"  # xgetbv
    "c3"  # ret
)

_TEXT = """\
@graphc.level = internal global i32 0
{cpuid}
{xgetbv}
; 1 to 4. Whoever asks at the same time finds the same, so it is kept without a lock.
define internal i32 @graphc.x86_level() #0 {{
entry:
  %answer = alloca [3 x i32], align 4
  %answer.ebx = getelementptr i32, ptr %answer, i64 1
  %answer.ecx = getelementptr i32, ptr %answer, i64 2
  %known = load atomic i32, ptr @graphc.level monotonic, align 4
  %asked = icmp ne i32 %known, 0
  br i1 %asked, label %answered, label %ask
answered:
  ret i32 %known
ask:
  call x86_64_sysvcc void @graphc.cpuid(i32 0, ptr %answer)
  %leaves = load i32, ptr %answer
  %has.seventh = icmp uge i32 %leaves, 7
  call x86_64_sysvcc void @graphc.cpuid(i32 1, ptr %answer)
  %first = load i32, ptr %answer.ecx
  call x86_64_sysvcc void @graphc.cpuid(i32 2147483649, ptr %answer)
  %extended = load i32, ptr %answer.ecx
  %v2.bits = and i32 %first, {v2}
  %v2 = icmp eq i32 %v2.bits, {v2}
  %v3.first.bits = and i32 %first, {v3_first}
  %v3.first = icmp eq i32 %v3.first.bits, {v3_first}
  %v3.extended.bits = and i32 %extended, {v3_extended}
  %v3.extended = icmp eq i32 %v3.extended.bits, {v3_extended}
  %v3.both = and i1 %v3.first, %v3.extended
  %v3.may = and i1 %v3.both, %has.seventh
  %v3.chance = and i1 %v3.may, %v2
  %low = select i1 %v2, i32 2, i32 1
  br i1 %v3.chance, label %high, label %found
high:
  call x86_64_sysvcc void @graphc.cpuid(i32 7, ptr %answer)
  %seventh = load i32, ptr %answer.ebx
  %saved = call x86_64_sysvcc i32 @graphc.xgetbv()
  %v3.seventh.bits = and i32 %seventh, {v3_seventh}
  %v3.seventh = icmp eq i32 %v3.seventh.bits, {v3_seventh}
  %v3.saved.bits = and i32 %saved, {v3_saved}
  %v3.saved = icmp eq i32 %v3.saved.bits, {v3_saved}
  %v3 = and i1 %v3.seventh, %v3.saved
  %v4.seventh.bits = and i32 %seventh, {v4_seventh}
  %v4.seventh = icmp eq i32 %v4.seventh.bits, {v4_seventh}
  %v4.saved.bits = and i32 %saved, {v4_saved}
  %v4.saved = icmp eq i32 %v4.saved.bits, {v4_saved}
  %v4.may = and i1 %v4.seventh, %v4.saved
  %v4 = and i1 %v4.may, %v3
  %third = select i1 %v3, i32 3, i32 %low
  %highest = select i1 %v4, i32 4, i32 %third
  br label %found
found:
  %level = phi i32 [ %low, %ask ], [ %highest, %high ]
  store atomic i32 %level, ptr @graphc.level monotonic, align 4
  ret i32 %level
}}
"""


def level_text() -> str:
    """LLVM text of `i32 @graphc.x86_level()`."""
    return _TEXT.format(
        cpuid=_function("void @graphc.cpuid(i32 %leaf, ptr %answer)", _CPUID, "ret void"),
        xgetbv=_function("i32 @graphc.xgetbv()", _XGETBV, "ret i32 0"),
        v2=_V2,
        v3_first=_V3_FIRST,
        v3_extended=_V3_EXTENDED,
        v3_saved=_V3_SAVED,
        v3_seventh=_V3_SEVENTH,
        v4_saved=_V4_SAVED,
        v4_seventh=_V4_SEVENTH - (1 << 32),
    )


def _function(signature: str, instructions: str, body: str) -> str:
    data = "".join(f"\\{byte:02x}" for byte in bytes.fromhex(instructions))
    size = len(instructions) // 2
    return (
        f"define internal x86_64_sysvcc {signature} noinline optnone nounwind "
        f'prologue [{size} x i8] c"{data}" {{ {body} }}'
    )
