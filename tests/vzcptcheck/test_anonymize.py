"""A profile without its owner's names and numbers."""

import json

import pytest

from vzcptcheck.anonymize import anonymize


def document(reports=(), rows=(), ctids=(7, 4001)):
    return {
        "origin": {"kind": "captured", "source": "x"},
        "cpus": [{"processors": "0", "cpuid": list(rows)}],
        "containers": [
            {"ctid": ctid, "state": "running", "needs": {"caps": 5, "reports": list(reports)}}
            for ctid in ctids
        ],
    }


def test_containers_are_numbered_anew_in_the_same_order():
    assert [one["ctid"] for one in anonymize(document())["containers"]] == [101, 102]


@pytest.mark.parametrize(
    ("report", "name", "shown"),
    [
        ("external process 12/1012({}) inside CT (vzctl enter or exec).", "backup", "process"),
        ("task 1012/12({}) is ptraced from host system", "sales-db", "process"),
        ("keys are used by 1001,1({})", "a) is (b", "process"),
        ("scheduler policy is not supported 1/1001({})", "mallory", "process"),
        ("unsupported netdevice {}", "customer7", "device"),
        ("Unsupported filesystem {}", "ramfs", "ramfs"),
        ("SLM is enabled, but slm_dmprst module is not loaded", "", ""),
    ],
)
def test_names_are_taken_out_of_reports_and_nothing_else(report, name, shown):
    (first, _) = anonymize(document([report.format(name)]))["containers"]
    assert first["needs"] == {"caps": 5, "reports": [report.format(shown)]}


def test_a_container_that_could_not_be_asked_has_no_names():
    bare = document()
    bare["containers"][0]["needs"] = None
    assert anonymize(bare)["containers"][0]["needs"] is None


def test_a_processors_serial_number_is_cleared():
    rows = [
        "0x00000000 0x0: 0x00000003 0x756e6547 0x6c65746e 0x49656e69",
        "0x00000003 0x0: 0x00000000 0x00000000 0x12345678 0x9abcdef0",
    ]

    (cpu,) = anonymize(document(rows=rows))["cpus"]

    assert cpu["cpuid"] == [rows[0], "0x00000003 0x0: 0x00000000 0x00000000 0x00000000 0x00000000"]


def test_the_document_itself_is_left_as_it_was():
    original = document(["keys are used by 1001,1(bank)"])
    before = json.dumps(original)
    anonymize(original)
    assert json.dumps(original) == before
