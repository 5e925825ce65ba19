"""The page in a browser: what it shows and does, and that no name is ever run as a script."""
import base64
import contextlib
import gzip
import json
import os
import re
import subprocess
import time

import pytest

import browser
import media
import npm
import origin
from harness import ROOT, kill, serving, wait_for
from lineup import LOOP, channel, line_up

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("AMPS_PLAYER_SHOTS")
PAGE = os.path.join(ROOT, "amps-worker", "page", "page.html")
TOKEN, ADMIN = "a token for watching", "a token for steering"
FILTER_MS = 25          # of a processor: the machine does other things, too
KEYS = {"admin_token": ADMIN, "token": TOKEN, "enabled": True}
# runs before each page's own scripts: what the policy refuses, and what fails
SPY = """
window.wrong = [];
addEventListener("securitypolicyviolation", (e) => wrong.push("policy: " + e.violatedDirective));
addEventListener("error", (e) => e.message && wrong.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => wrong.push("rejected: " + e.reason));
for (const name of ["alert", "confirm", "prompt"])
	window[name] = (...words) => { wrong.push(name + words); return true; };
"""
# the page waits for at most 100 ms before it asks again
HURRY = """
const wait = window.setTimeout, every = window.setInterval;
window.setTimeout = (act, ms, ...more) => wait(act, Math.min(ms, 100), ...more);
window.setInterval = (act, ms, ...more) => every(act, Math.min(ms, 100), ...more);
"""
HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "\"><svg onload=alert(3)>",
    "' onmouseover='alert(4)", "javascript:alert(5)", "</title><script>alert(6)</script>",
    "<iframe srcdoc='<script>alert(7)</script>'>", "{{constructor.constructor('alert(8)')()}}",
    "${alert(9)}", "<a href=javascript:alert(10)>x</a>", "<style>*{display:none}</style>",
    "<base href=http://evil.example/>", "<meta http-equiv=refresh content=0;url=//evil.example>",
    "&lt;script&gt;alert(14)&lt;/script&gt;", "\u202etxt.exe\u202c", "nul",
    "__proto__", "constructor", "toString", "<!--", "-->", "]]>",
    "%3Cscript%3Ealert(22)%3C/script%3E",
    "<math><mtext></mtext><script>alert(23)</script></math>",
    "<template><script>alert(24)</script>",
    "😀" * 40, "A" * 300, "<b>bold", "'; DROP TABLE streams; --",
    "<object data=javascript:alert(30)>"]


@pytest.fixture(scope="module")
def opened():
    browser.require(browser.program())
    with browser.Browser() as b:
        yield b


class Site:
    """The page in a window; `query` is what the address has behind the server's."""

    def __init__(self, opened, server, query="/", width=1200, height=800, dark=False,
                 hurry=False):
        self.page = browser.Page(opened, "about:blank")
        call = lambda method, **params: opened.call(method, self.page.session, **params)  # noqa: E731
        call("Page.enable")
        call("Page.addScriptToEvaluateOnNewDocument", source=SPY + (HURRY if hurry else ""))
        call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
             mobile=False)
        call("Emulation.setEmulatedMedia", features=[{
            "name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.go(server.url(query))

    def go(self, url):
        self.page.browser.call("Page.navigate", self.page.session, url=url)
        self.waits("document.readyState === 'complete' && !!window.wrong")

    def run(self, script):
        return self.page.run(script)

    def processor_ms(self, script):
        """Milliseconds of a processor that a script takes, with the layout that it causes."""
        def used():
            found = self.page.browser.call("Performance.getMetrics", self.page.session)["metrics"]
            return 1000 * sum(m["value"] for m in found if m["name"] in
                              ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration"))
        self.page.browser.call("Performance.enable", self.page.session, timeDomain="threadTicks")
        before = used()
        self.run(script)
        return used() - before

    def waits(self, script, what=None, seconds=20):
        """Waits until an expression is true."""
        wait_for(lambda: self.page.holds(script), seconds, what or script)

    def text(self, selector="main"):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def reads(self, words, selector="main"):
        """Waits for these words on the page."""
        self.waits(f"document.querySelector({json.dumps(selector)})?.innerText.includes("
                   f"{json.dumps(words)})", f"'{words}' in {selector}")

    def types(self, selector, text):
        """Fills in a field, as a user does."""
        self.waits(f"document.querySelector({json.dumps(selector)})", selector)
        self.run(f"""(() => {{
			const field = document.querySelector({json.dumps(selector)});
			field.value = {json.dumps(text)};
			field.dispatchEvent(new Event("input", {{ bubbles: true }}));
			field.dispatchEvent(new Event("change", {{ bubbles: true }}));
		}})()""")

    def clicks(self, words, within="main"):
        """Clicks the button or link with this text, or label."""
        self.waits(f"""(() => {{
			const all = [...document.querySelectorAll({json.dumps(within)} + " :is(button, a, summary, input)")];
			const found = all.find((e) => e.checkVisibility() && !e.disabled &&
				(e.textContent.trim() === {json.dumps(words)} ||
				e.getAttribute("aria-label") === {json.dumps(words)}));
			found?.click();
			return Boolean(found);
		}})()""", f"'{words}' to click")

    def key(self, key):
        self.run(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}}})), null")

    def tabs_to(self, words):
        """Goes with the tab key to what has this text, label or id."""
        for _ in range(150):
            self.page.press("Tab")
            if words in self.run("(({id, textContent, ariaLabel, labels}) => [id, textContent.trim(), "
                                 "ariaLabel, labels?.[0]?.querySelector('span')?.textContent])"
                                 "(document.activeElement)"):
                return
        raise AssertionError(f"the tab key does not lead to '{words}'")

    def presses(self, *keys):
        for key in keys:
            self.page.press(key)

    def focus_is_on(self, words):
        self.waits(f"[document.activeElement.id, document.activeElement.textContent.trim(), "
                   f"document.activeElement.ariaLabel].includes({json.dumps(words)})",
                   f"the focus on '{words}'")

    def logs_in(self, token):
        self.waits("document.activeElement.id === 'token'", "the login")
        self.run(f"token.value = {token!r}, login.requestSubmit(), null")
        self.waits("login.hidden")

    def cards(self):
        return self.run("[...document.querySelectorAll('#channels .name')].map((e) => e.textContent)")

    def plays(self):
        self.waits("video.readyState > 2 && !video.paused && video.currentTime > 0.2", "the picture")
        at = self.run("[video.currentTime, video.webkitAudioDecodedByteCount, "
                      "video.getVideoPlaybackQuality().totalVideoFrames]")
        self.waits(f"video.currentTime > {at[0]} && video.webkitAudioDecodedByteCount > {at[1]} && "
                   f"video.getVideoPlaybackQuality().totalVideoFrames > {at[2]}",
                   "moving pictures and sound")

    def shoot(self, name):
        if SHOTS:
            with open(os.path.join(SHOTS, f"{name}.png"), "wb") as f:
                f.write(base64.b64decode(self.page.picture()))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with contextlib.suppress(Exception):
            if kind:
                print("the page:", self.text("body")[:2000], self.run("wrong"))
        wrong = self.run("wrong") if not kind else []
        self.page.close()
        assert wrong == []


def config(**more):
    film = media.long_film()
    return line_up(*(channel(n, film, group="News" if n < 3 else "Films", channel_number=str(n + 10),
                             name=name, **LOOP)
                     for n, name in enumerate(["One", "Two", "Three", "Four"], 1)),
                   channel(5, film, name="Nur hier", regions_allowed=["DE"], **LOOP), **more)


@pytest.fixture(scope="module")
def site():
    with serving(config(auth=KEYS)) as server:
        yield server


def test_watch(opened, site):
    with Site(opened, site) as page:
        page.logs_in(TOKEN)
        wait_for(lambda: page.cards() == ["One", "Two", "Three", "Four"], 10, "the channels")
        # a viewer's token sees no more than channels and the guide
        assert page.text("nav").split() == ["Watch", "Guide"]
        page.run("location.hash = 'steer', null")
        page.waits("location.hash === ''", "the way back")
        page.types("#search", "tw")
        assert page.cards() == ["Two"]
        page.types("#search", "")
        page.types("#group", "Films")
        assert page.cards() == ["Three", "Four"]
        page.types("#group", "")
        page.clicks("Favourite: Three")
        page.clicks("Favourites")
        assert page.cards() == ["Three"]
        page.go(page.run("location.href"))
        wait_for(lambda: len(page.cards()) == 4, 10, "the channels")
        page.clicks("Favourites")
        assert page.cards() == ["Three"]    # kept in the browser
        page.clicks("Favourites")
        # three channels, one after the other: a click, an arrow, digits
        assert page.run("document.querySelector('.channel a').click(), !player.hidden"), \
            "a key that follows at once is one for the screen"
        page.plays()
        assert page.text("#name") == "One"
        page.key("ArrowDown")
        page.waits("location.pathname === '/watch/2'")
        page.plays()
        for digit in "14":
            page.key(digit)
        page.waits("location.pathname === '/watch/4'")
        page.plays()
        assert page.text("#name") == "Four" and TOKEN not in page.run("location.href")
        wait_for(lambda: [v["stream_id"] for v in site.viewers()] == [4], 10, "one viewer")
        page.clicks("Links for other players")
        page.waits("document.querySelectorAll('#link-list a').length >= 5", "the links")
        links = page.run("[...document.querySelectorAll('#link-list a')].map((a) => a.href)")
        assert all("/4" in url or "ids=4" in url for url in links)
        page.key("Escape")
        page.waits("location.pathname === '/' && document.getElementById('player').hidden")
        wait_for(lambda: not site.viewers(), 10, "the end of the viewer")
        # a region's channel plays for a viewer who has chosen that region
        page.types("#region", "DE")
        wait_for(lambda: "Nur hier" in page.cards(), 10, "the region's channel")
        page.run("document.querySelector('#channels li:last-child a').click(), null")
        page.waits("location.href.endsWith('/watch/5?region=DE')")
        page.plays()
        assert page.run("document.cookie") == ""


# answers of /api/status fail as long as window.broken is true
BREAK = """(() => {
	const real = window.fetch;
	window.broken = true;
	window.fetch = (path, ...more) => (window.broken && path === "/api/status" ?
		Promise.resolve(new Response('{"error": "the server starts"}', { status: 503 })) :
		real(path, ...more));
})(), null"""


def test_an_administrator_passes_on_no_token_of_his_own(opened, site):
    with Site(opened, site, hurry=True) as page:
        page.waits("document.activeElement.id === 'token'", "the login")
        page.run(BREAK)
        page.logs_in(ADMIN)
        # who does not know what the token may do says so, and asks again
        page.waits("summary.textContent.includes('the server starts')")
        assert page.text("nav").split() == ["Watch", "Guide"]
        page.run("broken = false, null")
        page.waits("document.querySelector('nav .admin').checkVisibility()", "the administrator's views")
        wait_for(lambda: len(page.cards()) == 4, 10, "the channels")
        of = "new URL({}).searchParams.get('token')".format
        assert page.run(of("playlist.href")) == TOKEN
        page.run("document.querySelector('.channel a').click(), null")
        page.clicks("Links for other players")
        page.waits("document.querySelectorAll('#link-list a').length >= 5", "the links")
        assert page.run("[...document.querySelectorAll('#link-list a')].map((a) => "
                        + of("a.href") + ")") == [TOKEN] * 5
        # nothing that the token has brought stays behind
        page.clicks("Log out", "header")
        page.waits("document.activeElement?.id === 'token' && location.pathname === '/'", "the login")
        left = page.run("document.documentElement.outerHTML")
        assert "token=" not in left.replace("?token=</code>", "") and "channel-" not in left
        assert page.cards() == [] and page.run("sessionStorage.length") == 0
        page.logs_in(TOKEN)
        wait_for(lambda: len(page.cards()) == 4, 10, "the channels")
        page.run("sessionStorage.setItem('amps-token', 'another'), null")
        page.run("document.dispatchEvent(new CustomEvent('amps-login')), null")
        page.reads("not valid (any more)", "#summary")
        page.waits("document.activeElement?.id === 'token'", "the login")


def test_hostile_names_are_text(opened, server):
    assert len(HOSTILE) == 30
    s = server(line_up())
    bulk = [channel(n, media.film(), name=name, group=name, logo=name, description=name,
                    channel_number=name, tvg_id=name) for n, name in enumerate(HOSTILE, 1)]
    answer = s.request("POST", "/api/streams", {"Content-Type": "application/json"},
                       json.dumps(bulk))
    assert answer.status == 201, answer.text
    with Site(opened, s) as page:
        # rows are used again for other channels while the list grows
        wait_for(lambda: {name.replace('"', "'").replace(",", "") for name in HOSTILE} ==
                 {name.replace(",", "") for name in page.cards()}, 10, "the channels")
        assert page.run("document.querySelectorAll('main script, iframe, object, style, base').length") \
            == 0
        page.run("document.querySelector('.channel a').click(), null")
        page.waits("document.getElementById('name').textContent.includes('alert')")


GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
# all that each card says and shows, and its place in the list
CARDS = """[...document.querySelectorAll('#channels li')].map((li) => {
	const [link, star] = li.children, logo = li.querySelector('.logo'), over = li.querySelector('progress');
	return [[li.className, link.href, link.ariaCurrent, link.innerText, li.querySelector('.now').title,
		over.hidden ? '' : `${over.value.toFixed(2)} ${over.ariaLabel}`, star.ariaLabel, star.ariaPressed,
		star.textContent, logo.innerText, logo.querySelector('img')?.currentSrc ?? ''],
	`${li.ariaPosInSet} of ${li.ariaSetSize}`];
})"""


def test_a_row_that_is_used_again_shows_only_its_own_channel(opened, server, tmp_path):
    (tmp_path / "logo.gif").write_bytes(GIF)
    now = time.time()
    on = [{"title": f"Show {n}", "start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + at))}
          for n, at in enumerate((-86400, 86400))]
    with origin.HttpOrigin(folder=str(tmp_path)) as logos:
        s = server(line_up(
            channel(1, media.film(), name="One x", group="News", channel_number="7", next_programs=on,
                    logo=logos.url("/logo.gif")),
            channel(2, media.film(), name="Two x", logo=logos.url("/missing.gif"), description="Words"),
            channel(3, media.film(), name="Three", group="Films", channel_number="9")))
        with Site(opened, s) as page:
            def shown(text):
                page.types("#search", text)
                if "One x" in page.cards():
                    page.waits("document.querySelector('.logo img')", "the logo")
                return page.run(CARDS)

            page.waits("document.querySelector('.now')?.textContent === 'Show 0'", "the programme")
            page.clicks("Favourite: One x")
            first = [facts for facts, _ in shown("")]
            for text, wanted in (("two", [1]), ("x", [0, 1]), ("three", [2]), ("one", [0]), ("", [0, 1, 2]),
                                 ("three", [2]), ("x", [0, 1])):
                assert shown(text) == [[first[n], f"{at} of {len(wanted)}"]
                                       for at, n in enumerate(wanted, 1)], text
            # the row is the same element, whose button keeps the focus
            page.run("document.querySelector('.star').focus(), null")
            page.clicks("Favourite: One x")
            page.focus_is_on("Favourite: One x")
            assert page.run("document.querySelector('.star').ariaPressed") == "false"


def test_logos_are_asked_for_when_the_rows_are_at_rest(opened, server, tmp_path):
    """Keys that are typed one after the other ask for no pictures in between."""
    for n in (98, 99):
        (tmp_path / f"{n}.gif").write_bytes(GIF)
    with origin.HttpOrigin(folder=str(tmp_path)) as logos:
        s = server(line_up(*(channel(n, media.film(), channel_number=str(n), logo=logos.url(f"/{n}.gif"))
                             for n in range(1, 100))))
        with Site(opened, s) as page:
            asked = lambda: {path for _, path, _ in logos.requests}  # noqa: E731
            wait_for(lambda: "/1.gif" in asked(), 10, "the first logos")
            page.run("window.held = [], window.setTimeout = (act) => held.push(act), null")
            for text in ("98", "99"):
                page.types("#search", text)
                page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
                         ".then(() => null)")
                assert page.text(".channel .logo") == text
            page.run("held.at(-1)(), null")
            page.waits("document.querySelector('.logo img')?.currentSrc.endsWith('/99.gif')", "the logo")
            assert "/99.gif" in asked() and "/98.gif" not in asked()
            # a picture that is missing is never in the page: the number stays
            page.types("#search", "97")
            page.run("held.at(-1)(), null")
            wait_for(lambda: "/97.gif" in asked(), 10, "the request")
            assert page.run("document.querySelectorAll('.logo img').length") == 0
            assert page.text(".channel .logo") == "97"


USED = """window.used = new Set(document.querySelectorAll({0!r})), null"""
# all rows were there before
USED_AGAIN = """[...document.querySelectorAll({0!r})].every((row) => used.has(row))"""
ROWS = """[...document.querySelectorAll({0!r})].map((row) => [row.innerText, ...[...row.querySelectorAll(
	"a, button")].map((e) => [e.className, e.ariaLabel, e.title, e.getAttribute('href'), e.getAttribute('style')])])"""


def test_rows_of_every_view_are_used_again(opened, server):
    def at(minutes):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60 * minutes))
    film = media.long_film()
    s = server(line_up(*(channel(n, film, name=name, group=f"Group {n}", next_programs=[
        {"title": f"{name} {i}", "start": at(60 * i - 30 * n), "end": at(60 * i - 30 * n + 60)}
        for i in range(12 * (n < 3))], **LOOP) for n, name in enumerate(("One", "Two", "Three"), 1))))
    with Site(opened, s, "/#steer") as page:
        def again(selector, act, text):
            """Every row is one that was there, and shows what a new one shows."""
            page.waits(f"document.querySelector({selector!r})", selector)
            page.run(USED.format(selector))
            act()
            page.waits(f"[...document.querySelectorAll({selector!r})].map((e) => e.innerText)"
                       f".join().includes({text!r})", text)
            page.waits(USED_AGAIN.format(selector))
            return page.run(ROWS.format(selector))

        rows = again(".line", lambda: page.types("#view input", "two"), "Two")
        assert rows == [["Two\nid 2 · Group 2 · copy · " + film + "\nChange",
                         ["small", "Change Two", "", None, None]]]
        # what was pressed is what is clicked, whatever comes meanwhile
        assert page.run("""(() => {
            const search = document.querySelector('#view input'), shown = document.querySelector('.line button');
            shown.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
            search.value = 'three';
            search.dispatchEvent(new Event('input', { bubbles: true }));
            return shown.ariaLabel; })()""") == "Change Two"
        page.run("dispatchEvent(new PointerEvent('pointerup')), null")
        page.waits("document.querySelector('.line button').ariaLabel === 'Change Three'", "the other one")
        page.types("#view input", "two")
        page.clicks("Change Two")
        page.waits("document.querySelector('#field-name')?.value === 'Two'", "its form")
        # a playlist
        page.clicks("Cancel")
        page.clicks("Import M3U")
        page.types("#import-text", "#EXTM3U\n#EXTINF:-1,First\nhttp://127.0.0.1:9/1.ts\n")
        page.clicks("Show what is in it", ".edit")
        again(".edit .line", lambda: page.clicks("None of them", ".edit"), "First")
        assert page.run("document.querySelector('.edit .line input').checked") is False
        # the guide: back and forth
        page.clicks("Guide", "nav")
        page.waits("document.querySelector('.programme.on b')?.textContent === 'One 0'", "now")
        page.reads("No programmes", ".guide-rows")
        before = page.run(ROWS.format(".guide-row"))
        page.run("window.programme = document.querySelector('.programme'), null")
        later = again(".guide-row", lambda: page.clicks("Later"), "One 4")
        assert all("on" not in words[0].split() for _, *links in later for words in links)
        assert again(".guide-row", lambda: page.clicks("Now"), "One 0") == before
        assert page.run("programme.isConnected")
        # viewers, and the figures of the server
        with s.stream("/stream/1.ts") as one, s.stream("/stream/2.ts") as two:
            one.read(1000)
            two.read(1000)
            page.clicks("See", "nav")
            # they are asked for only while their list is in view
            page.waits("scrollTo(0, document.body.scrollHeight), "
                       "document.querySelectorAll('.line').length === 2", "the viewers")
            page.run("window.fact = document.querySelector('.fact'), null")
            rows = again(".line", lambda: page.types("[aria-label='Search viewers']", "two"), "Two")
            assert [row[1][1] for row in rows] == ["Kick the viewer at 127.0.0.1 of Two"]
            page.clicks("Kick the viewer at 127.0.0.1 of Two")
            two.read_all()
            wait_for(lambda: [v["stream_id"] for v in s.viewers()] == [1], 10, "the end of one viewer")
            assert page.run("fact.isConnected")


def test_the_page_has_a_strict_policy_and_cannot_be_framed(opened, server):
    s = server(line_up(channel(1, media.film())))
    for path in ("/", "/ui", "/watch/1", "/ui/page.js"):
        answer = s.get(path)
        policy = dict(part.split(maxsplit=1)
                      for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] \
            == policy["form-action"] == "'none'", path
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'", path
        assert "unsafe" not in str(policy) and answer.headers["referrer-policy"] == "no-referrer"
    other = browser.Page(opened, "about:blank")
    other.run("document.body.innerHTML = " + json.dumps(
        "".join(f"<iframe src='{s.url(path)}'></iframe>" for path in ("/healthz", "/"))))

    def frames():
        """[(address, that of what was refused)]"""
        tree = opened.call("Page.getFrameTree", other.session)["frameTree"]
        return [(child["frame"]["url"], child["frame"].get("unreachableUrl"))
                for child in tree.get("childFrames", [])]
    wait_for(lambda: frames() == [(s.url("/healthz"), None),
                                  ("chrome-error://chromewebdata/", s.url("/"))], 10, "the refusal")
    other.close()


def test_ten_thousand_channels(opened, server):
    film = media.film()
    s = server(line_up(*(channel(n, film, group=f"Group {n % 40}", channel_number=str(n))
                         for n in range(1, 10_001))))
    with Site(opened, s) as page:
        page.waits("summary.textContent.startsWith('10')", "the channels")
        # only what is in view exists
        assert page.run("document.querySelectorAll('.channel').length") < 150
        texts = ("channel 99", "9", "channel 9999", "")     # each changes what the one before it has left
        rounds = [[page.processor_ms(f"""(() => {{
			search.value = {text!r};
			search.dispatchEvent(new Event("input"));
			return document.body.offsetHeight;
		}})()""") for text in texts] for _ in range(8)]
        took = [min(times) for times in zip(*rounds)]
        assert max(took) < FILTER_MS, took
        page.run("scrollTo(0, document.body.scrollHeight), null")
        wait_for(lambda: "Channel 10000" in page.cards(), 10, "the last channels")
        page.clicks("Guide", "nav")
        page.waits("document.querySelector('.guide-row')", "the guide")
        assert page.run("document.querySelectorAll('.guide-row').length") < 50
        page.run("scrollTo(0, document.body.scrollHeight), null")
        page.reads("Channel 10000", ".guide-rows")
        page.reads("No programmes", ".guide-row:last-child")
        assert page.run("document.querySelectorAll('.guide-row').length") < 50


def test_guide(opened, server):
    def at(minutes):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60 * minutes))
    programs = [{"title": f"Show {n}", "start": at(60 * n - 30), "end": at(60 * n + 30)}
                for n in range(12)]
    s = server(line_up(channel(1, media.long_film(), name="One", next_programs=programs, **LOOP),
                       channel(2, media.long_film(), name="Two", **LOOP)))
    with Site(opened, s) as page:
        # now, how much of it is over, and next
        page.waits("Math.abs(document.querySelector('progress')?.value - 0.5) < 0.05", "the progress")
        page.reads("Show 0", ".channel")
        page.reads("Show 1", ".channel")
        page.clicks("Guide", "nav")
        page.waits("document.querySelector('.programme.on b')?.textContent === 'Show 0'", "now")
        page.reads("No programmes", ".guide-rows")
        page.shoot("guide")
        page.clicks("Later")
        page.waits("!document.querySelector('.programme.on')", "later programmes")
        page.types("#view input", "show 11")
        page.reads("Show 11", ".results")
        page.reads("1 programme found", "#summary")
        page.run("document.querySelector('.result').click(), null")
        page.waits("location.pathname === '/watch/1'")
        page.plays()


def test_a_suggestion_becomes_the_guide_of_a_channel(opened, server, tmp_path):
    guide = tmp_path / "guide.xml"
    stop = time.strftime("%Y%m%d%H%M%S +0000", time.gmtime(time.time() + 3600))
    start = time.strftime("%Y%m%d%H%M%S +0000", time.gmtime(time.time() - 3600))
    guide.write_text("<tv>" + "".join(
        f'<channel id="{n}"><display-name>Double</display-name></channel>' for n in ("d1", "d2")) +
        "".join(f'<programme start="{start}" stop="{stop}" channel="{n}"><title>From {n}</title>'
                "</programme>" for n in ("d1", "d2")) + "</tv>")
    s = server(line_up(channel(1, media.film(), name="Double"), epg={"sources": [{"path": str(guide)}]}))
    wait_for(lambda: s.get("/api/epg/match").json[0]["suggestions"], 20, "the guide")
    with Site(opened, s, "/#steer") as page:
        page.clicks("Match the guide")
        page.reads("several would fit", ".lines")
        page.run("document.querySelector('.line button').click(), null")
        page.reads("1 of 1 channel with a guide")
        assert s.get("/api/streams/1").json["epg_id"] == "d1"
        page.clicks("Fetch the guides now")
        wait_for(lambda: s.get("/api/epg").json[0]["programs"], 20, "programmes")
        page.clicks("Watch", "nav")
        page.reads("From d1", ".channel")


def by_hand(server):
    """Its requests, for what others do meanwhile."""
    def ask(method, path, body=None):
        answer = server.request(method, path, {"Content-Type": "application/json",
                                               "X-Amps-Token": ADMIN}, body and json.dumps(body))
        assert answer.status in (200, 201), answer.text
        return answer.json
    return ask


def test_see(opened, server):
    s = server(config())
    ask = by_hand(s)
    asked = "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('{}')).length".format
    with Site(opened, s, "/#see", height=300, hurry=True) as page, s.stream("/stream/1.ts") as viewer:
        viewer.read(1000)
        page.reads("One (1)")
        page.reads("running", ".cards")
        page.reads("1 viewer", ".cards")
        page.waits("document.querySelector('.cards polygon').getAttribute('points').split(' ')"
                   ".length > 3", "the chart")
        page.shoot("see")
        # a job that is killed comes back, and the card and the log say so
        kill(s.tuner("1")["pid"])
        page.reads("1 restart", ".cards")
        page.reads("the ingest job", ".log")
        page.clicks("What is wrong?", ".cards")
        page.reads("a process died 1 time", ".cards")
        viewer.read(1000)
        # another source for the same channel
        ask("PATCH", "/api/streams/1", {"source": media.other_film(), "name": "Uno"})
        page.reads(os.path.basename(media.other_film()), ".cards")
        page.reads("Uno (1)", ".cards")
        # viewers are asked for only while their list is in view
        assert page.run(asked("/api/viewers")) == 0 < page.run(asked("/api/tuners"))
        page.run("scrollTo(0, document.body.scrollHeight), null")
        page.clicks("Kick the viewer at 127.0.0.1 of Uno")
        page.reads("was ended", "#summary")
        wait_for(lambda: not s.viewers(), 10, "the end of the viewer")
        viewer.read_all()
        page.waits("!document.querySelector('.line')", "the end of the viewer")
        with s.stream("/stream/2.ts") as other:
            other.read(1000)
            page.clicks("Stop tuner 2")
            page.reads("Tuner 2 was stopped", "#summary")


def test_changes_of_others_are_asked_for_alone(opened, server):
    """A list of channels follows the events without loading all of it again."""
    s = server(line_up(*(channel(n, media.film(), name=f"Channel {n}") for n in (1, 2, 4)), auth=KEYS))
    ask = by_hand(s)
    lists = "performance.getEntriesByType('resource').map((e) => new URL(e.name)).filter((url) => " \
        "url.pathname === '{}').map((url) => url.searchParams.get('ids'))".format
    for place, path, shown in (("/", "/playlist.m3u", ".channel .name"),
                               ("/#steer", "/api/streams", ".line b")):
        with Site(opened, s, place, hurry=True) as page:
            page.logs_in(ADMIN)
            names = f"[...document.querySelectorAll({shown!r})].map((e) => e.textContent).join()"
            page.waits(f"{names} === 'Channel 1,Channel 2,Channel 4'")
            ask("PATCH", "/api/streams/2", {"name": "Two"})
            page.waits(f"{names} === 'Channel 1,Two,Channel 4'")
            ask("POST", "/api/streams", channel(3, media.film(), name="Three"))
            ask("DELETE", "/api/streams/1")
            page.waits(f"{names} === 'Two,Three,Channel 4'")
            whole, *rest = page.run(lists(path))
            assert whole is None and None not in rest
        ask("DELETE", "/api/streams/3")
        ask("PATCH", "/api/streams/2", {"name": "Channel 2"})
        ask("POST", "/api/streams", channel(1, media.film(), name="Channel 1"))


def test_sources_and_times_have_fields(opened, server):
    s = server(line_up(channel(1, media.film(), name="One", sources=[
        "http://127.0.0.1:9/a.ts", {"source": "http://127.0.0.1:9/b.ts", "yt_dlp_format": "kept"}])))
    ask = by_hand(s)
    row = "#field-sources > div > .fields:nth-child({}) [name={}]".format
    with Site(opened, s, "/#steer") as page:
        page.clicks("Change One")
        page.waits("document.querySelector('#field-sources')", "the form")
        page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; }), null")
        # moved, added, and one removed; what the form does not show stays
        page.clicks("Add a source")
        page.types(row(3, "source"), "http://127.0.0.1:9/c.ts")
        page.types(row(3, "input_options"), "user_agent=A B\ntimeout=5000000")
        page.types(row(3, "input_args"), "-re -nosuch \"a b\"")
        page.clicks("Move up", "#field-sources .fields:nth-child(3)")
        page.clicks("Remove", "#field-sources .fields:nth-child(1)")
        # what the server refuses is shown at its field
        page.clicks("Save", ".edit")
        page.reads("nosuch", "#field-sources .fields:nth-child(1)")
        assert page.run("document.activeElement.name") == "input_args"
        page.types(row(1, "input_args"), "-re")
        page.types("#field-schedule [name=start]", "2030-05-04T18:00")
        page.types("#field-schedule [name=end]", "2030-05-04T17:00")
        page.clicks("Save", ".edit")
        page.reads("'end' is not after 'start'", "#field-schedule")
        assert page.run("document.activeElement.name") == "end"
        page.types("#field-schedule [name=start]", "")
        page.types("#field-schedule [name=end]", "")
        page.clicks("Save", ".edit")
        page.reads("One was saved", "#summary")
    now = ask("GET", "/api/streams/1")
    assert "schedule" not in now
    assert now["sources"] == [
        {"source": "http://127.0.0.1:9/c.ts", "input_options": {"user_agent": "A B", "timeout": "5000000"},
         "input_args": ["-re"]},
        {"source": "http://127.0.0.1:9/b.ts", "yt_dlp_format": "kept"}]


def test_fields_of_every_kind_and_keys_without_one(opened, server):
    kept = {"pairs": {"a": "b", "deep": {"x": 1}}, "switch": False, "list": ["a", 1], "empty": ""}
    second = {"source": "http://127.0.0.1:9/b.ts", "x_interface": "eth1", "x_deep": {"to": ["a"]}}
    s = server(line_up(channel(1, media.film(), name="One"), auth=KEYS))
    ask = by_hand(s)
    first = ask("PATCH", "/api/streams/1", {
        **kept, "level": 3, "old": "gone", "slate": "Back soon", "hwaccel": "none",
        "source_handler": {"type": "yt_dlp", "options": {"live_from_start": True, "retries": 3}},
        "adaptive_bitrates": [{"name": "sd", "custom_ffmpeg": ["true", "two words"]}],
        "sources": ["http://127.0.0.1:9/a.ts", second]})
    row = "#field-others > div > .fields:nth-child({}) {}".format
    with Site(opened, s, "/#steer") as page:
        page.logs_in(ADMIN)
        page.clicks("Change One")
        page.types("#field-group", "Mine")
        page.clicks("Save", ".edit")
        page.reads("One was saved", "#summary")
        assert ask("GET", "/api/streams/1") == {**first, "group": "Mine"}
        page.clicks("Change One")
        page.waits("document.querySelector('#field-others')", "the form")
        page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; }), null")
        names = page.run("[...document.querySelectorAll('#field-others [name=key]')].map((e) => e.value)")
        at = {name: n for n, name in enumerate(names, 1)}
        assert set(at) == {*kept, "level", "old"}
        page.types(row(at["level"], "[inputmode]"), "x")
        page.clicks("Save", ".edit")
        page.reads('"x" is no number', row(at["level"], ""))
        page.types(row(at["level"], "[inputmode]"), "4")
        page.clicks("Add a field", "#field-others")
        page.types(row(len(at) + 1, "[name=key]"), "new")
        page.types(row(len(at) + 1, "[aria-label=Value] > input"), "a text")
        page.clicks("Remove", row(at["old"], ""))
        page.types("#field-slate > select", "2")
        page.types("#field-hwaccel [name=type]", "auto")
        page.types("#field-hwaccel [name=fallback]", "true")
        page.types("#field-source_handler [name=options]", "live_from_start=false\nretries=3")
        page.types("#field-sources > div > .fields:nth-child(1) [name=command]", "cat {source}")
        page.types("#field-adaptive_bitrates [name=command]", "false 'two words'")
        page.clicks("Save", ".edit")
        page.reads("One was saved", "#summary")
    assert ask("GET", "/api/streams/1") == {
        **{key: value for key, value in first.items() if key != "old"}, "group": "Mine",
        "level": 4, "new": "a text", "slate": False, "hwaccel": {"type": "auto", "fallback": True},
        "source_handler": {"type": "yt_dlp", "options": {"live_from_start": False, "retries": 3}},
        "adaptive_bitrates": [{"name": "sd", "custom_ffmpeg": ["false", "two words"]}],
        "sources": [{"source": "http://127.0.0.1:9/a.ts", "custom_ffmpeg": "cat {source}"}, second]}


def test_the_keyboard_alone(opened, server):
    s = server(line_up(channel(1, media.long_film(), name="One", **LOOP),
                       channel(2, media.long_film(), name="Two", **LOOP)))
    ask = by_hand(s)
    with Site(opened, s) as page:
        opened.call("Emulation.setFocusEmulationEnabled", page.page.session, enabled=True)
        wait_for(lambda: page.cards() == ["One", "Two"], 10, "the channels")
        # from the list to a channel and back
        page.tabs_to("Steer")
        page.presses("Enter")
        page.tabs_to("Watch")
        page.presses("Enter")
        wait_for(lambda: page.cards() == ["One", "Two"], 10, "the channels")
        page.tabs_to("Favourite: One")
        page.presses("ArrowRight", "Enter")
        page.waits("location.pathname === '/watch/2'")
        page.presses("Escape")
        page.waits("location.pathname === '/' && document.activeElement.closest('.channel')"
                   "?.querySelector('.name').textContent === 'Two'", "the focus on its card")
        page.presses("Home")
        page.waits("document.activeElement.closest('.channel').querySelector('.name').textContent "
                   "=== 'One'", "the first card")
        # a form: rows are added, moved and removed
        page.run("location.hash = 'steer', null")
        page.tabs_to("Add a channel")
        page.presses("Enter")
        page.focus_is_on("field-name")
        page.presses("Escape")
        page.focus_is_on("Add a channel")
        page.presses("Enter")
        page.focus_is_on("field-name")
        page.page.write("By keys")
        page.presses("Escape")      # it has changes
        page.reads("The form has changes", "#summary")
        page.tabs_to("field-source")
        page.page.write(media.film())
        for summary, words, texts in (("Variants", "variant", ("sd", "hd", "gone")),
                                      ("Guide and programmes", "programme", ("First", "Second", "gone")),
                                      ("Source in detail", "source", ("/a.ts", "/b.ts", "/gone.ts"))):
            page.tabs_to(summary)
            page.presses("Enter")
            for text in texts:
                page.tabs_to(f"Add a {words}")
                page.presses("Enter")
                page.page.write(text)
            page.tabs_to("Remove")
            page.presses("Enter")
            page.focus_is_on("Remove")      # of the row before it
            page.page.press("Tab", shift=True)
            page.focus_is_on("Move up")     # the last one cannot move down
            page.presses("Enter")
            page.focus_is_on("Move down")   # the first one cannot move up
        page.page.press("Tab", shift=True)
        page.presses("Enter")               # the form is sent
        page.reads("By keys was saved", "#summary")
        page.focus_is_on("Add a channel")
        # the row that was opened has the focus again
        page.reads("By keys", ".lines")
        page.tabs_to("Change One")
        page.presses("End")
        page.focus_is_on("Change By keys")
        page.presses("Enter")
        page.focus_is_on("field-name")
        page.tabs_to("Who may watch, and when")
        page.presses("Enter")
        page.tabs_to("Start")
        page.presses(*"05042020")
        page.presses("Tab", *"0600PM")
        page.tabs_to("Save")
        page.presses("Enter")
        page.reads("By keys was saved", "#summary")
        page.focus_is_on("Change By keys")
    made = ask("GET", "/api/streams/3")
    assert [v["name"] for v in made["adaptive_bitrates"]] == ["hd", "sd"]
    assert [p["title"] for p in made["next_programs"]] == ["Second", "First"]
    assert made["sources"] == ["/b.ts", "/a.ts"]
    assert made["schedule"]["start"].startswith("2020-05-0")


def test_steer(opened, server):
    s = server(line_up(auth=KEYS))
    ask = by_hand(s)
    with Site(opened, s, "/#steer") as page:
        page.logs_in(ADMIN)
        for view in ("Watch", "Guide", "Steer"):
            page.clicks(view, "nav")
            page.reads("There are no channels yet")
        # what the server refuses is shown at the field
        page.clicks("Add a channel")
        page.types("#field-source", media.long_film())
        page.reads("h264", ".edit")          # it was probed
        page.reads("aac", ".edit")
        page.clicks("Add", ".edit")
        page.reads("'name' is missing", "#field-name-note")
        page.types("#field-name", "By hand")
        page.types("#field-input_args", '["-re", "-stream_loop", "-1"')
        page.clicks("Add", ".edit")
        page.reads("no valid JSON", "#field-input_args-note")
        assert page.run("document.querySelector('#field-input_args').getAttribute('aria-invalid')")
        page.types("#field-input_args", '["-re", "-stream_loop", "-1"]')
        page.clicks("Add", ".edit")
        page.reads("By hand was saved", "#summary")
        page.reads("By hand", ".lines")
        made, = ask("GET", "/api/streams")
        assert (made["name"], made["input_args"]) == ("By hand", LOOP["input_args"])
        # a lost update: both versions are shown, and can be joined
        page.clicks("Change By hand")
        page.types("#field-group", "Mine")
        ask("PATCH", "/api/streams/1", {"name": "Theirs", "channel_number": 7})
        page.clicks("Save", ".edit")
        page.reads("Somebody else has changed", ".edit")
        page.reads("Theirs", ".conflict")
        page.reads("Mine", ".conflict")
        page.shoot("conflict")
        page.clicks("Put your changes into theirs", ".edit")
        page.clicks("Save", ".edit")
        page.reads("was saved", "#summary")
        now = ask("GET", "/api/streams/1")
        assert (now["group"], now["name"], now["channel_number"]) == ("Mine", "Theirs", "7")
        # it plays
        page.go(s.url("/watch/1"))
        page.plays()
        # a playlist, with a preview
        page.go(s.url("/#steer"))
        page.clicks("Import M3U")
        page.types("#import-text", "#EXTM3U\n" + "".join(
            f"#EXTINF:-1,Imported {n}\nhttp://127.0.0.1:9/{n}.ts\n" for n in range(3)))
        page.clicks("Show what is in it", ".edit")
        page.clicks("Add Imported 1", ".edit")
        page.clicks("Add 2 channels", ".edit")
        page.reads("2 channels were added", "#summary")
        assert [c["name"] for c in ask("GET", "/api/streams")] == \
            ["Theirs", "Imported 0", "Imported 2"]
        # a file that is wrong changes nothing; each problem has its line
        s.write_config("streams:\n  - {id: 1, name: A, source: /x, ffmpeg_profile: nope}\n")
        page.clicks("Reload the file")
        page.reads("config.yaml:2: streams[0].ffmpeg_profile: unknown profile 'nope'")
        page.clicks("Change Imported 2")
        page.clicks("Delete", ".edit")
        page.clicks("Really delete it?", ".edit")
        page.reads("Imported 2 was deleted", "#summary")
        assert len(ask("GET", "/api/streams")) == 2


AXE = """axe.run(document, {resultTypes: ["violations"]})
.then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))"""
# answers of /playlist.m3u wait for go()
HOLD = """(() => {
	const real = window.fetch, held = new Promise((done) => { window.go = done; });
	window.fetch = async (path, ...more) => {
		const answer = await real(path, ...more);
		if (String(path).startsWith("/playlist.m3u")) {
			const text = await answer.text();
			window.holds = true;
			answer.text = async () => {
				await held;
				setTimeout(() => { window.passed = true; });
				return text;
			};
		}
		return answer;
	};
})(), null"""


def test_channels_that_come_late_are_not_said_in_another_view(opened, site):
    with Site(opened, site, "/#steer") as page:
        page.logs_in(ADMIN)
        page.reads("Nur hier")
        page.run(HOLD)
        page.clicks("Watch", "nav")
        page.waits("window.holds")
        page.clicks("Steer", "nav")
        page.reads("Nur hier")
        page.run("go(), null")
        page.waits("window.passed")
        assert page.text("#summary") == ""


def test_tokens_and_links(opened, server):
    s = server(config(auth=KEYS))
    with Site(opened, s, "/#tokens") as page:
        page.logs_in(ADMIN)
        page.types("#token-name", "lobby")
        page.types("#token-groups", "News")
        page.types("#token-most", "2")
        page.clicks("Make it")
        page.reads("shown once", ".edit")
        token = page.text(".edit code")
        assert [c["id"] for c in s.get("/api/streams", {"X-Amps-Token": token}).json] == [1, 2]
        page.reads("0 of 2 viewers", ".cards")
        page.clicks("Revoke lobby")
        page.waits("!document.querySelector(\"[aria-label='Revoke lobby']\")", "the end of it")
        assert s.get("/api/streams", {"X-Amps-Token": token}).status == 401
        page.types("#link-channel", "1")
        page.clicks("Sign a link")
        page.waits("document.querySelectorAll('code').length === 4", "the links")
        link = page.run("document.querySelectorAll('code')[1].textContent")
        with s.stream(link[link.index("/stream"):]) as viewer:
            assert viewer.read(188)[:1] == b"G"


PLACES = {"/": ".channel", "/#guide": ".guide-row", "/#see": ".fact", "/#tokens": "#token-name",
          "/#steer": ".line", "Change One": "form.edit", "Import M3U": "#import-text",
          "Match the guide": "[aria-label='Channels and their guide'] .line", "/watch/1": ".channel"}
# (dark, width, height); the rest is for the pictures alone
LOOKS = [(False, 1200, 800), (True, 390, 800), *([
    (True, 1280, 800), (False, 390, 800), (False, 2560, 1440), (True, 2560, 1440)] if SHOTS else [])]


# nothing is wider than the window, and the views are in one line
FITS = """document.documentElement.scrollWidth <= innerWidth &&
new Set([...document.querySelectorAll('nav a')].map((e) => e.offsetTop)).size === 1"""


def test_the_views_are_accessible(opened, site):
    with open(npm.path("axe-core", "axe.min.js")) as f:
        axe = f.read()
    found = []
    for dark, width, height in LOOKS:
        with Site(opened, site, "/", width, height, dark) as page:
            page.logs_in(ADMIN)
            for place, there in PLACES.items():
                if not place.startswith("/"):
                    page.clicks("Watch", "nav")     # leaves a form that is open
                    page.waits("document.querySelector('.channel')", "the channels")
                    page.clicks("Steer", "nav")
                    page.clicks(place)
                elif place != "/":
                    page.go(site.url(place))
                page.waits(f"document.querySelector({there!r})", place)
                if page.run("!window.axe"):
                    page.run("((module, exports, define) => {" + axe + "})(), null")
                found += [(place, dark, *v) for v in page.run(AXE)]
                assert page.run(FITS), (place, width)
                page.shoot(f"{place.strip('/#').replace('/', '-').replace(' ', '-') or 'watch'}-{width}"
                           f"-{'dark' if dark else 'light'}")
    assert found == [], found


def test_the_page_is_valid_html():
    done = subprocess.run(["node", npm.path("html-validate", "bin", "html-validate.mjs"), PAGE],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def needed(name, known):
    """Adds a module and all that it imports at its start."""
    if name not in known:
        known.add(name)
        with open(os.path.join(os.path.dirname(PAGE), name), encoding="utf-8") as f:
            for other in re.findall(r'^import [^"]*?"\./([^"]+)";$', f.read(), re.M):
                needed(other, known)
    return known


def test_what_watching_needs_is_loaded_at_once():
    """Without this list each module is asked for when the one before it has been read."""
    with open(PAGE, encoding="utf-8") as f:
        listed = re.findall(r'<link rel="modulepreload" href="/ui/([^"]+)">', f.read())
    assert sorted(listed) == sorted(needed("watch.js", needed("page.js", set())) - {"page.js"})


def test_the_page_is_small():
    """All files together, compressed."""
    folder = os.path.dirname(PAGE)
    size = 0
    for name in os.listdir(folder):
        if not name.endswith((".c", ".h")):
            with open(os.path.join(folder, name), "rb") as f:
                size += len(gzip.compress(f.read()))
    assert size <= 80 << 10
