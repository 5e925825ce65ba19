"""Films for the tests, made once with ffmpeg and kept in build/testmedia/."""
import fcntl
import os
import subprocess

from harness import ROOT

FOLDER = os.path.join(ROOT, "build", "testmedia")


def encode(seconds, size, bitrate, fps=25, gop=25):
    return ["-f", "lavfi", "-i",
            f"testsrc2=size={size}:rate={fps}[out0];sine=frequency=440:sample_rate=48000[out1]",
            "-t", str(seconds), "-c:v", "libx264", "-preset", "veryfast", "-b:v", bitrate,
            "-maxrate", bitrate, "-bufsize", bitrate, "-g", str(gop), "-keyint_min", str(gop),
            "-sc_threshold", "0", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac",
            "-b:a", "96k", "-ac", "2"]


def run(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", *args],
                   check=True, stdin=subprocess.DEVNULL)


def make(name, *args):
    """The path of FOLDER/name, made by `ffmpeg ARGS name` unless it is there."""
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # several test processes may make it at the same time
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            part = f"{os.path.splitext(path)[0]}.part{os.path.splitext(path)[1]}"
            run(*args, "-y", part)
            os.rename(part, path)
    return path


def film():
    """12 s in 720p, 2 Mbit/s, with B-frames."""
    return make("film.ts", *encode(12, "1280x720", "2M"), "-f", "mpegts")


def rich_film():
    """10 s in 720p, 8 Mbit/s."""
    return make("rich.ts", *encode(10, "1280x720", "8M"), "-x264-params", "nal-hrd=cbr",
                "-f", "mpegts")


def short_film():
    """3 s, small."""
    return make("short.ts", *encode(3, "320x180", "300k"), "-f", "mpegts")


def long_film():
    """Two minutes, small, for origins that play it in real time."""
    return make("long.ts", *encode(120, "320x180", "400k"), "-f", "mpegts")


def other_film():
    """Another picture size than long_film()."""
    return make("other.ts", *encode(60, "480x270", "400k"), "-f", "mpegts")


def dense_film():
    """10 s in 720p, 16 Mbit/s."""
    return make("dense.ts", *encode(10, "1280x720", "16M"), "-x264-params", "nal-hrd=cbr",
                "-f", "mpegts")


def blink():
    """2 s, small, without B-frames."""
    return make("blink.ts", *encode(2, "320x180", "300k"), "-bf", "0", "-f", "mpegts")


def mpeg2_film():
    """10 s of MPEG-2 pictures and MP2 sound."""
    return make("mpeg2.ts", "-f", "lavfi", "-i",
                "testsrc2=size=320x180:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]",
                "-t", "10", "-c:v", "mpeg2video", "-b:v", "400k", "-g", "12", "-c:a", "mp2",
                "-b:a", "96k", "-f", "mpegts")


def mp4():
    return make("film.mp4", "-i", film(), "-c", "copy", "-bsf:a", "aac_adtstoasc",
                "-movflags", "+faststart")


def short_mp4():
    return make("short.mp4", "-i", short_film(), "-c", "copy", "-bsf:a", "aac_adtstoasc",
                "-movflags", "+faststart")


def mkv():
    return make("film.mkv", "-i", film(), "-c", "copy")


def hls():
    """The folder of a finished HLS presentation, index.m3u8 in it."""
    path = make("hls/index.m3u8", "-i", film(), "-c", "copy", "-f", "hls", "-hls_time", "2",
                "-hls_list_size", "0", "-hls_segment_filename",
                os.path.join(FOLDER, "hls", "s%03d.ts"))
    return os.path.dirname(path)


def hevc_film():
    """20 s of HEVC pictures and AC-3 sound."""
    return make("hevc-closed.ts", "-f", "lavfi", "-i",
                "testsrc2=size=320x180:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]",
                "-t", "20", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                "log-level=error:keyint=25:min-keyint=25:bframes=2:open-gop=0", "-b:v", "300k",
                "-c:a", "ac3", "-b:a", "96k", "-f", "mpegts")


def hevc_mp4():
    return make("hevc-closed.mp4", "-i", hevc_film(), "-c", "copy", "-tag:v", "hvc1")


def interlaced_film():
    """10 s of interlaced pictures in MPEG-2."""
    return make("interlaced.ts", "-f", "lavfi", "-i",
                "testsrc2=size=320x180:rate=50[out0];sine=frequency=440:sample_rate=48000[out1]",
                "-t", "10", "-vf", "tinterlace=interleave_top,setfield=tff", "-c:v", "mpeg2video",
                "-flags", "+ilme+ildct", "-b:v", "800k", "-g", "12", "-c:a", "mp2", "-b:a", "96k",
                "-f", "mpegts")


def languages_film():
    """20 s of MPEG-2 pictures with MP2, AC-3 and AAC sound."""
    return make("languages.ts", "-f", "lavfi", "-i",
                "testsrc2=size=320x180:rate=25[out0];sine=frequency=440:sample_rate=48000[out1]",
                "-t", "20", "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "0:a",
                "-c:v", "mpeg2video", "-b:v", "400k", "-g", "12", "-b:a", "96k",
                "-c:a:0", "mp2", "-c:a:1", "ac3", "-c:a:2", "aac",
                "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng",
                "-metadata:s:a:2", "language=fra", "-f", "mpegts")


def sounds_film():
    """A minute with sound in German, in English, and in German with audio description."""
    tones = [x for hz in (880, 1320)
             for x in ("-f", "lavfi", "-i", f"sine=frequency={hz}:sample_rate=48000")]
    return make("sounds.ts", *encode(60, "320x180", "400k")[:4], *tones,
                *encode(60, "320x180", "400k")[4:], "-map", "0:v", "-map", "0:a", "-map", "1:a",
                "-map", "2:a", "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng",
                "-metadata:s:a:2", "language=deu", "-disposition:a:2", "visual_impaired",
                "-f", "mpegts")


def languages_mkv():
    return make("languages.mkv", "-i", languages_film(), "-map", "0", "-c", "copy")


def two_programmes():
    """Programme 11 is long_film(), programme 22 other_film() (480x270)."""
    return make("two.ts", "-i", long_film(), "-i", other_film(), "-t", "60", "-map", "0",
                "-map", "1", "-c", "copy", "-program", "program_num=11:title=Long:st=0:st=1",
                "-program", "program_num=22:title=Other:st=2:st=3", "-f", "mpegts")


def irregular_film():
    """20 s of pictures alone, with key frames at odd times."""
    return make("irregular.ts", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "20",
                "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "100k", "-g", "250",
                "-sc_threshold", "0", "-force_key_frames",
                "0,0.4,1.9,2.2,4.1,4.3,5.9,7.4,9,9.4,11.2,12,12.2,14,15.9,17", "-f", "mpegts")


def slow_film():
    """20 s with two pictures a second."""
    return make("slow.ts", *encode(20, "160x90", "100k", fps=2, gop=4), "-f", "mpegts")


def latm_film():
    """20 s with AAC in LATM."""
    return make("latm-sound.ts", *encode(20, "160x90", "100k"), "-mpegts_flags", "latm", "-f",
                "mpegts")


def sound_film():
    """20 s of E-AC-3 alone."""
    return make("sound.ts", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "20",
                "-c:a", "eac3", "-b:a", "96k", "-f", "mpegts")


def dash():
    """The folder of a finished DASH presentation, index.mpd in it."""
    path = make("dash/index.mpd", "-i", mp4(), "-c", "copy", "-seg_duration", "2", "-f", "dash")
    return os.path.dirname(path)


def vp9():
    """20 s of video that a transport stream cannot carry, without an index or a length."""
    return make("vp9.webm", "-i", film(), "-t", "20", "-c:v", "libvpx-vp9", "-deadline",
                "realtime", "-cpu-used", "8", "-b:v", "300k", "-g", "25", "-c:a", "libopus",
                "-f", "webm", "-live", "1")


# all of them; those that others are made of come first
FILMS = [film, rich_film, short_film, long_film, other_film, dense_film, blink, mpeg2_film, mp4,
         short_mp4, mkv, hls, hevc_film, hevc_mp4, interlaced_film, languages_film, languages_mkv,
         sounds_film, two_programmes, dash, vp9, irregular_film, slow_film,
         latm_film, sound_film]
