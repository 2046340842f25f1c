"""Messages of protocol buffers: rows of fields, each a tag and a value.

A tag is the field's number, and how its value is written. Source: protobuf.dev ("Encoding").
"""

from collections.abc import Iterator

#: How the value of a field is written.
_VARINT = 0
_FIXED_64 = 1
_LENGTH_DELIMITED = 2
_FIXED_32 = 5
_FIXED_SIZES = {_FIXED_64: 8, _FIXED_32: 4}

#: A varint has seven bits a byte, and the eighth says that there are more: more than ten bytes
#: hold no number of 64 bits.
_LONGEST_VARINT = 10
_MORE = 0x80
_64_BITS = (1 << 64) - 1


def parse_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field's number and value: an integer, or the bytes of what has a length.

    ValueError where the message ends within a field, or has what no message has.
    """
    position, end = 0, len(data)
    while position < end:
        # Most tags and numbers are one byte: a call for each takes three times as long.
        tag, position = data[position], position + 1
        if tag >= _MORE:
            tag, position = _read_varint(data, position - 1)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError(f"a field without a number at byte {position - 1}")
        value: int | bytes
        if wire == _VARINT:
            if position < end and data[position] < _MORE:
                value, position = data[position], position + 1
            else:
                value, position = _read_varint(data, position)
        elif wire == _LENGTH_DELIMITED:
            size, position = _read_varint(data, position)
            value, position = _read_bytes(data, position, size)
        elif wire in _FIXED_SIZES:
            raw, position = _read_bytes(data, position, _FIXED_SIZES[wire])
            value = int.from_bytes(raw, "little")
        else:
            raise ValueError(f"a field of unknown kind {wire} at byte {position - 1}")
        yield number, value


def parse_varints(data: bytes) -> Iterator[int]:
    """Yield the numbers of a packed field."""
    position = 0
    while position < len(data):
        value, position = _read_varint(data, position)
        yield value


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * count
        if byte < _MORE:
            return value & _64_BITS, position + count + 1
    raise ValueError(f"a number at byte {position} has no end")


def _read_bytes(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - position:
        raise ValueError(f"a field at byte {position} is longer than the message")
    return data[position : position + size], position + size
