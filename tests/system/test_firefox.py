"""The page in Firefox: a smoke run of its views, and a channel with moving pictures and sound."""
import pytest

import browser
import firefox
import media
from harness import serving, wait_for
from lineup import LOOP, channel, line_up
from test_page import ADMIN, KEYS, SPY

pytestmark = pytest.mark.slow


@pytest.fixture
def fox():
    browser.require(firefox.program(), "no firefox")
    with firefox.Firefox() as f:
        yield f


def test_the_page_in_firefox(fox):
    film = media.long_film()
    with serving(line_up(channel(1, film, name="One", group="News", **LOOP),
                         channel(2, film, name="Two <b>", next_programs=[
                             {"title": "Later", "start": "2099-01-01T10:00:00Z"}], **LOOP),
                         auth=KEYS)) as server:
        def waits(script, what=None):
            wait_for(lambda: fox.run(f"!!({script})"), 20, what or script)

        def reads(words):
            waits(f"document.querySelector('main').innerText.includes('{words}')", words)

        fox.before_pages(SPY)
        fox.go(server.url("/"))
        waits("document.activeElement.id === 'token'", "the login")
        fox.run(f"(token.value = '{ADMIN}', login.requestSubmit(), null)")
        waits("document.querySelectorAll('#channels .name').length === 2", "the channels")
        fox.run("(search.value = 'tw', search.dispatchEvent(new Event('input')), null)")
        waits("[...document.querySelectorAll('#channels .name')].map((e) => e.textContent)"
              ".join() === 'Two <b>'", "the filtered channels")
        fox.run("(search.value = '', search.dispatchEvent(new Event('input')), null)")
        fox.run("(document.querySelector('#channels li:last-child a').click(), null)")
        waits("video.readyState > 2 && !video.paused && video.currentTime > 1 && "
              "video.mozHasAudio && video.getVideoPlaybackQuality().totalVideoFrames > 20",
              "moving pictures and sound")
        wait_for(lambda: [v["stream_id"] for v in server.viewers()] == [2], 10, "the viewer")
        fox.run("(document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowUp'})), null)")
        waits("location.pathname === '/watch/1' && video.currentTime > 0.2 && video.readyState > 2",
              "the next channel")
        fox.run("(document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'})), null)")
        waits("location.pathname === '/'", "the way back")
        for view, words in (("guide", "Later"), ("see", "Viewers"), ("steer", "Add a channel"),
                            ("tokens", "Tokens")):
            fox.run(f"(location.hash = '{view}', null)")
            reads(words)
        assert fox.run("document.cookie") == "" and fox.run("window.wrong") == []
