"""The player at /watch/<id>, and other players of what it plays, in a browser."""
import base64
import contextlib
import json
import os
import socket
import threading

import pytest

import browser
import clock
import media
from harness import free_port, kill, serving, wait_for
from lineup import LOOP, channel, line_up

SHOTS = os.environ.get("AMPS_PLAYER_SHOTS")
TIMED, VARIANTS, KILLED, EDITED, HEVC, SHORT, SOUNDS, *ALSO_TIMED = 1, 2, 3, 4, 5, 6, 7, 8, 9
GROUP = "239.255.77.12"
AGE_MS = 1500           # of a picture; it is some 0.4 s on a machine that is not busy
ZAP_MS = 500
TOKEN = "only for watching"


def config(port, edited=False):
    low = [{"name": "low", "ffmpeg_profile": "small", "label": "Low"}]
    film = media.long_film()
    live = f"udp://{GROUP}:{port}?localaddr=lo"
    return line_up(channel(TIMED, live),
                   channel(VARIANTS, film, adaptive_bitrates=low, **LOOP),
                   channel(KILLED, film, **LOOP),
                   channel(EDITED, media.other_film() if edited else film, **LOOP),
                   channel(HEVC, media.hevc_film(), **LOOP),
                   channel(SHORT, media.short_film()),
                   channel(SOUNDS, media.sounds_film(), **LOOP),
                   *(channel(number, live) for number in ALSO_TIMED))


@pytest.fixture(scope="module")
def opened():
    browser.require(browser.program())
    with browser.Browser() as b:
        yield b


@pytest.fixture(scope="module")
def files():
    with browser.Files() as f:
        yield f


@pytest.fixture(scope="module")
def playing():
    port = free_port(socket.SOCK_DGRAM)
    with clock.sending(f"udp://{GROUP}:{port}?localaddr=127.0.0.1", 320, 180, bits="400k"), \
            serving(config(port), workers=2) as server:
        server.udp_port = port
        yield server


class Watch:
    """The page of one channel."""

    def __init__(self, opened, server, number, query="", timed=False):
        self.page = browser.Page(opened, server.url(f"/watch/{number}{query}"))
        wait_for(lambda: self.page.run("!!window.behind || window.login?.hidden === false"), 20,
                 "the page")
        self.page.watch("video", timed)
        self.name = f"watch-{number}{query.replace('?', '-').replace('=', '-')}"

    def look(self):
        return json.loads(self.page.run(
            "JSON.stringify({...pictures, position: video.currentTime, muted: video.muted, "
            "behind: behind(), paused: video.paused, now: performance.now() / 1000, "
            "problem: message.hidden ? '' : message.textContent, "
            "title: document.getElementById('name').textContent})"))

    def plays(self, seconds=0.5):
        """Waits until so much more is shown."""
        before = self.look()["position"]
        wait_for(lambda: self.look()["position"] > before + seconds, seconds + 20, "pictures")
        return self.look()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if SHOTS:
            with open(os.path.join(SHOTS, f"{self.name}.png"), "wb") as f:
                f.write(base64.b64decode(self.page.picture()))
        self.page.close()


@pytest.mark.timing
@pytest.mark.parametrize("via", ["", "?via=ws"], ids=["http", "websocket"])
def test_it_plays_close_to_live(opened, playing, via):
    with Watch(opened, playing, TIMED, via, timed=True) as watch:
        watch.plays(3)
        before = watch.look()
        watch.page.run("pictures.ages.length = 0, null")
        now = watch.plays(3)
        ages = sorted(now["ages"])
        assert len(ages) > 30 and ages[len(ages) // 2] < AGE_MS, ages
        assert now["stalls"] == before["stalls"] and now["problem"] == ""
        assert now["title"] == f"Channel {TIMED}"
        shown = {v["protocol"] for v in playing.viewers() if v["stream_id"] == TIMED}
        assert shown == {"ws" if via else "mp4"}


@pytest.mark.timing
def test_three_channels_one_after_the_other_show_the_clock(opened, playing):
    with Watch(opened, playing, TIMED, timed=True) as watch:
        wait_for(lambda: watch.page.run("summary.textContent").startswith("9 "), 10, "the channels")
        for number in (TIMED, *ALSO_TIMED):
            if number != TIMED:
                watch.page.press(str(number))
                watch.page.press("Enter")
            wait_for(lambda n=number: {v["stream_id"] for v in playing.viewers()} == {n}, 20, "the viewer")
            watch.plays()
            watch.page.run("pictures.ages.length = 0, null")
            before = watch.page.run("video.webkitAudioDecodedByteCount")
            ages = sorted(watch.plays(1)["ages"])
            assert len(ages) > 10 and ages[len(ages) // 2] < AGE_MS, (number, ages)
            assert watch.page.run("video.webkitAudioDecodedByteCount") > before
            assert watch.look()["title"] == f"Channel {number}"


@pytest.mark.slow
def test_its_controls(opened, playing):
    with Watch(opened, playing, VARIANTS) as watch:
        watch.plays()

        def press(key):
            watch.page.run(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}}})),"
                           " null")

        was = watch.look()["muted"]
        press("m")
        wait_for(lambda: watch.look()["muted"] != was, 5, "the sound")
        for key, element in (("f", "fullscreenElement"), ("p", "pictureInPictureElement")):
            watch.page.press(key)       # browsers want a person's key for these
            wait_for(lambda e=element: watch.page.run(f"!!document.{e}"), 5, element)
            watch.page.press(key)
            wait_for(lambda e=element: not watch.page.run(f"!!document.{e}"), 5, "its end")
        assert watch.page.run("Array.from(variant.options, (o) => o.text).join()") == "As it is,Low" \
            or wait_for(lambda: watch.page.run("variant.options.length") == 2, 10, "the variants")
        watch.page.run("variant.value = 'low', variant.dispatchEvent(new Event('change')), null")
        wait_for(lambda: watch.look()["heights"][-1:] == [90], 20, "the variant")
        assert "variant=low" in watch.page.run("location.search")
        press("k")
        wait_for(lambda: not [v for v in playing.viewers() if v["stream_id"] == VARIANTS], 5,
                 "the end of the viewer")
        press("k")
        watch.plays()


ZAP = """
new Promise((done) => {
	const began = performance.now();
	const look = () => video.requestVideoFrameCallback(() =>
		video.currentTime > 0 ? done(performance.now() - began) : look());
	/* what is shown from here on is of the other channel */
	video.addEventListener("emptied", look, { once: true });
	document.dispatchEvent(new KeyboardEvent("keydown", { key: "KEY" }));
})"""


@pytest.mark.timing
def test_the_next_channel_starts_within_half_a_second(opened, playing):
    with Watch(opened, playing, VARIANTS) as watch:
        watch.plays()
        wait_for(lambda: watch.page.run("summary.textContent").startswith("9 "), 10, "the channels")
        took = []
        for key, number in (("ArrowDown", KILLED), ("ArrowUp", VARIANTS), ("ArrowDown", KILLED)):
            took.append(watch.page.run(ZAP.replace("KEY", key)))
            assert watch.page.run("location.pathname") == f"/watch/{number}"
        assert sorted(took)[1] < ZAP_MS, took


RECORD = """
window.asked = [];
window.fetch = new Proxy(fetch, { apply(target, self, args) {
	asked.push(String(args[0]));
	return Reflect.apply(target, self, args);
} });
window.WebSocket = new Proxy(WebSocket, { construct(target, args) {
	asked.push(String(args[0]));
	return Reflect.construct(target, args);
} });
null"""


@pytest.mark.slow
@pytest.mark.parametrize("via", ["", "?via=ws"], ids=["http", "websocket"])
def test_its_languages(opened, playing, via):
    with Watch(opened, playing, SOUNDS, via) as watch:
        watch.plays()
        wait_for(lambda: not watch.page.run("languages.hidden"), 10, "the list")
        # a language that two sounds have stands in the list once
        assert watch.page.run("Array.from(language.options, (o) => o.value + ' ' + o.text).join()") \
            == " As it comes,deu Deutsch,eng English"
        node = watch.page.node("#language")
        assert (node["role"]["value"], node["name"]["value"]) == ("combobox", "Language")
        watch.page.run(RECORD)
        watch.page.run("language.focus(), null")
        for chosen in ("deu", "eng"):
            watch.page.press("ArrowDown")
            wait_for(lambda: any(f"lang={chosen}" in url for url in watch.page.run("asked")), 20,
                     "the language")
            assert f"lang={chosen}" in watch.page.run("location.search")
            watch.plays()
        assert watch.look()["problem"] == ""
        # the list is as it was, and so is the focus
        assert watch.page.run("document.activeElement === language && language.value") == "eng"
        assert watch.page.run("language.options.length") == 3


@pytest.mark.slow
def test_a_channel_with_one_language_has_no_list(opened, playing):
    with Watch(opened, playing, VARIANTS) as watch:
        watch.plays()
        assert watch.page.run("languages.hidden")


@pytest.mark.timing
def test_it_goes_on_when_processes_are_killed(opened, playing):
    with Watch(opened, playing, KILLED) as watch:
        watch.plays()
        segment = next(pid for pid, (_, line) in playing.processes().items()
                       if line.startswith(f"amps-transcoder {KILLED} segment"))
        for pid in (playing.tuner(str(KILLED))["pid"], segment, playing.nursery(),
                    *playing.pids("amps-worker")):
            kill(pid)
            watch.plays(1)
        assert watch.look()["problem"] == ""


@pytest.mark.slow
def test_another_codec_does_not_stop_it(opened, playing):
    with Watch(opened, playing, EDITED) as watch:
        watch.plays()
        playing.write_config(config(playing.udp_port, True))
        assert playing.amps("reload").returncode == 0
        wait_for(lambda: watch.look()["heights"][-1:] == [270], 20, "the other film")
        assert watch.plays(1)["problem"] == ""


@pytest.mark.slow
def test_a_codec_that_is_not_for_browsers_is_named(opened, playing):
    with Watch(opened, playing, HEVC) as watch:
        wait_for(lambda: watch.look()["problem"], 20, "the message")
        text = watch.look()["problem"]
        assert text.startswith("This browser cannot play") and "AC-3 sound" in text


@pytest.mark.slow
def test_a_channel_that_needs_a_token(opened, server):
    s = server(line_up(channel(1, media.long_film(), **LOOP),
                       auth={"enabled": True, "token": TOKEN}))
    with Watch(opened, s, 1) as watch:
        wait_for(lambda: watch.page.run("document.activeElement.id") == "token", 10, "the login")
        watch.page.run(f"token.value = {TOKEN!r}, login.requestSubmit(), null")
        wait_for(lambda: watch.page.run("!!window.behind"), 10, "the player")
        watch.plays()
    for via in ("", "&via=ws"):
        with Watch(opened, s, 1, "?token=" + TOKEN.replace(" ", "%20") + via) as watch:
            watch.plays()
            assert "token" not in watch.page.run("location.href")


class HoldingProxy:
    """Relays connections, but of the media over HTTP it passes on the head alone."""

    def __init__(self, server):
        self.to = server.port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client, \
                socket.create_connection(("127.0.0.1", self.to)) as server:
            request = client.recv(65536)    # and no other one on this connection
            server.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
            threading.Thread(target=self.relay, args=(client, server), daemon=True).start()
            self.relay(server, client, held=request.startswith(b"GET /stream/"))

    @staticmethod
    def relay(source, to, held=False):
        with contextlib.suppress(OSError):
            head = b""
            while held and b"\r\n\r\n" not in head:
                head += source.recv(1)
            to.sendall(head)
            while data := source.recv(65536):
                if not held:
                    to.sendall(data)
            to.shutdown(socket.SHUT_RDWR)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


@pytest.mark.slow
def test_behind_a_proxy_that_holds_answers_back(opened, playing):
    with HoldingProxy(playing) as proxy, Watch(opened, proxy, VARIANTS) as watch:
        wait_for(lambda: watch.look()["position"] > 0, 30, "pictures over the WebSocket")
        watch.plays()
        assert {v["protocol"] for v in playing.viewers() if v["stream_id"] == VARIANTS} == {"ws"}


@pytest.mark.slow
def test_the_end_of_a_film_is_an_end(opened, playing):
    with Watch(opened, playing, SHORT, "?via=ws") as watch:
        wait_for(lambda: watch.look()["problem"], 30, "the end")
        assert watch.look()["problem"] == "The stream has ended."
        assert not [v for v in playing.viewers() if v["stream_id"] == SHORT]


OTHERS = {"mpegts.js": ("mpegts", "http", "/stream/1.ts?join_ms=0"),
          "mpegts.js over a WebSocket": ("mpegts", "ws", "/ws/1?join_ms=0"),
          "MP4": ("mse", "http", "/stream/1?format=mp4"),
          "MP4 over a WebSocket": ("mse", "ws", "/ws/1?format=mp4")}


@pytest.mark.timing
@pytest.mark.parametrize("name", OTHERS)
def test_other_players(opened, files, playing, name):
    engine, scheme, path = OTHERS[name]
    page = browser.Page(opened, files.url)
    wait_for(lambda: page.run("!!window.begin"), 20, "the page")
    url = playing.url(path).replace("http", scheme, 1)
    page.run(f"void begin({engine!r}, {url!r}, {{clock: true}})")
    wait_for(lambda: page.run("report()")["position"] > 0 and page.run("report()")["pictures"] > 30
             or page.run("report()")["errors"], 20, "pictures")
    now = page.run("report()")
    page.close()
    assert now["errors"] == [] and now["stalls"] == 0 and now["sound"] > 0, now
