"""Every reason's code is documented, and every documented code is given somewhere."""

import inspect
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.facts.capabilities import Hidden
from simulator.kernel import restore as restore_module
from simulator.kernel.containers import State
from simulator.kernel.restore import Restorer
from simulator.profiles.bare_node import BareNode
from simulator.verdicts import codes as codes_module
from simulator.verdicts import criu as criu_module
from simulator.verdicts import image as image_module
from simulator.verdicts import programs as programs_module
from simulator.verdicts import restore as restore_verdict
from simulator.verdicts.codes import CODES, find_code
from simulator.verdicts.criu import Criu
from simulator.verdicts.image import ImageDestination
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.traits import SUSPENDED, ContainerTraits, NodeTraits, node_traits
from simulator.verdicts.verdict import Opinion
from support.criu import bare_node, criu, recorded_cpus
from support.images import CAPS_SANDY_BRIDGE, CHAIN_141, build, change
from support.simulated_nodes import RELEASES, caps
from support.simulated_profiles import recorded_nodes
from support.simulated_traits import (
    AVX512_AREA,
    FXSAVE_AREA,
    SANDY_BRIDGE,
    WELCOMING,
    cpu_of,
    kernel,
    needing,
    node,
    rows,
)
from vzcptcheck.image import MOST_SECTIONS, Image, read_image

Pair = tuple[NodeTraits, NodeTraits, ContainerTraits | None]
Example = Pair | tuple[Image, ImageDestination] | tuple[BareNode, BareNode, Criu]

NEW = node()
NARROW = node(kernel_traits=kernel(is_64_bit=False))


def recorded(name: str) -> NodeTraits:
    return node_traits(recorded_nodes()[name])


def between(source: str, destination: str, **traits: bool | int) -> Pair:
    """Make a pair of two generations; traits are the destination's."""
    one, other = kernel(source), kernel(destination, **traits)
    return node(kernel_traits=one), node(kernel_traits=other), None


def offering(
    offered: int, container: ContainerTraits | None, source: str = "042stab107"
) -> Example:
    """Make a pair of a generation and a new node that offers this number."""
    return node(kernel_traits=kernel(source)), node(kernel_traits=kernel(caps=offered)), container


def hiding(**hidden: int) -> Example:
    """Make a pair whose destination hides bits that the container needs."""
    destination = kernel(caps=caps("CMOV"), hidden=Hidden(**hidden))
    return NEW, node(kernel_traits=destination), ContainerTraits(caps=sum(hidden.values()))


def losing(*names: str) -> Example:
    return node(*SANDY_BRIDGE, *names), NEW, None


def hole(destination: NodeTraits) -> Example:
    return node(area=None), destination, None


def restored(data: bytes, hz: int | None = 1000, caps: int = WELCOMING) -> Example:
    """Make a pair of an image and a node with a 042stab kernel."""
    image = read_image(lambda size, position: data[position : position + size], len(data))
    restorer = Restorer(lambda version: version < 0x900, hz, (34, 35), 1)
    return image, ImageDestination(restorer, True, caps)


def by_criu(source: str, destination: str, cpu_cap: str | None = None, **asked: bool) -> Example:
    """Make a pair of CPUs of which CRIU was asked; an empty name is a checkpoint without one."""
    nodes = [
        bare_node(recorded_cpus()[name].table)
        if name
        else BareNode(name="saved", cpus=(), source="a test")
        for name in (source, destination)
    ]
    return nodes[0], nodes[1], criu("", cpu_cap, **asked)


def changed(changes: str) -> Example:
    return restored(change(build(), changes))


#: A pair that gives each code: of recorded nodes where there is one, else composed.
EXAMPLES: dict[str, Example] = {
    "module-missing": (
        recorded("no-vzcpt.042stab141.3"),
        recorded("042stab141.3.Haswell.default"),
        None,
    ),
    "version-not-told": between("2.6.32", "042stab107"),
    "version-not-tested": between("042stab107", "2.6.32"),
    "version-too-new": (
        recorded("042stab141.3.Haswell.default"),
        recorded("042stab061.9.SandyBridge.default"),
        None,
    ),
    "caps-not-told": between("042stab107", "042stab107", caps=0),
    "caps-not-compared": offering(WELCOMING, SUSPENDED, "042stab101"),
    "container-not-running": (NEW, NEW, ContainerTraits(State.STOPPED)),
    "container-locked": (NEW, NEW, ContainerTraits(State.LOCKED)),
    "container-suspended": (NEW, NEW, ContainerTraits(State.SUSPENDED)),
    "container-state-unknown": (NEW, NEW, ContainerTraits(State.UNKNOWN)),
    "needs-unknown": (NEW, NEW, ContainerTraits()),
    "cpu-feature-missing": (
        recorded("042stab141.3.SandyBridge.default"),
        recorded("042stab141.3.Penryn.default"),
        needing("AVX"),
    ),
    "feature-not-told": (
        NEW,
        node(kernel_traits=kernel(caps=caps("CMOV"), may_caps=caps("AVX"))),
        needing("AVX"),
    ),
    "feature-hidden-by-kernel": (
        recorded("042stab141.3.Haswell.default"),
        recorded("13th-gen-intel-core-i7-1370p.042stab088.4"),
        needing("RDRAND"),
    ),
    "feature-hidden-by-32-bit-kernel": hiding(by_width=caps("EMT64")),
    "feature-hidden-by-boot-option": (
        NEW,
        recorded("042stab141.3.SandyBridge.noxsave"),
        needing("XSAVE"),
    ),
    "feature-hidden-by-override": hiding(by_override=caps("AVX")),
    "destination-slm-module": (NEW, recorded("slm.dzhanibekov.1"), needing()),
    "source-slm-module": offering(WELCOMING, needing("SLM_DMPRST"), "2.6.32"),
    "container-entered": (NEW, NEW, needing("EXTERNAL_PROCESS")),
    "container-namespaces": offering(WELCOMING, needing("NAMESPACES"), "028stab"),
    "container-scheduler": (NEW, NEW, needing("SCHEDULER_POLICY")),
    "container-traced": (NEW, NEW, needing("PTRACED_FROM_VE0")),
    "container-filesystem": (NEW, NEW, needing("UNSUPPORTED_FSTYPE")),
    "container-netdevice": (NEW, NEW, needing("UNSUPPORTED_NETDEV")),
    "container-misc": (NEW, NEW, needing("UNSUPPORTED_MISC")),
    "container-other": (NEW, NEW, ContainerTraits(caps=1 << 30)),
    "destination-ipv6": (NEW, recorded("no-ipv6.042stab113.5"), needing()),
    "destination-namespaces": offering(caps("CMOV"), needing("NAMESPACES")),
    "image-size": restored(b""),
    "image-signature": changed("u8@0=0"),
    "image-hz": restored(build(), hz=None),
    "image-version": changed("u16@6=0x900"),
    "image-tail": changed("u32@end-8=26"),
    "image-chain": changed("u64@80=0"),
    "image-chain-long": restored(build(((9, 16),) * (MOST_SECTIONS + 1))),
    "image-section-unknown": restored(build(((34, 16), *CHAIN_141))),
    "image-64-bit": changed("u16@8=0"),
    "image-veinfo": changed("u32@264=1"),
    "image-section-not-found": restored(build(CHAIN_141[1:])),
    "criu-image-missing": by_criu("", "Haswell", "all"),
    "criu-vendor-unknown": by_criu("zxd-d4600", "Haswell"),
    "criu-no-check": (
        BareNode(name="saved", cpus=(), source="a test", is_x86=False),
        bare_node(recorded_cpus()["Haswell"].table),
        criu(),
    ),
    "criu-fpu-missing": by_criu("Haswell", "Nehalem", check=True),
    "criu-component-missing": by_criu("Haswell", "Nehalem", check=True),
    "criu-xsave-size-differs": by_criu("Haswell.noxsave", "Haswell", check=True),
    "criu-xsave-max-size-differs": by_criu("SandyBridge", "amd-epyc-7742", check=True),
    "criu-instructions-missing": by_criu("Haswell", "SandyBridge", check=True),
    "criu-words-differ": by_criu("SandyBridge", "Haswell", "all"),
    "criu-xsave-area-refused": by_criu("Haswell", "Nehalem"),
    "criu-xsave-state-dropped": by_criu("Haswell", "Nehalem", "none"),
    "criu-not-told": by_criu("Haswell", "", check=True),
    "restore-version-too-new": between("028stab", "2.6.32"),
    "restore-version-too-old": between("028stab", "042stab"),
    "restore-version-other-family": between("2.6.32", "028stab"),
    "architecture-differs": (recorded("ia64.028stab056.1"), NEW, None),
    "kernel-narrower": (NEW, NARROW, None),
    "vendor-differs": (NEW, node(vendor="AuthenticAMD"), None),
    "instructions-missing": losing("avx2"),
    "instructions-not-enabled": (
        recorded("042stab141.3.SandyBridge.default"),
        recorded("042stab141.3.SandyBridge.noxsave"),
        None,
    ),
    "instructions-differ": losing("abm"),
    "instructions-slower": losing("erms"),
    "instructions-kernel-only": losing("smep"),
    "cpuid-not-recorded": (
        node(*SANDY_BRIDGE, "xsaveopt"),
        node(may_be_usable=rows(*SANDY_BRIDGE, "xsaveopt")),
        None,
    ),
    "xsave-not-recorded": hole(NEW),
    "xsave-not-settled": (NEW, node(with_more=cpu_of(*SANDY_BRIDGE, area=AVX512_AREA)), None),
    "xsave-component-missing": (NEW, node(area=FXSAVE_AREA), None),
    "xsave-layout-differs": (
        recorded("amd-epyc-9655.042stab113.5"),
        recorded("intel-xeon-max-9460.042stab141.3"),
        None,
    ),
    "xsave-area-smaller": (NEW, node(area=FXSAVE_AREA), None),
    "xsave-area-larger": (NEW, node(area=AVX512_AREA), None),
    "image-caps-not-recorded": restored(build(caps=0)),
    "image-cpu-feature-missing": restored(build(caps=CAPS_SANDY_BRIDGE), caps=0),
    "image-section-missing": restored(build(())),
    "image-section-repeated": restored(build(((8, 16), *CHAIN_141))),
    "image-index-differs": changed("zero@end-224=216"),
    "image-architecture-unknown": changed("u16@8=3"),
    "image-page-size": changed("u16@20=0"),
    "image-lazy-pages": changed("u32@end-232=1"),
    "image-odd-record": changed("u16@10=1"),
    "image-blank": restored(build()),
}


def opinions(example: Example) -> dict[str, Opinion]:
    if len(example) == 2:
        return {
            "restore": image_module.restore_opinion(*example),
            "programs": image_module.programs_opinion(*example),
        }
    if isinstance(example[2], Criu):
        return NodePair(example[0], example[1], (), example[2]).judge_nodes().judgement._asdict()
    source, destination, container = example
    return {
        "restore": restore_verdict.restore_opinion(source.kernel, destination.kernel, container),
        "programs": programs_module.programs_opinion(source, destination, container),
    }


def given_codes(example: Example) -> Iterator[tuple[str, str]]:
    for about, opinion in opinions(example).items():
        yield from ((about, reason.code) for reason in opinion.reasons)


def test_there_is_an_example_of_every_code_and_no_other() -> None:
    assert list(EXAMPLES) == list(CODES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_code_is_given_by_the_verdict_that_it_belongs_to(name: str) -> None:
    given = set(given_codes(EXAMPLES[name]))
    assert {about for about, code in given if code == name} == {find_code(name).verdict}


def test_what_is_given_is_documented() -> None:
    """All generations as source and destination, every bit, every state, every recorded CPU."""
    given = {code for example in EXAMPLES.values() for code in given_codes(example)}
    bits = [ContainerTraits(caps=1 << bit) for bit in range(32)]
    states = [ContainerTraits(state) for state in State]
    for source, destination in product(RELEASES, repeat=2):
        for container in (None, SUSPENDED, *bits, *states):
            one, other, _ = between(source, destination, caps=1 << 24 | 1 << 28)
            given.update(given_codes((one, other, container)))
    nodes = [recorded(name) for name in recorded_nodes()]
    given.update(code for one in nodes for code in given_codes((one, nodes[0], None)))
    given.update(code for one in nodes for code in given_codes((nodes[0], one, None)))
    documented = {(code.verdict, name) for name, code in CODES.items()}
    assert given <= documented


def test_no_code_is_spelled_in_the_modules_that_is_not_documented() -> None:
    for module in (restore_verdict, programs_module, image_module, restore_module, criu_module):
        giving = r'(?:Reason|Finding|_reason|_missing|_sizes_differ)\(\s*"([a-z0-9-]+)"'
        spelled = re.findall(giving, inspect.getsource(module))
        assert spelled
        assert set(spelled) <= set(CODES)


def test_no_code_comes_twice_and_those_on_restore_come_first() -> None:
    text = Path(codes_module._FILE).read_text("utf-8")
    written = re.findall(r"^([a-z0-9-]+) (restore|programs)$", text, re.MULTILINE)
    assert written == [(code.name, code.verdict) for code in CODES.values()]
    verdicts = [verdict for _, verdict in written]
    assert verdicts == sorted(verdicts, key=("restore", "programs").index)


def test_codes_have_what_they_say_in_one_form() -> None:
    for name, code in CODES.items():
        assert code.name == name
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)
        assert code.verdict in ("restore", "programs")
        assert not code.summary.endswith(".")
        assert len(code.summary) <= 90
        assert code.explanation.endswith(".")
        assert code.next_step.endswith((".", "'.", ")."))
        for text in (code.summary, code.explanation, code.next_step):
            assert text == " ".join(text.split())


def test_an_unknown_code_names_those_that_are_near() -> None:
    with pytest.raises(UserError) as caught:
        find_code("needs-unkown")
    assert str(caught.value) == "there is no code 'needs-unkown': did you mean needs-unknown?"


def test_a_code_that_is_near_to_none_names_them_all() -> None:
    with pytest.raises(UserError) as caught:
        find_code("zzz")
    assert str(caught.value).startswith("there is no code 'zzz': there are module-missing, ")
    assert str(caught.value).endswith(", image-blank")
