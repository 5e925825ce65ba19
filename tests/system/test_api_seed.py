"""The API of the older Amps: one test for each thing that its users rely on, route by route and field
by field.  A test is a list of requests; `{id}` in one is the id of a channel that the test has to
itself, made from its `new` entry."""
import json

import pytest

import media
from harness import serving, wait_for
from lineup import LOOP, channel, line_up
from test_api import ask, good, new

ADMIN = "admin-secret"
WINDOW = {"start": "2020-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def s():
    """With an administrator's token, so that commands can be set, too."""
    config = line_up(channel(1, "http://127.0.0.1:1/1.ts"),
                     channel(2, "http://127.0.0.1:1/2.ts", regions_allowed=["US", "CA"]),
                     channel(3, "http://127.0.0.1:1/3.ts", regions_blocked=["CN"]),
                     scheduled_streams=[
                         channel(40, "http://127.0.0.1:1/40.ts", schedule=WINDOW),
                         channel(41, "http://127.0.0.1:1/41.ts",
                                 schedule={"start": "2090-01-01T00:00:00Z"})],
                     auth={"enabled": True, "admin_token": ADMIN, "token": "watch-secret"})
    with serving(config) as server:
        yield server


def call(s, method, path, body=None, headers=None):
    return ask(s, method, path, body, headers, ADMIN)


# -- fields

VARIANT = {"name": "sd", "label": "SD", "ffmpeg_profile": "small"}

# what a client sends, and what it reads afterwards where that is not the same
FIELDS = {
    "tvg_name": ["Guide name"],
    "tvg_id": ["one.tv"],
    "epg_id": ["one.tv", (5, "5")],
    "logo": ["http://example.com/logo.png"],
    "group": ["News", (24, "24")],
    "channel_number": ["7", "7.1", (101, "101")],
    "description": ["Long text, with \"quotes\"\nand a second line"],
    "program_feed": ["http://example.com/feed.json"],
    "next_programs": [[{"title": "News"}],
                      [{"title": "A", "start": "2030-01-01T20:00:00Z", "description": "B"}],
                      [{"title": "A", "start": "2030-01-01T20:00:00Z",
                        "end": "2030-01-01T21:00:00Z"}],
                      []],
    "regions_allowed": [["US", "CA"], ["NO"]],
    "regions_blocked": [["CN", "RU"]],
    "adaptive_bitrates": [
        [VARIANT], [{"name": "hd", "source": "http://127.0.0.1:1/hd.ts"}],
        [{"name": "sd", "input_options": {"rtmp_live": "live"}, "input_args": ["-re"]}],
        [{"name": "raw", "custom_ffmpeg": "ffmpeg -i {source} -f mpegts -"}]],
    "use_yt_dlp": [True],
    "yt_dlp_format": ["best"],
    "source_handler": [{"type": "yt_dlp", "format": "best",
                        "options": {"live_from_start": True, "retries": 3}}],
    "input_options": [{"protocol_whitelist": "file,udp,rtp,tcp,tls,http,https,rtmp,rtsp"},
                      {"rtmp_live": "live"}, {"re": None}],
    "input_args": [["-re"], ["-stream_loop", "-1"]],
    "output_format": ["ts", "hls", "ll-hls", "dash", "rtsp", "audio", "mse"],
    "ll_hls": [True, False],
    "audio_only": [True, False],
    "hwaccel": [({"type": "nvidia", "device": 0}, {"type": "nvidia", "device": "0"})],
    "custom_ffmpeg": ["ffmpeg -re -i {source} -c copy -f mpegts -",
                      {"command": "ffmpeg -i {source} -metadata service_name={name} -f mpegts -",
                       "cwd": "/tmp", "env": {"A": "b"}}],
}


@pytest.mark.parametrize("field,value", [(f, v) for f, values in FIELDS.items() for v in values],
                         ids=lambda v: v if isinstance(v, str) else json.dumps(v))
def test_a_field_is_set_read_changed_and_removed(s, field, value):
    sent, read = value if isinstance(value, tuple) else (value, value)
    made = good(call(s, "POST", "/api/streams", new(**{field: sent})), 201)
    path = f"/api/streams/{made['id']}"
    assert made == {**new(**{field: read}), "id": made["id"]}
    assert good(call(s, "GET", path)) == made
    assert good(call(s, "GET", f"/api/streams?ids={made['id']}")) == [made]
    assert good(call(s, "PUT", path, {"name": "Other"})) == {**made, "name": "Other"}
    del made[field]
    assert good(call(s, "PUT", path, {field: None, "name": "New"})) == made
    assert good(call(s, "PUT", path, {field: sent})) == {**made, field: read}
    good(call(s, "DELETE", path))


def test_id_name_and_source_are_texts_and_a_number(s):
    made = good(call(s, "POST", "/api/streams", {"id": "900", "name": 24, "source": "x.ts",
                                                 "ffmpeg_profile": "copy"}), 201)
    assert made == {"id": 900, "name": "24", "source": "x.ts", "ffmpeg_profile": "copy"}
    good(call(s, "DELETE", "/api/streams/900"))


# -- routes: a sentence, and requests with their answers.  A step is (method, path, body, status,
# answer or a function that judges it); `new`: the fields of a channel made before.

def has_no_defaults(listed):
    return all(set(c) <= {"id", "name", "source", "ffmpeg_profile", "regions_allowed",
                          "regions_blocked", "schedule"} for c in listed)


def ids(*expected):
    return lambda listed: [c["id"] for c in listed] == list(expected)


def error(*words):
    return lambda answer: all(w in answer["error"] for w in words)


MADE = {"name": "New", "source": "http://127.0.0.1:1/x.ts", "ffmpeg_profile": "copy"}
COMMAND = {"name": "C", "source": "x", "custom_ffmpeg": "ffmpeg -i {source} -f mpegts -"}
BOTH = {**COMMAND, "ffmpeg_profile": "copy"}
BASE = "/api/streams"
ONE = BASE + "/{id}"
PROGRAMS = ONE + "/programs"
PROGRAM = {"title": "A", "start": "2030-01-01T20:00:00Z", "description": "B"}

SENTENCES = {
    "GET /api/streams is a bare array":
        [("GET", BASE + "?ids=1", None, 200, lambda a: isinstance(a, list) and len(a) == 1)],
    "the channels are as defined, without defaults filled in":
        [("GET", BASE + "?ids=1,2,3,40", None, 200, has_no_defaults)],
    "channels are in id order":
        [("GET", BASE + "?ids=3,1,2", None, 200, ids(1, 2, 3))],
    "ids ignores what is no number":
        [("GET", BASE + "?ids=3,x,%20,1.5,-2", None, 200, ids(3))],
    "without a valid id there is no filter":
        [("GET", BASE + "?ids=x,y&limit=3", None, 200, ids(1, 2, 3))],
    "group ignores case and blanks around it":
        [("PUT", ONE, {"group": "Sea & Sand"}, 200, None),
         ("GET", BASE + "?group=%20sea%20%26%20sand%20,other", None, 200,
          [{**MADE, "id": "{id}", "group": "Sea & Sand"}])],
    "variants=false leaves variants out":
        [("PUT", ONE, {"adaptive_bitrates": [VARIANT]}, 200, None),
         ("GET", BASE + "?ids={id}&variants=false", None, 200, [{**MADE, "id": "{id}"}]),
         ("GET", BASE + "?ids={id}&variants=0", None, 200, [{**MADE, "id": "{id}"}]),
         ("GET", BASE + "?ids={id}&variants=no", None, 200, [{**MADE, "id": "{id}"}]),
         ("GET", BASE + "?ids={id}&variants=true", None, 200,
          [{**MADE, "id": "{id}", "adaptive_bitrates": [VARIANT]}])],
    "the list is filtered by region only when the request carries one":
        [("GET", BASE + "?ids=1,2,3", None, 200, ids(1, 2, 3)),
         ("GET", BASE + "?ids=1,2,3&region=us", None, 200, ids(1, 2, 3)),
         ("GET", BASE + "?ids=1,2,3&region=CN", None, 200, ids(1)),
         ("GET", BASE + "?ids=1,2,3&region=DE", None, 200, ids(1, 3))],
    "a region that is no code is skipped":
        [("GET", BASE + "?ids=1,2,3&region=nowhere", None, 200, ids(1, 2, 3))],
    "a single channel outside its region is 403":
        [("GET", BASE + "/2?region=DE", None, 403, error("region")),
         ("GET", BASE + "/3?region=CN", None, 403, error("region")),
         ("GET", BASE + "/2?region=CA", None, 200, None),
         ("GET", BASE + "/2", None, 200, None)],
    "POST is 201 and the channel":
        [("POST", BASE, {**MADE, "id": 800}, 201, {**MADE, "id": 800}),
         ("DELETE", BASE + "/800", None, 200, None)],
    "POST without name is 400":
        [("POST", BASE, {"source": "x", "ffmpeg_profile": "copy"}, 400, error("name"))],
    "POST without source is 400":
        [("POST", BASE, {"name": "x", "ffmpeg_profile": "copy"}, 400, error("source"))],
    "POST without profile and command is 400":
        [("POST", BASE, {"name": "x", "source": "x"}, 400, error("ffmpeg_profile"))],
    "a null counts as left out in POST":
        [("POST", BASE, {**MADE, "name": None}, 400, error("name")),
         ("POST", BASE, {**MADE, "id": 801, "group": None}, 201, {**MADE, "id": 801})],
    "a command stands in for the profile":
        [("POST", BASE, {**COMMAND, "id": 802}, 201, {**COMMAND, "id": 802})],
    "a command and a profile are both kept":
        [("POST", BASE, {**BOTH, "id": 803}, 201, {**BOTH, "id": 803})],
    "an unknown profile beside a command is no error":
        [("POST", BASE, {**BOTH, "id": 804, "ffmpeg_profile": "none"}, 201, None)],
    "an unknown profile without a command is 400":
        [("POST", BASE, {**MADE, "ffmpeg_profile": "none"}, 400, error("none"))],
    "a command with shell is set in the file only":
        [("POST", BASE, {**MADE, "custom_ffmpeg": {"command": "cat {source}", "shell": True}}, 403,
          error("shell"))],
    "POST may name a free id, also 0":
        [("POST", BASE, {**MADE, "id": 0}, 201, {**MADE, "id": 0}),
         ("DELETE", BASE + "/0", None, 200, None)],
    "POST with a taken id is 409":
        [("POST", BASE, {**MADE, "id": 1}, 409, error("1"))],
    "POST with the id of a scheduled channel is 409, on air or not":
        [("POST", BASE, {**MADE, "id": 40}, 409, error("scheduled")),
         ("POST", BASE, {**MADE, "id": 41}, 409, error("scheduled"))],
    "an unknown field is kept":
        [("PUT", ONE, {"my_own_note": "kept"}, 200, {**MADE, "id": "{id}", "my_own_note": "kept"})],
    "PUT is 200 and the whole channel":
        [("PUT", ONE, {"group": "G"}, 200, {**MADE, "id": "{id}", "group": "G"}),
         ("PUT", ONE, {"logo": "http://x/y"}, 200,
          {**MADE, "id": "{id}", "group": "G", "logo": "http://x/y"})],
    "PUT ignores id in the body":
        [("PUT", ONE, {"id": 1, "name": "Still"}, 200, {**MADE, "id": "{id}", "name": "Still"}),
         ("PUT", ONE, {"id": "no number"}, 200, {**MADE, "id": "{id}", "name": "Still"})],
    "PUT with null removes a field, also one that is not there":
        [("PUT", ONE, {"group": "G"}, 200, None),
         ("PUT", ONE, {"group": None, "logo": None}, 200, {**MADE, "id": "{id}"})],
    "PUT cannot remove what a channel needs":
        [("PUT", ONE, {"name": None}, 400, error("name")),
         ("PUT", ONE, {"source": None}, 400, error("source")),
         ("PUT", ONE, {"ffmpeg_profile": None}, 400, error("ffmpeg_profile")),
         ("GET", ONE, None, 200, {**MADE, "id": "{id}"})],
    "PUT of an empty object changes nothing":
        [("PUT", ONE, {}, 200, {**MADE, "id": "{id}"})],
    "PATCH is PUT":
        [("PATCH", ONE, {"group": "G"}, 200, {**MADE, "id": "{id}", "group": "G"}),
         ("PATCH", ONE, {"group": None}, 200, {**MADE, "id": "{id}"})],
    "DELETE answers with the message and the channel":
        [("DELETE", ONE, None, 200, {"message": "Stream deleted successfully",
                                     "stream": {**MADE, "id": "{id}"}})],
    "a channel that is not there is 404":
        [("GET", BASE + "/777", None, 404, error("777")),
         ("PUT", BASE + "/777", {"name": "x"}, 404, error("777")),
         ("DELETE", BASE + "/777", None, 404, error("777")),
         ("GET", BASE + "/777/programs", None, 404, error("777")),
         ("PUT", BASE + "/777/programs", [], 404, error("777"))],
    "GET of programmes is an array, [] without any":
        [("GET", PROGRAMS, None, 200, []),
         ("PUT", ONE, {"next_programs": [PROGRAM]}, 200, None),
         ("GET", PROGRAMS, None, 200, [PROGRAM])],
    "PUT of programmes replaces them all and answers with the array":
        [("PUT", PROGRAMS, [PROGRAM, {"title": "C"}], 200, [PROGRAM, {"title": "C"}]),
         ("PUT", PROGRAMS, [{"title": "D"}], 200, [{"title": "D"}]),
         ("GET", PROGRAMS, None, 200, [{"title": "D"}]),
         ("GET", ONE, None, 200, {**MADE, "id": "{id}", "next_programs": [{"title": "D"}]})],
    "PUT of programmes may be []":
        [("PUT", PROGRAMS, [PROGRAM], 200, None), ("PUT", PROGRAMS, [], 200, []),
         ("GET", PROGRAMS, None, 200, [])],
    "each programme must have a title":
        [("PUT", PROGRAMS, [PROGRAM, {"start": "2030-01-01T20:00:00Z"}], 400, error("title")),
         ("PUT", PROGRAMS, [{"title": None}], 400, error("title")),
         ("GET", PROGRAMS, None, 200, [])],
    "a programme's time that cannot be read is kept":
        [("PUT", PROGRAMS, [{"title": "A", "start": "tonight"}], 200,
          [{"title": "A", "start": "tonight"}])],
    "programmes must be an array of objects":
        [("PUT", PROGRAMS, {"title": "A"}, 400, error("array")),
         ("PUT", PROGRAMS, ["A"], 400, None), ("PUT", PROGRAMS, [[]], 400, None)],
    "a scheduled channel is listed with its schedule while it is on air":
        [("GET", BASE + "?ids=40,41", None, 200,
          lambda a: [(c["id"], c["schedule"]) for c in a] == [(40, WINDOW)])],
    "GET /metrics as JSON":
        [("GET", "/metrics?format=json", None, 200,
          lambda a: {"uptime_seconds", "stream_count", "active_ffmpeg_processes"} == set(a)
          and a["active_ffmpeg_processes"] == 0 and a["stream_count"] >= 4)],
    "GET /api/plugins":
        [("GET", "/api/plugins", None, 200, {"loaded": [], "failed": []})],
    "an error is an object with a text":
        [("GET", "/api/nothing", None, 404, lambda a: set(a) == {"error"}),
         ("POST", "/api/streams", "{", 400, lambda a: isinstance(a["error"], str))],
}


def filled(value, number):
    """The value with the channel's id in it: a text that is `{id}` becomes the number."""
    if isinstance(value, dict):
        return {k: filled(v, number) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, number) for v in value]
    if value == "{id}":
        return number
    return value


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_request_is_answered_as_by_the_older_amps(s, sentence):
    steps = SENTENCES[sentence]
    owns = any("{id}" in json.dumps([path, str(expected)]) for _, path, _, _, expected in steps)
    number = good(call(s, "POST", BASE, new()), 201)["id"] if owns else None
    for method, path, body, status, expected in steps:
        answer = call(s, method, path.replace("{id}", str(number)), body)
        assert answer.status == status, (method, path, body, answer.text)
        got = answer.json
        if callable(expected):
            assert expected(got), (method, path, got)
        elif expected is not None:
            assert got == filled(expected, number), (method, path)


# -- what more than one answer shows

def test_the_first_id_is_1_and_the_next_is_one_more_than_the_highest(server):
    s = server(line_up())
    assert good(ask(s, "GET", "/api/streams")) == []
    assert good(ask(s, "POST", "/api/streams", new()), 201)["id"] == 1
    good(ask(s, "POST", "/api/streams", new(id=30)), 201)
    assert good(ask(s, "POST", "/api/streams", new()), 201)["id"] == 31


def test_the_ids_of_scheduled_channels_count(server):
    s = server(line_up(channel(1, "x.ts"), scheduled_streams=[
        channel(900, "y.ts", schedule={"start": "2090-01-01T00:00:00Z"})]))
    assert good(ask(s, "POST", "/api/streams", new()), 201)["id"] == 901


def test_metrics_are_json_for_a_client_that_accepts_it(s):
    answer = s.get("/metrics", {"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    assert {"uptime_seconds", "stream_count", "active_ffmpeg_processes"} == set(answer.json)
    before = answer.json["stream_count"]
    made = good(call(s, "POST", "/api/streams", new()), 201)
    assert s.get("/metrics?format=json").json["stream_count"] == before + 1
    good(call(s, "DELETE", f"/api/streams/{made['id']}"))


def test_the_token_is_taken_from_header_bearer_and_query(s):
    for headers, query in (({"X-Amps-Token": ADMIN}, ""), ({"Authorization": f"Bearer {ADMIN}"}, ""),
                           ({}, f"?token={ADMIN}")):
        assert good(s.request("GET", "/api/streams/1" + query, headers))["id"] == 1
    answer = s.request("GET", "/api/streams/1")
    assert answer.status == 401 and "www-authenticate" in answer.headers and answer.json["error"]


def test_the_region_is_taken_from_the_headers_of_proxies(s):
    for name in "X-Amps-Region", "X-Region", "CF-IPCountry", "X-Appengine-Country":
        assert call(s, "GET", "/api/streams/2", headers={name: "DE"}).status == 403, name
        good(call(s, "GET", "/api/streams/2", headers={name: "ca"}))
    # the query stands above headers, and they above each other in this order
    good(call(s, "GET", "/api/streams/2?region=US", headers={"X-Amps-Region": "DE"}))
    good(call(s, "GET", "/api/streams/2", headers={"X-Amps-Region": "US", "CF-IPCountry": "DE"}))


# a change of these restarts the job, one of the others does not
RESTARTS = {
    "source": {"source": "{other}"},
    "profile": {"ffmpeg_profile": "small"},
    "input_options": {"input_options": {"re": None}},
    "input_args": {"input_args": ["-re", "-stream_loop", "50"]},
    "audio_only": {"audio_only": True},
}
KEEPS = {"name": "Other", "tvg_name": "x", "tvg_id": "x", "epg_id": "x", "logo": "http://x/y",
         "group": "G", "channel_number": "9", "description": "x", "program_feed": "http://x/y",
         "next_programs": [{"title": "x"}], "regions_allowed": ["US"], "regions_blocked": ["CN"],
         "output_format": "hls", "ll_hls": True}


@pytest.fixture(scope="module")
def playing():
    with serving(line_up(*(channel(i, media.film(), **LOOP) for i in range(1, 7)))) as server:
        yield server


@pytest.mark.parametrize("number,what", enumerate(RESTARTS, 1), ids=lambda v: str(v))
def test_a_change_of_what_decides_a_job_restarts_it(playing, number, what):
    s = playing
    key = str(number)
    change = json.loads(json.dumps(RESTARTS[what]).replace("{other}", media.rich_film()))
    with s.stream(f"/stream/{number}") as viewer:
        viewer.read(20000)
        first = s.tuner(key)["pid"], s.tuner(key).get("derive_pid")
        good(ask(s, "PUT", f"/api/streams/{number}", change))
        wait_for(lambda: s.tuner(key) and (s.tuner(key)["pid"], s.tuner(key).get("derive_pid"))
                 != first, 20, "another job")
        assert not viewer.ended


def test_a_change_of_metadata_restarts_nothing(playing):
    s = playing
    with s.stream("/stream/6?region=US") as viewer:
        viewer.read(20000)
        first = s.tuner("6")["pid"]
        for field, value in KEEPS.items():
            good(ask(s, "PUT", "/api/streams/6", {field: value}))
        viewer.read(200000)
        tuner = s.tuner("6")
        assert tuner["pid"] == first and tuner["restarts"] == 0 and not viewer.ended


def jobs(s, key):
    """The pids of a tuner's jobs: of its source, and of what is encoded from it."""
    tuner = s.tuner(key)
    return (tuner["pid"], tuner["derive_pid"]) if tuner else (None, None)


def others(s, key, before):
    """Waits until both jobs run, and the one that encodes is another one."""
    wait_for(lambda: all(jobs(s, key)) and jobs(s, key)[1] != before[1], 20, "another job")
    return jobs(s, key)


def test_a_command_a_variant_and_a_profile_restart_the_job_concerned(server):
    auth = {"enabled": True, "admin_token": ADMIN, "token": "watch"}
    config = line_up(channel(1, media.film(), **LOOP),
                     channel(2, media.film(), adaptive_bitrates=[VARIANT], **LOOP),
                     channel(3, media.film(), profile="small", **LOOP), auth=auth)
    s = server(config)
    with s.stream("/stream/1?token=watch") as first, \
            s.stream("/stream/2?variant=sd&token=watch") as second, \
            s.stream("/stream/3?token=watch") as third:
        for viewer in first, second, third:
            viewer.read(20000)
        one, two, three = (jobs(s, key) for key in "123")
        good(call(s, "PUT", "/api/streams/1", {
            "custom_ffmpeg": "ffmpeg -loglevel error -re -stream_loop -1 -i {source} -c copy "
                             "-f mpegts -"}))
        wait_for(lambda: jobs(s, "1")[0] not in (None, one[0]), 20, "the command")
        good(call(s, "PUT", "/api/streams/2",
                  {"adaptive_bitrates": [{**VARIANT, "label": "Other label"}]}))
        good(call(s, "PUT", "/api/streams/3", {"name": "Other"}))
        assert jobs(s, "2") == two and jobs(s, "3") == three
        # its encoder alone: the source goes on
        config["ffmpeg_profiles"]["small"]["b:v"] = "100k"
        s.write_config(config)
        report = good(call(s, "POST", "/api/reload"))
        assert {c["id"] for c in report["changed"]} == {2, 3}
        assert others(s, "2", two)[0] == two[0] and others(s, "3", three)[0] == three[0]
        for viewer in first, second, third:
            viewer.read(20000)
            assert not viewer.ended
