"""The web app without a browser: its modules in Node.js, its types, its files and how they are served."""

import json
import os
import re
import struct
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.textindex.tokens import Text, tokens_of
from examples.pwa.__main__ import main
from examples.pwa.files import APP, LIST, load
from examples.pwa.serving import Server
from localnode import NODE
from tests.pages import packages, word_lists

HERE = Path(__file__).parent
HOUSE = HERE.parents[1]
FIRST_LOAD_BYTES = 160_000
"""Of all files together as they are sent: what a phone loads once, and then has for good."""


def node(*arguments: str | Path, **variables: str) -> str:
    """Run Node.js; gives what it printed, and fails with it."""
    done = subprocess.run(
        [NODE, *arguments], capture_output=True, text=True, check=False, env=os.environ | variables
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


class TestModules:
    def test_the_engine_keeps_what_the_protocol_asks_for(self) -> None:
        memory = (packages.modules() / "fake-indexeddb/auto/index.mjs").as_uri()

        node("--import", memory, "--test", "--test-reporter=dot", HERE / "engine.test.mjs")

    def test_search_finds_what_the_server_finds(self, tmp_path: Path) -> None:
        vectors = json.loads((HOUSE / "openapi/vectors/search-ranking.json").read_text("utf-8"))
        tokens = {
            key: tokens_of(
                [
                    Text(name, document[name])
                    for name in ("title", "summary", "keywords", "body")
                    if name in document
                ]
            )
            for key, document in vectors["documents"].items()
        }
        (tmp_path / "tokens.json").write_text(json.dumps(tokens), "utf-8")

        node(
            "--test",
            "--test-reporter=dot",
            HERE / "search.test.mjs",
            VECTORS=str(HOUSE / "openapi" / "vectors"),
            TOKENS=str(tmp_path / "tokens.json"),
        )

    def test_the_word_lists_are_the_servers(self) -> None:
        assert word_lists.WRITTEN.read_text("utf-8") == word_lists.text(), "python -m tests.pages.word_lists"

    def test_types_are_right_in_strict_mode(self, tmp_path: Path) -> None:
        modules = packages.modules()
        project = {
            "extends": str(packages.APP / "tsconfig.json"),
            "compilerOptions": {"paths": {"*": [f"{modules}/*"]}},
            "include": [str(APP / "**" / "*")],
            "exclude": [str(packages.VENDOR / "**" / "*.js"), str(APP / "sw.js")],
        }
        (tmp_path / "tsconfig.json").write_text(json.dumps(project))

        node(modules / "typescript/bin/tsc", "-p", tmp_path / "tsconfig.json")

    def test_both_languages_say_everything(self) -> None:
        program = """
            import { ko } from KOREAN; import { en } from ENGLISH;
            const holes = (text) => [...text.matchAll(/\\{\\w+\\}/g)].map(String).sort().join();
            console.log(JSON.stringify([
                Object.keys(ko).filter((key) => !(key in en) || holes(ko[key]) !== holes(en[key])),
                Object.keys(en).filter((key) => !(key in ko)),
                Object.keys(en).filter((key) => /[가-힣]/.test(en[key])),
            ]));
        """
        for name, one in (("KOREAN", "ko"), ("ENGLISH", "en")):
            program = program.replace(name, repr((APP / "words" / f"{one}.js").as_uri()))

        assert json.loads(node("--input-type=module", "--eval", program)) == [[], [], []]

    def test_every_word_that_is_used_is_there_and_none_is_left_over(self) -> None:
        words = set(re.findall(r'^  "([\w.]+)":', (APP / "words" / "ko.js").read_text("utf-8"), re.MULTILINE))
        code = "\n".join(
            path.read_text("utf-8") for path in APP.glob("*/*.js") if path.parent.name != "words"
        )
        families = {"visit.status.", "order.status.", "order.hold.", "approval.status.", "visit.purpose.",
                    "visit.do.", "field.", "conflict.kind.", "approval.reason.", "inbox.rejected.op.", "role.", "entity.", "code.",
                    "span."}  # fmt: skip
        unused = {one for one in words if f'"{one}"' not in code and not one.startswith(tuple(families))}

        assert unused == set()


class TestFiles:
    def test_copies_of_packages_are_what_the_lock_file_names(self) -> None:
        differing = [
            copied
            for name, copied in packages.COPIED.items()
            if (packages.modules() / name).read_bytes() != (packages.VENDOR / copied).read_bytes()
        ]
        assert differing == [], "python -m tests.pages.packages"

    def test_all_of_it_is_small(self) -> None:
        files = load()

        assert sum(min(len(one.content), len(one.packed)) for one in files.values()) < FIRST_LOAD_BYTES

    def test_nothing_comes_from_elsewhere(self) -> None:
        own = {name: file.content.decode() for name, file in load().items() if not name.endswith(".png")}
        named = {
            (name, found)
            for name, text in own.items()
            if not name.startswith("vendor/")
            for found in re.findall(r"""(?:src|href|from|url|import)\W{1,3}((?:https?:)?//[^"'\s)]+)""", text)
        }
        assert named == set()

    def test_every_import_is_a_file_that_works_without_a_network(self) -> None:
        files = load()
        missing = set()
        for name, file in files.items():
            if name.endswith(".js"):
                for target in re.findall(r"""(?:from|import)\s*["'](\.[^"']+)["']""", file.content.decode()):
                    path = os.path.normpath(os.path.join(os.path.dirname(name), target))
                    if path not in files:
                        missing.add((name, target))
        assert missing == set()

    def test_the_version_changes_with_any_byte(self, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("eins")
        (tmp_path / "sw.js").write_text("worker")
        before = load(tmp_path)[LIST].content
        (tmp_path / "sw.js").write_text("worker 2")

        assert load(tmp_path)[LIST].content != before
        assert b'"./"' in before
        assert b"sw.js" not in before

    def test_the_manifest_lets_a_phone_install_it(self) -> None:
        files = load()
        manifest = json.loads(files["manifest.webmanifest"].content)
        sizes = {}
        for icon in manifest["icons"]:
            content = files[icon["src"]].content
            if icon["type"] == "image/png":
                sizes[icon["sizes"], icon["purpose"]] = "{}x{}".format(*struct.unpack(">II", content[16:24]))

        assert manifest["name"]
        assert manifest["short_name"]
        assert manifest["display"] == "standalone"
        assert manifest["start_url"].startswith(manifest["scope"])
        assert manifest["theme_color"]
        assert manifest["background_color"]
        assert all(told == real for (told, _), real in sizes.items())
        assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= sizes.keys()

    def test_the_page_says_what_it_is_and_lets_people_enlarge_it(self) -> None:
        page = load()["index.html"].content.decode()
        told = dict(re.findall(r'<meta name="([\w-]+)" content="([^"]+)"', page))

        assert '<html lang="ko">' in page
        assert "<title>Fieldmerge</title>" in page
        assert '<link rel="manifest" href="manifest.webmanifest" />' in page
        assert '<link rel="apple-touch-icon" href="icons/icon-192.png" />' in page
        assert 50 > len(told["description"]) > 20
        assert "width=device-width" in told["viewport"]
        assert not re.search("user-scalable|maximum-scale", told["viewport"])

    def test_they_can_be_written_out_for_another_server(self, tmp_path: Path) -> None:
        assert main(["--write", str(tmp_path)]) == 0

        assert {
            path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
        } == set(load())


class Api(BaseHTTPRequestHandler):
    """Tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.dumps(
            {
                "path": self.path,
                "body": body.decode(),
                "token": self.headers["Authorization"],
                "cookie": self.headers["Cookie"],
            }
        )
        self.send_response(429)
        self.send_header("Retry-After", "7")
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Content-Length", str(len(told.encode())))
        self.end_headers()
        self.wfile.write(told.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def api() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    yield from running(server)


@pytest.fixture(scope="module")
def server(api: ThreadingHTTPServer) -> Iterator[Server]:
    yield from running(Server("127.0.0.1", 0, f"http://127.0.0.1:{api.server_address[1]}/", load))


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


class TestServer:
    def test_a_page_may_run_and_fetch_nothing_but_its_own(self, server: Server) -> None:
        status, headers, content = ask(server, "GET", "/")

        assert status == 200
        assert b"<script" in content
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-cache"

    def test_a_file_that_was_not_changed_is_not_sent_again(self, server: Server) -> None:
        _, headers, _ = ask(server, "GET", "/main.js")

        assert ask(server, "GET", "/main.js", If_None_Match=headers["ETag"])[0] == 304

    @pytest.mark.parametrize(
        "path",
        ["/../serving.py", "/..%2fserving.py", "/vendor", "/vendor/idb.d.ts", "//etc/passwd", "/nothing"],
    )
    def test_what_is_no_file_of_the_app_is_not_found(self, server: Server, path: str) -> None:
        assert ask(server, "GET", path)[0] == 404

    def test_the_api_is_behind_it_without_cookies(self, server: Server) -> None:
        status, headers, content = ask(
            server, "POST", "/api/v1/sync?a=b", '{"이름": 1}'.encode(), Authorization="Bearer t", Cookie="x=y"
        )
        assert (status, headers["Retry-After"], headers["Set-Cookie"]) == (429, "7", None)
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(content) == {
            "path": "/api/v1/sync?a=b",
            "body": '{"이름": 1}',
            "token": "Bearer t",
            "cookie": None,
        }

    def test_a_body_without_end_or_without_length_is_refused(self, server: Server) -> None:
        assert ask(server, "POST", "/api/v1/sync", b"", Content_Length="99999999")[0] == 413
        assert ask(server, "POST", "/api/v1/sync", b"", Content_Length="1e3")[0] == 411

    def test_where_the_api_is_gone_it_says_so(self) -> None:
        for server in running(Server("127.0.0.1", 0, "http://127.0.0.1:9/", load)):
            status, _, content = ask(server, "POST", "/api/v1/sync", b"{}")

            assert (status, json.loads(content)["code"]) == (502, "api_unreachable")
