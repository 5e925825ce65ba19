"""Configurations for the tests."""


def line_up(*streams, **sections):
    """A configuration without authentication and RTSP, and with the profiles `copy` and `small`."""
    config = {
        "server": {"rtsp_port": 0},
        "auth": {"enabled": False},
        "streaming": {"idle_timeout": 2},
        "ffmpeg_profiles": {
            "copy": {"vcodec": "copy", "acodec": "copy", "format": "mpegts"},
            "small": {"vcodec": "libx264", "preset": "ultrafast", "s": "160x90", "b:v": "150k",
                      "g": 25, "acodec": "aac", "b:a": "48k", "ac": 2, "format": "mpegts"},
        },
        "streams": list(streams),
    }
    for name, value in sections.items():
        config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    return config


def channel(number, source, profile="copy", **more):
    return {"id": number, "name": f"Channel {number}", "source": source,
            "ffmpeg_profile": profile, **more}


LOOP = {"input_args": ["-re", "-stream_loop", "-1"]}
