"""Every kind of source that Amps plays, from real senders on loopback.  KINDS maps a name to a
function that gives a context manager for (source, more keys of the channel)."""
import contextlib
import os
import pty
import shutil
import socket
import tempfile
import threading
import time
import tty

import media
import secure
from harness import free_port, wait_for
from lineup import LOOP
from origin import HttpOrigin, Paced, UdpSender
from senders import gst, hls_parts, nginx, rtmp_server, rtsp_server, sender, vlc, vlc_server

KINDS = {}
SECRET = {"passphrase": "twelve letters"}


DAMAGED = set()    # kinds whose video and audio cannot be undamaged


def kind(name, sent_by, damaged=False):
    """Enters a context manager into KINDS."""
    def enter(make):
        KINDS[name] = (contextlib.contextmanager(make), sent_by)
        if damaged:
            DAMAGED.add(name)
        return make
    return enter


def udp_port():
    return free_port(socket.SOCK_DGRAM)


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="amps-kind-")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# -- RTSP, RTMP

@kind("RTSP over TCP", "gst-rtsp-server")
def rtsp_tcp():
    with rtsp_server() as url:
        yield url, {"input_options": {"rtsp_transport": "tcp"}}


@kind("RTSP over UDP", "gst-rtsp-server")
def rtsp_udp():
    with rtsp_server() as url:
        yield url, {"input_options": {"rtsp_transport": "udp"}}


@kind("RTSP, a transport stream inside", "gst-rtsp-server")
def rtsp_ts():
    with rtsp_server() as url:
        yield url.replace("/live", "/ts"), {"input_options": {"rtsp_transport": "tcp"}}


@kind("RTMP", "ffmpeg, nginx-rtmp")
def rtmp():
    with rtmp_server(media.long_film()) as url:
        yield url, {"input_options": {"rtmp_live": "live"}}


@kind("RTMP from GStreamer", "GStreamer, nginx-rtmp")
def rtmp_gst():
    with folder() as at:
        os.chmod(at, 0o777)
        with rtmp_server(None, hls=at) as url, gst(
                "flvmux", "streamable=true", "latency=1000000000", "name=mux", "!", "rtmp2sink", f"location={url}"):
            # the sound of GStreamer's first second overlaps itself
            wait_for(lambda: hls_parts(at + "/film.m3u8") >= 2, 30, "the first segments")
            yield url, {"input_options": {"rtmp_live": "live"}}


@kind("RTMPS", "ffmpeg, nginx-rtmp, TLS")
def rtmps():
    with folder() as at, rtmp_server(media.long_film()) as url:
        secure.make_certificates(at)
        with secure.tls_in_front_of(int(url.split(":")[2].split("/")[0]), at) as port:
            yield (f"rtmps://localhost:{port}/live/film",
                   {"input_options": {"ca_file": at + "/ca.pem"}})


# -- SRT

def srt_called(secret):
    port = udp_port()
    words = [x for key, value in secret.items() for x in (f"-{key}", value)]
    with sender(media.long_film(), "-f", "mpegts", *words,
                f"srt://127.0.0.1:{port}?mode=listener"):
        yield f"srt://127.0.0.1:{port}", {"input_options": secret}


@kind("SRT, called", "ffmpeg")
def srt_plain():
    yield from srt_called({})


@kind("SRT, called, encrypted", "ffmpeg")
def srt_secret():
    yield from srt_called(SECRET)


@kind("SRT, calling", "ffmpeg")
def srt_calling():
    port = udp_port()
    with sender(media.long_film(), "-f", "mpegts", f"srt://127.0.0.1:{port}?connect_timeout=60000"):
        yield f"srt://127.0.0.1:{port}?mode=listener", {}


@kind("SRT from GStreamer", "GStreamer")
def srt_gst():
    port = udp_port()
    with gst("mpegtsmux", "latency=1000000000", "alignment=7", "name=mux", "!", "srtsink",
             f"uri=srt://127.0.0.1:{port}?mode=listener", "wait-for-connection=false"):
        yield f"srt://127.0.0.1:{port}", {}


# -- datagrams

@kind("UDP", "datagrams of a file in real time")
def udp():
    port = udp_port()
    with UdpSender(Paced(media.long_film(), 120), port):
        yield f"udp://127.0.0.1:{port}", {}


@kind("UDP from GStreamer", "GStreamer")
def udp_gst():
    port = udp_port()
    with gst("mpegtsmux", "latency=1000000000", "alignment=7", "name=mux", "!", "udpsink", "host=127.0.0.1",
             f"port={port}"):
        yield f"udp://@:{port}", {}


@kind("UDP from VLC", "VLC")
def udp_vlc():
    port = udp_port()
    with vlc(media.long_film(), f"#standard{{access=udp,mux=ts,dst=127.0.0.1:{port}}}"):
        yield f"udp://@127.0.0.1:{port}", {}


@kind("UDP, HEVC and AC-3, its time jumps every 20 s", "datagrams of a file in real time")
def udp_hevc():
    port = udp_port()
    with UdpSender(Paced(media.hevc_film(), 20), port):
        yield f"udp://127.0.0.1:{port}", {}


@kind("multicast", "ffmpeg")
def multicast():
    port = udp_port()
    with sender(media.long_film(), "-f", "mpegts", "-ttl", "0",
                f"udp://239.255.77.9:{port}?localaddr=127.0.0.1&pkt_size=1316"):
        yield f"udp://239.255.77.9:{port}?localaddr=lo", {}


@kind("RTP", "ffmpeg")
def rtp():
    port = udp_port()
    with sender(media.long_film(), "-f", "rtp_mpegts", f"rtp://127.0.0.1:{port}"):
        yield f"rtp://@:{port}", {}


@kind("RTP from GStreamer", "GStreamer")
def rtp_gst():
    port = udp_port()
    with gst("mpegtsmux", "latency=1000000000", "name=mux", "!", "rtpmp2tpay", "!", "udpsink", "host=127.0.0.1",
             f"port={port}"):
        yield f"rtp://127.0.0.1:{port}", {}


@kind("RTP from VLC", "VLC")
def rtp_vlc():
    port = udp_port()
    with vlc(media.long_film(), f"#rtp{{dst=127.0.0.1,port={port},mux=ts}}"):
        yield f"rtp://@:{port}", {}


# -- HTTP

@kind("HTTP", "VLC")
def http_vlc():
    with vlc_server(media.long_film()) as url:
        yield url, {}


@kind("HTTP from ffmpeg", "ffmpeg")
def http_ffmpeg():
    port = free_port()
    with sender(media.long_film(), "-f", "mpegts", "-listen", "1", f"http://127.0.0.1:{port}/a.ts"):
        yield f"http://127.0.0.1:{port}/a.ts", {}


@kind("HTTP, cut in mid-packet again and again", "a plain server", damaged=True)
def http_cut():
    live = Paced(media.short_film(), 3, burst=1)
    live.data = live.data[:len(live.data) * 5 // 7]  # no whole number of packets
    with HttpOrigin(live) as origin:
        yield origin.url(), {}


@kind("HTTPS", "a plain server, TLS")
def https():
    with folder() as at, HttpOrigin(Paced(media.long_film(), 120, burst=1)) as origin:
        secure.make_certificates(at)
        with secure.tls_in_front_of(origin.port, at) as port:
            yield f"https://localhost:{port}/live.ts", {"input_options": {
                "ca_file": at + "/ca.pem"}}


def mp4_over_http(ranges):
    media.mp4()
    with nginx(media.FOLDER, ranges) as base:
        yield base + "/film.mp4", LOOP


@kind("MP4 over HTTP, looped", "nginx")
def http_mp4():
    yield from mp4_over_http(True)


@kind("MP4 over HTTP without ranges, looped", "nginx")
def http_mp4_plain():
    yield from mp4_over_http(False)


# -- playlists

def live_hls(*options):
    """ffmpeg writes a moving window, nginx serves it."""
    with folder() as at, nginx(at) as base, \
            sender(media.long_film(), "-f", "hls", "-hls_time", "1", "-hls_list_size", "8",
                   "-hls_delete_threshold", "4", *options, at + "/index.m3u8"):
        wait_for(lambda: hls_parts(at + "/index.m3u8") >= 4, 30, "the first segments")
        yield base + "/index.m3u8", {}


@kind("HLS, live", "ffmpeg, nginx")
def hls_live():
    yield from live_hls("-hls_flags", "delete_segments")


@kind("HLS, live, fragmented MP4", "ffmpeg, nginx")
def hls_live_fmp4():
    yield from live_hls("-hls_flags", "delete_segments", "-hls_segment_type", "fmp4",
                        "-bsf:a", "aac_adtstoasc")


@kind("HLS, live, AES-128", "ffmpeg, nginx")
def hls_live_aes():
    with tempfile.NamedTemporaryFile("w") as info, tempfile.NamedTemporaryFile() as key, \
            HttpOrigin(folder=os.path.dirname(key.name)) as origin:
        key.write(os.urandom(16))
        key.flush()
        info.write(f"{origin.url('/' + os.path.basename(key.name))}\n{key.name}\n")
        info.flush()
        yield from live_hls("-hls_flags", "delete_segments", "-hls_key_info_file", info.name)


@kind("HLS, live, a discontinuity every three seconds", "ffmpeg's segments, a plain server")
def hls_discontinuities():
    with folder() as at, Discontinuous(at) as window, HttpOrigin(folder=at) as origin:
        window.start()
        yield origin.url("/index.m3u8"), {}


@kind("HLS from nginx-rtmp", "ffmpeg, nginx-rtmp")
def hls_nginx():
    with folder() as at, nginx(at) as base:
        os.chmod(at, 0o777)
        with rtmp_server(media.long_film(), hls=at):
            wait_for(lambda: hls_parts(at + "/film.m3u8") >= 3, 30, "the first segments")
            yield base + "/film.m3u8", {}


@kind("HLS from GStreamer", "GStreamer, nginx")
def hls_gst():
    with folder() as at, nginx(at) as base, gst(
            "hlssink2", "name=mux", "target-duration=1", "playlist-length=8", "max-files=16",
            f"location={at}/s%05d.ts", f"playlist-location={at}/index.m3u8",
            pads=("mux.video", "mux.audio")):
        wait_for(lambda: hls_parts(at + "/index.m3u8") >= 4, 30, "the first segments")
        yield base + "/index.m3u8", {}


@contextlib.contextmanager
def dash_sender(*options):
    with folder() as at, nginx(at) as base, \
            sender(media.long_film(), "-bsf:a", "aac_adtstoasc", "-tag:v", "avc1", "-tag:a", "mp4a",
                   "-f", "dash", "-seg_duration", "1", "-window_size", "10",
                   "-extra_window_size", "10", *options, at + "/index.mpd"):
        wait_for(lambda: len([x for x in os.listdir(at) if x.startswith("chunk")]) >= 8, 30,
                 "the first segments")
        yield base + "/index.mpd", {}


@kind("DASH, live", "ffmpeg, nginx")
def dash_live():
    with dash_sender() as found:
        yield found


@kind("DASH, live, segments told by the clock", "ffmpeg, nginx")
def dash_by_clock():
    with dash_sender("-use_timeline", "0") as found:
        yield found


# -- streams of bytes, files

@kind("TCP", "ffmpeg")
def tcp():
    port = free_port()
    with sender(media.long_film(), "-f", "mpegts", f"tcp://127.0.0.1:{port}?listen=1"):
        yield f"tcp://127.0.0.1:{port}", {}


@kind("TCP from GStreamer", "GStreamer")
def tcp_gst():
    port = free_port()
    with gst("mpegtsmux", "latency=1000000000", "alignment=7", "name=mux", "!", "tcpserversink", "host=127.0.0.1",
             f"port={port}"):
        yield f"tcp://127.0.0.1:{port}", {}


@kind("pipe", "ffmpeg")
def pipe():
    with folder() as at:
        os.mkfifo(at + "/pipe")
        with sender(media.long_film(), "-f", "mpegts", "-y", at + "/pipe", again=True):
            yield at + "/pipe", {}


@kind("character device", "a terminal in raw mode")
def device():
    """It can be read like the recorder device of a DVB adapter."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    stop = threading.Event()

    def send(piece):
        while piece and not stop.is_set():
            try:
                piece = piece[os.write(ours, piece):]
            except BlockingIOError:
                time.sleep(0.005)

    thread = threading.Thread(target=Paced(media.long_film(), 120).play, daemon=True,
                              args=(send, stop.is_set))
    thread.start()
    try:
        yield os.ttyname(theirs), {}
    finally:
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)


def longer_packets(before, after):
    film = open(media.film(), "rb").read()
    with folder() as at:
        with open(at + "/film.ts", "wb") as f:
            for i in range(0, len(film), 188):
                f.write(before + film[i:i + 188] + after)
        yield at + "/film.ts", LOOP


@kind("packets of 192 bytes, looped", "a file")
def packets_192():
    yield from longer_packets(b"\0\0\0\0", b"")


@kind("packets of 204 bytes, looped", "a file")
def packets_204():
    yield from longer_packets(b"", b"\xff" * 16)


def looped(name, film):
    @kind(name, "a file")
    def play():
        yield film(), LOOP


looped("TS, looped every 3 s", media.short_film)
looped("MP4, looped every 3 s", media.short_mp4)
looped("Matroska, looped every 12 s", media.mkv)
looped("TS, MPEG-2, MP2, looped", media.mpeg2_film)
looped("TS, HEVC, AC-3, looped", media.hevc_film)
looped("MP4, HEVC, AC-3, looped", media.hevc_mp4)
looped("Matroska, MPEG-2, three sounds, looped", media.languages_mkv)


@kind("one of two programmes, looped", "a file")
def programme():
    yield media.two_programmes(), {"input_options": {"programid": 22, "re": None,
                                                     "stream_loop": -1}}


class Discontinuous:
    """A window of six segments in which two films alternate, each with its own time base: a
    discontinuity at every third segment."""

    def __init__(self, at):
        self.at = at
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.entries = [hls_entries(at, letter, film) for letter, film in
                        (("a", media.long_film()), ("b", media.other_film()))]

    def entry(self, n):
        turn, at = divmod(n, 3)
        lines = self.entries[turn % 2][at + turn // 2 * 3 % 9]
        return ["#EXT-X-DISCONTINUITY", *lines] if at == 0 else lines

    def publish(self, n):
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1",
                 f"#EXT-X-MEDIA-SEQUENCE:{n}", f"#EXT-X-DISCONTINUITY-SEQUENCE:{(n + 2) // 3}"]
        for i in range(n, n + 6):
            lines += self.entry(i)
        with open(self.at + "/new", "w") as f:
            f.write("\n".join(lines) + "\n")
        os.rename(self.at + "/new", self.at + "/index.m3u8")

    def run(self):
        n = 1
        while not self.stop.wait(1):
            self.publish(n)
            n += 1

    def start(self):
        self.publish(0)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join()


def hls_entries(at, letter, film):
    """Twelve segments of a second in `at`: the two lines of each."""
    media.run("-i", film, "-t", "12", "-c", "copy", "-f", "hls", "-hls_time", "1",
              "-hls_list_size", "0", "-hls_segment_filename", f"{at}/{letter}%03d.ts",
              f"{at}/{letter}.m3u8")
    lines = open(f"{at}/{letter}.m3u8").read().splitlines()
    return [lines[i:i + 2] for i, line in enumerate(lines) if line.startswith("#EXTINF")]
