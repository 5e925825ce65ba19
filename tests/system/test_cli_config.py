"""amps config export: the configuration of a running server as a file."""
import json
import os
import re
import subprocess

import pytest

import media
from harness import BIN, ROOT
from lineup import channel, line_up

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")


def check(path):
    return subprocess.run([AMPS, "check", "--config", str(path)], capture_output=True, text=True,
                          timeout=60)


def export(s, tmp_path):
    """The exported file, checked."""
    done = s.amps("config", "export")
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / "exported.yaml"
    path.write_text(done.stdout)
    said = check(path)
    assert said.returncode == 0, said.stdout + done.stdout
    return done.stdout


def exported(s):
    done = s.amps("config", "export", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def odd(**more):
    config = line_up(
        channel(1, media.film(), name="NO: \"x\" #1 $${HOME}", group="1e3",
                input_options={"re": None, "user_agent": "a\\b"}, input_args=["-stream_loop", "-1"],
                regions_allowed=["NO", "SE"], next_programs=[{"title": "- a", "start":
                                                              "2030-01-01T00:00:00Z"}],
                adaptive_bitrates=[{"name": "HD+", "label": "", "ffmpeg_profile": "small"}]),
        {"id": 2, "name": "command", "source": "x",
         "custom_ffmpeg": {"command": "echo ${{HOME}} '$x' {source}", "shell": True}},
        ffmpeg_profiles={"no": {"vn": None, "map": ["0:a"], "b:a": "48k", "acodec": "aac"}},
        scheduled_streams=[{**channel(9, media.film()), "schedule": {
            "start": "2020-01-01T00:00:00Z", "end": "2040-01-01T00:00:00Z"}}])
    return {**config, **more}


@pytest.mark.smoke
def test_an_export_can_be_served_and_exports_the_same(server, tmp_path):
    first = server(odd(auth={"enabled": True, "token": "x" * 20, "tokens": [
        {"name": "box", "token": "y" * 20, "groups": ["1e3"], "max_viewers": 2}]}))
    text = export(first, tmp_path)
    config = exported(first)
    assert [c["id"] for c in config["streams"]] == [1, 2]
    assert config["streams"][0]["name"] == "NO: \"x\" #1 ${HOME}"
    assert config["streams"][1]["custom_ffmpeg"]["command"] == "echo ${{HOME}} '$x' {source}"
    assert config["scheduled_streams"][0]["schedule"]["end"] == "2040-01-01T00:00:00Z"
    assert config["ffmpeg_profiles"]["no"]["vn"] is None
    second = server(text)
    again = exported(second)
    for name in ("streams", "scheduled_streams", "ffmpeg_profiles", "auth", "streaming", "hls"):
        assert again[name] == config[name], name


def test_an_export_follows_a_reload(server, tmp_path):
    s = server(line_up(channel(1, media.film())))
    s.write_config(line_up(channel(3, media.film(), group="New")))
    assert s.amps("reload").returncode == 0
    assert [(c["id"], c["group"]) for c in exported(s)["streams"]] == [(3, "New")]
    s.write_config("streams: {")
    assert s.amps("reload").returncode == 1
    assert '"New"' in export(s, tmp_path)


def test_nothing_configured(server, tmp_path):
    s = server("auth: {enabled: false}\n")
    assert "streams: []\n" in export(s, tmp_path)


@pytest.mark.parametrize("name", ["etc/amps.yaml", "etc/demo.yaml"])
def test_the_configurations_in_etc(server, tmp_path, name):
    text = open(os.path.join(ROOT, name)).read()
    # a port that the file names must be free
    text = re.sub(r"rtsp_port: \d+ ", "rtsp_port: auto ", text)
    export(server(text, env={"AMPS_DEMO_DIR": str(tmp_path)}), tmp_path)
