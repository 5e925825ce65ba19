"""Sources that are pages: yt-dlp finds the address, and the job plays it as any other source.

A fake yt-dlp stands for what a real site would do; the tests with the real one use local pages."""
import contextlib
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time

import pytest

import media
from harness import BIN, wait_for
from lineup import channel, line_up
from origin import HttpOrigin, Paced
from outside import PUBLIC, Canary, network
from test_hostile_playlists import TARGETS, ask_all, pages, web
from test_sources import MovingWindow, counts
from ts import Checker
from watcher import Watcher

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")


class FakeYtDlp:
    """A program that notes what it reads on stdin, then runs a script of the test."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "yt-dlp"
        self.path.write_text(
            f"#!/bin/sh\ncd '{folder}' || exit 1\n"
            "[ \"$1\" = --version ] && exec cat version\n"
            "cat > asked.$$; mv asked.$$ question.$(date +%s%N).$$\n"
            ". ./script\n")
        self.path.chmod(0o755)
        self.version("2023.03.04")

    def version(self, text):
        (self.folder / "version").write_text(text + "\n")

    def does(self, script):
        (self.folder / "script.new").write_text(script + "\n")
        (self.folder / "script.new").rename(self.folder / "script")

    def answers(self, *lines):
        (self.folder / "answer.new").write_text("".join(json.dumps(x) + "\n" for x in lines))
        (self.folder / "answer.new").rename(self.folder / "answer")
        self.does("cat answer")

    def asked(self):
        """The words of each question, oldest first."""
        names = sorted(n for n in os.listdir(self.folder) if n.startswith("question."))
        return [shlex.split((self.folder / n).read_text(), comments=True) for n in names]


@pytest.fixture
def fake(tmp_path):
    folder = tmp_path / "fake"
    folder.mkdir()
    return FakeYtDlp(folder)


def page(number, source, **more):
    return channel(number, source, use_yt_dlp=True, **more)


def started(server, fake, *channels, **sections):
    return server(line_up(*channels, yt_dlp_path=str(fake.path), **sections))


# ---------- the real program ----------

PATIENT = {"start_timeout": 60}     # it takes seconds of CPU time
HTML = "<html><head><title>Film</title></head><body><video><source src=\"{}\" type=\"{}\">" \
       "</video></body></html>"
PAGES = {"/film": HTML.format("/film.mp4", "video/mp4"),
         "/hls": HTML.format("/hls/index.m3u8", "application/x-mpegURL"),
         "/ending": HTML.format("/window/hls/index.m3u8", "application/x-mpegURL")}


@contextlib.contextmanager
def site(folder):
    """A web site with PAGES, /moved/PAGE and the files of `folder`; a list of the requests."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            if self.path.startswith("/moved/"):
                self.send_response(302)
                self.send_header("Location", self.path[6:])
                self.end_headers()
            elif self.path in PAGES:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(PAGES[self.path].encode())
            else:
                with contextlib.suppress(OSError):
                    super().do_GET()

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web_server:
        web_server.daemon_threads = True
        threading.Thread(target=web_server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{web_server.server_port}", asked
        web_server.shutdown()


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(media.mp4(), folder / "film.mp4")
    shutil.copytree(media.hls(), folder / "hls")
    return folder


@pytest.mark.parametrize("path", [pytest.param("/hls", marks=pytest.mark.smoke), "/film",
                                  "/moved/film", "/hls/index.m3u8"])
def test_a_page_is_played(server, files, path):
    with site(files) as (base, asked):
        s = server(line_up(page(1, base + path), streaming=PATIENT))
        with Watcher(s, "/stream/1.ts", timeout=60) as w:
            wait_for(lambda: w.checker.seconds() > 2, 20, "two seconds of film")
            assert s.tuner("1")["source"] == base + path
            w.stop().check().check_start()
    # the page itself is fetched by yt-dlp, the media by the job with the same headers
    media_asked = [headers for name, headers in asked if name.endswith((".mp4", ".ts"))]
    assert media_asked[-1]["User-Agent"].startswith("Mozilla/"), media_asked
    if path == "/film":
        assert media_asked[-1]["Referer"] == base + "/film"


def test_a_live_page_that_ends(server, files, tmp_path):
    (tmp_path / "window").mkdir()
    with MovingWindow(tmp_path / "window", ended_at=5) as window:
        shutil.copytree(tmp_path / "window", files / "window", symlinks=True)
        shutil.rmtree(files / "window")
        (files / "window").symlink_to(tmp_path / "window")
        assert window.path.exists()
        with site(files) as (base, _):
            s = server(line_up(page(1, base + "/ending"), streaming=PATIENT))
            with s.stream("/stream/1.ts", timeout=60) as stream:
                data = stream.read_all()
            assert stream.ended
            Checker(data).check().check_start()
            assert "the source has come to its end channel=1" in s.log()


def test_a_page_that_is_not_there(server, files):
    with site(files) as (base, _):
        s = server(line_up(page(1, base + "/nothing?token=pa55word"), streaming=PATIENT))
        answer = s.refused("/stream/1.ts", timeout=60)
        assert answer.status == 502 and base not in answer.text
        reason = s.tuner("1")["last_error"]
        assert reason.startswith("yt-dlp: ") and "404" in reason, reason
        assert "report" not in reason and "pa55word" not in reason + s.log()


# ---------- what a site may answer ----------

def test_headers_go_along(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.answers({"url": origin.url(), "protocol": "https", "http_headers": {
            "User-Agent": "Set-top/1", "Referer": "http://page.example/", "X-Key": "a: b",
            "Host": "other.example", "Range": "bytes=5-", "Evil": "a\r\nInjected: 1",
            "Bad Name": "x", "Accept-Encoding": "gzip"}})
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"),
                    page(2, "http://127.0.0.1:9/p", input_options={"user_agent": "Mine/2"}))
        for number, agent in ((1, "Set-top/1"), (2, "Mine/2")):
            with Watcher(s, f"/stream/{number}.ts") as w:
                w.wait_more(50)
            headers = origin.requests[-1][2]
            assert headers["User-Agent"] == agent
            assert headers["Referer"] == "http://page.example/" and headers["X-Key"] == "a: b"
            assert headers["Host"].startswith("127.0.0.1")
            assert not {"Evil", "Injected", "Bad", "Bad Name"} & set(headers), headers
            assert headers.get("Range") != "bytes=5-"
            assert headers.get("Accept-Encoding") != "gzip"


def test_cookies_go_along(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.answers({"url": origin.url(), "cookies":
                      "id=5; Domain=127.0.0.1; Path=/; Expires=1900000000; elsewhere=1; "
                      "Domain=.example; Path=/; locked=1; Domain=127.0.0.1; Secure"})
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
        assert origin.requests[-1][2]["Cookie"] == "id=5"


def parts(folder):
    """The picture and the sound of a film in files of their own, as MP4 and as HLS."""
    for name, words in {"picture": ["-map", "0:v"], "sound": ["-map", "0:a"]}.items():
        for more in ([str(folder / f"{name}.mp4")],
                     ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0",
                      str(folder / f"{name}.m3u8")]):
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", media.mp4(), *words, "-c", "copy",
                            *more], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["mp4", "m3u8"])
def test_picture_and_sound_from_two_addresses_are_joined(server, fake, tmp_path, kind):
    parts(tmp_path)
    with HttpOrigin(folder=str(tmp_path)) as origin:
        fake.answers({}, [{"url": origin.url(f"/picture.{kind}"), "protocol": "https"},
                          {"url": origin.url(f"/sound.{kind}"), "protocol": "https"}])
        s = started(server, fake, page(1, "http://127.0.0.1:9/p",
                                       yt_dlp_format="bestvideo+bestaudio"))
        with s.stream("/stream/1.ts", timeout=40) as stream:
            data = stream.read_all()
        assert stream.ended
        Checker(data).check().check_start()
        assert "--format=bestvideo+bestaudio" in fake.asked()[0]
    (tmp_path / "got.ts").write_bytes(data)
    want, got = counts(media.mp4()), counts(str(tmp_path / "got.ts"))
    for codec in ("h264", "aac"):
        assert int(want[codec]) - 3 <= int(got[codec]) <= int(want[codec]) + 1, (want, got)


def test_joined_parts_can_be_looped_and_transcoded(server, fake, tmp_path):
    parts(tmp_path)
    with HttpOrigin(folder=str(tmp_path)) as origin:
        fake.answers([{"url": origin.url("/picture.mp4")}, {"url": origin.url("/sound.mp4")}])
        s = started(server, fake, page(1, "http://127.0.0.1:9/p", profile="small",
                                       input_options={"stream_loop": -1, "ss": 6}))
        with Watcher(s, "/stream/1.ts") as w:
            wait_for(lambda: w.checker.seconds() > 7, 30, "more than one round")
            w.stop().check().check_start()


def test_an_address_that_expires_is_replaced_in_time(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.does(f"echo '{{\"url\": \"{origin.url()}?expire='$(($(date +%s) + 8))'\"}}'")
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
            wait_for(lambda: len(fake.asked()) > 1 and origin.total > 1, 20, "the next address")
            w.wait_more(500)
            assert not w.ended and w.longest_gap < 3
            assert s.tuner("1")["last_error"] is None
            w.stop().check()
        assert "the source's address expires, continuing with a new one" in s.log()
        paths = [path for _, path, _ in origin.requests]
        assert paths[0] != paths[-1]


def test_an_address_that_cannot_be_replaced_is_kept(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.does(f"echo '{{\"url\": \"{origin.url()}?expire='$(($(date +%s) + 8))'\"}}'")
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(50)
            fake.does("echo 'ERROR: the site is down' >&2; exit 1")
            wait_for(lambda: "a new address for the source was not found" in s.log(), 20,
                     "the failure")
            w.wait_more(300)
            assert not w.ended and s.tuner("1")["state"] == "running"
        assert origin.total == 1


class Tokens:
    """A live playlist whose addresses hold a token; those with an old one are refused."""

    def __init__(self, window):
        self.token, self.refused = "first", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                token, _, name = self.path[1:].partition("/")
                path = window.path.parent / name
                good = token == outer.token and path.is_file()
                outer.refused += not good
                body = path.read_bytes() if good else b""
                self.send_response(200 if good else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/{self.token}/index.m3u8"


def test_a_refused_address_is_replaced(server, fake, tmp_path):
    with MovingWindow(tmp_path) as window:
        tokens = Tokens(window)
        fake.answers({"url": tokens.url()})
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        with Watcher(s, "/stream/1.ts") as w:
            w.wait_more(200)
            tokens.token = "second"
            fake.answers({"url": tokens.url()})
            wait_for(lambda: tokens.refused > 0, 20, "the refusal")
            wait_for(lambda: s.tuner("1")["restarts"] > 0, 10, "the new look-up")
            w.wait_more(300, 20)
            assert not w.ended
            assert len(fake.asked()) == 2
            assert "refuses the address" in s.tuner("1")["last_error"]
            w.stop().check()
        tokens.server.shutdown()


@pytest.mark.parametrize("script, reason", [
    ("echo 'ERROR: first' >&2; echo 'ERROR: [x] gone http://h.example/?token=s3cret' >&2; exit 1",
     "yt-dlp: [x] gone http://h.example/?token=***"),
    ("echo 'Traceback: x' >&2; exit 1", "yt-dlp: Traceback: x"),
    ("exit 3", "yt-dlp: it failed with exit code 3"),
    ("kill -9 $$", "yt-dlp: it was ended by a signal: Killed"),
    ("echo '{'", "yt-dlp: it found nothing that can be played"),
    ("echo '[[[]]]'; echo null; echo '{\"url\": 5}'", "yt-dlp: it found nothing that can be played"),
    ("head -c 1000 /dev/urandom", "yt-dlp: it found nothing that can be played"),
    ("exec cat /dev/zero", "yt-dlp: it wrote more than 65536 bytes"),
    ("echo '{\"url\": \"file:///etc/passwd\"}'",
     "yt-dlp: it answered an address that is not allowed")])
def test_a_failure_is_reported(server, fake, script, reason):
    fake.does(script)
    s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
    answer = s.refused("/stream/1.ts")
    assert answer.status == 502
    assert s.tuner("1")["last_error"] == reason
    assert s.tuner("1")["state"] == "failed"


def test_failures_back_off(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.does("exit 1")
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        wait_for(lambda: s.refused("/stream/1.ts").status == 502 and s.tuner("1")["restarts"] > 3,
                 20, "four failures")
        # while it waits, a request is answered without another look-up
        count = len(fake.asked())
        assert s.refused("/stream/1.ts").status == 502 and len(fake.asked()) == count
        fake.answers({"url": origin.url()})

        def plays():
            with s.stream("/stream/1.ts") as stream:
                return stream.head().status == 200

        wait_for(plays, 20, "the next look-up")


# ---------- the process ----------

def test_the_program_has_no_rights(server, fake):
    fake.does("cat /proc/self/status > facts; ls /proc/$$/fd | tr '\\n' ' ' > fds; env > env; "
              "ps -o pgid= -p $$ > group; echo $$ > pid; exit 1")
    s = server(line_up(page(1, "http://u:pa55word@127.0.0.1:9/p"), yt_dlp_path=str(fake.path)),
               env={"AMPS_TEST_SECRET": "s3cret"})
    assert s.refused("/stream/1.ts").status == 502

    def text(name):
        return (fake.folder / name).read_text()

    facts = text("facts")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{name}:\t0+$", facts, re.M), facts
    assert "NoNewPrivs:\t1" in facts
    # the shell has its two scripts open
    assert set(text("fds").split()) <= {"0", "1", "2", "10", "11"}
    assert "s3cret" not in text("env") and "PATH=" in text("env")
    assert text("group").strip() == text("pid").strip()


def test_few_run_at_a_time_and_the_others_wait_in_order(server, fake, tmp_path):
    """A start of many channels must not run as many Pythons at once.  The last one waits for longer
    than start_timeout until its turn comes; one that leaves while it waits does not delay the others."""
    count, leaver = 9, 6
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.answers({"url": origin.url()})
        fake.does("echo + >> turns; sleep 2; cat answer; echo - >> turns")
        s = started(server, fake, *(page(n, f"http://127.0.0.1:9/{n}")
                                    for n in range(1, count + 1)),
                    streaming={"start_timeout": 5})
        with contextlib.ExitStack() as stack:
            streams = []
            for n in range(1, count + 1):
                streams.append(stack.enter_context(s.stream(f"/stream/{n}.ts")))
                wait_for(lambda: len(s.tuners()) == n, 10, f"tuner {n}")
            streams.pop(leaver - 1).close()
            assert [stream.head().status for stream in streams] == [200] * (count - 1)
            # a source that ends is looked up again
            turns = (fake.folder / "turns").read_text().split()
    depth = [turns[:i + 1].count("+") - turns[:i + 1].count("-") for i in range(len(turns))]
    # its turn may have come before it left
    assert count - 1 <= turns.count("+") <= count and 2 <= max(depth) <= 4, turns
    # those that run together may ask in any order
    asked = [int(words[-1].rsplit("/", 1)[1]) for words in fake.asked()]
    assert all(abs(n - i) < 5 for i, n in enumerate(asked, 1)), asked


def test_it_ends_with_its_last_viewer(server, fake):
    fake.does("sleep 1000 & echo $! > child; echo $$ > self; wait")
    s = started(server, fake, page(1, "http://u:pa55word@127.0.0.1:9/p"),
                streaming={"start_timeout": 3, "idle_timeout": 0.5})
    written = fake.folder / "self"
    with s.stream("/stream/1.ts") as stream:
        wait_for(lambda: written.exists() and written.read_text(), 10, "the look-up")
        pids = [int((fake.folder / n).read_text()) for n in ("child", "self")]
        with open(f"/proc/{pids[1]}/cmdline") as f:
            assert "pa55word" not in f.read()
        assert stream.head().status == 504
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 10,
             "the end of yt-dlp and of its child")
    wait_for(lambda: not s.tuners(), 10, "the tuner to be idle")


def test_a_new_definition_cancels_it(server, fake):
    with HttpOrigin(live=Paced(media.long_film(), 120)) as origin:
        fake.does("echo $$ > self; sleep 1000")
        s = started(server, fake, page(1, "http://127.0.0.1:9/p"))
        with s.stream("/stream/1.ts") as stream:
            wait_for(lambda: (fake.folder / "self").exists(), 10, "the first look-up")
            s.write_config(line_up(channel(1, origin.url())))
            assert s.amps("reload").returncode == 0
            assert stream.head().status == 200
        pid = int((fake.folder / "self").read_text())
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 10, "the end of yt-dlp")


INJECTIONS = ["http://h/;touch hit", "http://h/$(touch hit)", "http://h/`touch hit`",
              "http://h/|touch hit", "http://h/&touch hit", "http://h/\ntouch hit\n",
              "http://h/' --exec 'touch hit", "http://h/'\n--exec='touch hit'\n'",
              "http://h/\" --exec \"touch hit", "http://h/\\", "http://h/#a b", "http://h/%(x)s",
              "http://h/*", "http://h/~", "http://h/ --exec=touch", "http://h/\t-o x", "''"]


def test_a_page_is_one_word(server, fake):
    fake.does("exit 1")
    options = {"live_from_start": True, "retries": 3, "referer": "a' --exec='touch hit",
               "format_sort": ["res", "codec"], "exec": "touch hit", "cookies": "/etc/passwd"}
    s = started(server, fake, *[channel(n, source, source_handler={
        "type": "yt_dlp", "format": "a' b", "options": options})
        for n, source in enumerate(INJECTIONS, 1)])
    for n, source in enumerate(INJECTIONS, 1):
        s.refused(f"/stream/{n}.ts")
        words = fake.asked()[-1]
        assert words[-1] == source
        assert "--format=a' b" in words and "--live-from-start" in words
        assert "--retries=3" in words and "--format-sort=res,codec" in words
        assert "--referer=a' --exec='touch hit" in words
        assert not [w for w in words if w.startswith(("--exec", "--cookies", "-o"))]
    assert not (fake.folder / "hit").exists()
    for source in ("-o/tmp/x", "--exec=touch hit"):
        s.write_config(line_up(page(1, source), yt_dlp_path=str(fake.path)))
        assert s.amps("reload").returncode == 0
        count = len(fake.asked())
        assert s.refused("/stream/1.ts").status == 502 and len(fake.asked()) == count


# ---------- an answer that leads inside ----------

def test_an_answer_reaches_nothing_inside(server, fake, tmp_path):
    with network():
        shutil.copy(media.short_film(), tmp_path / "canary.ts")
        with Canary(tmp_path / "canary.ts") as canary:
            found = pages(canary)
            with web(found) as base:
                answers = [t.format(file=canary.path, port=canary.port, playlist="I0VYVE0zVQo=")
                           for t in TARGETS.values()]
                answers = [base + a if a.startswith("/") else a for a in answers]
                # test_hostile_playlists has all kinds of addresses inside of playlists
                answers += [base + name for name in found if "loopback" in name or name.startswith(
                    ("/script", "/session"))]
                (fake.folder / "list").write_text("\n".join(answers) + "\n")
                # the page's name is the number of its line
                fake.does("n=$(tail -n 1 question.*.$$ | tr -d \"'\" | sed 's|.*/||')\n"
                          "u=$(sed -n \"${n}p\" list)\nprintf '{\"url\": \"%s\"}\\n' \"$u\"")
                channels = [page(n, f"{base}/{n}") for n in range(1, len(answers) + 1)]
                s = started(server, fake, *channels, streaming={"start_timeout": 5})
                for at in range(0, len(channels), 12):
                    ask_all(s, channels[at:at + 12])
                    assert not canary.called() and not canary.opened(), answers[at:at + 12]
                assert len(fake.asked()) == len(channels)


@pytest.mark.parametrize("sound", [False, True])
def test_a_page_outside_leads_nowhere_inside(server, fake, tmp_path, sound):
    """The host of the page decides, also if the media have another one."""
    with network(), HttpOrigin(folder=media.FOLDER) as origin:
        film = {"url": origin.url(media.mp4()[len(media.FOLDER):])}
        fake.answers([film, film] if sound else film)
        s = started(server, fake, page(1, f"http://{PUBLIC}/p"), page(2, "http://127.0.0.1:9/p"))
        assert s.refused("/stream/1.ts").status == 502 and not origin.requests
        with Watcher(s, "/stream/2.ts") as w:
            w.wait_more(50)


# ---------- amps check ----------

def check(tmp_path, config):
    path = tmp_path / "checked.yaml"
    path.write_text(json.dumps(config))
    return subprocess.run([AMPS, "check", "--config", str(path)], capture_output=True, text=True,
                          timeout=60)


@pytest.mark.parametrize("entry", [
    {"use_yt_dlp": True}, {"source_handler": "yt_dlp"},
    {"adaptive_bitrates": [{"name": "sd", "use_yt_dlp": True}]}])
def test_the_age_of_yt_dlp_is_checked(fake, tmp_path, entry):
    config = line_up(channel(1, "http://127.0.0.1:9/p", **entry), yt_dlp_path=str(fake.path))
    done = check(tmp_path, config)
    assert done.returncode == 0
    assert re.search(r"yt_dlp_path: warning: .*/yt-dlp is \d+ days old \(2023\.03\.04\), and sites "
                     r"change: update it with 'yt-dlp -U'", done.stdout), done.stdout
    fake.version(time.strftime("%Y.%m.%d"))
    assert "yt_dlp_path" not in check(tmp_path, config).stdout
    fake.version(time.strftime("%Y.%m.%d") + ".123456")
    assert "yt_dlp_path" not in check(tmp_path, config).stdout


def test_a_missing_yt_dlp_is_named(server, fake, tmp_path):
    config = line_up(page(1, "http://127.0.0.1:9/p"), yt_dlp_path="/nonexistent/yt-dlp")
    assert "the program /nonexistent/yt-dlp was not found" in check(tmp_path, config).stdout
    other = line_up(channel(1, "http://127.0.0.1:9/p"), yt_dlp_path="/nonexistent/yt-dlp")
    assert "yt_dlp_path" not in check(tmp_path, other).stdout
    s = server(config)
    assert s.refused("/stream/1.ts").status == 502
    assert "yt-dlp was not found" in s.tuner("1")["last_error"]
