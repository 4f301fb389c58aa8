"""Download open corpora: check the digest, resume after an interruption, unpack everything or nothing."""

import os
import shutil
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from ..config.settings import Section, setting
from ..runtime import disk
from ..runtime.errors import UserError
from ..runtime.reporting import log, progress

TRIES = 5
_BLOCK = 1 << 15
"""Bytes written at once; an interruption loses at most these."""


class Archive(Section):
    """A zip to download; its digest comes from the publisher or the mirror, never a guess."""

    url: str = setting("address of the zip", pattern=r"^https?://")
    digest: str = setting("md5:... or sha256:... of the zip", pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    size: int = setting("bytes of the zip", ge=1)


def fetch(archives: list[Archive], path: str, licence: str, key: str) -> None:
    """Create the folder ``path`` from archives; an existing folder is never changed.

    Raises
    ------
    UserError
        The server cannot be reached or refuses, the file has another digest, or the disk lacks space.
    """
    root = Path(path).expanduser()
    if root.exists() or not archives:
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    with disk.locked(root):
        _fetch(archives, root, licence, key)


def _fetch(archives: list[Archive], root: Path, licence: str, key: str) -> None:
    disk.need_space(root.parent, 3 * sum(archive.size for archive in archives))
    size = sum(archive.size for archive in archives) / 1e6
    log.warning("%s: downloading %.1f MB to %s; licence: %s", key, size, root, licence)
    folder = root.with_name(f".{root.name}.download")
    zips = [_download(archive, folder, key, root) for archive in archives]
    unpacked = folder / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    for each, archive in zip(zips, archives, strict=True):
        try:
            with zipfile.ZipFile(each) as opened:
                opened.extractall(unpacked)
        except zipfile.BadZipFile as fault:
            raise UserError(f"{key}.archives: {archive.url}: not a zip ({fault}); correct its url") from None
    os.replace(unpacked, root)
    shutil.rmtree(folder)


def _download(archive: Archive, folder: Path, key: str, root: Path) -> Path:
    """The checked file of an archive."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    name = Path(urlsplit(archive.url).path).name
    elsewhere = f"or download and unpack it yourself and set {key}.path to the folder"
    try:
        return Path(
            pooch.retrieve(archive.url, archive.digest, fname=name, path=folder, downloader=Resuming(folder, archive))
        )
    except requests.HTTPError as fault:
        status = f"{fault.response.status_code} {fault.response.reason}"
        raise UserError(f"{key}.archives: {archive.url}: {status}; correct its url, {elsewhere}") from None
    except requests.RequestException:
        host = urlsplit(archive.url).netloc
        raise UserError(
            f"{key}: {host} cannot be reached to download {archive.url}; run again with a network "
            f"(the part that has arrived is kept), {elsewhere} (now {root})"
        ) from None
    except ValueError as fault:
        if "hash" not in str(fault):
            raise
        raise UserError(
            f"{key}.archives: {archive.url}: the file's digest is not {archive.digest}; run again, {elsewhere}"
        ) from None


class Resuming:
    """A downloader for pooch that resumes after a lost connection or a killed run."""

    def __init__(self, folder: Path, archive: Archive):
        self.part = folder / f"{archive.digest.partition(':')[2][:16]}.part"
        self.size = archive.size

    def __call__(self, url: str, output_file, pooch, check_only: bool = False) -> None:
        import requests

        for attempt in range(1, TRIES + 1):
            held = self.part.stat().st_size if self.part.exists() else 0
            try:
                self._append(url, held)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                gained = self.part.stat().st_size - held if self.part.exists() else 0
                if attempt == TRIES or not gained:
                    raise
        os.replace(self.part, output_file)

    def _append(self, url: str, held: int) -> None:
        """Append the bytes after the first ``held``, or write all of them if the server does not support ranges."""
        import requests

        if held >= self.size:
            return
        ask = {"Range": f"bytes={held}-"} if held else {}
        with requests.get(url, headers=ask, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            whole = answer.status_code != 206
            left = self.size - (0 if whole else held)
            with open(self.part, "wb" if whole else "ab") as file:
                blocks = answer.iter_content(_BLOCK)
                for block in progress(blocks, Path(url).name, -(-left // _BLOCK)):
                    file.write(block)
