"""``explain``: capability numbers and image versions in words. No node is asked."""

from vzcptcheck import versions
from vzcptcheck.features import SHOWN_SINCE, features_in, hidden_before, unknown_bits
from vzcptcheck.outcome import ExitStatus, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from vzcptcheck.features import Feature


def explain_caps(capnum: "int", other: "int | None", as_json: "bool") -> "Outcome":
    """Name the bits of a capability number, or compare it with another one."""
    if other is None:
        facts = caps_facts(capnum)
        text = _caps_text(capnum)
    else:
        facts = comparison_facts(capnum, other)
        text = _comparison_text(capnum, other)
    return Outcome(ExitStatus.YES, _json(facts) if as_json else text)


def explain_version(image_version: "int", as_json: "bool") -> "Outcome":
    """Say what an image version is called, who writes it and who restores it."""
    facts = version_facts(image_version)
    return Outcome(ExitStatus.YES, _json(facts) if as_json else _version_text(image_version))


def caps_facts(capnum: "int") -> "Dict[str, Any]":
    """Return a capability number as plain data: its features, then its unknown bits."""
    return {
        "capnum": capnum,
        "hexadecimal": _hexadecimal(capnum),
        "features": [
            {
                "bit": feature.bit,
                "name": feature.name,
                "word": feature.word,
                "origin": feature.origin,
                "shown_since": SHOWN_SINCE.get(feature.name),
            }
            for feature in features_in(capnum)
        ],
        "unknown_bits": unknown_bits(capnum),
    }


def comparison_facts(capnum: "int", other: "int") -> "Dict[str, Any]":
    """Return what two capability numbers share, and what only one of them has."""
    return {
        "only_first": caps_facts(capnum & ~other),
        "only_second": caps_facts(other & ~capnum),
        "both": caps_facts(capnum & other),
    }


def version_facts(image_version: "int") -> "Dict[str, Any]":
    """Return an image version as plain data."""
    return {
        "image_version": image_version,
        "hexadecimal": f"0x{image_version:03x}",
        "name": versions.NAMES.get(image_version),
        "written_by": versions.WRITERS.get(image_version),
        "restored_by": versions.restorers(image_version),
    }


def _json(facts: "Dict[str, Any]") -> "str":
    import json

    return json.dumps(facts, indent=2) + "\n"


def _hexadecimal(capnum: "int") -> "str":
    return f"0x{capnum:08x}"


def _caps_text(capnum: "int") -> "str":
    lines = [f"{capnum} = {_hexadecimal(capnum)}"]
    return "\n".join(lines + _bit_lines(capnum, capnum)) + "\n"


def _comparison_text(capnum: "int", other: "int") -> "str":
    lines = []  # type: List[str]
    for title, mask, without in (
        (f"only in {capnum}:", capnum & ~other, other),
        (f"only in {other}:", other & ~capnum, capnum),
        ("in both:", capnum & other, capnum),
    ):
        lines += [title, *_bit_lines(mask, without)]
    return "\n".join(lines) + "\n"


def _bit_lines(mask: "int", other: "int") -> "List[str]":
    """Name bits one a line; of those that another number lacks say which kernels lack them all."""
    lines = [
        f"  bit {feature.bit:>2}  {feature.name:<18} {feature.origin}{_since(feature, other)}"
        for feature in features_in(mask)
    ]
    lines += [f"  bit {bit:>2}  (no name)" for bit in unknown_bits(mask)]
    return lines or ["  nothing"]


def _since(feature: "Feature", other: "int") -> "str":
    since = hidden_before(feature, other)
    return f"; no kernel before {since} shows it" if since else ""


def _version_text(image_version: "int") -> "str":
    name = versions.NAMES.get(image_version)
    writer = versions.WRITERS.get(image_version, "no kernel known here")
    restorers = ", ".join(versions.restorers(image_version)) or "no kernel known here"
    named = ", named {} after 2.6.{}".format(name, name.split("_")[0]) if name else ""
    return (
        f"{image_version} = 0x{image_version:03x}{named}\n"
        f"  written by   {writer}\n"
        f"  restored by  {restorers}\n"
    )
