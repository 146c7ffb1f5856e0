"""GStreamer's RTSP server with one live stream, for Debian's Python: it prints its port, and serves until it is ended.

Usage: ``python3 gstreamer_rtsp_server.py PORT TCP|UDP``, where PORT may be 0. Debian and Ubuntu:
``apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly``.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)


def main() -> None:
    port, protocol = sys.argv[1:]
    Gst.init(None)
    if Gst.ElementFactory.find("x264enc") is None:
        sys.exit("GStreamer has no x264enc")
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(PIPELINE)
    factory.set_protocols(getattr(GstRtsp.RTSPLowerTrans, protocol))
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
