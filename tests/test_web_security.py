"""Safe by default: who may ask, under which name, for which file, how much; and what overload does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import PROGRAM
from findalike.errors import UsageError
from findalike.web.config import Config, Limits
from findalike.web.gate import Gate
from findalike.web.problems import PROBLEMS, ProblemError
from web import READER, TOKENS, WRITER, Answered, Served, check_problem, drawn, encoded, refused, serving

pytest_plugins = ["web"]

PASSWD = b"root:"


# Files, by asset id alone

CLIMBS = [
    "/v1/assets/../../etc/passwd/content",
    "/v1/assets/..%2f..%2fetc%2fpasswd/content",
    "/v1/assets/..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd/content",
    "/v1/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd/content",
    "/v1/assets/%252e%252e%252fetc%252fpasswd/content",
    "/v1/assets/..%5c..%5cetc%5cpasswd/content",
    "/v1/assets/..%c0%af..%c0%afetc/passwd/content",
    "/v1/assets//etc/passwd/content",
    "/v1/assets/%2fetc%2fpasswd/content",
    "/v1/assets/%2fetc%2fpasswd%00.png/thumbnail",
    "/v1/assets/file:%2f%2f%2fetc%2fpasswd/content",
    "/v1/assets/id:x/content",
    "/v1/assets/*/content",
    "/static/../../../etc/passwd",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/../app.py",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/....//....//etc/passwd",
    "/static/index.html%00.js",
    "/static/",
    "/static",
    "/static/.",
    "//etc/passwd",
    "//",
    "/..",
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/v1/../static/index.html",
    "/etc/passwd",
    "/.git/config",
    "/docs",
    "/redoc",
    "/openapi.json",
]


@pytest.mark.parametrize("target", CLIMBS)
def test_no_address_climbs_out(reading: Served, target: str) -> None:
    answer = reading.get(target)
    assert answer.status in (400, 404, 405, 422), answer
    assert PASSWD not in answer.body
    assert b"import " not in answer.body
    if answer.status != 400:
        check_problem(answer.status, answer.headers, answer.body)


@pytest.mark.parametrize("target", ["http://localhost/healthz", "http://evil.example/v1/library"])
def test_a_target_with_a_host_of_its_own(reading: Served, target: str) -> None:
    """As proxies are asked: the path is answered at most, and nothing is fetched."""
    assert reading.get(target).status in (200, 400, 404, 421)
    line = f"GET {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert Answered.read(reading.raw(line.encode())).status in (400, 421)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/assets/a%0d%0aX-Evil:%20yes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /v1/facets?column=a%0d%0aX-Evil:yes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /v1/jobs/a%0d%0aX-Evil:%20yes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /healthz\rX-Evil: yes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\rX-Evil: yes\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: a\x00b\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n X-Evil: folded\r\nConnection: close\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_no_letter_ends_a_header(reading: Served, request_: bytes) -> None:
    raw = reading.raw(request_ + b"\r\n\r\n")
    head = raw.partition(b"\r\n\r\n")[0].lower()
    assert b"\nx-evil" not in head
    assert not raw or raw.startswith(b"HTTP/1.1 ")
    assert not raw.startswith(b"HTTP/1.1 5")
    assert reading.get("/healthz").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", "a b"]
)
def test_another_name_is_refused(reading: Served, host: str) -> None:
    """Rebinding: a name that points here is still not a name of this server."""
    for path in ("/", "/v1/library", "/healthz", "/static/main.js"):
        line = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = Answered.read(reading.raw(line.encode()))
        assert answer.status in (400, 421), (path, host)
    assert reading.get("/healthz").status == 200


def test_where_is_no_way_to_files(web: httpx.Client) -> None:
    for text in ("/etc/passwd", "file:///etc/passwd", "../../etc/passwd", "id:x", "http://127.0.0.1/"):
        answer = web.post("/v1/search", json={"terms": [{"text": text}]})
        assert answer.status_code in (200, 422)
        assert "root:" not in answer.text
        refused(web.post("/v1/search", json={"terms": [{"upload": text}]}), "invalid")
        assert web.post("/v1/search", json={"terms": [{"id": text}]}).status_code == 422


# Headers


def test_each_answer_has_its_guards(web: httpx.Client) -> None:
    """The client checks the same of every answer of these tests."""
    for path in ("/", "/static/main.js", "/v1/library", "/nothing", "/v1/openapi.json"):
        policy = web.get(path).headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_a_mistake_of_the_server_has_them_too(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret: /home/someone")

    with serving(gallery) as served, served.client() as web:
        monkeypatch.setattr(served.library, "search", broken)
        answer = web.get("/v1/search", params={"text": "red"})
        assert answer.status_code == 500
        assert "secret" not in refused(answer, "internal")
        assert web.get("/healthz").status_code == 200
        assert 'status="500"' in web.get("/metrics").text


def test_each_problem_s_code_is_one_of_the_list() -> None:
    for code, (status, title) in PROBLEMS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert 400 <= status < 600
        assert title


# Other sites


def test_no_other_site_reads_by_default(web: httpx.Client) -> None:
    for headers in ({"origin": "https://shop.example"}, {"origin": "null"}):
        answer = web.get("/v1/library", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = {**headers, "access-control-request-method": "POST"}
        answer = web.request("OPTIONS", "/v1/search", headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_allowed_site_reads_and_writes(copied: Path, ids: dict[str, str]) -> None:
    config = Config(port=0, origins=("https://shop.example",))
    with serving(copied, config) as served, served.client() as web:
        ours = {"origin": "https://shop.example"}
        answer = web.get("/v1/library", headers=ours)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers
        asked = {
            **ours,
            "access-control-request-method": "PATCH",
            "access-control-request-headers": "x-api-key",
        }
        answer = web.request("OPTIONS", f"/v1/assets/{ids['large.png']}", headers=asked)
        assert answer.status_code == 200
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "x-api-key" in answer.headers["access-control-allow-headers"]
        edit = {"labels": {"add": ["x"]}}
        path = f"/v1/assets/{ids['large.png']}"
        assert web.patch(path, json=edit, headers=ours).status_code == 200
        for other in (
            "https://evil.example",
            "http://shop.example",
            "https://shop.example.evil.example",
            "null",
        ):
            answer = web.get("/v1/library", headers={"origin": other})
            assert "access-control-allow-origin" not in answer.headers, other
            refused(web.patch(path, json=edit, headers={"origin": other}), "cross-site")


def test_other_sites_change_nothing(writing: Served, ids: dict[str, str]) -> None:
    with writing.client() as web:
        path = f"/v1/assets/{ids['large.png']}"
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            refused(web.delete(path, headers=headers), "cross-site")
            refused(web.patch(path, json={"labels": {"add": ["x"]}}, headers=headers), "cross-site")
            refused(web.post("/v1/jobs", json={"folder": "allowed"}, headers=headers), "cross-site")
        own = {"origin": writing.url, "sec-fetch-site": "same-origin"}
        assert web.patch(path, json={"labels": {"add": ["x"]}}, headers=own).status_code == 200


# Tokens


@pytest.fixture(scope="module")
def locked(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that asks for tokens."""
    import shutil

    path = Path(shutil.copytree(gallery, tmp_path_factory.mktemp("locked") / "library"))
    with serving(path, Config(port=0, tokens=TOKENS)) as served:
        yield served


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


OPEN = ("/", "/healthz", "/readyz", "/static/main.js")


def test_without_a_token_only_the_page_answers(locked: Served, ids: dict[str, str]) -> None:
    with locked.client() as web:
        for path in OPEN:
            assert web.get(path).status_code == 200, path
        document = web.get("/v1/openapi.json", headers=bearer(READER)).json()
        for path, operations in document["paths"].items():
            if path in (*OPEN, "/v1/session"):
                continue
            for method in operations:
                answer = web.request(
                    method, path.replace("{asset_id}", ids["large.png"]).replace("{job_id}", "x")
                )
                assert answer.status_code == 401, (method, path)
                refused(answer, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/v1/nothing", "/metrics", "/v1/openapi.json", "//v1/library", "/V1/library", "/static"):
            assert web.get(path).status_code == 401, path
        assert web.head("/v1/library").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        bearer("wrong-0123456789abcdef"), bearer(READER + "x"), bearer(READER[:-1]),
        {"authorization": READER}, {"authorization": f"Basic {READER}"}, {"authorization": "Bearer"},
        {"x-api-key": ""}, {"x-api-key": "wrong"}, {"x-api-key": f"Bearer {READER}"},
        {"cookie": f"findalike={READER}"}, {"cookie": "findalike="}, {"cookie": 'findalike="'},
        {"authorization": "Bearer é"}, {"x-api-key": READER.upper()},
        {"authorization": "Bearer " + "x" * 8_000}, {"cookie": "findalike=x; a=b; ;;="},
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(locked: Served, headers: dict[str, str]) -> None:
    with locked.client() as web:
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        refused(web.get("/v1/library", headers=raw), "unauthorized")


def test_a_token_in_the_address_is_none(locked: Served) -> None:
    with locked.client() as web:
        for name in ("token", "access_token", "api_key", "x-api-key", "key", "authorization"):
            refused(web.get("/v1/library", params={name: WRITER}), "unauthorized")
        assert web.get(f"http://{WRITER}@127.0.0.1:{locked.port}/v1/library").status_code == 401


def test_the_scopes_of_tokens(locked: Served, ids: dict[str, str]) -> None:
    path = f"/v1/assets/{ids['shape-00.png']}"
    edit = {"labels": {"add": ["x"]}}
    with locked.client() as web:
        for headers in (bearer(READER), {"authorization": f"bearer   {READER}"}, {"x-api-key": READER}):
            assert web.get("/v1/library", headers=headers).status_code == 200
            assert web.post("/v1/search", json={}, headers=headers).status_code == 200
            exported = web.post("/v1/assets/export", json={"ids": [ids["large.png"]]}, headers=headers)
            assert exported.status_code == 200
            for method, where, body in (
                ("PATCH", path, edit),
                ("PATCH", "/v1/assets", {"ids": [ids["large.png"]], **edit}),
                ("DELETE", path, None),
                ("POST", "/v1/jobs", {"folder": "x"}),
                ("POST", "/v1/assets", None),
                ("DELETE", "/v1/jobs/x", None),
                ("POST", f"{path}/reveal", None),
            ):
                refused(web.request(method, where, json=body, headers=headers), "forbidden")
        for headers in (bearer(WRITER), {"x-api-key": WRITER}):
            assert web.patch(path, json=edit, headers=headers).status_code == 200
        both = {**bearer("wrong-0123456789abcdef"), "x-api-key": READER}
        assert web.get("/v1/library", headers=both).status_code in (200, 401)
        refused(web.patch(path, json=edit, headers={**bearer(READER), "x-api-key": "x"}), "forbidden")


def test_a_page_signs_in_and_out(locked: Served, ids: dict[str, str]) -> None:
    path = f"/v1/assets/{ids['shape-01.png']}"
    for token, changed in ((READER, 403), (WRITER, 200)):
        with locked.client() as web:
            refused(web.post("/v1/session", json={"token": "wrong-0123456789abcdef"}), "unauthorized")
            assert not web.cookies
            answer = web.post("/v1/session", json={"token": token})
            assert answer.status_code == 204
            set_ = answer.headers["set-cookie"].lower()
            assert "httponly" in set_
            assert "samesite=strict" in set_
            assert token not in answer.headers["set-cookie"]
            assert web.get("/v1/library").status_code == 200
            assert web.get(f"{path}/thumbnail").status_code == 200
            assert web.patch(path, json={"labels": {"add": ["y"]}}).status_code == changed
            evil = {"origin": "https://evil.example"}
            assert web.patch(path, json={"labels": {"add": ["z"]}}, headers=evil).status_code == 403
            assert web.delete("/v1/session").status_code == 204
            assert web.get("/v1/library").status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"token": ""}, {"token": 5}, {"token": "x" * 1_001}, [], {"token": "é\ud800"}]
)
def test_what_is_no_session(locked: Served, body: Any) -> None:
    import json

    with locked.client() as web:
        answer = web.post(
            "/v1/session", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert answer.status_code in (400, 401, 422)


def test_other_addresses_need_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(UsageError, match="FINDALIKE_TOKEN"):
            Config(host=host)
        assert not Config(host=host, tokens=TOKENS).is_local
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.5"):
        assert Config(host=host).is_local
    for token in ("short", "with space 0123456789", "é" * 20, "x" * 15, "tab\t0123456789abcdef"):
        with pytest.raises(UsageError, match="token"):
            Config(tokens={token: "write"})


# Only reading


def test_a_server_that_only_reads_refuses_each_write(
    web: httpx.Client, ids: dict[str, str], gallery: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in gallery.rglob("*")}
    known = ids["large.png"]
    for method, path, body in (
        ("PATCH", f"/v1/assets/{known}", {"labels": {"add": ["x"]}}),
        ("PATCH", "/v1/assets", {"ids": [known], "metadata": {"a": 1}}),
        ("DELETE", f"/v1/assets/{known}", None),
        ("POST", "/v1/jobs", {"folder": "x"}),
        ("DELETE", "/v1/jobs/x", None),
        ("POST", f"/v1/assets/{known}/reveal", None),
    ):
        assert "read-only" in refused(web.request(method, path, json=body), "forbidden")
    files = [("files", ("x.png", encoded(drawn(1)), "image/png"))]
    refused(web.post("/v1/assets", files=files), "forbidden")
    assert {path: path.stat().st_mtime_ns for path in gallery.rglob("*")} == before


# Overload


def many(served: Served, count: int, path: str = "/v1/search") -> list[httpx.Response]:
    start = threading.Barrier(count)

    def ask(number: int) -> httpx.Response:
        with served.client() as web:
            start.wait(10)
            return web.get(path, params={"text": "red", "limit": number % 5 + 1})

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(ask, range(count)))


def test_under_overload_it_refuses_some_and_keeps_serving(
    gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(port=0, limits=Limits(workers=1, waiting=2))
    with serving(gallery, config) as served:
        search = served.library.search

        def slow(*what: Any, **more: Any) -> Any:
            time.sleep(0.1)
            return search(*what, **more)

        monkeypatch.setattr(served.library, "search", slow)
        answers = many(served, 30)
        counted = Counter(answer.status_code for answer in answers)
        assert set(counted) <= {200, 429, 503}
        assert counted[200] >= 3
        assert counted[503] + counted[429] >= 20
        assert all(int(a.headers["retry-after"]) > 0 for a in answers if a.status_code != 200)
        with served.client() as web:
            assert web.get("/healthz").status_code == 200
            assert web.get("/v1/search", params={"text": "red"}).status_code == 200
            text = web.get("/metrics").text
            assert 'findalike_gate_requests{gate="searching"} 0.0' in text


def test_a_search_that_takes_too_long_ends(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And holds its worker until it really ends, so that late ones cannot pile up."""
    config = Config(port=0, limits=Limits(workers=1, waiting=5, seconds=0.5))
    with serving(gallery, config) as served, served.client() as web:
        hang, search = threading.Event(), served.library.search

        def slow(*what: Any, **more: Any) -> Any:
            assert hang.wait(20)
            return search(*what, **more)

        monkeypatch.setattr(served.library, "search", slow)
        begun = time.monotonic()
        answers = many(served, 3)
        assert time.monotonic() - begun < 8
        assert {answer.json()["code"] for answer in answers} == {"timeout"}
        assert web.get("/healthz").status_code == 200
        assert web.get("/v1/library").status_code == 200, "reading has workers of its own"
        hang.set()
        monkeypatch.undo()
        assert web.get("/v1/search", params={"text": "red"}).status_code == 200


def test_a_gate_that_is_given_up_at_keeps_its_places() -> None:
    """Whoever gives up just as its turn comes takes no place with it."""
    import asyncio

    async def scenario() -> None:
        gate = Gate("test", 1, 5, 0.05)

        async def never() -> bool:
            await asyncio.sleep(60)
            return False

        async def there() -> bool:
            return False

        for _ in range(3):
            with pytest.raises(ProblemError):
                await gate.run(never, lambda: 1)
        assert await gate.run(there, lambda: 7) == 7
        assert gate.inside == 0
        gate.close()

    asyncio.run(scenario())


def test_a_body_that_is_too_large_is_refused_early(gallery: Path) -> None:
    with serving(gallery, Config(port=0, limits=Limits(body=10_000))) as served, served.client() as web:
        for path in ("/v1/search", "/v1/assets", "/v1/jobs", "/v1/session", "/v1/assets/export"):
            refused(web.post(path, content=b"x" * 20_000), "too-large")
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
            answer = Answered.read(served.raw(f"{head}Connection: close\r\n\r\n".encode()))
            assert answer.status == 413, path

        def drip() -> Iterator[bytes]:
            for _ in range(30):
                yield b"x" * 1_000

        headers = {"content-type": "application/json"}
        refused(web.post("/v1/search", content=drip(), headers=headers), "too-large")
        assert web.get("/healthz").status_code == 200


# The program


@contextmanager
def program(library: Path, *options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`findalike serve` as installed, and where it listens."""
    command = [str(PROGRAM), "serve", "--library", str(library), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://[^ /]+", said.replace("\n", " ")):
                yield found[0], process
                break
        else:
            raise AssertionError(said)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        timer.cancel()


def stopped(process: subprocess.Popen[str], how: signal.Signals) -> tuple[int, float]:
    begun = time.monotonic()
    process.send_signal(how)
    return process.wait(20), time.monotonic() - begun


def test_the_program_serves_and_ctrl_c_ends_it(copied: Path, tmp_path: Path, ids: dict[str, str]) -> None:
    (tmp_path / "mine").mkdir()
    with program(copied, "--allow", str(tmp_path / "mine")) as (url, process):
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as web:
            assert web.get("/healthz").json() == {"status": "alive"}
            assert web.get("/v1/search", params={"text": "red"}).json()["hits"]
            told = web.get("/v1/library").json()
            assert told["folders"] == [{"id": "mine", "path": str(tmp_path / "mine")}]
            assert "server" not in web.get("/").headers
            with web.stream("GET", f"/v1/assets/{ids['large.png']}/content") as open_still:
                code, seconds = stopped(process, signal.SIGINT)
                assert open_still.status_code == 200
        assert code == 0
        assert seconds < 8
        assert process.stdout
        assert "Traceback" not in process.stdout.read()


def test_the_program_ends_while_a_job_runs(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for seed in range(80):
        drawn(seed, (300, 200)).save(tmp_path / "mine" / f"{seed}.png")
    with program(copied, "--allow", str(tmp_path / "mine"), FINDALIKE_THREADS="1") as (url, process):
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as web:
            job = web.post("/v1/jobs", json={"folder": "mine"}).json()
            with web.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
                next(events.iter_text())
                code, seconds = stopped(process, signal.SIGINT)
        assert (code, seconds < 15) == (0, True)


def test_the_program_asks_for_tokens(gallery: Path) -> None:
    environment = {"FINDALIKE_TOKEN": WRITER, "FINDALIKE_READ_TOKEN": READER}
    with program(gallery, "--read-only", **environment) as (url, process):
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as web:
            assert web.get("/v1/library").status_code == 401
            assert web.get("/v1/library", headers=bearer(READER)).status_code == 200
            assert web.delete("/v1/assets/x", headers=bearer(READER)).status_code == 403
            assert web.delete("/v1/assets/x", headers=bearer(WRITER)).status_code == 403
        stopped(process, signal.SIGTERM)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "FINDALIKE_TOKEN"),
        (["--allow", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--uploads", "x", "--no-uploads"], "--no-uploads"),
        (["--port", "65536"], "65535"),
    ],
)
def test_the_program_does_not_begin_what_is_unsafe_or_wrong(
    gallery: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if "TOKEN" not in name}
    done = subprocess.run(
        [str(PROGRAM), "serve", "--library", str(gallery), "--port", "0", *options],
        capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(reading: Served, gallery: Path) -> None:
    command = [str(PROGRAM), "serve", "--library", str(gallery), "--read-only", "--port", str(reading.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert str(reading.port) in done.stderr
    assert "--port" in done.stderr


def test_small_answers_are_not_held_back(reading: Served, ids: dict[str, str]) -> None:
    """An answer whose head and content are sent apart waits 40 ms for Nagle's algorithm, unless it is off."""
    path = f"/v1/assets/{ids['two.jpg']}/content"
    with reading.client() as web:
        times = []
        for _ in range(15):
            begun = time.perf_counter()
            assert web.get(path).status_code == 200
            times.append(time.perf_counter() - begun)
    assert min(times) < 0.03


@pytest.mark.parametrize("name", ["onnx:{}", "clip:{}", "onnx:{}/model.onnx", "clip:owner/repository"])
def test_an_encoder_that_names_a_path_is_not_looked_for(locked: Served, tmp_path: Path, name: str) -> None:
    """No path from a client is opened: what is there and what is not get the same answer."""
    (tmp_path / "model.onnx").write_bytes(b"anything")
    with locked.client(Authorization=f"Bearer {READER}") as web:
        for path in (tmp_path, tmp_path / "nowhere"):
            encoder = name.format(path)
            answer = web.get("/v1/search", params={"text": "dog", "encoder": encoder})
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith(f"the library has no encoder {encoder[:80]!r}")
