"""The installed unit under systemd itself, which is process 1 of a container of podman."""
import contextlib
import json
import time

from command import run, say
from engine import LIMITS

DROP_INS = "/etc/systemd/system/amps.service.d"
EXAMPLES = "/usr/share/doc/amps/systemd"
CONFIG = "/etc/amps/amps.yaml"


class Booted:
    def __init__(self, engine, root):
        self.engine = engine
        engine.podman("run", "-dt", "--name", "booted", "--privileged", "--systemd=always", "--network", "host",
                      "--log-driver", "none", *LIMITS, "--rootfs", root, "/lib/systemd/systemd")
        self.wait_for("systemctl is-active amps")

    def sh(self, script):
        """The output; a command that fails ends the test."""
        return self.engine.podman("exec", "booted", "bash", "-ec", script)

    def wait_for(self, script):
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.sh(script)
            except SystemExit as failed:
                assert time.monotonic() < deadline, failed
                time.sleep(0.2)

    def get(self, address):
        """Status and body, as a client of the network sees them."""
        text = run(*self.engine.nets, "curl", "-s", "-w", "\n%{http_code}", f"http://127.0.0.1{address}")
        body, _, status = text.rpartition("\n")
        return int(status), body

    def drop_in(self, copy):
        self.sh(f"mkdir -p {DROP_INS} && {copy} && systemctl daemon-reload")


def try_reload(booted):
    booted.sh("systemctl reload amps")
    booted.sh(f"cp -p {CONFIG} /root/good && echo 'strems: 5' >>{CONFIG} && ! systemctl reload amps")
    assert "did you mean 'streams'" in booted.sh("journalctl -u amps -n 20 -o cat")
    booted.wait_for("systemctl show -P StatusText amps | grep -q 'the last reload was refused: 1 problem'")
    booted.sh(f"systemctl is-active amps && cp -p /root/good {CONFIG} && systemctl reload amps")


def try_sockets(booted):
    """As docs/operating.md says."""
    sockets = "amps.socket amps-rtsp.socket"
    booted.sh(f"systemctl stop amps && systemctl enable --now {sockets} && systemctl start amps")
    assert booted.get(":80/readyz")[0] == 200
    assert "rtsp_port         554\n" in booted.sh("amps status")
    booted.sh(f"systemctl disable --now {sockets} && systemctl restart amps")
    assert booted.get(":5000/readyz")[0] == 200


def try_drop_ins(booted, token):
    card = {"id": 77, "name": "Card", "source": "/dev/dvb/adapter0/dvr0", "ffmpeg_profile": "copy"}
    run(*booted.engine.nets, "curl", "-sf", "-H", f"X-Amps-Token: {token}", "-H", "Content-Type: application/json",
        "-d", json.dumps(card), "http://127.0.0.1:5000/api/streams")
    for hidden in (True, False):
        status, reason = booted.get(f":5000/stream/77.ts?token={token}")
        assert status == 502 and ("drop-in dvb.conf" in reason) == hidden, reason
        booted.drop_in(f"cp {EXAMPLES}/dvb.conf {DROP_INS}")
        booted.sh("systemctl restart amps")
    # a secret that is missing
    booted.drop_in(f"cp {EXAMPLES}/credentials.conf {DROP_INS}")
    booted.sh("! systemctl restart amps && systemctl show -P ExecMainStatus amps | grep -qx 243")
    booted.drop_in(f"rm {DROP_INS}/credentials.conf")
    booted.sh("systemctl reset-failed amps && systemctl restart amps")


def try_watchdog(booted):
    booted.drop_in(f"printf '[Service]\\nWatchdogSec=5\\n' >{DROP_INS}/watchdog.conf")
    booted.sh("systemctl restart amps && kill -STOP $(systemctl show -P MainPID amps)")
    booted.wait_for("[ $(systemctl show -P NRestarts amps) -ge 1 ] && systemctl is-active amps")
    assert booted.get(":5000/readyz")[0] == 200


def try_unit(engine, root):
    """`root` has the package installed, and is used up."""
    try:
        booted = Booted(engine, root)
        token = booted.sh("cat /var/lib/amps/token")
        text = run(*engine.nets, "ffprobe", "-v", "error", "-read_intervals", "%+2", "-show_entries",
                   "stream=codec_name", "-of", "csv=p=0",
                   f"http://127.0.0.1:5000/stream/2.ts?variant=mobile&token={token}")
        assert {"h264", "aac"} <= set(text.split()), text
        booted.sh("! journalctl -u amps -o cat | grep -i 'not supported\\|unknown'")
        assert "1.2 OK" in booted.sh("systemd-analyze security --no-pager amps | tail -n 1")
        try_reload(booted)
        try_sockets(booted)
        try_drop_ins(booted, token)
        try_watchdog(booted)
        booted.sh("systemctl stop amps && systemctl show -P Result amps | grep -qx success && systemctl start amps")
        booted.sh("DEBIAN_FRONTEND=noninteractive apt-get -qq -y purge amps && ! grep -qs '^amps' /proc/[0-9]*/comm")
        say("systemd: the channel, reload, sockets, drop-ins, watchdog and removal passed")
    finally:
        engine.podman("rm", "--force", "--ignore", "booted")
