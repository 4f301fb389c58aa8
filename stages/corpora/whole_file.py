"""Whether an audio file holds what its header announces: neither less nor more, and no other format than decoders read.

libsndfile takes a header's word: what lies behind the announced samples is dropped without a word.
"""

import os
import struct

from .csv_file import POINTER

_ENDLESS = 0x7FFF_0000  # a WAV header of a stream that was never closed announces this much or more
_TRAILER = 256  # bytes behind the last part of a file that are no samples: tags, padding
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
_UNREAD = (
    (4, b"ftyp", "AAC or ALAC in MP4, as M4A"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"#!AMR", "AMR"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)  # place and bytes by which formats are known that libsndfile does not read
_BLOCKS = (0, 192, 576, 1152, 2304, 4608, -1, -2, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
"""Samples of a FLAC frame by the four bits of its header (RFC 9639, table 14); -1, -2: in so many bytes behind it."""


class Unreadable(Exception):
    """The file cannot be used; the text is the reason."""


def check_whole(file: int, suffix: str) -> None:
    """Find faults that libsndfile accepts: an empty file, one cut off, one that holds more than its header says.

    ``file`` is a descriptor; its position stays at the start.

    Raises
    ------
    Unreadable
        There is such a fault, or the format is one that libsndfile does not read.
    """
    size = os.fstat(file).st_size
    if size == 0:
        raise Unreadable("empty file (0 bytes)")
    if suffix == ".raw":
        raise Unreadable("unreadable: headerless samples; convert to WAV or FLAC")
    head = os.pread(file, 44, 0)
    if head.startswith(POINTER):
        raise Unreadable("a Git LFS pointer, not audio; run 'git lfs pull' in its folder")
    for place, mark, name in _UNREAD:
        if head[place:].startswith(mark):
            raise Unreadable(f"unreadable: {name}; convert it: ffmpeg -i FILE -ac 1 -ar 16000 NAME.wav")
    kind, form = head[:4], head[8:12]
    if kind == b"RIFF" and form == b"WAVE":
        _check_chunks(file, size, "<4sI", b"data")
    elif kind == b"RF64" and head[12:16] == b"ds64":
        _check_chunks(file, size, "<4sI", b"data", int.from_bytes(head[28:36], "little"))
    elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        _check_chunks(file, size, ">4sI", b"SSND")
    elif kind == b".snd":
        begin, announced = struct.unpack(">II", head[4:12])
        if announced < _ENDLESS:
            _refuse_rest(file, size, begin + announced, announced)
    elif kind == b"fLaC":
        _check_flac(file, size, head)
    elif kind == b"OggS":
        tail = os.pread(file, 1 << 16, max(0, size - (1 << 16)))
        page = tail.rfind(b"OggS")
        if page < 0 or len(tail) < page + 6 or not tail[page + 5] & 4:
            raise Unreadable("truncated: the last OGG page is missing")
    elif suffix == ".mp3":
        _check_mp3(file, size, head)


def _check_chunks(file: int, size: int, form: str, wanted: bytes, real: int = 0) -> None:
    """The chunk ``wanted`` of a WAV or AIFF holds what it announces (or ``real``), and only chunks follow it."""
    place, announced = 12, None
    while len(chunk := os.pread(file, 8, place)) == 8:
        name, length = struct.unpack(form, chunk)
        if announced is not None and (not name.strip().isalnum() or length > size - place - 8):
            break
        if name == wanted:
            length = real or length
            if length >= _ENDLESS and not real:
                return
            announced, held = length, size - place - 8
            if held < length:
                raise Unreadable(f"truncated: {held} of {length} bytes of samples")
        place += 8 + length + length % 2
    if announced is not None:
        _refuse_rest(file, size, place, announced)


def _refuse_rest(file: int, size: int, place: int, announced: int, slack: int = _TRAILER) -> None:
    """Nothing but a tag, padding or ``slack`` bytes follow ``place``, behind all that the header knows of."""
    rest = os.pread(file, min(max(0, size - place), 1 << 16), place)
    if len(rest) > slack and any(rest) and not any(tag in rest[:slack] for tag in _TAGS):
        raise Unreadable(
            f"its header announces {announced} bytes of samples, but {size - place} more bytes follow; write it again "
            "from its source, or a WAV by: ffmpeg -ignore_length 1 -i FILE NAME.wav"
        )


def _check_flac(file: int, size: int, head: bytes) -> None:
    """The last frame of a FLAC holds the last of the announced samples (RFC 9639, sections 8.2 and 9.1)."""
    block, largest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[15:18], "big")
    announced = int.from_bytes(head[18:26], "big") & (1 << 36) - 1
    length = min(size, largest + _TRAILER if largest else 1 << 16)
    tail = os.pread(file, length, size - length)
    place = len(tail)
    while announced and (place := max(tail.rfind(code, 0, place + 1) for code in (b"\xff\xf8", b"\xff\xf9"))) >= 0:
        first = _first_sample(tail[place : place + 16], block)
        if first is not None:
            if first >= announced:
                raise Unreadable(
                    f"its header announces {announced} samples, but it holds more than {first}; write it again: "
                    "ffmpeg -i FILE NAME.wav"
                )
            return


def _first_sample(header: bytes, block: int) -> int | None:
    """The number of a FLAC frame's first sample; None if these bytes are no frame's header."""
    if len(header) < 6 or header[2] >> 4 == 0 or header[3] & 1:
        return None
    more = 0
    while header[4] << more & 0x80:
        more += 1
    if more == 1 or more > 7:
        return None
    number = header[4] & (0x7F >> more)
    behind = 5 + max(0, more - 1)
    for byte in header[5:behind]:
        number = number << 6 | byte & 0x3F
    end = behind + max(0, -_BLOCKS[header[2] >> 4]) + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if end >= len(header) or _crc8(header[:end]) != header[end]:
        return None
    return number if header[1] & 1 else number * block


def _crc8(content: bytes) -> int:
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 7 if value & 0x80 else value << 1) & 0xFF
    return value


def _check_mp3(file: int, size: int, head: bytes) -> None:
    """The bytes that the first frame of an MP3 counts (Xing or Info) are those of the file."""
    begin = 0
    if head[:3] == b"ID3":
        begin = 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    frame = os.pread(file, 256, begin)
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0:
        return
    flags = frame[place + 7]
    if flags & 2:
        at = place + 8 + (4 if flags & 1 else 0)
        announced = int.from_bytes(frame[at : at + 4], "big")
        _refuse_rest(file, size, begin + announced, announced, 1 << 12)  # encoders differ by a frame
