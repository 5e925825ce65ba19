"""rtsp_origin.py PORT - GStreamer's RTSP server with live video and audio at /live, over TCP and
UDP, and the same as one transport stream at /ts.  A separate program, so that its loop and threads
stay out of the tests."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PICTURE = """videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 !
    x264enc speed-preset=ultrafast tune=zerolatency bitrate=300 key-int-max=25 threads=1 !
    h264parse config-interval=1 !"""
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse !"
PIPELINES = {
    "/live": f"""( {PICTURE} rtph264pay name=pay0 pt=96 config-interval=1
        {SOUND} rtpmp4gpay name=pay1 pt=97 )""",
    "/ts": f"( {PICTURE} mpegtsmux name=mux ! rtpmp2tpay name=pay0 pt=33 {SOUND} mux. )",
}


def main(port):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    for path, pipeline in PIPELINES.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(True)
        factory.set_launch(pipeline)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    GLib.MainLoop().run()


main(sys.argv[1])
