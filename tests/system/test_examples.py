"""The examples of docs/examples.md, and the older Amps' own example: a configuration that a user
pastes is checked without errors, and its sources of every kind play."""
import concurrent.futures
import os
import re
import shutil
import subprocess

import pytest

import media
from harness import BIN, ROOT, wait_for
from test_yt_dlp import site
from watcher import Watcher

pytestmark = pytest.mark.slow

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(ROOT, "docs", "examples.md")
# what depends on the machine: programs and files that it may lack
OF_THE_MACHINE = re.compile(r"yt-dlp|not found|cannot read|can run|does not exist")


def examples():
    """[(heading, YAML)], in the order of the page."""
    text, found, heading = open(PAGE).read(), [], ""
    for part in re.finditer(r"^## ([^\n]*)$|^```yaml\n(.*?)^```$", text, re.M | re.S):
        heading = part[1] or heading
        if part[2]:
            found.append((heading, part[2]))
    return found


@pytest.mark.parametrize("heading, text", [pytest.param(*x, id=f"{n} {x[0]}")
                                           for n, x in enumerate(examples(), 1)])
def test_an_example_is_a_whole_configuration(heading, text, tmp_path):
    path = tmp_path / "amps.yaml"
    path.write_text(text)
    done = subprocess.run([f"{BIN}/amps", "check", "--config", str(path)], capture_output=True,
                          text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for line in said.splitlines():
        assert ": warning: " not in line or OF_THE_MACHINE.search(line), line


# ---------- the older Amps' example ----------

OLDER = os.path.join(HERE, "older.yaml")
# its sources, and local ones of the same kind
SOURCES = {
    "https://commondatastorage.googleapis.com/gtv-videos-bucket/sample/Sintel.mp4": "/film.mp4",
    "https://test-streams.mux.dev/x36xhzz/x36xhzz.m3u8": "/hls/index.m3u8",
    "http://d3rlna7iyyu8wu.cloudfront.net/DolbyVision_Atmos/profile8.1_DASH/p8.1.mpd":
        "/dash/index.mpd",
    "https://www.youtube.com/watch?v=aqz-KE-bpKQ": "/hls",
}
VIEWS = ["/stream/1.ts?region=US", "/stream/1.ts?region=CA&variant=sd", "/stream/2.ts",
         "/stream/3.ts", "/stream/4.ts"]


def test_every_channel_and_variant_of_the_older_example_plays(server, tmp_path):
    shutil.copy(media.mp4(), tmp_path / "film.mp4")
    shutil.copytree(media.hls(), tmp_path / "hls")
    shutil.copytree(media.dash(), tmp_path / "dash")
    text = open(OLDER).read()

    def plays(path):
        with Watcher(s, path, timeout=60) as w:
            wait_for(lambda: w.checker.seconds() > 2, 30, f"two seconds of {path}")
            w.stop().check().check_start()

    with site(tmp_path) as (base, _):
        for original, local in SOURCES.items():
            assert text.count(f'source: "{original}"') == 1
            text = text.replace(original, base + local)
        # yt-dlp takes seconds of CPU time
        s = server(text + "\nstreaming: {start_timeout: 60}\n")
        with concurrent.futures.ThreadPoolExecutor(len(VIEWS)) as pool:
            list(pool.map(plays, VIEWS))
        assert s.refused("/stream/1.ts?region=CN").status == 403
