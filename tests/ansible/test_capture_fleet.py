"""The role on a fleet: real ansible-core, real ssh, simulated nodes behind real sshds."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.profiles.profile import NodeProfile, OriginKind
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node, load_profile
from support.ansible_fleet import ANSIBLE, Fleet, fleet
from support.needed import needs
from support.running import ROOT, Ended, succeed
from support.simulated_profiles import recorded_rows

pytestmark = needs("ssh", "ssh-keygen", "sshd")

#: Three generations of kernels, one of each maker; the second without CPT_TEST_CAPS, the third
#: with /proc/vz/cpuid_override.
NODES = {
    "early": "042stab061.9.Opteron_G3.default",
    "middle": "042stab108.1.SandyBridge.default",
    "masking": "042stab141.3.SandyBridge.forced_cpuid_faulting",
}
ALL: dict[str, dict[str, Any]] = {name: {} for name in NODES}

#: This machine itself, which is no OpenVZ node.
PLAIN = "plain"
DOWN = "down"

_PRIVATE_FOLDER = re.compile(r"vzcptcheck\.[A-Za-z0-9]{10}")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    succeed([sys.executable, ROOT / "tools" / "build_zipapp.py", folder / "vzcptcheck.pyz"])
    with fleet(folder, {**NODES, PLAIN: None}, DOWN) as made:
        yield made


@pytest.fixture
def nodes(started: Fleet) -> Iterator[Fleet]:
    """Give the fleet for one test, which must leave nothing on the nodes."""
    before = left_on_nodes(started)
    yield started
    shutil.rmtree(started.profiles, ignore_errors=True)
    assert left_on_nodes(started) == before == set()


def left_on_nodes(started: Fleet) -> set[str]:
    """List what the role or Ansible left in its folders on the nodes, which all are here."""
    everywhere = Path("/tmp").iterdir()  # noqa: S108 (where the role puts it)
    private = {str(path) for path in everywhere if _PRIVATE_FOLDER.fullmatch(path.name)}
    folders = [started.remote_folder(name) for name in (*NODES, PLAIN)]
    return private | {str(path) for one in folders if one.is_dir() for path in one.iterdir()}


def facts(profile: NodeProfile) -> dict[str, Any]:
    """Return a profile as its JSON, without where it comes from and what containers are made of."""
    document: dict[str, Any] = json.loads(format_profile(profile))
    del document["origin"]
    for container in document["containers"]:
        container.pop("origin", None)
    for cpu in document["cpus"]:
        cpu["cpuid"] = recorded_rows(cpu["cpuid"])
    return document


def listed(name: str) -> dict[str, Any]:
    """Return a fixture's facts as a node that runs tells them: what is stopped is not listed."""
    document = facts(load_node(NODES[name]))
    document["containers"] = [
        one
        for one in sorted(document["containers"], key=lambda one: one["ctid"])
        if one["state"] != "stopped"
    ]
    return document


def fetched(nodes: Fleet) -> dict[str, NodeProfile]:
    profiles = sorted(nodes.profiles.iterdir()) if nodes.profiles.is_dir() else []
    return {path.stem: load_profile(path) for path in profiles}


_MATRIX = 'exec "$0" -m simulator matrix --format json "$1"/*.json'


def matrix(nodes: Fleet) -> str:
    """Compare all nodes of the folder that the play has filled."""
    return succeed(["sh", "-c", _MATRIX, sys.executable, nodes.profiles])


def test_every_nodes_profile_is_fetched_for_its_owner_alone(nodes: Fleet) -> None:
    ended = nodes.play(hosts=ALL)
    assert ended.returncode == 0, ended.stdout
    profiles = fetched(nodes)
    assert set(profiles) == set(NODES)
    for name, profile in profiles.items():
        assert profile.origin.kind is OriginKind.CAPTURED
        assert facts(profile) == listed(name)
    assert {path.stat().st_mode & 0o777 for path in nodes.profiles.iterdir()} == {0o600}
    groups = json.loads(matrix(nodes))["groups"]
    assert [name for group in groups for name in group["nodes"]] == sorted(NODES)


def test_a_second_play_changes_nothing(nodes: Fleet) -> None:
    first = nodes.play(hosts={"early": {}})
    second = nodes.play(hosts={"early": {}})
    assert re.search(r"early .*ok=\d+ +changed=2 ", first.stdout), first.stdout
    assert re.search(r"early .*ok=\d+ +changed=0 ", second.stdout), second.stdout


def test_a_node_that_is_none_or_down_fails_alone_and_says_why(nodes: Fleet) -> None:
    ended = nodes.play(hosts={**ALL, PLAIN: {}, DOWN: {}})
    assert ended.returncode == 4, ended.stdout  # Ansible's, where a host is not reached.
    assert set(fetched(nodes)) == set(NODES)
    said = "plain: vzcptcheck: there is no OpenVZ node to capture here"
    assert f'"msg": "{said}' in ended.stdout
    assert re.search(r"UNREACHABLE!.*Connection refused", ended.stdout)
    recap = ended.stdout.partition("PLAY RECAP")[2]
    assert len(re.findall(r"unreachable=0 +failed=0 ", recap)) == len(NODES)


def without_answers(name: str) -> dict[str, Any]:
    """Return a fixture's facts as one sees them who only reads files."""
    document = listed(name)
    document["answers"] = dict.fromkeys(document["answers"])
    for container in document["containers"]:
        is_suspended = container["state"] == "suspended"
        container.update(state="suspended" if is_suspended else "unknown", needs=None)
    return document


def test_nodes_without_python_3_are_gathered(nodes: Fleet) -> None:
    ended = nodes.play(
        hosts={
            "early": {"vzcptcheck_capture_pythons": ["/no/such/python"]},
            "middle": {"vzcptcheck_capture_method": "gather"},
            "masking": {},
        }
    )
    assert ended.returncode == 0, ended.stdout
    profiles = fetched(nodes)
    kinds = {name: profile.origin.kind.value for name, profile in profiles.items()}
    assert kinds == {"early": "gathered", "middle": "gathered", "masking": "captured"}
    for name in ("early", "middle"):
        assert facts(profiles[name]) == without_answers(name)
    assert ended.stdout.count("nobody asked the kernel") == 2
    assert "container-state-unknown" in matrix(nodes)


def test_to_capture_takes_python_3(nodes: Fleet) -> None:
    ended = nodes.play(
        hosts={"early": {}},
        vzcptcheck_capture_pythons=["/no/such/python"],
        vzcptcheck_capture_method="capture",
    )
    assert ended.returncode == 2
    assert "early has no Python 3.6 or later" in ended.stdout
    assert not nodes.profiles.exists()


def test_check_mode_asks_the_nodes_and_keeps_nothing(nodes: Fleet) -> None:
    gathered = {"vzcptcheck_capture_method": "gather"}
    ended = nodes.play("--check", hosts={"early": {}, "middle": gathered, PLAIN: {}})
    assert ended.returncode == 2, ended.stdout
    assert "there is no OpenVZ node to capture here" in ended.stdout
    assert re.search(r"early .*changed=1 .*failed=0 ", ended.stdout), ended.stdout
    assert not nodes.profiles.exists()


def test_names_are_left_out_where_that_is_asked_for(nodes: Fleet) -> None:
    gathered = {"vzcptcheck_capture_method": "gather"}
    ended = nodes.play(hosts={"early": {}, "middle": gathered}, vzcptcheck_capture_anonymize=True)
    assert ended.returncode == 0, ended.stdout
    for profile in fetched(nodes).values():
        count = len(profile.containers)
        assert [one.ctid for one in profile.containers] == list(range(101, 101 + count))
        assert " on " not in profile.origin.source


def test_a_zipapp_that_is_not_there_is_said_so(nodes: Fleet) -> None:
    ended = nodes.play(hosts={"early": {}}, vzcptcheck_capture_zipapp="/no/such.pyz")
    assert ended.returncode == 2
    assert "Could not find or access '/no/such.pyz'" in ended.stdout


def test_a_setting_that_is_none_is_refused(nodes: Fleet) -> None:
    ended = nodes.play(hosts={"early": {}}, vzcptcheck_capture_method="guess")
    assert ended.returncode == 2
    assert "vzcptcheck_capture_method must be one of: auto, capture, gather" in ended.stdout


# The gate


def migrate(nodes: Fleet, *options: str, container: int = 101, **traits: Any) -> tuple[Ended, bool]:
    """Move a container from early to masking; return what was said, and whether it was moved."""
    nodes.profiles.mkdir(exist_ok=True)
    for name in ("early", "middle", "masking"):
        text = format_profile(load_node(NODES[name]))
        (nodes.profiles / f"{name}.json").write_text(text, "utf-8")
    moved = nodes.folder / "moved"
    moved.unlink(missing_ok=True)
    hosts: dict[str, dict[str, Any]] = {"early": {}, "middle": {}, "masking": {}}
    who = {"source": "early", "destination": "masking", "container": container, **traits}
    ended = nodes.play(
        *options,
        *("-e", json.dumps(who)),
        hosts=hosts,
        playbook="migrate-where-safe.yml",
        migrate=f"uname -r > {moved}; true",
        vzcptcheck_gate_folder=str(nodes.profiles),
        vzcptcheck_gate_vzcptsim=str(Path(sys.executable).parent / "vzcptsim"),
    )
    return ended, moved.exists()


def test_a_container_is_moved_where_that_is_safe(nodes: Fleet) -> None:
    ended, is_moved = migrate(nodes, source="middle")
    assert (ended.returncode, is_moved) == (0, True), ended.stdout
    assert '"msg": "container 101 to masking: safe' in ended.stdout
    assert (nodes.folder / "moved").read_text("utf-8") == "2.6.32-042stab108.1\n"


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({}, "container 101 to masking: risky instructions-differ"),
        ({"source": "middle", "destination": "early"}, "container 101 to early: refused "),
        ({"container": 1012}, "container 1012 to masking: unknown "),
    ],
)
def test_nothing_is_moved_where_it_is_not_safe(
    nodes: Fleet, traits: dict[str, Any], said: str
) -> None:
    ended, is_moved = migrate(nodes, **traits)
    assert (ended.returncode, is_moved) == (2, False), ended.stdout
    assert said in ended.stdout


def test_other_outcomes_may_be_accepted(nodes: Fleet) -> None:
    ended, is_moved = migrate(nodes, vzcptcheck_gate_accept=["safe", "risky"])
    assert (ended.returncode, is_moved) == (0, True)


def test_more_options_are_handed_on(nodes: Fleet) -> None:
    ended, _ = migrate(nodes, vzcptcheck_gate_options=["--waive", "module-missing"])
    assert ended.returncode == 2
    assert "restore refuses for this reason, whoever waives it" in ended.stdout


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({"container": 7}, "has no container 7; there are: 101"),
        ({"destination": "nowhere"}, "nowhere.json"),
        ({"vzcptcheck_gate_accept": ["good"]}, "vzcptcheck_gate_accept must be one"),
        ({"container": "x"}, "vzcptcheck_gate_container"),
    ],
)
def test_what_cannot_be_judged_is_not_moved(
    nodes: Fleet, traits: dict[str, Any], said: str
) -> None:
    ended, is_moved = migrate(nodes, **traits)
    assert (ended.returncode, is_moved) == (2, False), ended.stdout
    assert said in ended.stdout


def test_check_mode_judges_and_moves_nothing(nodes: Fleet) -> None:
    ended, is_moved = migrate(nodes, "--check", source="middle")
    assert (ended.returncode, is_moved) == (0, False), ended.stdout
    assert "container 101 to masking: safe" in ended.stdout
    assert migrate(nodes, "--check")[0].returncode == 2


# The files


@pytest.mark.parametrize("playbook", ["capture-fleet.yml", "migrate-where-safe.yml"])
def test_the_example_has_no_mistakes_of_syntax(started: Fleet, playbook: str) -> None:
    program = Path(sys.executable).parent / "ansible-playbook"
    inventory = ANSIBLE / "inventory.example.yml"
    said = ("-e", "source=a", "-e", "destination=b", "-e", "container=1")
    succeed([program, "--syntax-check", "-i", inventory, *said, ANSIBLE / playbook])


@pytest.mark.parametrize("name", ["vzcptcheck_capture", "vzcptcheck_gate"])
def test_every_setting_of_a_role_is_described(name: str) -> None:
    role = ANSIBLE / "roles" / name
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text("utf-8"))
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text("utf-8"))
    readme = (role / "README.md").read_text("utf-8")
    assert set(defaults) == set(specs["argument_specs"]["main"]["options"])
    assert set(defaults) == set(re.findall(rf"^\| `({name}_\w+)`", readme, re.MULTILINE))
