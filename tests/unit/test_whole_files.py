"""Audio that no decoder complains of, and that is not what it seems: each is refused with what to do about it."""

import os
import struct

import numpy as np
import pytest
import soundfile

from stages.corpora import audio_file
from stages.corpora.audio_file import Unreadable, attempted, decode
from tests.unit.small_corpus import SHARED

NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000)


def reason(path) -> str:
    with pytest.raises(Unreadable) as caught:
        decode(path)
    return str(caught.value)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_integers_in_floats_are_no_square_wave(tmp_path, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE * 32768, 16_000, subtype)
    peak = abs(soundfile.read(path)[0]).max()
    assert reason(path).startswith(f"floats up to {peak:g}, where full scale is 1: integers that were not divided")
    soundfile.write(path, np.rint(NOISE * 20), 16_000, subtype)
    assert reason(path).startswith("floats up to 8, where full scale is 1")
    soundfile.write(path, NOISE * 4, 16_000, subtype)  # loud, and clipped as before
    samples, clipped = decode(path)
    assert len(samples) == 16_000 and clipped == (abs(NOISE) * 4 * 32768 >= 32767.5).sum() > 0


@pytest.mark.parametrize(("level", "kind"), [(0.3, "constant"), (-0.5, "constant"), (0.0, "silent")])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_constant_is_no_sound(tmp_path, level, kind, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.full(16_000, level), 16_000)
    assert attempted("a", path, 1e-4, 0.1).reason.startswith(f"{kind}: ")
    soundfile.write(path, level + 0.01 * NOISE, 16_000)
    assert attempted("a", path, 1e-4, 0.1).reason == ""
    assert audio_file.fault(np.zeros(16_000, np.int16), 0.0, 0.1) == ""  # as the limit says


def announced(path, place: int, form: str, value: int) -> None:
    """Write ``value`` over a number in a header."""
    content = bytearray(path.read_bytes())
    content[place : place + struct.calcsize(form)] = struct.pack(form, value)
    path.write_bytes(content)


def halved(path, subtype: str = "PCM_16") -> None:
    """A file of 16,000 frames whose header announces half of them; its format is that of the suffix."""
    kind = path.suffix[1:]
    soundfile.write(path, NOISE, 16_000, subtype, format=kind.upper())
    content, size = path.read_bytes(), 16_000 * (4 if subtype == "FLOAT" else 2)
    if kind == "flac":
        about = int.from_bytes(content[18:26], "big")
        announced(path, 18, ">Q", about >> 36 << 36 | 8000)
    elif kind == "aiff":
        announced(path, content.index(b"SSND") + 4, ">I", size // 2 + 8)
    elif kind == "au":
        announced(path, 8, ">I", size // 2)
    elif kind == "rf64":
        announced(path, 28, "<Q", size // 2)
    else:
        announced(path, content.index(b"data") + 4, "<I", size // 2)


@pytest.mark.parametrize(
    ("name", "subtype", "words"),
    [
        ("a.wav", "PCM_16", "its header announces 16000 bytes of samples, but 16000 more bytes follow"),
        ("a.wav", "FLOAT", "its header announces 32000 bytes of samples, but 32000 more bytes follow"),
        ("a.rf64", "PCM_16", "its header announces 16000 bytes of samples, but 16000 more"),
        ("a.aiff", "PCM_16", "its header announces 16008 bytes of samples, but 16000 more"),
        ("a.au", "PCM_16", "its header announces 16000 bytes of samples, but 16000 more"),
        ("a.flac", "PCM_16", "its header announces 8000 samples, but it holds more than 12288"),
        ("a.flac", "PCM_24", "its header announces 8000 samples, but it holds more than 12288"),
    ],
)
def test_what_a_header_leaves_out_is_not_dropped_in_silence(tmp_path, name, subtype, words):
    halved(tmp_path / name, subtype)
    assert reason(tmp_path / name).startswith(words)
    kind = (tmp_path / name).suffix[1:].upper()
    soundfile.write(tmp_path / name, NOISE, 16_000, subtype, format=kind)
    assert len(decode(tmp_path / name)[0]) == 16_000


def test_two_mp3s_behind_each_other_are_not_taken_for_the_first(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.tile(NOISE, 4), 16_000)
    whole = path.read_bytes()
    assert len(decode(path)[0]) == 64_000
    path.write_bytes(whole + b"TAG" + bytes(125))
    assert len(decode(path)[0]) == 64_000
    path.write_bytes(whole + whole)
    assert "more bytes follow" in reason(path)


@pytest.mark.parametrize(
    "behind", [b"LIST" + struct.pack("<I", 300) + b"INFO" + b"x" * 296, b"id3 " + struct.pack("<I", 3) + b"abc\0"]
)
def test_what_a_wav_may_hold_behind_its_samples(tmp_path, behind):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 16_000, "PCM_16")
    before = path.read_bytes()
    for more in (behind, behind * 2, bytes(5000), b"\x01" * 100, b"TAG" + b"x" * 500):
        path.write_bytes(before + more)
        assert len(decode(path)[0]) == 16_000


@pytest.mark.parametrize("frames", [1, 100, 4095, 4096, 4097, 16_384, 100_000, 700_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_flacs_pass_whatever_their_last_frame(tmp_path, frames, channels):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(frames).normal(0, 0.1, (frames, channels)), 16_000)
    assert len(decode(path)[0]) == frames


def test_whole_flacs_of_a_true_corpus_pass():
    if not (SHARED / "corpora/ravdess").exists():
        pytest.skip("needs corpora/ravdess in a folder 'shared' beside the repository")
    from stages.corpora.whole_file import check_whole

    paths = sorted((SHARED / "corpora/ravdess").rglob("*.flac"))
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        check_whole(opened, ".flac")
        os.close(opened)
    assert len(paths) == 1440


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0\0\0\x20ftypM4A " + bytes(500), "unreadable: AAC or ALAC in MP4, as M4A; convert it: ffmpeg -i FILE"),
        (b"\x1a\x45\xdf\xa3" + bytes(500), "unreadable: WebM or Matroska; convert it"),
        (b"#!AMR\n" + bytes(500), "unreadable: AMR; convert it"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer, not audio; run 'git lfs pull'"),
    ],
)
def test_what_is_not_read_says_what_it_is(tmp_path, content, words):
    (tmp_path / "a.wav").write_bytes(content)
    assert reason(tmp_path / "a.wav").startswith(words)
