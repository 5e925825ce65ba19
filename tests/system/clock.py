"""A live source whose pictures show the time at which they were made: 24 black or white cells in the
uppermost 16 rows, which play.html reads."""
import contextlib
import subprocess

BITS = 20
CELLS = BITS + 4                        # white, black, the bits, their parity, white
MODULUS = 1 << BITS                     # of the time in milliseconds
ROWS = 16


def filters(width, rate):
    """The filters of ffmpeg that paint the clock on pictures that come in real time.  Their times are
    replaced by their numbers."""
    def cell(i, lit):
        left, right = (round(x * width / CELLS) for x in (i, i + 1))
        return (f"drawbox=x={left}:y=0:w={right - left}:h={ROWS}:t=fill:color=white:"
                f"enable='{lit}'")

    now = f"floor(mod(t*1000,{MODULUS}))"
    bits = [f"gt(bitand({now},{1 << k}),0)" for k in reversed(range(BITS))]
    lit = ["1", "0", *bits, f"mod({'+'.join(bits)},2)", "1"]
    return ",".join(["settb=1/90000", "setpts=RTCTIME/(TB*1000000)",
                     f"drawbox=x=0:y=0:w=iw:h={ROWS}:t=fill:color=black",
                     *map(cell, range(CELLS), lit), f"setpts=N/({rate}*TB)"])


@contextlib.contextmanager
def sending(url, width=640, height=360, rate=25, bits="1500k"):
    """An encoder that sends this source, with an access point each second and without B-frames, to a
    multicast or unicast address, which may have options."""
    words = ["ffmpeg", "-nostdin", "-loglevel", "error",
             "-re", "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={rate}",
             "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
             "-vf", filters(width, rate) + ",format=yuv420p",
             "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(rate),
             "-keyint_min", str(rate), "-sc_threshold", "0", "-b:v", bits, "-maxrate", bits,
             "-bufsize", bits, "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-muxdelay", "0",
             "-muxpreload", "0", "-flush_packets", "1", "-f", "mpegts", f"{url}{'&' if '?' in url else '?'}pkt_size=1316"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
