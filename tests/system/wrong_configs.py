"""Wrong configurations by name: CASES has the text (or bytes) of each file and the output of `amps
check`, a tuple of lines without the file's name."""

CASES = {}

def channel(more, name="A", source="/a.ts"):
    return f"streams:\n- id: 1\n  name: {name}\n  source: {source}\n  ffmpeg_profile: copy\n{more}"

def profile(options):
    return f"ffmpeg_profiles:\n  p:\n    vcodec: libx264\n    {options}\n"

def bomb(levels, width):
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"

def case(name, text, *lines):
    assert name not in CASES, name
    CASES[name] = (text, lines)

# -- bytes that are not text, text that is not YAML
case("garbage", bytes(range(128, 256)) * 20,
     "1: YAML syntax: invalid leading UTF-8 octet")
case("NUL", "server:\n  port: 1\0\n",
     "2: YAML syntax: control characters are not allowed")
case("a control character", "server:\n  host: \"\x01\"\n",
     "2: YAML syntax: control characters are not allowed")
case("invalid utf-8 in a value", b"streams:\n- name: \"\xff\xfe\"\n",
     "2: YAML syntax: invalid leading UTF-8 octet")
case("invalid utf-8 in a comment", b"# \xc3\nserver: {}\n",
     "1: YAML syntax: invalid trailing UTF-8 octet")
case("overlong utf-8", b"server: {host: \xc0\xaf}\n",
     "1: YAML syntax: invalid length of a UTF-8 sequence")
case("a surrogate", b"server: {host: \xed\xa0\x80}\n",
     "1: YAML syntax: invalid Unicode character")
case("half a character at the end", b"server: {host: \xe2\x82",
     "1: YAML syntax: incomplete UTF-8 octet sequence")
case("a tab for indentation", "server:\n\tport: 5000\n",
     "2: YAML syntax: found character that cannot start any token")
case("a quote that is not closed", "server:\n  host: \"a\n",
     "3: YAML syntax: found unexpected end of stream")
case("a list that is not closed", "streams: [\n",
     "2: YAML syntax: did not find expected node content")
case("a mapping that is not closed", "server: {port: 1\n",
     "2: YAML syntax: did not find expected ',' or '}'")
case("indentation that jumps", "server:\n   port: 1\n  host: a\n",
     "3: YAML syntax: did not find expected key")
case("a list between keys", "server:\n  port: 1\n  - a\n",
     "3: YAML syntax: did not find expected key")
case("two colons", "server: port: 5000\n",
     "1: YAML syntax: mapping values are not allowed in this context")
case("an unknown directive", "%YAML 9.9\n---\nserver: {}\n",
     "1: YAML syntax: found incompatible YAML document")
case("a web page", "<!DOCTYPE html>\n<html><body>x: y</body></html>\n",
     "2: YAML syntax: mapping values are not allowed in this context")
case("json with a comma too many", '{"server": {"port": 1,,}}\n',
     "1: YAML syntax: did not find expected node content")

# -- YAML that is not a configuration
case("a text", "hello\n",
     "1: the file must be a mapping of sections (server:, streams:, ...)")
case("a number", "5\n",
     "1: the file must be a mapping of sections (server:, streams:, ...)")
case("a list", "- server\n",
     "1: the file must be a mapping of sections (server:, streams:, ...)")
case("two documents", "server: {}\n---\nserver: {}\n",
     "2: more than one document")
case("a tag of Python", "server: !!python/object/apply:os.system [reboot]\n",
     "1: server: unknown tag '!!python/object/apply:os.system'")
case("a tag of Python on a text", "server:\n  host: !!python/name:os.system x\n",
     "2: server.host: unknown tag '!!python/name:os.system'")
case("a tag of its own", "server:\n  host: !host a\n",
     "2: server.host: unknown tag '!host'")
case("binary", "server:\n  host: !!binary aGVsbG8=\n",
     "2: server.host: unknown tag '!!binary'")
case("a key that is a list", "? [a, b]\n: c\n",
     "1: a key must be a plain word")
case("a key that is an alias", "server: &s\n  host: a\n*s : b\n",
     "3: a key must be a plain word")
case("an unknown alias", "server: *nothing\n",
     "1: server: unknown alias '*nothing'")
case("an alias of itself", "streams: &s\n- *s\n",
     "2: streams[0]: unknown alias '*s'")
case("a merge of a text", "server:\n  <<: text\n",
     "2: server.<<: '<<' takes a mapping or a list of mappings")
case("a merge of texts", "server:\n  <<: [a, b]\n",
     "2: server.<<: '<<' takes a mapping or a list of mappings")
case("a merge of itself", "server: &s\n  <<: *s\n  port: 1\n",
     "2: server.<<: unknown alias '*s'")
case("a merge of what comes later", "server:\n  <<: *later\nauth: &later {}\n",
     "2: server.<<: unknown alias '*later'")
case("aliases that double", bomb(40, 2),
     "21: a20: aliases expand to too many values")
case("aliases by the ten", bomb(12, 10),
     "8: a7[1]: aliases expand to too many values")
case("a hundred brackets", "streams: " + "[" * 100 + "]" * 100 + "\n",
     "1: streams" + "[0]" * 63 + ": nested too deeply")
case("ten thousand brackets", "[" * 10000 + "\n",
     "1: " + "[0]" * 64 + ": nested too deeply")
case("a hundred levels", "".join(" " * n + "a:\n" for n in range(100)),
     "65: " + ".".join("a" * 64) + ": nested too deeply")
case("a name of a megabyte", channel("", name="x" * (1 << 20)),
     "3: streams[0].name: is longer than 65536 bytes")
case("a key of a kilobyte", channel("  " + "k" * 1000 + ": 1\n"),
     "6: streams[0]." + "k" * 1000 + ": warning: unknown key '" + "k" * 100 + "'")
case("a variable that is not set", "server:\n  host: ${AMPS_IS_NOT_SET}\n",
     "2: server.host: the environment has no variable 'AMPS_IS_NOT_SET'",
     "2: server.host: must be an address or a host name, not '${AMPS_IS_NOT_SET}'")
case("a variable that is not closed", "server:\n  host: ${HOME\n",
     "2: server.host: '${' needs a name and '}' (write '$${' for a literal one)",
     "2: server.host: must be an address or a host name, not '${HOME'")
case("a variable without a name", "server:\n  host: ${}\n",
     "2: server.host: '${' needs a name and '}' (write '$${' for a literal one)",
     "2: server.host: must be an address or a host name, not '${}'")
case("a variable of a bad name", "server:\n  host: ${a b}\n",
     "2: server.host: '${' needs a name and '}' (write '$${' for a literal one)",
     "2: server.host: must be an address or a host name, not '${a b}'")

# -- keys
case("a section that is unknown", "sreams: []\n",
     "1: sreams: unknown key 'sreams' (did you mean 'streams'?)")
case("a key given twice", "server:\n  port: 1\n  port: 2\n",
     "3: server.port: warning: 'port' is given twice; the last one counts")
case("a section given twice", "server: {port: 1}\nserver: {port: 2}\n",
     "2: server: warning: 'server' is given twice; the last one counts")
case("a key of another section", "auth:\n  port: 5000\n",
     "2: auth.port: unknown key 'port'")
case("an empty key", "server:\n  '': 1\n",
     "2: server.: unknown key ''")
case("a key with a line end", "server:\n  \"a\\nb: c\": 1\n",
     "2: server.a b: c: unknown key 'a b: c'")

# -- values
case("a port beyond", "server:\n  port: 65536\n",
     "2: server.port: must be a whole number from 0 to 65535, not 65536")
case("a port of zeros and letters", "server:\n  port: 0x1g\n",
     "2: server.port: must be a whole number from 0 to 65535, not '0x1g'")
case("a port beyond 64 bits", "server:\n  port: 99999999999999999999999\n",
     "2: server.port: must be a whole number from 0 to 65535, not '99999999999999999999999'")
case("infinity", "streaming:\n  idle_timeout: .inf\n",
     "2: streaming.idle_timeout: must be a number of seconds from 0 to 31536000, not '.inf'")
case("not a number", "streaming:\n  idle_timeout: .nan\n",
     "2: streaming.idle_timeout: must be a number of seconds from 0 to 31536000, not '.nan'")
case("seconds in words", "streaming:\n  stall_timeout: two\n",
     "2: streaming.stall_timeout: must be a number of seconds from 0.1 to 3600, not 'two'")
case("seconds of an unknown unit", "streaming:\n  stall_timeout: 2 weeks\n",
     "2: streaming.stall_timeout: must be a number of seconds from 0.1 to 3600, not '2 "
     "weeks'")
case("a network too narrow", "server:\n  trusted_proxies: [10.0.0.0/33]\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'10.0.0.0/33'")
case("a network too narrow in IPv6", "server:\n  trusted_proxies: ['::/129']\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'::/129'")
case("a network without an address", "server:\n  trusted_proxies: [/8]\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'/8'")
case("a network without a number", "server:\n  trusted_proxies: [10.0.0.0/]\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'10.0.0.0/'")
case("a network with a sign", "server:\n  trusted_proxies: [10.0.0.0/+8]\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'10.0.0.0/+8'")
case("a network of a name", "server:\n  trusted_proxies: [localhost]\n",
     "2: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not "
     "'localhost'")
case("65 networks", "server:\n  trusted_proxies: [" + "10.0.0.1, " * 65 + "]\n",
     "2: server.trusted_proxies: has 65 entries; 64 are allowed")
case("a region of three letters", channel("  regions_allowed: [DEU]\n"),
     "6: streams[0].regions_allowed[0]: 'DEU' is not a region code of two letters")
case("a region of digits", channel("  regions_blocked: ['12']\n"),
     "6: streams[0].regions_blocked[0]: '12' is not a region code of two letters")
case("a region with an umlaut", channel("  regions_allowed: [Ü]\n"),
     "6: streams[0].regions_allowed[0]: 'Ü' is not a region code of two letters")
case("no region at all", channel("  regions_allowed: ['']\n"),
     "6: streams[0].regions_allowed[0]: must not be empty")
case("301 regions", channel("  regions_allowed: [" + "DE, " * 301 + "]\n"),
     "6: streams[0].regions_allowed: has 301 entries; 300 are allowed")
case("a public address without a scheme", "server:\n  public_url: tv.example.com\n",
     "2: server.public_url: must be a URL that begins with http:// or https://")
case("a public address with a line end", "server:\n  public_url: \"http://a/\\nb\"\n",
     "2: server.public_url: must be a URL that begins with http:// or https://")
case("a token with a line end", "auth:\n  token: \"a\\nb\"\n",
     "2: auth.token: holds a control character")
case("a token of a kilobyte", "auth:\n  token: " + "x" * 1024 + "\n",
     "2: auth.token: is longer than 255 bytes")
case("a token for two", "auth:\n  token: a\n  tokens:\n  - {name: x, token: a}\n",
     "4: auth.tokens[0].token: another entry has this token already")
case("a token that ends in words", "auth:\n  tokens:\n  - {name: x, token: b, expires: soon}\n",
     "3: auth.tokens[0].expires: 'soon' is not a time like 2026-01-31T18:00:00Z")
case("a token that ends on no day",
     "auth:\n  tokens:\n  - {name: x, token: b, expires: '2027-02-30T00:00:00Z'}\n",
     "3: auth.tokens[0].expires: '2027-02-30T00:00:00Z' is not a time like "
     "2026-01-31T18:00:00Z")

# -- channels
case("an id twice", channel("") + "- {id: 1, name: B, source: /b.ts, ffmpeg_profile: copy}\n",
     "6: streams[1].id: 1 is already the id of streams[0]")
case("an id beyond", channel("").replace("id: 1", "id: 2147483648"),
     "2: streams[0].id: must be a whole number from 0 to 2147483647, not 2147483648")
case("an id with a fraction", channel("").replace("id: 1", "id: 1.5"),
     "2: streams[0].id: must be a whole number from 0 to 2147483647, not 1.5")
case("an empty name", channel("", name="''"),
     "3: streams[0].name: must not be empty")
case("a profile that is gone", channel("").replace("copy", "cpy"),
     "5: streams[0].ffmpeg_profile: unknown profile 'cpy' (did you mean 'copy'?)")
case("seventeen variants", channel("  adaptive_bitrates:\n" + "".join(
    f"  - {{name: v{n}}}\n" for n in range(17))),
     "6: streams[0].adaptive_bitrates: has 17 entries; 16 are allowed")
case("a variant of a long name",
     channel("  adaptive_bitrates:\n  - {name: " + "v" * 65 + "}\n"),
     "7: streams[0].adaptive_bitrates[0].name: is longer than 63 bytes")
case("a variant twice", channel("  adaptive_bitrates:\n  - {name: sd}\n  - {name: sd}\n"),
     "8: streams[0].adaptive_bitrates[1].name: 'sd' is already the name of variant 0")
case("variants in a mapping", channel("  adaptive_bitrates: {sd: {}}\n"),
     "6: streams[0].adaptive_bitrates: must be a list, not a mapping")
case("a variant of a text", channel("  adaptive_bitrates: [sd]\n"),
     "6: streams[0].adaptive_bitrates[0]: must be a mapping, not 'sd'")
case("a programme on no day",
     channel("  next_programs:\n  - {title: X, start: '2026-13-01T00:00:00Z'}\n"),
     "7: streams[0].next_programs[0].start: warning: '2026-13-01T00:00:00Z' is not a time "
     "like 2026-01-31T18:00:00Z: the programme is left out of the XMLTV guide")
case("a schedule on no day",
     "scheduled_streams:\n- {id: 2, name: B, source: /b.ts, ffmpeg_profile: copy,\n"
     "   schedule: {start: '2026-01-32T00:00:00Z'}}\n",
     "3: scheduled_streams[0].schedule.start: warning: '2026-01-32T00:00:00Z' is not a time "
     "like 2026-01-31T18:00:00Z: the entry is left out")
case("a schedule that ends first",
     "scheduled_streams:\n- {id: 2, name: B, source: /b.ts, ffmpeg_profile: copy,\n"
     "   schedule: {start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z'}}\n",
     "3: scheduled_streams[0].schedule.end: warning: 'end' is not after 'start': the entry "
     "is left out")

# -- sources
case("sources that nothing plays",
     "streams:\n"
     "- {id: 1, name: A, ffmpeg_profile: copy, source: 'htttp://h/x'}\n"
     "- {id: 2, name: B, ffmpeg_profile: copy, source: 'plugin://foo/bar'}\n"
     "- {id: 3, name: C, ffmpeg_profile: copy, source: 'http://'}\n"
     "- {id: 4, name: D, ffmpeg_profile: copy, source: 'rtsps://h/x', adaptive_bitrates: [\n"
     "   {name: a, source: 'udpp://@239.0.0.1:5000'}]}\n"
     "- {id: 5, name: E, ffmpeg_profile: copy, source: 'udp://@:5000'}\n"
     "- {id: 6, name: F, ffmpeg_profile: copy, source: 'file:///a.ts'}\n"
     "- {id: 7, name: G, ffmpeg_profile: copy, source: 'srt://:5000?mode=listener'}\n",
     "2: streams[0].source: warning: sources of the kind htttp:// are not known (did you mean "
     "http?)",
     "3: streams[1].source: warning: sources of the kind plugin:// are not known",
     "4: streams[2].source: warning: this source names no host",
     "6: streams[3].adaptive_bitrates[0].source: warning: sources of the kind udpp:// are not "
     "known (did you mean udp?)")

# -- variants
case("a variant's option that nothing takes, among those that its channel's source does",
     "ffmpeg_profiles: {x: {vcodec: libx264}}\nstreams:\n"
     "- {id: 1, name: A, source: 'rtsp://h/x', ffmpeg_profile: x, adaptive_bitrates: [\n"
     "   {name: a, input_args: -rtsp_transport tcp},\n"
     "   {name: b, source: 'http://h/x', input_options: {reconnect: 1}},\n"
     "   {name: c, source: 'http://h/x', input_options: {rtsp_transport: tcp}}]}\n"
     "- {id: 2, name: B, source: testsrc2, ffmpeg_profile: x, input_options: {f: lavfi},\n"
     "   adaptive_bitrates: [{name: a, input_options: {f: lavfi, re: }}]}\n",
     "6: streams[0].adaptive_bitrates[2].input_options.rtsp_transport: warning: nothing that "
     "plays this source (http) takes it; it is ignored")

# -- commands
case("a placeholder that is unknown", channel("  custom_ffmpeg: ffmpeg -i {input}\n"),
     "6: streams[0].custom_ffmpeg: unknown placeholder '{input}' ({source}, {id} and {name} "
     "exist; write '{{' and '}}' for braces)")
case("a command of a number", channel("  custom_ffmpeg: {command: {a: b}}\n"),
     "6: streams[0].custom_ffmpeg.command: must be text, not a mapping")
case("a command of nothing", channel("  custom_ffmpeg: '  '\n"),
     "6: streams[0].custom_ffmpeg: must not be empty")

case("a placeholder among words", channel("  custom_ffmpeg: [ffmpeg, '{Source}']\n"),
     "6: streams[0].custom_ffmpeg[1]: unknown placeholder '{Source}' ({source}, {id} and "
     "{name} exist; write '{{' and '}}' for braces)")
case("a placeholder in a script",
     channel("  custom_ffmpeg: {command: 'x {url} {name}', shell: true}\n"),
     "6: streams[0].custom_ffmpeg.command: unknown placeholder '{url}' ({source}, {id} and "
     "{name} exist; write '{{' and '}}' for braces)")
case("a script of words", channel("  custom_ffmpeg: {command: [x, y], shell: true}\n"),
     "6: streams[0].custom_ffmpeg: with 'shell: true' the command must be one text, not a "
     "list")
case("a quote in a command that is not closed", channel("  custom_ffmpeg: \"x 'y\"\n"),
     "6: streams[0].custom_ffmpeg: a quote is not closed")
case("a command's folder of a list", channel("  custom_ffmpeg: {command: x, cwd: [a]}\n"),
     "6: streams[0].custom_ffmpeg.cwd: must be text, not a list")
case("a command's variable without a name",
     channel("  custom_ffmpeg: {command: x, env: {'': a}}\n"),
     "6: streams[0].custom_ffmpeg.env: '' cannot name a variable")


V4L2 = ("the device 'v4l2' is not read in process; use custom_ffmpeg: \"ffmpeg -f v4l2 -i {source} "
        "-c:v libx264 -c:a aac -f mpegts pipe:1\"")

# -- options of libav, which one look at all of them together judges: name: (kind, what stands in
# the profile or the channel, where in it the problem is, what it is)
OPTIONS = {
    "an option that is unknown": ("profile", "presett: fast", "presett",
                                  "unknown option 'presett' (did you mean 'preset'?)"),
    "an option of inputs": ("profile", "re: true", "re",
                            "is an option of inputs: write it under input_options"),
    "an encoder that is unknown": ("profile", "acodec: acc", "acodec",
                                   "unknown encoder 'acc' (did you mean 'aac'?)"),
    "a preset that is unknown": ("profile", "preset: warp", "preset",
                                 "'warp' is no value that libx264 takes"),
    "a profile of pictures that is unknown": ("profile", "profile:v: hihg", "profile:v",
                                              "'hihg' is no value that libx264 takes"),
    "no channels": ("profile", "ac: 0", "ac", "'0' is no whole number above 0"),
    "a rate below nothing": ("profile", "ar: -1", "ar", "'-1' is no whole number above 0"),
    "an aspect in words": ("profile", "aspect: wide", "aspect",
                           "'wide' is no ratio (as in 16:9)"),
    "neither pictures nor sound": ("profile", "vn:\nan:", "an",
                                   "neither pictures nor sound are left"),
    "a codec that MPEG-TS does not know": ("profile", "acodec: libvorbis", "acodec",
                                           "vorbis cannot be carried in MPEG-TS"),
    "an expression in a filter": ("profile", "af: volume=abc", "af",
                                  "filter 'volume': Undefined constant or missing '(' in 'abc'; "
                                  "Error when evaluating the volume expression 'abc'"),
    "two passes": ("profile", "pass: 1", "pass",
                   "is refused: two passes need the whole film in advance: use b, maxrate and "
                   "bufsize"),
    "an option that ends": ("profile", "t: 10", "t",
                            "warning: has no effect here: a channel has no end"),
    "a size beside copy": ("copy", "s: 640x360", "s",
                           "warning: has no effect on a picture that is copied"),
    "key frames at given times":
        ("profile", "force_key_frames: '0,1,x'", "force_key_frames",
         "'0,1,x' is no rule (as in expr:gte(t,n_forced*2), 0,1.5,3 or source)"),
    "a stream's metadata": ("profile", "metadata:s:a:0: title=Ton", "metadata:s:a:0",
                            "warning: only the language of pictures and sound is written; it is "
                            "ignored"),
    "a codec of the second sound that is unknown": ("profile", "c:a:1: aacc", "c:a:1",
                                                    "unknown encoder 'aacc' (did you mean "
                                                    "'aac'?)"),
    "a bit rate of the second sound in words":
        ("profile", "c:a: copy\nc:a:1: mp2\nb:a:1: fast", "b:a:1",
         "'fast' is no value that mp2 takes"),
    "a stream that is none": ("profile", "b:a:x: 64k", "b:a:x",
                              "names no stream: a kind, or a kind and a number up to 15 (v, a:1)"),
    "a stream too many": ("profile", "b:a:16: 64k", "b:a:16",
                          "names no stream: a kind, or a kind and a number up to 15 (v, a:1)"),
    "a bitstream filter that is unknown":
        ("profile", "bsf:v: h264_metadat", "bsf:v", "'h264_metadat' names no bitstream filters, or one of their options is wrong"),
    "a scaler that is unknown": ("profile", "sws_flags: bicubicc", "sws_flags",
                                 "'bicubicc' is no flag of the scaler (as in bicubic or "
                                 "lanczos+accurate_rnd)"),
    "encoded subtitles": ("profile", "c:s: dvbsub", "c:s",
                          "warning: subtitles can only be copied; they are left out"),
    "a bit rate in words": ("profile", "b:v: fast", "b:v",
                            "'fast' is no value that libx264 takes"),
    "a size of one side": ("profile", "s: 1280", "s",
                           "'1280' is no picture size (as in 1280x720)"),
    "a filter that is unknown": ("profile", "vf: scalee=1:2", "vf",
                                 "unknown filter 'scalee' (did you mean 'scale'?)"),
    "scale with an unknown option":
        ("profile", "vf: scale=width=1:hight=2", "vf",
         "filter 'scale' has no option 'hight' (did you mean 'height'?)"),
    "scale with too many values": ("profile", "vf: 'scale=" + ":".join("1" * 60) + "'", "vf",
                                   "filter 'scale' has no place for the value '1'"),
    "a graph of commas": ("profile", "vf: ',,,'", "vf", "a filter's name is missing at ',,,'"),
    "a filter beside copy": ("copy", "vf: 'null'", "vf",
                             "a filter cannot work on a stream that is copied"),
    "an input option that is unknown":
        ("channel", "input_options: {usr_agent: x}", "input_options.usr_agent",
         "unknown option 'usr_agent' (did you mean 'user_agent'?)"),
    "an input option of outputs":
        ("channel", "input_options: {vf: 'null'}", "input_options.vf",
         "is an option of outputs: write it into a profile"),
    "a device":
        ("channel", "input_options: {f: v4l2}", "input_options.f",
         V4L2),
    "a device in words":
        ("channel", "input_args: [-f, v4l2]", "input_args.f",
         V4L2),
    "input words with an unknown option":
        ("channel", "input_args: [-stream_lop, '1']", "input_args.stream_lop",
         "unknown option 'stream_lop' (did you mean 'stream_loop'?)"),
    "a lavfi source that is unknown":
        ("channel", "input_options: {f: lavfi}", "input_options.f",
         "the lavfi source: unknown filter 'testsrc3' (did you mean 'testsrc'?)"),
}


def options_file():
    """(the text of one file with all of OPTIONS in it, {name: the line it must get})"""
    lines, expected = ["ffmpeg_profiles:", "  x264: {vcodec: libx264}"], {}

    def add(kinds, head, prefix):
        here = [(name, o) for name, o in OPTIONS.items() if o[0] in kinds]
        for n, (name, (kind, text, place, what)) in enumerate(here):
            lines.extend(head(n, kind) + ["    " + line for line in text.splitlines()])
            expected[name] = f"{len(lines)}: {prefix(n)}.{place}: {what}"

    add(("profile", "copy"),
        lambda n, kind: [f"  p{n}:", f"    vcodec: {'copy' if kind == 'copy' else 'libx264'}"],
        lambda n: f"ffmpeg_profiles.p{n}")
    lines.append("streams:")
    add(("channel",), lambda n, _: [f"  - id: {n}", f"    name: C{n}", "    source: testsrc3",
                                    "    ffmpeg_profile: x264"], lambda n: f"streams[{n}]")
    return "\n".join(lines) + "\n", expected
