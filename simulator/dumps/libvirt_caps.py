"""What libvirt says of a host by names: ``virsh capabilities``, ``domcapabilities``, ``<cpu>``.

A CPU there is a model and the features beyond it. Those that are named are bits that are set, but
for what hypervisors offer on their own account; what the model stands for is not written there, and
unknown. Sources: libvirt docs/formatcaps, docs/formatdomaincaps and docs/formatdomain (CPU model).
"""

import re

from simulator.dumps.elements import Element, read_elements
from simulator.dumps.model import CpuDump, DumpError, KnownBits, make_dump
from simulator.dumps.named import add_names

NAME = "libvirt's capabilities"

#: Where the CPU stands in documents of these roots.
_PLACES = {
    "capabilities": ("capabilities", "host", "cpu"),
    "domainCapabilities": ("domainCapabilities", "cpu", "mode"),
    "cpu": ("cpu",),
}
_ROOT = re.compile(r"<(?:capabilities|domainCapabilities|cpu)[\s>]")
_ARCHITECTURES = ("x86_64", "i686", "x86")
_VENDORS = {"Intel": "GenuineIntel", "AMD": "AuthenticAMD", "Hygon": "HygonGenuine"}
_TOLD_POLICIES = ("require", "force")
_NUMBER = re.compile("[0-9]{1,5}", re.ASCII)
_DECIMAL = re.compile("[0-9]{1,10}", re.ASCII)


def why_not(text: str) -> str | None:
    """Return why a text has no CPU in libvirt's words; None where it has."""
    if _ROOT.search(text) and "<model" in text:
        return None
    return "it has no element <capabilities>, <domainCapabilities> or <cpu> with a <model>"


def parse(text: str) -> list[CpuDump]:
    """Parse the CPU of the host. DumpError where it is not sound."""
    elements = read_elements(text)
    place = _PLACES.get(elements[0].path[0])
    if place is None:
        raise DumpError(f"<{elements[0].path[0][:40]}> is none of {', '.join(_PLACES)}")
    _check_architecture(elements, place)
    known = KnownBits()
    microcode = None
    for element in _of_cpu(elements, place):
        name, told = element.path[-1], element.attributes
        if name == "feature" and told.get("policy", "require") in _TOLD_POLICIES:
            add_names(known, [told.get("name", "")])
        elif name == "vendor" and element.text in _VENDORS:
            known.add_vendor(_VENDORS[element.text])
        elif name == "signature":
            _add_signature(known, element)
        elif name == "microcode" and _DECIMAL.fullmatch(told.get("version", "")):
            microcode = hex(int(told["version"]))
    return [make_dump("0", known.answers(), NAME, microcode=microcode)]


def _check_architecture(elements: list[Element], place: tuple[str, ...]) -> None:
    for element in elements:
        is_architecture = element.path in ((*place, "arch"), ("domainCapabilities", "arch"))
        if is_architecture and element.text not in _ARCHITECTURES:
            raise DumpError(f"a CPU of another architecture: {element.text[:20]!r}", element.line)


def _of_cpu(elements: list[Element], place: tuple[str, ...]) -> list[Element]:
    """Return what is right inside of the CPU; of domain capabilities, of the host's model."""
    found: list[Element] = []
    of_host = False
    for element in elements:
        if element.path == place:
            of_host = element.attributes.get("name", "host-model") == "host-model"
        elif of_host and element.path[:-1] == place:
            found.append(element)
    return found


def _add_signature(known: KnownBits, element: Element) -> None:
    figures = [element.attributes.get(key, "") for key in ("family", "model", "stepping")]
    try:
        if all(map(_NUMBER.fullmatch, figures)):
            known.add_signature(*map(int, figures))
    except ValueError as error:
        raise DumpError(str(error), element.line) from None
