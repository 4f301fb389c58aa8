"""Downloads from a server of our own: resumed, checked, unpacked whole or not at all, each mistake in one line."""

import contextlib
import hashlib
import http.server
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from stages.corpora.emodb import Emodb
from tests.unit import corpus_trees as trees
from tests.unit.catalogue import shipped
from tests.unit.small_corpus import ingest, read, refused, write_params

NOISE = np.random.default_rng(1).bytes(1_000_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; ``cuts`` says after how many bytes the next answers break off, ``hold`` makes them wait."""

    daemon_threads = True

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cuts, self.ranges, self.asked = content, [], True, []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/emodb.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range", ""))
        if self.path != "/emodb.zip":
            return self.send_error(404)
        start = int(self.headers["Range"][6:-1]) if "Range" in self.headers and server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(body)
        self.wfile.write(body[:cut])
        self.wfile.flush()
        server.hold.wait(60)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A server of EMO-DB's tree as a zip, with enough bytes to break off in."""
    trees.emodb(tmp_path / "source")
    (tmp_path / "source/emodb/silb").write_bytes(NOISE)
    path = Path(shutil.make_archive(str(tmp_path / "emodb"), "zip", tmp_path / "source"))
    with Server(path.read_bytes()) as running, contextlib.ExitStack() as stack:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        stack.callback(running.shutdown)
        yield running


def entry(folder, server: Server, **changes) -> None:
    digest = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
    archive = {"url": server.url, "digest": f"md5:{digest}", "size": len(server.content)} | changes
    write_params(folder, corpora={"c": shipped(Emodb, path="raw/emodb", archives=[archive], partial=True)})


def left(folder) -> list[str]:
    return sorted(path.name for path in (folder / "raw").rglob("*") if path.is_file())


def test_a_corpus_is_downloaded_once_with_its_licence_shown(tmp_path, server):
    entry(tmp_path, server)
    said = ingest(tmp_path, corpus="c")
    assert "licence: Creative Commons Attribution 4.0" in said and server.asked == [""]
    assert [row["utterance"] for row in read(tmp_path / "out/manifest.csv")] == ["03a01Fa", "08b02Tb", "16b10Lc"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["emodb"]
    assert "licence" not in ingest(tmp_path, corpus="c") and len(server.asked) == 1


def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path, server):
    entry(tmp_path, server)
    server.cuts = [100_000, 200_000]
    ingest(tmp_path, corpus="c")
    assert server.asked == ["", "bytes=98304-", "bytes=294912-"]
    assert (tmp_path / "raw/emodb/emodb/silb").read_bytes() == NOISE


def test_a_server_without_ranges_is_read_from_the_start(tmp_path, server):
    entry(tmp_path, server)
    server.cuts, server.ranges = [100_000], False
    ingest(tmp_path, corpus="c")
    assert server.asked == ["", "bytes=98304-"] and (tmp_path / "raw/emodb/emodb/wav/03a01Fa.wav").is_file()


def test_a_download_that_is_killed_goes_on_where_it_was(tmp_path, server):
    entry(tmp_path, server)
    server.cuts = [300_000]
    server.hold.clear()
    command = "import sys; sys.path[:] = {!r}; from stages.corpora import readers; "
    command += "readers.fetched(readers.load('c', 'params.yaml'), 'c')"
    running = subprocess.Popen([sys.executable, "-c", command.format(sys.path)], cwd=tmp_path)
    part = tmp_path / "raw/.emodb.download"
    for _ in range(300):
        if any(path.stat().st_size >= 250_000 for path in part.glob("*.part")):
            break
        time.sleep(0.1)
    running.kill()
    running.wait()
    server.hold.set()
    (held,) = (path.stat().st_size for path in part.glob("*.part"))
    assert held >= 250_000 and not (tmp_path / "raw/emodb").exists()
    ingest(tmp_path, corpus="c")
    assert server.asked == ["", f"bytes={held}-"]


def test_another_digest_is_refused_and_nothing_kept(tmp_path, server):
    entry(tmp_path, server, digest="md5:" + 32 * "0")
    assert "digest is not md5:000" in ingest(tmp_path, corpus="c", run=refused)
    assert left(tmp_path) == []
    entry(tmp_path, server)
    ingest(tmp_path, corpus="c")


def test_a_wrong_address_and_no_network_are_explained(tmp_path, server):
    entry(tmp_path, server, url=server.url.replace("emodb.zip", "emo.zip"))
    error = ingest(tmp_path, corpus="c", run=refused)
    assert "404 Not Found; correct its url" in error and "set corpora.c.path to the folder" in error
    entry(tmp_path, server, url="http://127.0.0.1:9/emodb.zip")
    error = ingest(tmp_path, corpus="c", run=refused)
    assert (
        "127.0.0.1:9 cannot be reached" in error and "unpack it yourself and set corpora.c.path to the folder" in error
    )


def test_a_digest_must_be_given(tmp_path, server):
    entry(tmp_path, server, digest="")
    assert "corpora.c.archives.0.digest" in ingest(tmp_path, corpus="c", run=refused)
    write_params(tmp_path, corpora={"c": shipped(Emodb, path="raw/emodb", archives=[])})
    assert "unpack emodb.zip of Zenodo record 7447302 there" in ingest(tmp_path, corpus="c", run=refused)


def test_a_folder_that_is_there_is_left_alone(tmp_path, server):
    (tmp_path / "raw/emodb").mkdir(parents=True)
    entry(tmp_path, server)
    assert "no labelled audio in" in ingest(tmp_path, corpus="c", run=refused)
    assert server.asked == [] and list((tmp_path / "raw").rglob("*")) == [tmp_path / "raw/emodb"]
