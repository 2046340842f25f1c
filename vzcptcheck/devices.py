"""The kernel's two files, /proc/cpt and /proc/rst, and the requests made of them."""

import errno
import os

from vzcptcheck import ioctls
from vzcptcheck.errors import CheckError, DeviceError, describe_failure
from vzcptcheck.outcome import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import List, Tuple, Type, Union

    from vzcptcheck.syscalls import Syscalls

#: The source's file: checkpoint, module vzcpt.
CPT = "/proc/cpt"
#: The destination's file: restore, module vzrst.
RST = "/proc/rst"

MODULES = {CPT: "vzcpt", RST: "vzrst"}

#: The kernel gathers a request's diagnostics in one page and writes them at once.
_DIAGNOSTICS_SIZE = 4096

_NO_FD = -1

#: What CPT_TEST_VECAPS answers where something in a container cannot be checkpointed.
UNSUPPORTED_FEATURE = 2

#: The largest argument that an ioctl of Python's takes on every width, without the bits that a
#: destination is refused for having: SLM_DMPRST, NO_IPV6. No kernel gives bit 31 a meaning.
EVERYTHING = 0x7FFFFFFF & ~(1 << 24 | 1 << 28)

#: How a diagnostic begins that names a feature which the number lacks.
_MISSING = "Error: Destination cpu does not have "

#: No kernel answers all ones: left in place, it shows that nothing was filled in.
_NOT_FILLED = 0xFFFFFFFF

_COMPAT_HINT = (
    "A 32-bit program on a 64-bit kernel gets this answer to every request: "
    "run vzcptcheck with a 64-bit Python."
)


class Device:
    """One of the two files, open for the length of a ``with`` block.

    The kernel keeps its state (container, error descriptor) per open file.
    """

    def __init__(self, syscalls: "Syscalls", path: "str") -> "None":
        self.path = path
        self._syscalls = syscalls
        self._fd = _NO_FD
        self._diagnostics = _NO_FD

    def __enter__(self) -> "Device":
        try:
            self._fd = self._syscalls.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(self.path, "open", error, self._opening_hint(error)) from error
        return self

    def __exit__(
        self,
        kind: "Type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> "None":
        self._close(self._fd)
        self._close(self._diagnostics)

    def test_version(self, image_version: "int" = 0) -> "int | None":
        """CPT_TEST_VERSION: on /proc/cpt the version written, on /proc/rst 1 (taken) or 0.

        None where the kernel has no such request (EINVAL, kernels before 042stab).
        """
        try:
            return self.request(ioctls.CPT_TEST_VERSION, image_version)
        except DeviceError as error:
            if error.number != errno.EINVAL:
                raise
            # Only a kernel that answers another request is believed to lack this one.
            self.test_caps()
            return None

    def test_caps(self, capnum: "int" = 0) -> "int | None":
        """CPT_TEST_CAPS: on /proc/rst the node's number, on /proc/cpt 0 (fits) or 1.

        None where the kernel cannot tell (ENOSYS).
        """
        try:
            return self.request(ioctls.CPT_TEST_CAPS, capnum)
        except DeviceError as error:
            if error.number != errno.ENOSYS:
                raise
            return None

    def test_vecaps(self, capnum: "int") -> "int":
        """CPT_TEST_VECAPS: 0 where the container fits, else the kernel's result code."""
        return self.request(ioctls.CPT_TEST_VECAPS, capnum)

    def test_vecaps2(self, capnum: "int") -> "Tuple[int, int | None]":
        """CPT_TEST_VECAPS2: the result code, and the bits of what cannot be checkpointed.

        The bits are None where the kernel does not say (kernels before 042stab092, which have no
        such request and are asked by CPT_TEST_VECAPS; or with a refusal before 042stab101).
        """
        import struct

        vecaps = bytearray(struct.pack("=II", capnum, _NOT_FILLED))
        try:
            result = self.request(ioctls.CPT_TEST_VECAPS2, vecaps)
        except DeviceError as error:
            if error.number != errno.EINVAL:
                raise
            return self.test_vecaps(capnum), None
        features: "int" = struct.unpack("=II", bytes(vecaps))[1]
        return result, None if features == _NOT_FILLED else features

    def set_veid(self, ctid: "int") -> "None":
        """CPT_SET_VEID: say which container the next requests are about."""
        self.request(ioctls.CPT_SET_VEID, ctid)

    def collect_diagnostics(self) -> "None":
        """CPT_SET_ERRORFD: have the kernel write its diagnostics into a pipe of ours."""
        theirs = _NO_FD
        try:
            self._diagnostics, theirs = self._syscalls.pipe()
            self._syscalls.set_nonblocking(self._diagnostics)
            self.request(ioctls.CPT_SET_ERRORFD, theirs)
        except OSError as error:
            raise DeviceError(self.path, "pipe", error, _hint_for(error)) from error
        finally:
            self._close(theirs)

    def diagnostics(self) -> "List[str]":
        """Take what the kernel has written since the last time, line by line.

        Where they cannot be read on, the last line says so: they only explain an answer.
        """
        lines, problem = self._take_diagnostics()
        if problem is None:
            return lines
        reason = describe_failure(problem)
        return [*lines, f"(what the kernel writes cannot be read: {reason})"]

    def whole_diagnostics(self) -> "List[str]":
        """Take them where they are part of an answer: DeviceError if they cannot be read on."""
        lines, problem = self._take_diagnostics()
        if problem is not None:
            raise DeviceError(self.path, "read the diagnostics", problem) from problem
        return lines

    def _take_diagnostics(self) -> "Tuple[List[str], OSError | None]":
        text = b""
        problem = None
        try:
            while True:
                piece = self._syscalls.read(self._diagnostics, _DIAGNOSTICS_SIZE)
                if not piece:
                    break
                text += piece
        except BlockingIOError:
            pass  # The kernel keeps its end open: an empty pipe is the end of the text.
        except OSError as error:
            problem = error
        lines = text.decode("utf-8", "backslashreplace").split("\n")
        return [printable(line) for line in lines if line], problem

    def request(self, request: "int", argument: "Union[int, bytearray]") -> "int":
        """Make a request and return the kernel's answer; DeviceError with its errno."""
        try:
            return self._syscalls.ioctl(self._fd, request, argument)
        except OSError as error:
            call = "ioctl " + ioctls.NAMES[request]
            raise DeviceError(self.path, call, error, self._request_hint(error)) from error

    def _close(self, fd: "int") -> "None":
        if fd == _NO_FD:
            return
        try:
            self._syscalls.close(fd)
        except OSError:
            pass  # Linux releases the descriptor all the same, and the answer is known.

    def _request_hint(self, error: "OSError") -> "str":
        if error.errno == errno.EINVAL and self._syscalls.pointer_bits() == 32:
            return _COMPAT_HINT
        return _hint_for(error)

    def _opening_hint(self, error: "OSError") -> "str":
        if error.errno in (errno.EACCES, errno.EPERM):
            return "Only root may ask: run vzcptcheck as root on the node."
        if error.errno == errno.ENOENT:
            return missing_file_hint(self._syscalls, self.path)
        return _hint_for(error)


_HINTS = {
    errno.EINTR: "A signal interrupted the kernel: run the command again.",
    errno.EBUSY: "The kernel's module is being unloaded, or busy: run the command again.",
    errno.EMFILE: "Too many open files: raise 'ulimit -n'.",
    errno.ENFILE: "The node has too many open files: look at /proc/sys/fs/file-nr.",
    errno.ENOMEM: "The node is out of kernel memory.",
}


def _hint_for(error: "OSError") -> "str":
    return _HINTS.get(error.errno or 0, "")


def missing_file_hint(syscalls: "Syscalls", path: "str") -> "str":
    """Say why one of the files is not there.

    A container has /proc/vz and no /proc/bc; a node has both; another kernel has neither.
    """
    if not syscalls.exists("/proc/vz"):
        return "This kernel is not OpenVZ's: run vzcptcheck on an OpenVZ node."
    if not syscalls.exists("/proc/bc"):
        return "This is the inside of a container: run vzcptcheck on its node."
    return "The kernel module {0} is not loaded: run 'modprobe {0}'.".format(MODULES[path])


def ask_container(
    syscalls: "Syscalls", ctid: "int", capnum: "int"
) -> "Tuple[int, List[str], int | None]":
    """Test a running container against a capability number, on its own node.

    Returns the kernel's result code and, where that is a refusal, its diagnostics and the
    container's unsupported features, if the diagnostics do not say them (else None; None too
    where the kernel does not say them either).
    """
    with Device(syscalls, CPT) as device:
        device.collect_diagnostics()
        device.set_veid(ctid)
        try:
            result = device.test_vecaps(capnum)
        except DeviceError as error:
            raise _container_error(error, ctid, device.diagnostics()) from error
        if result <= 0:
            return result, [], None
        diagnostics = device.diagnostics()
        features = None
        if result == UNSUPPORTED_FEATURE and all(map(missing_word, diagnostics)):
            features = _unexplained_features(device)
        return result, diagnostics, features


def _unexplained_features(device: "Device") -> "int | None":
    """Ask what a refusal without a word is about; offered everything, the kernel logs no more."""
    try:
        return device.test_vecaps2(EVERYTHING)[1]
    except DeviceError:
        return None  # The container is gone meanwhile: the refusal stands.


def missing_word(diagnostic: "str") -> "str | None":
    """Return the kernel's word for the feature that a diagnostic misses; None if it is another."""
    if diagnostic.startswith(_MISSING):
        return diagnostic[len(_MISSING) :]
    return None


def _container_error(error: "DeviceError", ctid: "int", diagnostics: "List[str]") -> "CheckError":
    """Say what an errno of CPT_TEST_VECAPS means for the container."""
    said = "".join("\n  kernel: " + line for line in diagnostics)
    hint = error.hint
    if error.number == errno.ESRCH:
        hint = (
            f"Container {ctid} is not running, or there is none of that number: see 'vzlist -a'. "
            "A suspended container is tested by 'vzcptcheck caps CAPNUM'."
        )
    elif error.number == errno.EBUSY:
        hint = (
            f"Container {ctid} is locked (being checkpointed, started or stopped) or already "
            "suspended: wait for it, or test a suspended one by "
            "'vzcptcheck caps CAPNUM'."
        )
    return CheckError(f"container {ctid}: {error.message}{said}", hint)
