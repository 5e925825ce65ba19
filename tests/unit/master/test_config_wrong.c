/* Wrong configurations and the exact lines they get. */
#include "master/config_case.h"

#include "unit.h"

/* A good channel with something more. */
#define CHANNEL(more) "streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, " more "}]\n"

struct wrong {
	const char *yaml;
	const char *expected;
};

static const struct wrong table[] = {
	{"sever: {port: 80}\n", "c:1: sever: unknown key 'sever' (did you mean 'server'?)\n"},
	{"streams: 5\n", "c:1: streams: must be a list, not 5\n"},
	{"streams: {id: 1}\n", "c:1: streams: must be a list, not a mapping\n"},
	{"server: [1]\n", "c:1: server: must be a mapping, not a list\n"},
	{"server: {prot: 80}\n", "c:1: server.prot: unknown key 'prot' (did you mean 'port'?)\n"},
	{"server:\n"
	 "  port: 70000\n"
	 "  workers: many\n",
	 "c:2: server.port: must be a whole number from 0 to 65535, not 70000\n"
	 "c:3: server.workers: must be a whole number from 0 to 256, not 'many'\n"},
	{"server: {port: abc}\n",
	 "c:1: server.port: must be a whole number from 0 to 65535, not 'abc'\n"},
	{"server: {port: 80.5}\n",
	 "c:1: server.port: must be a whole number from 0 to 65535, not 80.5\n"},
	{"server: {debug: maybe}\n", "c:1: server.debug: must be true or false, not 'maybe'\n"},
	{"server: {log_level: chatty}\n",
	 "c:1: server.log_level: must be one of debug, info, warning, error, not 'chatty'\n"},
	{"server: {log_format: xml}\n",
	 "c:1: server.log_format: must be one of text, json, not 'xml'\n"},
	{"server: {host: 'a b'}\n",
	 "c:1: server.host: must be an address or a host name, not 'a b'\n"},
	{"server: {public_url: 'ftp://x'}\n",
	 "c:1: server.public_url: must be a URL that begins with http:// or https://\n"},
	{"server: {trusted_proxies: [10.0.0.0/33, nonsense]}\n",
	 "c:1: server.trusted_proxies[0]: must be an address or a network like 10.0.0.0/8, not '10.0.0.0/33'\n"
	 "c:1: server.trusted_proxies[1]: must be an address or a network like 10.0.0.0/8, not 'nonsense'\n"},
	{"server: {rtsp_port: 5000}\n",
	 "c:1: server.rtsp_port: is 5000, the HTTP port too (0 turns RTSP off)\n"},
	{"server: {rtsp_port: -1}\n",
	 "c:1: server.rtsp_port: must be a whole number from 0 to 65535, not -1\n"},
	{"server: {rtsp_port: auto, rtp_port: 5001}\n",
	 "c:1: server.rtp_port: must be even: RTP takes a port and the next one\n"},
	{"server: {state_dir: ''}\n", "c:1: server.state_dir: must not be empty\n"},
	{"server: {max_viewers: -1}\n",
	 "c:1: server.max_viewers: must be a whole number from 0 to 100000000, not -1\n"},
	{"auth: {token: changeme123}\n",
	 "c:1: auth.token: warning: 'changeme123' is a published default: choose another\n"},
	{"auth: {enabled: [true]}\n", "c:1: auth.enabled: must be true or false, not a list\n"},
	{"auth: {token: a, token_file: /x}\n",
	 "c:1: auth: 'token' and 'token_file' are both given: keep one\n"},
	{"auth: {token: a, admin_token: a}\n",
	 "c:1: auth.admin_token: another entry has this token already\n"},
	{"auth: {tokens: [{name: x}]}\n", "c:1: auth.tokens[0]: needs 'token' or 'token_sha256'\n"},
	{"auth: {tokens: [{token: x, token_sha256: "
	 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]}\n",
	 "c:1: auth.tokens[0]: needs 'token' or 'token_sha256', not both\n"},
	{"auth: {tokens: [{token_sha256: 9f86d0}]}\n",
	 "c:1: auth.tokens[0].token_sha256: must be the 64 hexadecimal digits of a SHA-256\n"},
	{"auth: {token: test, tokens: [{token_sha256: "
	 "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08}]}\n",
	 "c:1: auth.tokens[0].token_sha256: another entry has this token already\n"},
	{"auth: {tokens: [{token: a, role: boss}]}\n",
	 "c:1: auth.tokens[0].role: must be one of viewer, admin, not 'boss'\n"},
	{"auth: {tokens: [{token: a, expires: tomorrow}]}\n",
	 "c:1: auth.tokens[0].expires: 'tomorrow' is not a time like 2026-01-31T18:00:00Z\n"},
	{"auth: {tokens: [{token: a}, {token: a}]}\n",
	 "c:1: auth.tokens[1].token: another entry has this token already\n"},
	{"auth: {token: 12345, tokens: [{token: '12345'}, {token: 7}, {token: 7}]}\n",
	 "c:1: auth.tokens[0].token: another entry has this token already\n"
	 "c:1: auth.tokens[2].token: another entry has this token already\n"},
	{"auth: {token: \"   \"}\n", "c:1: auth.token: holds only blanks\n"},
	{"auth: {token: \"a\\tb\"}\n", "c:1: auth.token: holds a control character\n"},
	{"auth: {tokens: {token: a}}\n", "c:1: auth.tokens: must be a list, not a mapping\n"},
	{"streaming: {idle_timeout: soon}\n",
	 "c:1: streaming.idle_timeout: must be a number of seconds from 0 to 31536000, not 'soon'\n"},
	{"streaming: {idle_timeout: -1}\n",
	 "c:1: streaming.idle_timeout: must be a number of seconds from 0 to 31536000, not -1\n"},
	{"streaming: {slow_viewer: wait}\n",
	 "c:1: streaming.slow_viewer: must be one of skip, drop, not 'wait'\n"},
	{"streaming: {max_overlap: 1024}\n",
	 "c:1: streaming.max_overlap: must be a whole number from 0 to 768, not 1024\n"},
	{"streaming: {ring_seconds: 0}\n",
	 "c:1: streaming.ring_seconds: must be a whole number from 1 to 600, not 0\n"},
	{"streaming: {allow_private: 2}\n",
	 "c:1: streaming.allow_private: must be true or false, not 2\n"},
	{"hls: {part_ms: 10, segment_type: mkv}\n",
	 "c:1: hls.part_ms: must be a whole number from 100 to 5000, not 10\n"
	 "c:1: hls.segment_type: must be one of auto, ts, cmaf, not 'mkv'\n"},
	{"dash: {windw_seconds: 3}\n",
	 "c:1: dash.windw_seconds: unknown key 'windw_seconds' (did you mean 'window_seconds'?)\n"},
	{"dash: {segment_seconds: 3}\n",
	 "c:1: dash.segment_seconds: warning: has no effect: the segments are those of hls, 4 s\n"},
	{"hls: {segment_seconds: 2}\ndash: {segment_seconds: 2}\n", ""},
	{"epg: {sources: [{refresh: 1h}]}\n", "c:1: epg.sources[0]: needs 'url' or 'path'\n"},
	{"epg: {sources: [{url: 'http://x', path: y}]}\n",
	 "c:1: epg.sources[0]: needs 'url' or 'path', not both\n"},
	{"plugins: []\n", ""},
	/* a refused value is not a missing one, too */
	{"epg: {sources: [{url: 'ftp://x'}]}\n",
	 "c:1: epg.sources[0].url: must be a URL that begins with http:// or https://\n"},
	{"streams: [{id: 1, name: A, sources: [{url: ''}], ffmpeg_profile: copy}]\n",
	 "c:1: streams[0].sources[0].url: must not be empty\n"},
	{"limits: {nice: 30}\n", "c:1: limits.nice: must be a whole number from 0 to 19, not 30\n"},
	{"region: {trust: [cookies]}\n",
	 "c:1: region.trust[0]: must be one of query, headers, not 'cookies'\n"},
	{"plugins: [a]\n",
	 "c:1: plugins: warning: plugins are Python modules of the older Amps and are not loaded\n"},
	{"media_limit_mb: 0\n",
	 "c:1: media_limit_mb: must be a whole number from 1 to 16777216, not 0\n"},
	{"ffmpeg_profiles: [a]\n", "c:1: ffmpeg_profiles: must be a mapping, not a list\n"},
	{"ffmpeg_profiles: {p: copy}\n", "c:1: ffmpeg_profiles.p: must be a mapping, not 'copy'\n"},
	{"ffmpeg_profiles: {p: {format: matroska}}\n",
	 "c:1: ffmpeg_profiles.p.format: must be one of mpegts, mp4, hls, dash, adts, not 'matroska'\n"},
	{"ffmpeg_profiles: {p: {output_format: hsl}}\n",
	 "c:1: ffmpeg_profiles.p.output_format: must be one of ts, hls, ll-hls, dash, rtsp, audio, mse, not 'hsl'\n"},
	{"ffmpeg_profiles: {p: {metadata: {a: b}}}\n",
	 "c:1: ffmpeg_profiles.p.metadata: must be a value or a list of values, not a mapping\n"},
	{"ffmpeg_profiles: {p: {map: [0:v, [1]]}}\n",
	 "c:1: ffmpeg_profiles.p.map[1]: must be a value or a list of values, not a list\n"},
	{"ffmpeg_profiles: {p: {hwaccel: {type: videotoolbox}}}\n",
	 "c:1: ffmpeg_profiles.p.hwaccel.type: warning: videotoolbox exists on macOS only\n"},
	{"ffmpeg_profiles: {p: {hwaccel: {type: vapi, devce: 0}}}\n",
	 "c:1: ffmpeg_profiles.p.hwaccel.devce: unknown key 'devce' (did you mean 'device'?)\n"
	 "c:1: ffmpeg_profiles.p.hwaccel.type: warning: unknown hardware 'vapi' (did you mean 'vaapi'?)\n"},
	{"ffmpeg_profiles: {p: {ll_hls: often}}\n",
	 "c:1: ffmpeg_profiles.p.ll_hls: must be true or false, not 'often'\n"},
	{"streams: [{}]\n", "c:1: streams[0]: 'id' is missing\n"
			    "c:1: streams[0]: 'name' is missing\n"
			    "c:1: streams[0]: 'source' is missing\n"
			    "c:1: streams[0]: 'ffmpeg_profile' or 'custom_ffmpeg' is missing\n"},
	{"streams: [5]\n", "c:1: streams[0]: must be a mapping, not 5\n"},
	{"streams: [null]\n", "c:1: streams[0]: is empty\n"},
	{CHANNEL("id: -1"),
	 "c:1: streams[0].id: warning: 'id' is given twice; the last one counts\n"
	 "c:1: streams[0].id: must be a whole number from 0 to 2147483647, not -1\n"},
	{CHANNEL("id: x"),
	 "c:1: streams[0].id: warning: 'id' is given twice; the last one counts\n"
	 "c:1: streams[0].id: must be a whole number from 0 to 2147483647, not 'x'\n"},
	{CHANNEL("name: ''"),
	 "c:1: streams[0].name: warning: 'name' is given twice; the last one counts\n"
	 "c:1: streams[0].name: must not be empty\n"},
	{CHANNEL("name: [a]"),
	 "c:1: streams[0].name: warning: 'name' is given twice; the last one counts\n"
	 "c:1: streams[0].name: must be text, not a list\n"},
	{CHANNEL("naem: B"),
	 "c:1: streams[0].naem: warning: unknown key 'naem' (did you mean 'name'?)\n"},
	{CHANNEL("ffmpeg_profile: cpy"),
	 "c:1: streams[0].ffmpeg_profile: warning: 'ffmpeg_profile' is given twice; the last one counts\n"
	 "c:1: streams[0].ffmpeg_profile: unknown profile 'cpy' (did you mean 'copy'?)\n"},
	{"ffmpeg_profiles: {food: {vn: }}\n"
	 "streams:\n"
	 "- {id: 1, name: A, source: x, ffmpeg_profile: foo}\n",
	 "c:3: streams[0].ffmpeg_profile: unknown profile 'foo' (did you mean 'food'?)\n"},
	{"streams:\n"
	 "- {id: 1, name: A, source: x, ffmpeg_profile: copy}\n"
	 "- {id: 1, name: B, source: x, ffmpeg_profile: copy}\n",
	 "c:3: streams[1].id: 1 is already the id of streams[0]\n"},
	{"streams: [{id: 1, name: A, source: x}]\n",
	 "c:1: streams[0]: 'ffmpeg_profile' or 'custom_ffmpeg' is missing\n"},
	{"streams: [{id: 1, name: A, ffmpeg_profile: copy}]\n",
	 "c:1: streams[0]: 'source' is missing\n"},
	{CHANNEL("regions_allowed: [USA]"),
	 "c:1: streams[0].regions_allowed[0]: 'USA' is not a region code of two letters\n"},
	{CHANNEL("regions_blocked: [5]"),
	 "c:1: streams[0].regions_blocked[0]: '5' is not a region code of two letters\n"},
	{CHANNEL("regions_allowed: [DE, '']"),
	 "c:1: streams[0].regions_allowed[1]: must not be empty\n"},
	{CHANNEL("regions_allowed: {a: b}"),
	 "c:1: streams[0].regions_allowed: must be a list, not a mapping\n"},
	{CHANNEL("next_programs: [{start: noon}]"),
	 "c:1: streams[0].next_programs[0].start: warning: 'noon' is not a time like 2026-01-31T18:00:00Z: the programme is left out of the XMLTV guide\n"
	 "c:1: streams[0].next_programs[0]: warning: 'title' is missing: the channel's name is shown\n"},
	{CHANNEL("next_programs: [{title: A, strat: 1}]"),
	 "c:1: streams[0].next_programs[0].strat: warning: unknown key 'strat' (did you mean 'start'?)\n"},
	{CHANNEL("next_programs: [A]"),
	 "c:1: streams[0].next_programs[0]: must be a mapping, not 'A'\n"},
	{CHANNEL("adaptive_bitrates: [{label: x}]"),
	 "c:1: streams[0].adaptive_bitrates[0]: 'name' is missing\n"},
	{CHANNEL("adaptive_bitrates: [{name: sd}, {name: sd}]"),
	 "c:1: streams[0].adaptive_bitrates[1].name: 'sd' is already the name of variant 0\n"},
	{CHANNEL("adaptive_bitrates: [{name: sd, ffmpeg_profile: none}]"),
	 "c:1: streams[0].adaptive_bitrates[0].ffmpeg_profile: unknown profile 'none'\n"},
	{CHANNEL("adaptive_bitrates: [{name: sd, bitrate: 1}]"),
	 "c:1: streams[0].adaptive_bitrates[0].bitrate: warning: unknown key 'bitrate'\n"},
	{CHANNEL("output_format: avi"),
	 "c:1: streams[0].output_format: must be one of ts, hls, ll-hls, dash, rtsp, audio, mse, not 'avi'\n"},
	{CHANNEL("audio_only: x"), "c:1: streams[0].audio_only: must be true or false, not 'x'\n"},
	{CHANNEL("hwaccel: 5"), "c:1: streams[0].hwaccel: must be a mapping, not 5\n"},
	{CHANNEL("slate: [x]"), "c:1: streams[0].slate: must be text, not a list\n"},
	{CHANNEL("use_yt_dlp: 7"), "c:1: streams[0].use_yt_dlp: must be true or false, not 7\n"},
	{CHANNEL("source_handler: {type: youtube, optins: {}}"),
	 "c:1: streams[0].source_handler.type: must be one of yt_dlp, not 'youtube'\n"
	 "c:1: streams[0].source_handler.optins: warning: unknown key 'optins' (did you mean 'options'?)\n"},
	{CHANNEL("source_handler: {options: {retries: {a: 1}, http_headers: {Referer: x}}}"),
	 "c:1: streams[0].source_handler.options.retries: must be a value or a list of values, not a mapping\n"
	 "c:1: streams[0].source_handler.options.http_headers: warning: unknown yt-dlp option 'http_headers'\n"},
	{CHANNEL("source_handler: {options: {exec: rm, retrys: 3}}"),
	 "c:1: streams[0].source_handler.options.exec: warning: unknown yt-dlp option 'exec'\n"
	 "c:1: streams[0].source_handler.options.retrys: warning: unknown yt-dlp option 'retrys' (did you mean 'retries'?)\n"},
	{CHANNEL("sources: [{input_options: {}}]"),
	 "c:1: streams[0].sources[0]: 'source' is missing\n"},
	{CHANNEL("sources: [5, [x]]"), "c:1: streams[0].sources[1]: must be text, not a list\n"},
	{CHANNEL("input_options: [a]"),
	 "c:1: streams[0].input_options: must be a mapping, not a list\n"},
	{CHANNEL("input_options: {a: {b: c}}"),
	 "c:1: streams[0].input_options.a: must be a value or a list of values, not a mapping\n"},
	{CHANNEL("input_args: {a: b}"),
	 "c:1: streams[0].input_args: must be a list, not a mapping\n"},
	{CHANNEL("input_args: \"-x 'y\""), "c:1: streams[0].input_args: a quote is not closed\n"},
	{CHANNEL("input_options: {f: lavfi}"),
	 "c:1: streams[0].ffmpeg_profile: 'copy' cannot carry a lavfi source, which is raw: choose a profile with encoders\n"},
	{"streams: [{id: 1, name: A, source: 'http://x/y', ffmpeg_profile: copy, input_options: {protocol_whitelist: 'http,file'}}]\n",
	 "c:1: streams[0].input_options.protocol_whitelist: warning: 'file' is not granted to a remote source\n"},
	{CHANNEL("custom_ffmpeg: 'ffmpeg {url}'"),
	 "c:1: streams[0].custom_ffmpeg: unknown placeholder '{url}' ({source}, {id} and {name} exist; write '{{' and '}}' for braces)\n"},
	{CHANNEL("custom_ffmpeg: \"ffmpeg 'x\""),
	 "c:1: streams[0].custom_ffmpeg: a quote is not closed\n"},
	{CHANNEL("custom_ffmpeg: {command: \"ffmpeg 'x\"}"),
	 "c:1: streams[0].custom_ffmpeg.command: a quote is not closed\n"},
	{CHANNEL("custom_ffmpeg: {command: ' ', shell: true}"),
	 "c:1: streams[0].custom_ffmpeg.command: must not be empty\n"},
	{CHANNEL("regions_allowed: ''"), "c:1: streams[0].regions_allowed: must not be empty\n"},
	{"streams:\n- id: 1\n  name: A\n  source: x\n  ffmpeg_profile: copy\n  regions_allowed:\n  - # US\n",
	 "c:7: streams[0].regions_allowed[0]: must not be empty\n"},
	{CHANNEL("custom_ffmpeg: x, input_options: {f: mpegts}, use_yt_dlp: true, "
		 "adaptive_bitrates: [{name: sd, custom_ffmpeg: y, input_args: [-re]}]"),
	 "c:1: streams[0].adaptive_bitrates[0].input_args: warning: has no effect beside custom_ffmpeg: the command opens the source\n"
	 "c:1: streams[0].input_options: warning: has no effect beside custom_ffmpeg: the command opens the source\n"
	 "c:1: streams[0].use_yt_dlp: warning: has no effect beside custom_ffmpeg: the command opens the source\n"},
	{CHANNEL("interface: eth1"),
	 "c:1: streams[0].interface: warning: has no effect on this source, only on those of udp:// and rtp://\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'socks5://p:1'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'HTTP://p:1'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://p'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://p:0'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://p:65536'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://p/x:80'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://u:p@h'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://p:'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'http://h/x', proxy: 'http://:1'}]"),
	 "c:1: streams[0].sources[0].proxy: must be the address of an HTTP proxy: http://host:port\n"},
	{CHANNEL("sources: [{source: 'srt://h:9', proxy: 'http://p:1'}]"),
	 "c:1: streams[0].sources[0].proxy: warning: has no effect on this source, only on those of http:// and https://\n"},
	{CHANNEL("custom_ffmpeg: ''"), "c:1: streams[0].custom_ffmpeg: must not be empty\n"},
	{CHANNEL("custom_ffmpeg: [ffmpeg, '{nam}']"),
	 "c:1: streams[0].custom_ffmpeg[1]: unknown placeholder '{nam}' ({source}, {id} and {name} exist; write '{{' and '}}' for braces)\n"},
	{CHANNEL("custom_ffmpeg: []"), "c:1: streams[0].custom_ffmpeg: must not be empty\n"},
	{CHANNEL("custom_ffmpeg: {shell: true}"),
	 "c:1: streams[0].custom_ffmpeg: 'command' is missing\n"},
	{CHANNEL("custom_ffmpeg: {command: [a], shell: true}"),
	 "c:1: streams[0].custom_ffmpeg: with 'shell: true' the command must be one text, not a list\n"},
	{CHANNEL("custom_ffmpeg: {command: a, env: {'A=B': c}, cmd: x}"),
	 "c:1: streams[0].custom_ffmpeg.env: 'A=B' cannot name a variable\n"
	 "c:1: streams[0].custom_ffmpeg.cmd: warning: unknown key 'cmd' (did you mean 'cwd'?)\n"},
	{"streams: [{id: 1, name: A, source: x, custom_ffmpeg: y, ffmpeg_profile: gone}]\n",
	 "c:1: streams[0].ffmpeg_profile: warning: unknown profile 'gone'\n"},
	{CHANNEL("schedule: {start: 2026-01-01}"),
	 "c:1: streams[0].schedule: warning: unknown key 'schedule'\n"},
	{"scheduled_streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, schedule: {start: soon}}]\n",
	 "c:1: scheduled_streams[0].schedule.start: warning: 'soon' is not a time like 2026-01-31T18:00:00Z: the entry is left out\n"},
	{"scheduled_streams:\n"
	 "- {id: 1, name: A, source: x, ffmpeg_profile: copy, schedule: {start: 2026-01-02, end: 2026-01-01 12:00}}\n",
	 "c:2: scheduled_streams[0].schedule.start: warning: has no time zone: UTC is taken\n"
	 "c:2: scheduled_streams[0].schedule.end: warning: has no time zone: UTC is taken\n"
	 "c:2: scheduled_streams[0].schedule.end: warning: 'end' is not after 'start': the entry is left out\n"},
	{"scheduled_streams: [{id: 1, name: B, source: x, ffmpeg_profile: copy}]\n"
	 "streams: [{id: 1, name: A, source: x, ffmpeg_profile: copy, group: g}]\n",
	 "c:1: scheduled_streams[0].id: warning: 1 is already the id of streams[0]: the entry is left out\n"},
	{"scheduled_streams: [{id: 1, name: B, ffmpeg_profile: copy, schedule: 5}]\n",
	 "c:1: scheduled_streams[0].schedule: must be a mapping, not 5\n"
	 "c:1: scheduled_streams[0]: 'source' is missing\n"},
	{"server:\n"
	 "  port: 8554\n",
	 "c:2: server.port: warning: is RTSP's usual port: RTSP is off unless rtsp_port names another\n"},
	{"server: {port: 80, rtsp_port: 80}\n",
	 "c:1: server.rtsp_port: is 80, the HTTP port too (0 turns RTSP off)\n"},
	{"a: [1\n", "c:2: YAML syntax: did not find expected ',' or ']'\n"},
	{"streams: []\n"
	 "streams: []\n",
	 "c:2: streams: warning: 'streams' is given twice; the last one counts\n"},
	{"- a\n", "c:1: the file must be a mapping of sections (server:, streams:, ...)\n"},
	{"just text\n", "c:1: the file must be a mapping of sections (server:, streams:, ...)\n"},
	{"server: {port: *p}\n", "c:1: server.port: unknown alias '*p'\n"},
	{"server: {? [a] : b}\n", "c:1: server: a key must be a plain word\n"},
	{"server: {host: !!python/name x}\n", "c:1: server.host: unknown tag '!!python/name'\n"},
	{"server: !!python/object/apply:os.system [reboot]\n",
	 "c:1: server: unknown tag '!!python/object/apply:os.system'\n"},
	{"auth: !!set {a}\n", "c:1: auth: unknown tag '!!set'\n"},
	{"streams: !mine []\n", "c:1: streams: unknown tag '!mine'\n"},
	{"--- {}\n"
	 "--- {}\n",
	 "c:2: more than one document\n"},
	{"media_root: \"a\\0b\"\n", "c:1: media_root: holds a NUL character\n"},
	{"media_root: '${AMPS_NOT_SET_ANYWHERE}'\n",
	 "c:1: media_root: the environment has no variable 'AMPS_NOT_SET_ANYWHERE'\n"},
	{"media_root: '${'\n",
	 "c:1: media_root: '${' needs a name and '}' (write '$${' for a literal one)\n"},
	{"server: {<<: 5}\n", "c:1: server.<<: '<<' takes a mapping or a list of mappings\n"},
	{"streams: &a [*a]\n", "c:1: streams[0]: unknown alias '*a'\n"},
	{"ffmpeg_profiles: {p: {<<: [a]}}\n",
	 "c:1: ffmpeg_profiles.p.<<: '<<' takes a mapping or a list of mappings\n"},
};

Test(config_wrong, every_mistake_gets_its_line)
{
	for (size_t i = 0; i < array_size(table); i++) {
		struct config_case c;

		config_case_run(&c, table[i].yaml);
		cr_expect_str_eq(c.text.data, table[i].expected, "%s\n  gave\n%s", table[i].yaml,
				 c.text.data);
		cr_expect_eq(c.model == NULL, c.problems.errors > 0, "%s", table[i].yaml);
		config_case_done(&c);
	}
}

/* The mapping that a short form stands for is not in the file. */
Test(config_wrong, a_mistake_in_a_short_form_has_a_line)
{
	struct config_case c;

	config_case_run(&c, "streams:\n"
			    "- id: 1\n"
			    "  name: A\n"
			    "  source: x\n"
			    "  ffmpeg_profile: copy\n"
			    "  hwaccel: fooo\n"
			    "  source_handler: nope\n"
			    "ffmpeg_profiles:\n"
			    "  p:\n"
			    "    hwaccel: videotoolbox\n"
			    "epg:\n"
			    "  sources: ['ftp://x']\n");
	cr_expect_str_eq(
		c.text.data,
		"c:6: streams[0].hwaccel.type: warning: unknown hardware 'fooo'\n"
		"c:7: streams[0].source_handler.type: must be one of yt_dlp, not 'nope'\n"
		"c:10: ffmpeg_profiles.p.hwaccel.type: warning: videotoolbox exists on macOS only\n"
		"c:12: epg.sources[0].url: must be a URL that begins with http:// or https://\n");
	config_case_done(&c);
}
