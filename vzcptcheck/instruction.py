"""Execute the CPUID instruction, which Python has no words for.

Source of the instruction's facts: Intel 64 and IA-32 Architectures Software Developer's
Manual, volume 2, CPUID. The functions below are called as C would call
``void cpuid(uint32_t answer[4], uint32_t leaf, uint32_t subleaf)``.
"""

import errno
import mmap
import os
import sys

try:
    import ctypes
except (ImportError, MemoryError):
    # A Python built without libffi has none, and some versions make a callback as they import
    # it, for which a hardened kernel gives no memory.
    ctypes = None  # type: ignore[assignment]

#: System V ABI, x86-64: arguments in rdi, esi, edx; rbx belongs to the caller.
X86_64_CODE = (
    b"\x53"  #         push  rbx
    b"\x89\xf0"  #     mov   eax, esi        the leaf
    b"\x89\xd1"  #     mov   ecx, edx        the subleaf
    b"\x0f\xa2"  #     cpuid
    b"\x89\x07"  #     mov   [rdi], eax
    b"\x89\x5f\x04"  # mov   [rdi+4], ebx
    b"\x89\x4f\x08"  # mov   [rdi+8], ecx
    b"\x89\x57\x0c"  # mov   [rdi+12], edx
    b"\x5b"  #         pop   rbx
    b"\xc3"  #         ret
)

#: cdecl, i386: arguments on the stack; ebx and edi belong to the caller.
I386_CODE = (
    b"\x53"  #             push  ebx
    b"\x57"  #             push  edi
    b"\x8b\x7c\x24\x0c"  # mov   edi, [esp+12]   the answer, above edi, ebx, return address
    b"\x8b\x44\x24\x10"  # mov   eax, [esp+16]   the leaf
    b"\x8b\x4c\x24\x14"  # mov   ecx, [esp+20]   the subleaf
    b"\x0f\xa2"  #         cpuid
    b"\x89\x07"  #         mov   [edi], eax
    b"\x89\x5f\x04"  #     mov   [edi+4], ebx
    b"\x89\x4f\x08"  #     mov   [edi+8], ecx
    b"\x89\x57\x0c"  #     mov   [edi+12], edx
    b"\x5f"  #             pop   edi
    b"\x5b"  #             pop   ebx
    b"\xc3"  #             ret
)

#: What uname -m prints where the instruction is sure to be: a 486 may lack it.
_MACHINES = ("x86_64", "i686", "i586")


def execute_cpuid(leaf: "int", subleaf: "int") -> "tuple[int, int, int, int]":
    """Execute CPUID with these in eax and ecx; return eax, ebx, ecx, edx.

    All six are unsigned 32-bit numbers. The answer is that of the CPU which this process runs
    on at that moment. Raises ``OSError``: ENOSYS on another machine than an x86 and on a Python
    that cannot call machine code, else what the kernel writes to an executable page.
    """
    if ctypes is None:
        raise _not_here("this Python has no ctypes to call machine code with")
    code = _code_for(os.uname().machine, sys.maxsize)
    page = mmap.mmap(
        -1,
        mmap.PAGESIZE,
        flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
        prot=mmap.PROT_READ | mmap.PROT_WRITE,
    )
    try:
        page.write(code)
        address = _address_of(page)
        _make_executable(address, len(page))
        return _call(address, leaf, subleaf)
    finally:
        page.close()


def _code_for(machine: "str", largest_index: "int") -> "bytes":
    """Choose by the width of pointers: a 32-bit Python may run on an x86_64 kernel."""
    if machine not in _MACHINES:
        raise _not_here(f"no CPUID instruction on {machine}")
    return X86_64_CODE if largest_index > 1 << 32 else I386_CODE


def _address_of(page: "mmap.mmap") -> "int":
    """Tell where the page lies; nothing keeps hold of it, so that it can be freed."""
    return ctypes.addressof(ctypes.c_char.from_buffer(page))


def _make_executable(address: "int", size: "int") -> "None":
    """Take the right to write and give the right to execute, in one step."""
    mprotect = _libc().mprotect
    mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    mprotect.restype = ctypes.c_int
    if mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _libc() -> "ctypes.CDLL":
    """Find the C library that this Python runs on; a static Python has none to find."""
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError as error:
        # The dynamic linker's errors carry no errno.
        raise _not_here(f"the C library cannot be called: {error}") from error


def _call(address: "int", leaf: "int", subleaf: "int") -> "tuple[int, int, int, int]":
    answer = (ctypes.c_uint32 * 4)()
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
    signature(address)(ctypes.addressof(answer), leaf, subleaf)
    eax, ebx, ecx, edx = answer
    return eax, ebx, ecx, edx


def _not_here(why: "str") -> "OSError":
    return OSError(errno.ENOSYS, why)
