"""Uploads and downloads: bytes as they are, streamed both ways, and how they can go wrong."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync._sandbox.world.history import KNOWN_ATTACHMENT
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync._server import app, middleware
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.sandbox_api import CONTENTS, MESSAGES, UPLOADS, Api, error
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
# Small ones are kept in the world's file, larger ones beside it.
SIZES = [0, 1, 64 * 1024, 64 * 1024 + 1, 128 * 1024 + 1, 3 * MIB]


def content_of(attachment_id: str) -> str:
    """The path of a content."""
    return f"{UPLOADS}{attachment_id}/content/"


def download(api: Api, attachment_id: str) -> requests.Response:
    return api.get(content_of(attachment_id))


def credentials(api: Api) -> str:
    """What stands behind "Basic" for the bot."""
    return base64.b64encode(f"{api.box.app_id}:{api.box.secret}".encode()).decode()


def noise(size: int) -> bytes:
    """Bytes that differ from place to place."""
    return (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("size", SIZES)
def test_content_comes_back(api: Api, size: int) -> None:
    """What was uploaded is downloaded, whatever its size."""
    assert download(api, api.upload(noise(size))).content == noise(size)


@pytest.mark.parametrize("size", SIZES)
def test_chunked_content_comes_back(api: Api, size: int) -> None:
    """An upload needs no length."""
    content = noise(size)
    parts = (content[start : start + 100_000] for start in range(0, size, 100_000))
    assert download(api, api.upload(parts)).content == content


@pytest.mark.parametrize("size", SIZES)
def test_download_tells_its_length(api: Api, size: int) -> None:
    """Content-Length is there before the content."""
    with api.get(content_of(api.upload(noise(size))), stream=True) as answer:
        assert answer.headers["Content-Length"] == str(size)


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "image/png", "x", "a/b;c=\xfc"])
def test_media_type_comes_back(api: Api, media_type: str) -> None:
    """A content has the type that it was uploaded with, letter by letter."""
    answer = download(api, api.upload(Content_Type=media_type.encode("latin-1")))
    assert answer.headers["Content-Type"] == media_type


def test_content_without_media_type_is_bytes(api: Api) -> None:
    """There is a default for the media type."""
    assert download(api, api.upload()).headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("name", ["a", "x" * 255, "🚒 ü/../b\n"])
def test_name_is_kept(api: Api, name: str) -> None:
    """A name is text, and no path."""
    attachment = {"type": "file", "attachment_id": api.upload(name=name)}
    message = api.post(MESSAGES, json={"attachments": [attachment]}).json()["message"]
    assert message["attachments"][0]["name"] == name


@pytest.mark.parametrize("query", ["", "?name=", f"?name={'x' * 256}"])
def test_upload_needs_a_name(api: Api, query: str) -> None:
    """A name has 1 to 255 characters."""
    assert error(api.post(UPLOADS + query, data=b"x")) == (422, "invalid_request")


def test_upload_needs_credentials(api: Api, temporary: Path) -> None:
    """A large body from whomever is read to its end, and not kept."""
    api.auth = None
    assert error(api.post(f"{UPLOADS}?name=a", data=noise(MIB))) == (401, "unauthorized")
    assert list(temporary.glob("*/*")) == []


def test_upload_beyond_the_limit_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte more than the limit is too large; the limit is lowered here to spare the disk."""
    for module in (app, middleware):
        monkeypatch.setattr(module, "MAX_UPLOAD", MIB)
    answers = [api.post(f"{UPLOADS}?name=a", data=bytes(MIB + more)) for more in (0, 1)]
    assert [answer.status_code for answer in answers] == [200, 413]


def test_unknown_content_is_not_found(api: Api) -> None:
    """There is nothing to download."""
    assert error(download(api, "nope")) == (404, "not_found")


def test_content_of_the_bots_chat_can_be_downloaded(api: Api) -> None:
    """What others send to the bot is for the bot."""
    assert download(api, KNOWN_ATTACHMENT).content.startswith("Tag,Früh".encode())


@pytest.mark.parametrize("end", ["remove_chat", "delete_message"])
def test_content_goes_with_its_message(api: Api, end: str) -> None:
    """What others sent is not found any more when the message or the chat is gone."""
    mid = api.box.post_message(KNOWN_CHAT, files={"a": b"x"})
    attachment = api.get(MESSAGES).json()["messages"][0]["attachments"][0]
    getattr(api.box, end)(KNOWN_CHAT, *([mid] if end == "delete_message" else []))
    assert error(download(api, attachment["attachment_id"])) == (404, "not_found")


def test_content_stays_while_one_message_has_it(api: Api) -> None:
    """Of two messages with a content one may be deleted."""
    mid = api.get(MESSAGES).json()["messages"][6]["mid"]
    attachment = {"type": "file", "attachment_id": KNOWN_ATTACHMENT}
    api.post(MESSAGES, json={"attachments": [attachment]})
    api.box.delete_message(KNOWN_CHAT, mid)
    assert download(api, KNOWN_ATTACHMENT).status_code == 200


def test_own_upload_can_be_downloaded_without_a_message(api: Api) -> None:
    """The bot keeps what it uploaded."""
    assert download(api, api.upload(b"mine")).content == b"mine"


def test_repeated_upload_is_one(api: Api) -> None:
    """The same key with the same content gets the same id."""
    keyed = {"Idempotency_Key": "k"}
    assert api.upload(noise(MIB), **keyed) == api.upload(noise(MIB), **keyed)


@pytest.mark.parametrize(
    "other",
    [{"content": noise(MIB)[::-1]}, {"name": "b"}, {"Content_Type": "text/plain"}],
    ids=lambda other: next(iter(other)),
)
def test_key_of_another_upload_is_refused(api: Api, other: dict[str, Any]) -> None:
    """A key stands for one content, one name and one media type."""
    upload = {"content": noise(MIB), "name": "a", "Content_Type": "image/png"}
    api.upload(**upload, Idempotency_Key="k")
    upload |= other
    answer = api.post(
        UPLOADS,
        params={"name": upload["name"]},
        data=upload["content"],
        headers={"Content-Type": upload["Content_Type"], "Idempotency-Key": "k"},
    )
    assert error(answer) == (422, "idempotency_mismatch")


def test_repeated_upload_leaves_no_second_file(api: Api, temporary: Path) -> None:
    """The body of a repetition is thrown away."""
    for _ in range(2):
        api.upload(noise(MIB), Idempotency_Key="k")
    assert len(list(temporary.glob("*/*"))) == 1


@pytest.mark.parametrize("effects", [{"status": 503}, {"drop": "before"}])
def test_upload_that_fails_leaves_no_file(
    api: Api, temporary: Path, effects: dict[str, Any]
) -> None:
    """The body of a request that a fault takes is thrown away."""
    api.box.fault("POST", UPLOADS, **effects)
    try:
        answer = api.post(f"{UPLOADS}?name=a", data=noise(MIB))
    except requests.ConnectionError:
        assert "drop" in effects
    else:
        assert answer.status_code == 503
    assert list(temporary.glob("*/*")) == []


def test_end_removes_temporary_files(temporary: Path) -> None:
    """A world in memory leaves nothing on the disk."""
    with sandbox(chats=0) as box, Api(box) as api:
        api.upload(noise(MIB))
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []


def test_small_contents_need_no_folder(temporary: Path) -> None:
    """Without large contents the disk is left alone."""
    with sandbox(chats=5) as box, Api(box) as api:
        download(api, api.upload(noise(1000)))
        assert list(temporary.iterdir()) == []


def test_world_in_a_file_keeps_large_contents_beside_it(tmp_path: Path) -> None:
    """A world that is served again has its contents."""
    with sandbox(chats=1, path=tmp_path / "world.db") as box, Api(box) as api:
        attachment_id = api.upload(noise(MIB))
    assert (tmp_path / "world.db.files").is_dir()
    with sandbox(path=tmp_path / "world.db") as box, Api(box) as api:
        assert download(api, attachment_id).content == noise(MIB)


@pytest.mark.parametrize("attachment", ["small", "large"])
def test_fault_can_take_the_place_of_a_download(api: Api, attachment: str) -> None:
    """A fault with a status answers in place of the content."""
    attachment_id = api.upload(noise(10 if attachment == "small" else 3 * MIB))
    api.box.fault("GET", CONTENTS, status=503)
    assert error(download(api, attachment_id)) == (503, "service_unavailable")


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_fault_can_replace_the_content(api: Api, size: int) -> None:
    """A fault's body goes out in place of the content, with its own length."""
    attachment_id = api.upload(noise(size))
    api.box.fault("GET", CONTENTS, body=b"other")
    assert download(api, attachment_id).content == b"other"


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_download_can_be_dropped(api: Api, size: int) -> None:
    """A dropped download has not a byte of an answer."""
    attachment_id = api.upload(noise(size))
    api.box.fault("GET", CONTENTS, drop="after")
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        download(api, attachment_id)


def received(api: Api, attachment_id: str) -> tuple[str | None, bytes, bool]:
    """The length that a download announces, what comes of it, and whether that is all."""
    with closing(http.client.HTTPConnection(api.box.url.rpartition("/")[2])) as connection:
        headers = {"Authorization": f"Basic {credentials(api)}"}
        connection.request("GET", content_of(attachment_id), headers=headers)
        answer = connection.getresponse()
        length = answer.headers["Content-Length"]
        try:
            return length, answer.read(), True
        except http.client.IncompleteRead as broken:
            return length, broken.partial, False


@pytest.mark.parametrize("cut", [0, 1, 100_000, 3 * MIB - 1])
def test_cut_breaks_a_download_off(api: Api, cut: int) -> None:
    """So many bytes come of what was announced, and then the connection ends."""
    attachment_id = api.upload(noise(3 * MIB))
    api.box.fault("GET", CONTENTS, cut=cut, times=1)
    assert received(api, attachment_id) == (str(3 * MIB), noise(3 * MIB)[:cut], False)


def test_cut_breaks_a_small_answer_off(api: Api) -> None:
    """Any answer can break off."""
    attachment_id = api.upload(b"hello")
    api.box.fault("GET", CONTENTS, cut=2)
    assert received(api, attachment_id) == ("5", b"he", False)


def test_cut_beyond_the_end_changes_nothing(api: Api) -> None:
    """An answer that is not longer than the cut comes whole, on a connection that stays."""
    attachment_id = api.upload(b"hello")
    api.box.fault("GET", CONTENTS, cut=5)
    before = api.box.connections
    assert [download(api, attachment_id).content for _ in range(2)] == [b"hello"] * 2
    assert api.box.connections == before


def test_next_request_follows_a_cut(api: Api) -> None:
    """After its times a cut is over, and the sandbox serves on."""
    attachment_id = api.upload(noise(3 * MIB))
    api.box.fault("GET", CONTENTS, cut=7, times=1)
    received(api, attachment_id)
    assert download(api, attachment_id).content == noise(3 * MIB)


def test_download_is_recorded_before_it_is_read(api: Api) -> None:
    """Who has the head of an answer finds its record."""
    attachment_id = api.upload(noise(3 * MIB))
    with api.get(content_of(attachment_id), stream=True):
        assert api.box.count("GET", CONTENTS) == 1


def test_download_can_be_held(api: Api) -> None:
    """Not a byte comes before the release."""
    attachment_id = api.upload(noise(3 * MIB))
    with ThreadPoolExecutor() as pool, api.box.hold("GET", CONTENTS) as held:
        answer = pool.submit(download, api, attachment_id)
        held.wait_arrived(timeout=PATIENCE)
        assert not answer.done()
        held.release()
        assert answer.result(PATIENCE).content == noise(3 * MIB)


def test_end_does_not_wait_for_a_slow_reader() -> None:
    """A download that nobody reads is broken off by the end, and leaves no thread."""
    before = set(threading.enumerate())
    box = Sandbox(chats=0)
    with ThreadPoolExecutor() as pool, Api(box) as api:
        attachment_id = api.upload(noise(32 * MIB))
        with api.get(content_of(attachment_id), stream=True) as answer:
            pool.submit(box.close).result(PATIENCE)
            answer.raw.enforce_content_length = True  # the default of urllib3 2
            with pytest.raises(requests.RequestException):
                list(answer.iter_content(MIB))
    assert set(threading.enumerate()) == before


def test_reader_that_goes_away_does_no_harm(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A client that closes in the middle of a download is no failure of the sandbox."""
    attachment_id = api.upload(noise(32 * MIB))
    with api.get(content_of(attachment_id), stream=True):
        pass
    assert download(api, attachment_id).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


STREAMING = """
import resource, sys
from teamwire_sync.testing import sandbox
from tests.support.sandbox_api import Api, UPLOADS

MIB = 1024 * 1024
with sandbox(chats=0) as box, Api(box) as api:
    api.upload(b"warm up")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chunk = bytes(MIB)
    attachment_id = api.upload(chunk for _ in range(200))
    size = 0
    with api.get(f"{UPLOADS}{attachment_id}/content/", stream=True) as answer:
        for part in answer.iter_content(MIB):
            size += len(part)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(size // MIB, (after - before) // 1024)
"""


def test_contents_are_never_in_memory() -> None:
    """Two hundred MiB up and down take a few MiB of memory, client included."""
    done = subprocess.run(
        [sys.executable, "-c", STREAMING], capture_output=True, text=True, check=True
    )
    size, grown = map(int, done.stdout.split())
    assert size == 200
    assert grown < 20


def test_uploads_at_the_same_time_do_not_mix(teamwire_sandbox: Sandbox) -> None:
    """Each of many uploads has its own content."""

    def there_and_back(number: int) -> bool:
        with Api(teamwire_sandbox) as api:
            content = noise(300_000 + number)
            return download(api, api.upload(content)).content == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))


@pytest.mark.parametrize("framing", ["Content-Length: 1048576", "Transfer-Encoding: chunked"])
def test_half_an_upload_is_none(
    api: Api, temporary: Path, framing: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that breaks off leaves nothing, and its key is free for the whole one."""
    host, port = api.box.url.rpartition("/")[2].split(":")
    head = (
        f"POST {UPLOADS}?name=a HTTP/1.1\r\nHost: {host}\r\nIdempotency-Key: k\r\n"
        f"Authorization: Basic {credentials(api)}\r\n{framing}\r\n\r\n"
    )
    half = noise(MIB // 2)
    size = b"80000\r\n" if "chunked" in framing else b""
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + size + half)
    wait_until(lambda: api.box.count("POST", UPLOADS) == 1)
    wait_until(lambda: list(temporary.glob("*/*")) == [])
    assert download(api, api.upload(noise(MIB), Idempotency_Key="k")).content == noise(MIB)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
