"""rtsp_origin.py PORT - an RTSP server of GStreamer's with a live picture and sound at /live, over
TCP and UDP.  A program of its own: its loop and its threads stay out of the tests."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = """( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 !
    x264enc tune=zerolatency bitrate=300 key-int-max=25 ! h264parse !
    rtph264pay name=pay0 pt=96 config-interval=1
    audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse !
    rtpmp4gpay name=pay1 pt=97 )"""


def main(port):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(PIPELINE)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    GLib.MainLoop().run()


main(sys.argv[1])
