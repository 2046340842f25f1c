"""/proc/cpt and /proc/rst: their ioctl requests, and what each does.

Sources: the trees in generations.py for the requests, the recordings for errnos and contexts.
"""

import errno
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from simulator.facts.generations import Vecaps2
from simulator.kernel.calls import (
    FIONREAD,
    Caller,
    Context,
    Contexts,
    ContextState,
    OpenFile,
    Request,
    fail,
)
from simulator.kernel.containers import Container, Contents, State
from simulator.kernel.decision import Decision, decide, missing_bits

if TYPE_CHECKING:
    from simulator.kernel.kernel import SimulatedKernel

_UNSIGNED_INT = 0xFFFFFFFF
_UNSIGNED_LONG = 0xFFFFFFFFFFFFFFFF
_NOTHING_KNOWN = Contents(processes=())

#: A request's work: the open file, the argument, the caller; the answer.
Handler = Callable[["OpenDevice", int, Caller], int]


class Device:
    """One of the two files of a running kernel, with the contexts created through it."""

    def __init__(self, kernel: "SimulatedKernel", requests: Mapping[int, Handler]) -> None:
        self.kernel = kernel
        self.requests = requests
        self.contexts = Contexts(kernel.log_diagnostic)

    def open(self) -> "OpenDevice":
        """Open the file."""
        return OpenDevice(self)


class OpenDevice(OpenFile):
    """An open /proc/cpt or /proc/rst, with a position, and a context once a request needs one."""

    def __init__(self, device: Device) -> None:
        self.device = device
        #: All open files of a device list the same contexts.
        self.source = device
        self.kernel = device.kernel
        self.context: Context | None = None

    def pread(self, size: int, position: int) -> bytes:
        """Read the list of contexts from the given position."""
        return self.device.contexts.listing().encode()[position : position + size]

    def write(self, _: bytes) -> int:
        """Fail with EIO: these files cannot be written."""
        raise fail(errno.EIO)

    def ioctl(self, request: int, argument: int, caller: Caller) -> int:
        """Answer a request; OSError with the kernel's errno."""
        if request == FIONREAD:
            left = (-self.position).to_bytes(4, sys.byteorder, signed=True)
            caller.write_memory(argument, left)
            return 0
        if caller.pointer_bits() < self.kernel.pointer_bits:
            raise fail(errno.EINVAL)  # There is no compat_ioctl.
        argument &= _UNSIGNED_LONG
        if request in _WITHOUT_CONTEXT and request in self.device.requests:
            return self.device.requests[request](self, argument, caller)
        if request == Request.GET_CONTEXT:
            return self._get_context(argument & _UNSIGNED_INT)
        return self._with_context(request, argument, caller)

    def close(self) -> None:
        """Close the file once no process has it open."""
        self.unbind()

    def bound_context(self) -> Context:
        """Return this file's context; create it if there is none."""
        if self.context is None:
            self.context = self.device.contexts.create()
        return self.context

    def unbind(self) -> None:
        """Leave the context; if that removes it, the container that it suspended resumes."""
        context, self.context = self.context, None
        if context is None:
            return
        ended = self.device.contexts.unbind(context)
        if ended and context.state is ContextState.SUSPENDED:
            self.kernel.set_state(context.veid, State.RUNNING)

    def _with_context(self, request: int, argument: int, caller: Caller) -> int:
        context = self._sound_context()
        handler = self.device.requests.get(request)
        if handler is None:
            raise fail(errno.EINVAL)
        try:
            return handler(self, argument, caller)
        finally:
            context.flush()

    def _sound_context(self) -> Context:
        context = self.bound_context()
        if context.state is ContextState.ERROR:
            raise fail(errno.EBUSY)
        return context

    def _get_context(self, contextid: int) -> int:
        """Name the context; on /proc/cpt, fail with ENOMEM if this request created it."""
        made_now = self.context is None
        context = self._sound_context()
        if context.contextid and context.contextid != contextid:
            raise fail(errno.EINVAL)
        if not context.contextid:
            if self.device.contexts.find(contextid) is not None:
                raise fail(errno.EEXIST)
            context.contextid = contextid
        context.sticky = True
        if made_now and Request.SUSPEND in self.device.requests:
            raise fail(errno.ENOMEM)
        return 0


def _join_context(file: OpenDevice, argument: int, _: Caller) -> int:
    context = file.device.contexts.find(argument & _UNSIGNED_INT)
    if context is None:
        raise fail(errno.ENOENT)
    context.users += 1
    file.unbind()
    file.context = context
    return 0


def _put_context(file: OpenDevice, _: int, __: Caller) -> int:
    if file.context is not None:
        file.context.sticky = False
        file.unbind()
    return 0


def _test_version_cpt(file: OpenDevice, _: int, __: Caller) -> int:
    return file.kernel.generation.image_version


def _test_version_rst(file: OpenDevice, argument: int, _: Caller) -> int:
    return int(file.kernel.generation.restores(argument))


def _test_caps_cpt(file: OpenDevice, argument: int, _: Caller) -> int:
    generation = file.kernel.generation
    if generation.test_caps_bits is None:
        raise fail(errno.ENOSYS)
    own = file.kernel.capabilities()
    return int(bool(missing_bits(generation, generation.test_caps_bits, own, argument)))


def _test_caps_rst(file: OpenDevice, _: int, __: Caller) -> int:
    return file.kernel.capabilities()


def _set_errorfd(file: OpenDevice, argument: int, caller: Caller) -> int:
    file.bound_context().set_error_file(caller.take(_descriptor(argument)))
    return 0


def _set_veid(file: OpenDevice, argument: int, _: Caller) -> int:
    _require_idle(file).veid = argument & _UNSIGNED_INT
    return 0


def _set_cpu_flags(file: OpenDevice, _: int, __: Caller) -> int:
    _require_idle(file)
    return 0


def _test_vecaps(file: OpenDevice, argument: int, _: Caller) -> int:
    return _decide(file, argument & _UNSIGNED_INT).result


def _test_vecaps2(file: OpenDevice, argument: int, caller: Caller) -> int:
    numbers = caller.read_memory(argument, 8)  # The offered capabilities, and room for others.
    decision = _decide(file, int.from_bytes(numbers[:4], sys.byteorder))
    if file.kernel.generation.vecaps2 is Vecaps2.ALWAYS or decision.result == 0:
        unsupported = decision.unsupported_caps.to_bytes(4, sys.byteorder)
        caller.write_memory(argument, numbers[:4] + unsupported)
    return decision.result


def _suspend(file: OpenDevice, _: int, __: Caller) -> int:
    context = _require_idle(file)
    container = _running(file)
    file.kernel.set_state(container.ctid, State.SUSPENDED)
    context.state = ContextState.SUSPENDED
    return 0


def _resume(file: OpenDevice, _: int, __: Caller) -> int:
    _leave_suspended(file, State.RUNNING)
    return 0


def _kill(file: OpenDevice, _: int, __: Caller) -> int:
    _leave_suspended(file, State.STOPPED)
    return 0


def _dump(file: OpenDevice, _: int, __: Caller) -> int:
    context = file.bound_context()
    if context.state is not ContextState.SUSPENDED:
        raise fail(errno.ENOENT)
    if context.dump_file is None:
        raise fail(errno.EBADF)
    container = file.kernel.containers[context.veid]
    context.say((container.contents or _NOTHING_KNOWN).dump_failure)
    raise fail(errno.EINVAL)


def _undump(file: OpenDevice, _: int, __: Caller) -> int:
    context = file.bound_context()
    if context.dump_file is None:
        raise fail(errno.EBADF)
    context.say("this simulated node restores no images")
    raise fail(errno.EINVAL)


def _set_dumpfd_cpt(file: OpenDevice, argument: int, caller: Caller) -> int:
    description = caller.take(_descriptor(argument))
    if description.is_directory:
        description.close()
        raise fail(errno.EBADF)
    file.bound_context().set_dump_file(description)
    return 0


def _set_dumpfd_rst(file: OpenDevice, argument: int, caller: Caller) -> int:
    file.bound_context().set_dump_file(caller.take(_descriptor(argument)))
    return 0


def _check_descriptor(_: OpenDevice, argument: int, caller: Caller) -> int:
    """Check that the descriptor is open; no simulated kernel uses it further."""
    caller.take(_descriptor(argument)).close()
    return 0


def _set_lazy(file: OpenDevice, argument: int, _: Caller) -> int:
    if argument:
        file.bound_context().say("CPT_SET_LAZY ioctl is obsolete.")
        raise fail(errno.EOPNOTSUPP)
    return 0


def _linkdir_add(_: OpenDevice, argument: int, caller: Caller) -> int:
    try:
        description = caller.take(_descriptor(argument))
    except OSError as error:
        raise fail(errno.EBADFD) from error
    is_directory = description.is_directory
    description.close()
    if not is_directory:
        raise fail(errno.ENOTDIR)
    return 0


def _stop_tracker(_: OpenDevice, __: int, ___: Caller) -> int:
    raise fail(errno.EBADRQC)


def _do_nothing(_: OpenDevice, __: int, ___: Caller) -> int:
    return 0


def _decide(file: OpenDevice, offered_caps: int) -> Decision:
    """Gather the needs of the context's container, write the diagnostics, and decide."""
    context = file.bound_context()
    needs = file.kernel.needs_of(_running(file))
    decision = decide(file.kernel.generation, needs.caps, offered_caps)
    for text in (*needs.reports, *decision.messages):
        context.say(text)
    return decision


def _running(file: OpenDevice) -> Container:
    """Return the context's running container; each reason against it has its own errno.

    Fail with EIO if it is not known whether it runs: that is no refusal of a kernel's.
    """
    context = file.bound_context()
    if context.veid == 0:
        raise fail(errno.EINVAL)
    container = file.kernel.containers.get(context.veid)
    if container is None or container.state is State.STOPPED:
        raise fail(errno.ESRCH)
    if container.state is State.STOPPING:
        context.say("CT is not running")
        raise fail(errno.ESRCH)
    if container.state is State.UNKNOWN:
        raise fail(errno.EIO)
    if container.state is not State.RUNNING:
        context.say("CT is locked")
        raise fail(errno.EBUSY)
    return container


def _require_idle(file: OpenDevice) -> Context:
    context = file.bound_context()
    if context.state > ContextState.IDLE:
        raise fail(errno.EBUSY)
    return context


def _leave_suspended(file: OpenDevice, state: State) -> None:
    context = file.bound_context()
    if context.state is not ContextState.SUSPENDED:
        raise fail(errno.ENOENT)
    file.kernel.set_state(context.veid, state)
    context.state = ContextState.IDLE


def _descriptor(argument: int) -> int:
    """Read an argument as the kernel's int: 0xffffffff is -1."""
    number = argument & _UNSIGNED_INT
    return number - (1 << 32) if number >> 31 else number


#: Requests that make no context.
_WITHOUT_CONTEXT = frozenset(
    {Request.TEST_CAPS, Request.TEST_VERSION, Request.JOIN_CONTEXT, Request.PUT_CONTEXT}
)

_COMMON: Mapping[int, Handler] = {
    Request.JOIN_CONTEXT: _join_context,
    Request.PUT_CONTEXT: _put_context,
    Request.SET_ERRORFD: _set_errorfd,
    Request.SET_VEID: _set_veid,
    Request.RESUME: _resume,
    Request.KILL: _kill,
}
_CPT: Mapping[int, Handler] = {
    **_COMMON,
    Request.TEST_CAPS: _test_caps_cpt,
    Request.TEST_VECAPS: _test_vecaps,
    Request.SET_DUMPFD: _set_dumpfd_cpt,
    Request.SET_CPU_FLAGS: _set_cpu_flags,
    Request.SUSPEND: _suspend,
    Request.DUMP: _dump,
}
_RST: Mapping[int, Handler] = {
    **_COMMON,
    Request.TEST_CAPS: _test_caps_rst,
    Request.SET_DUMPFD: _set_dumpfd_rst,
    Request.SET_STATUSFD: _check_descriptor,
    Request.SET_LOCKFD: _check_descriptor,
    Request.UNDUMP: _undump,
}

#: Requests that were recorded on 042stab kernels. That older ones lack them is an estimate.
_LATE_CPT: Mapping[int, Handler] = {
    Request.SET_PAGEINFDIN: _check_descriptor,
    Request.SET_PAGEINFDOUT: _check_descriptor,
    Request.SET_LAZY: _set_lazy,
    Request.LINKDIR_ADD: _linkdir_add,
    Request.SET_PRAM: _do_nothing,
}
_LATE_RST: Mapping[int, Handler] = {
    Request.SET_PAGEINFDIN: _check_descriptor,
    Request.SET_PAGEINFDOUT: _check_descriptor,
    Request.SET_LOCKFD2: _check_descriptor,
    Request.HARDLNK_ON: _do_nothing,
}


def cpt_requests(kernel: "SimulatedKernel") -> Mapping[int, Handler]:
    """Return the requests that this kernel's /proc/cpt has."""
    generation = kernel.generation
    requests = dict(_CPT)
    if generation.has_late_requests:
        requests.update(_LATE_CPT)
    if generation.has_test_version:
        requests[Request.TEST_VERSION] = _test_version_cpt
    if generation.has_tracker:
        requests[Request.STOP_TRACKER] = _stop_tracker
    if generation.vecaps2 is not Vecaps2.ABSENT:
        requests[Request.TEST_VECAPS2] = _test_vecaps2
    return requests


def rst_requests(kernel: "SimulatedKernel") -> Mapping[int, Handler]:
    """Return the requests that this kernel's /proc/rst has."""
    requests = dict(_RST)
    if kernel.generation.has_late_requests:
        requests.update(_LATE_RST)
    if kernel.generation.has_test_version:
        requests[Request.TEST_VERSION] = _test_version_rst
    return requests
