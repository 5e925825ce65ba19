"""RTP over UDP: packets out of order, twice, lost."""
import datetime
import re

import pytest

import media
from harness import free_port, wait_for
from lineup import channel, line_up
from origin import Paced, RtpSender
from ts import Checker
from watcher import Watcher


def watch(s, seconds):
    checker = Checker()
    with s.stream("/stream/1.ts", timeout=30) as stream:
        while checker.seconds() < seconds:
            data = stream.read_some()
            assert data, "the stream ended"
            checker.feed(data)
    return checker


def test_check_knows_the_settings_of_rtp(server):
    s = server(line_up(*(channel(n + 1, f"{scheme}://127.0.0.1:{free_port()}",
                                 input_options={"reorder_queue_size": 50, "max_delay": 200000})
                         for n, scheme in enumerate(["rtp", "udp"]))))
    done = s.amps("check", "--config", s.config_path)
    assert done.returncode == 0 and "reorder" not in done.stdout + done.stderr, done


@pytest.mark.parametrize("scheme", ["rtp", "udp"])
def test_rtp_packets_are_reordered_without_duplicates(server, scheme):
    port = free_port()
    # a busy machine may delay the sender between two packets
    s = server(line_up(channel(1, f"{scheme}://127.0.0.1:{port}",
                               input_options={"max_delay": 3000000})))
    with RtpSender(Paced(media.rich_film(), 10), port, late=50, twice=70):
        checker = watch(s, 3).check()
    assert checker.marked == 0
    assert "RTP packets were lost or late" not in s.log()


def test_a_lost_rtp_packet_is_logged_and_skipped(server):
    port = free_port()
    s = server(line_up(channel(1, f"rtp://127.0.0.1:{port}")))
    with RtpSender(Paced(media.rich_film(), 10), port, lost=300):
        assert watch(s, 3).cc_errors, "nothing is missing"
        with Watcher(s, "/stream/1.ts"):    # while there is a viewer, the job runs
            wait_for(lambda: re.search(r"RTP packets were lost or late.*lost=[1-9]", s.log()), 20,
                     "the loss to be logged")
            wait_for(lambda: s.log().count("RTP packets were lost or late") > 1, 20,
                     "a second line")
    lines = [line for line in s.log().splitlines() if "RTP packets were lost or late" in line]
    assert "channel=1" in lines[0] or "job[1]" in lines[0], lines
    times = [datetime.datetime.fromisoformat(line.split("Z")[0]) for line in lines]
    gaps = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert min(gaps) >= 9.9, lines


def test_reordering_can_be_turned_off(server):
    port = free_port()
    s = server(line_up(channel(1, f"rtp://127.0.0.1:{port}",
                               input_options={"reorder_queue_size": 0})))
    with RtpSender(Paced(media.rich_film(), 10), port, late=50):
        assert watch(s, 2).cc_errors
        with Watcher(s, "/stream/1.ts"):
            wait_for(lambda: re.search(r"RTP packets were lost or late.*lost=[1-9]", s.log()), 20,
                     "those given up to be logged")
