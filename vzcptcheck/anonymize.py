"""A profile without what tells whose node it is: names and numbers that people chose."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The first container's number; the others count on from it.
_FIRST_CTID = 101

#: What in a kernel's report a container's owner chose: a process's name, which stands in
#: parentheses and may hold some itself, up to what the kernel writes after it; a device's.
_PROCESS_NAME = re.compile(r"(\d[/,]\d+)\(.*\)(?= (?:inside|is)\b|$)")
_NETDEVICE = re.compile(r"(unsupported netdevice ).*")

#: Leaf 3 is the processor's serial number, where it is not zero.
_SERIAL_NUMBER = re.compile(r"0x00000003 ")
_NO_SERIAL_NUMBER = "0x00000003 0x0: 0x00000000 0x00000000 0x00000000 0x00000000"


def anonymize(document: "dict[str, Any]") -> "dict[str, Any]":
    """Return a profile's plain data without a trace of the node's owner.

    Containers are numbered anew, in the same order; processes and devices lose their names;
    a processor's serial number is cleared. What decides on a migration stays.
    """
    return {
        **document,
        "cpus": [_without_serial_number(cpu) for cpu in document["cpus"]],
        "containers": [
            {**container, "ctid": ctid, "needs": _without_names(container["needs"])}
            for ctid, container in enumerate(document["containers"], _FIRST_CTID)
        ],
    }


def _without_serial_number(cpu: "dict[str, Any]") -> "dict[str, Any]":
    rows = [_NO_SERIAL_NUMBER if _SERIAL_NUMBER.match(row) else row for row in cpu["cpuid"]]
    return {**cpu, "cpuid": rows}


def _without_names(needs: "dict[str, Any] | None") -> "dict[str, Any] | None":
    if needs is None:
        return None
    return {**needs, "reports": [_without_name(report) for report in needs["reports"]]}


def _without_name(report: "str") -> "str":
    report = _NETDEVICE.sub(r"\1device", report)
    return _PROCESS_NAME.sub(r"\1(process)", report)
