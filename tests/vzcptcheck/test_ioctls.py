"""Request numbers, against the numbers that the kernel's headers come to."""

import pytest

from vzcptcheck import ioctls

REQUESTS = [
    ("CPT_SET_VEID", 0x40042D04),
    ("CPT_TEST_CAPS", 0x40042D13),
    ("CPT_TEST_VECAPS", 0x40042D14),
    ("CPT_SET_ERRORFD", 0x40042D15),
    ("CPT_TEST_VERSION", 0x40042D1A),
    ("CPT_TEST_VECAPS2", 0x40042D1E),
]

# Requests that this program does not make: they show that the two macros are the kernel's.
OTHERS = [
    *((number, 4, 0x40042D00 | number) for number in (1, 2, 3, 11, 18, 27)),
    *((number, 0, 0x2D00 | number) for number in (5, 6, 7, 8, 9, 10, 12)),
]


@pytest.mark.parametrize(("name", "number"), REQUESTS)
def test_a_request_has_the_headers_name_and_number(name, number):
    assert getattr(ioctls, name) == number
    assert ioctls.NAMES[number] == name


def test_no_other_request_is_made():
    assert sorted(ioctls.NAMES) == sorted(number for _, number in REQUESTS)


@pytest.mark.parametrize(("number", "size", "request_number"), OTHERS)
def test_the_macros_are_the_kernels(number, size, request_number):
    if size:
        assert ioctls._IOW(ord("-"), number, size) == request_number
    else:
        assert ioctls._IO(ord("-"), number) == request_number
