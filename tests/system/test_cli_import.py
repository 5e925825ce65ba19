"""amps import: playlists become channels."""
import json
import os
import re
import resource
import subprocess
import time

import pytest

from harness import BIN, COST, SANITIZED

pytestmark = pytest.mark.slow

AMPS = os.path.join(BIN, "amps")


def import_(playlist, *args, tmp_path):
    path = tmp_path / "list.m3u"
    path.write_bytes(playlist if isinstance(playlist, bytes) else playlist.encode())
    return subprocess.run([AMPS, "import", str(path), *args], capture_output=True, timeout=60)


def check(yaml, tmp_path):
    """The messages of `amps check` about the output, and the channels that it then lists."""
    path = tmp_path / "config.yaml"
    path.write_bytes(yaml)
    done = subprocess.run([AMPS, "check", "--config", str(path)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout
    listed = subprocess.run([AMPS, "list", "--json", "--config", str(path)], capture_output=True,
                            text=True, timeout=60)
    return done.stdout, json.loads(listed.stdout)


NAMES = ["NO", "1e3", "- dash", "a: b # c", "'single' \"double\"", "{x}", "[y]", "&a *b", "!tag",
         "%p", "@at", "`tick`", "~", "null", "true", "0x1F", "1_000", "2001-01-01", "ünïcödé 漢字 😀",
         "\x01\x1b[31m\x7f", "\u0085\u2028\u2029\ufeff", "back\\slash \\n", "${HOME} $${x} $",
         "News, Weather, Sport", "say key=\"value\"", "<<", "? q", "| >", "trailing:", "…"]


def test_names_are_imported_unchanged(tmp_path):
    playlist = "#EXTM3U\n" + "".join(f"#EXTINF:-1,{name}\nhttp://h.example/{i}.ts\n"
                                     for i, name in enumerate(NAMES))
    done = import_(playlist, tmp_path=tmp_path)
    assert done.returncode == 0
    said, channels = check(done.stdout, tmp_path)
    assert "warning" not in said
    assert [c["name"] for c in channels] == NAMES
    assert [c["id"] for c in channels] == list(range(1, len(NAMES) + 1))


@pytest.mark.smoke
def test_attributes_options_and_groups(tmp_path):
    done = import_(
        '#EXTM3U url-tvg="http://h/guide.xml"\n'
        '#EXTINF:-1 tvg-id="a.tv" tvg-logo="http://h/a.png" group-title="News" tvg-chno="7" '
        'catchup-days="3" source="/etc/passwd",Alpha\n'
        '#EXTVLCOPT:http-user-agent=Box/1.0\n'
        'http://h.example/a.ts|Referer=http%3A%2F%2Fr.example%2F\n'
        '#EXTGRP:Films\n#EXTINF:-1,Beta\nudp://239.1.2.3:5000\n', "--profile", "copy",
        tmp_path=tmp_path)
    said, channels = check(done.stdout, tmp_path)
    text = done.stdout.decode()
    for line in ('epg_id: "a.tv"', 'logo: "http://h/a.png"', 'group: "News"', 'group: "Films"',
                 'channel_number: "7"', 'user_agent: "Box/1.0"', 'referer: "http://r.example/"',
                 '"catchup-days": "3"', '"m3u-source": "/etc/passwd"',
                 'source: "http://h.example/a.ts"'):
        assert f" {line}\n" in text, line
    assert said.count("warning:") == 2
    assert [(c["name"], c["group"], c["profile"]) for c in channels] == [
        ("Alpha", "News", "copy"), ("Beta", "Films", "copy")]


def test_options_in_front_of_their_channel(tmp_path):
    done = import_('#EXTM3U\n'
                   '#EXTVLCOPT:http-user-agent=Box/1.0\n#KODIPROP:mimetype=video/mp2t\n'
                   '#EXTINF:-1,Alpha\nhttp://h.example/a.ts\n'
                   '#EXTVLCOPT:http-user-agent=Box/2.0\n#EXTINF:-1,Beta\nhttp://h.example/b.ts\n',
                   tmp_path=tmp_path)
    _, channels = check(done.stdout, tmp_path)
    assert [c["name"] for c in channels] == ["Alpha", "Beta"]
    alpha, beta = done.stdout.decode().split("  - id: ")[1:]
    assert 'user_agent: "Box/1.0"' in alpha and '"kodi-mimetype": "video/mp2t"' in alpha
    assert 'user_agent: "Box/2.0"' in beta and "kodi" not in beta


def test_loosely_written_attributes(tmp_path):
    done = import_('#EXTM3U\n#EXTINF:-1 group-title=News World tvg-id=a,Alpha\nhttp://h/1\n'
                   "#EXTINF:-1 group-title='Sports TV',Beta\nhttp://h/2\n"
                   '#EXTINF:-1 tvg-name="He said "hi" there" tvg-id="c",Gamma\nhttp://h/3\n'
                   '#EXTINF:-1 tvg-id="d" Delta Two\nhttp://h/4\n', tmp_path=tmp_path)
    _, channels = check(done.stdout, tmp_path)
    assert [(c["name"], c.get("group") or "") for c in channels] == [
        ("Alpha", "News World"), ("Beta", "Sports TV"), ("Gamma", ""), ("Delta Two", "")]
    text = done.stdout.decode()
    assert r'tvg_name: "He said \"hi\" there"' in text
    assert re.findall(r'epg_id: "(.)"', text) == ["a", "c", "d"]
    said = done.stderr.decode()
    assert "list.m3u:2: a value with blanks" in said
    assert "list.m3u:6: the quotes" in said and "list.m3u:8: there is no comma" in said


def test_attributes_of_any_name_are_kept(tmp_path):
    names = ["größe", "x:y", "a/b", "漢字", "<<", "l'heure", "back\\slash", "#", "{", "[x]", "&a", "*b",
             "!t", "%p", "?", ":", "-", "---", "~", "null", "${HOME}", "\u0085\u2028", "😀", "n" * 255,
             "\u2028" * 85, "id", "m3u-id", "\x01"]
    attributes = " ".join(f'{name}="{i}, =x"' for i, name in enumerate(names))
    done = import_(f'#EXTM3U\n#EXTINF:-1 {attributes} {"n" * 256}="3, 4" tvg-id="x",1+1=2, X\n'
                   "http://h/1\n#EXTINF:-1 größe=5 x:y=a/b tvg-id=b,E=mc² k=\"v\"\nhttp://h/2\n",
                   tmp_path=tmp_path)
    said, channels = check(done.stdout, tmp_path)
    assert "error" not in said
    assert [(c["name"]) for c in channels] == ["1+1=2, X", "E=mc² k=\"v\""]
    text = done.stdout.decode()
    assert re.findall(r'"(\d+), =x"', text) == [str(i) for i in range(len(names)) if i != 26]
    for line in ('"größe": "0, =x"', 'epg_id: "x"', '"größe": "5"', '"x:y": "a/b"', 'epg_id: "b"',
                 '"m3u-<<": "4, =x"', '"m3u-id": "25, =x"', '"_": "27, =x"'):
        assert f" {line}\n" in text, line
    assert "list.m3u:2: the name of an attribute is too long" in done.stderr.decode()


def test_every_byte_value(tmp_path):
    done = import_(b"\xef\xbb\xbf#EXTM3U\r\n#EXTINF:-1 tvg-id=\"a\",Caf\xe9\r\nhttp://h/1\r\n"
                   b"#EXTINF:-1,N\0UL\rhttp://h/2\n#EXTINF:-1," + b"x" * 200000 +
                   b"\nhttp://h/3\nhttp://h/4", tmp_path=tmp_path)
    _, channels = check(done.stdout, tmp_path)
    assert [c["name"] for c in channels] == ["Café", "NUL", "Channel 3"]
    said = done.stderr.decode()
    assert "Latin-1" in said and "NUL" in said and "too long" in said and "3 channels" in said


def test_a_local_source_gets_a_warning(tmp_path):
    local = ["/etc/passwd", "../x.ts", "file:/dev/video0", "FILE:///a.ts", "concat:file:///a.ts",
             "subfile,,start,0,end,9,,:/a.ts", "file%3A/a.ts", "/a\x1b[2J.ts"]
    remote = ["http://h.example/a.ts", "UDP://239.1.2.3:5000", "rtsp://h.example/file:/a"]
    playlist = "#EXTM3U\n" + "".join(f"#EXTINF:-1,C {i}\n{url}\n"
                                     for i, url in enumerate(local + remote))
    done = import_(playlist, tmp_path=tmp_path)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 0 and done.stdout.count(b"  - id:") == len(local + remote)
    assert len(said) == len(local) + 2, said
    for i, url in enumerate(local):
        shown = url.replace("\x1b", "?")
        assert said[i].endswith(f':{2 * i + 3}: warning: the source of "C {i}" is local ({shown}), '
                                "delete the channel unless this is intended"), said[i]
    assert said[-2].endswith(f": warning: channels with a local source: {len(local)}")


def test_many_remarks_do_not_hide_a_local_source(tmp_path):
    playlist = "#EXTM3U\n" + "".join(f"#EXTINF:-1,{i}\n" for i in range(100))
    playlist += "http://h.example/a.ts\n#EXTINF:-1,Hidden\n/etc/passwd\n" + "/b.ts\n" * 100
    said = import_(playlist, tmp_path=tmp_path).stderr.decode()
    assert 'warning: the source of "Hidden" is local (/etc/passwd)' in said
    assert "warning: channels with a local source: 101\n" in said
    assert said.count("\n") < 50

def test_files_that_are_not_playlists(tmp_path):
    assert import_("#EXTM3U\n", tmp_path=tmp_path).stdout == b"streams: []\n"
    bare = import_("http://h/1\n", tmp_path=tmp_path)
    assert bare.returncode == 0 and b"does not begin with #EXTM3U" in bare.stderr
    wide = import_("\ufeff#EXTM3U\n".encode("utf-16-le"), tmp_path=tmp_path)
    assert wide.returncode == 1 and b"UTF-16" in wide.stderr
    gone = subprocess.run([AMPS, "import", str(tmp_path / "none.m3u")], capture_output=True)
    assert gone.returncode == 1 and gone.stderr
    with open("/dev/full", "w") as full:
        full_disk = subprocess.run([AMPS, "import", "-"], input=b"#EXTM3U\nu\n", stdout=full,
                                   stderr=subprocess.PIPE)
    assert full_disk.returncode == 1 and full_disk.stderr


def import_measured(path, out):
    """CPU seconds, peak memory in KiB and remarks of one import."""
    before, peak = resource.getrusage(resource.RUSAGE_CHILDREN), 0
    with open(out, "wb") as f:
        child = subprocess.Popen([AMPS, "import", str(path)], stdout=f, stderr=subprocess.PIPE)
        while child.poll() is None:
            # of the program only: wait4() would include the memory of this process
            match = re.search(r"^VmHWM:\s+(\d+)", open(f"/proc/{child.pid}/status").read(), re.M)
            if match and open(f"/proc/{child.pid}/comm").read() == "amps\n":
                peak = max(peak, int(match[1]))
            time.sleep(0.01)
        said = child.stderr.read()
    assert child.returncode == 0, said
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak, said


@pytest.mark.slow
def test_half_a_million_entries_use_constant_memory(tmp_path):
    path = tmp_path / "big.m3u"

    def write(count):
        with open(path, "w") as f:
            f.write("#EXTM3U\n")
            for i in range(count):
                f.write(f'#EXTINF:-1 tvg-id="c{i}" tvg-logo="http://h/{i}.png" group-title="G'
                        f'{i % 100}" catchup="default" x:y="z" größe=5,Channel {i} é\nhttp://h/live/{i}.ts\n')

    write(500000)
    seconds, peak, said = import_measured(path, tmp_path / "out")
    assert b"500000 channels" in said and b"at most" in said
    with open(tmp_path / "out", "rb") as f:
        f.seek(-400, os.SEEK_END)
        assert b"id: 500000\n" in f.read()
    assert seconds < 20 * COST
    assert SANITIZED or 0 < peak < 4096, peak
