"""Sides of nodes for tests of opinions, each trait of them by name."""

from typing import Any

from simulator.facts.cpu_traits import Component, CpuTraits, XsaveArea
from simulator.facts.features import BY_NAME
from simulator.verdicts.traits import ContainerTraits, KernelTraits, NodeTraits
from support.simulated_nodes import caps

#: A number that offers every feature and mount namespaces, and has nothing against it.
WELCOMING = 0x3FFFFFFF & ~caps("SLM_DMPRST", "NO_IPV6")

SANDY_BRIDGE = ("cmov", "fxsr", "mmx", "sse", "sse2", "pni", "sse4_1", "sse4_2", "xsave", "avx")

#: Areas: FXSAVE's, XSAVE's without AVX, with it, and with AVX-512 as Intel and AMD have it.
FXSAVE_AREA = XsaveArea(512)
BARE_AREA = XsaveArea(576)
AVX_AREA = XsaveArea(832, (Component(2, 576, 832),))
AVX512_AREA = XsaveArea(
    2688,
    (
        *AVX_AREA.components,
        Component(5, 1088, 1152),
        Component(6, 1152, 1664),
        Component(7, 1664, 2688),
    ),
)
AVX512_AREA_OF_AMD = XsaveArea(
    2432,
    (
        *AVX_AREA.components,
        Component(5, 832, 896),
        Component(6, 896, 1408),
        Component(7, 1408, 2432),
    ),
)


def rows(*names: str) -> int:
    """Make a mask of the features of these names."""
    return sum(BY_NAME[name].mask for name in names)


def kernel(generation_name: str = "042stab107", **traits: Any) -> KernelTraits:
    """Describe a 64-bit kernel with both modules."""
    described = {"has_cpt": True, "has_rst": True, "is_64_bit": True, "caps": WELCOMING}
    return KernelTraits(generation_name, **{**described, **traits})


def cpu_of(*names: str, vendor: str = "GenuineIntel", **traits: Any) -> CpuTraits:
    """Describe a CPU that shows these features, all recorded, and can do as much."""
    mask = rows(*names)
    described: dict[str, Any] = {
        "shown": mask,
        "may_be_shown": mask,
        "usable": mask,
        "may_be_usable": mask,
        "area": AVX_AREA,
    }
    return CpuTraits(vendor, **{**described, **traits})


def node(*names: str, kernel_traits: KernelTraits | None = None, **traits: Any) -> NodeTraits:
    """Describe a node whose CPU has these features (one that has AVX, if none are named)."""
    return NodeTraits(kernel_traits or kernel(), cpu_of(*(names or SANDY_BRIDGE), **traits))


def needing(*names: str) -> ContainerTraits:
    """Describe a running container that needs these bits of the header's."""
    return ContainerTraits(caps=caps(*names))
