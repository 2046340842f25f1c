"""Numbers of the requests to /proc/cpt and /proc/rst, made as the kernel's headers make them."""

_WRITE = 1
_SIZE_SHIFT = 16
_DIRECTION_SHIFT = 30
_TYPE_SHIFT = 8

#: The type byte of every checkpoint request.
CPT_TYPE = ord("-")


def _IO(kind: "int", number: "int") -> "int":
    """Encode a request that transfers nothing."""
    return kind << _TYPE_SHIFT | number


def _IOW(kind: "int", number: "int", size: "int") -> "int":
    """Encode a request that says it writes ``size`` bytes (here: an int, passed by value)."""
    return _WRITE << _DIRECTION_SHIFT | size << _SIZE_SHIFT | kind << _TYPE_SHIFT | number


CPT_SET_VEID = _IOW(CPT_TYPE, 4, 4)
CPT_TEST_CAPS = _IOW(CPT_TYPE, 19, 4)
CPT_TEST_VECAPS = _IOW(CPT_TYPE, 20, 4)
CPT_SET_ERRORFD = _IOW(CPT_TYPE, 21, 4)
CPT_TEST_VERSION = _IOW(CPT_TYPE, 26, 4)
CPT_TEST_VECAPS2 = _IOW(CPT_TYPE, 30, 4)

NAMES = {
    CPT_SET_VEID: "CPT_SET_VEID",
    CPT_TEST_CAPS: "CPT_TEST_CAPS",
    CPT_TEST_VECAPS: "CPT_TEST_VECAPS",
    CPT_SET_ERRORFD: "CPT_SET_ERRORFD",
    CPT_TEST_VERSION: "CPT_TEST_VERSION",
    CPT_TEST_VECAPS2: "CPT_TEST_VECAPS2",
}
