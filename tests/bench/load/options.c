/* options.c - see options.h */
#include "tests/bench/load/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum option_code {
	OPT_SLOW = 256,
	OPT_SLOW_BPS,
	OPT_RESUME,
	OPT_ZAP,
	OPT_ZAP_EVERY,
	OPT_KEY_END,
	OPT_PIDS,
	OPT_CPU,
	OPT_RCVBUF,
	OPT_TIMEOUT,
	OPT_HEADER,
	OPT_VALUES,
	OPT_RAW,
	OPT_ADTS,
	OPT_PROTOCOL
};

static int usage(void)
{
	fputs("usage: tsload [options] /path [/path...]   (client N requests path N mod count)\n"
	      "  -H IPv4  -p port  -c clients  -d seconds  -w warm-up seconds  -l label\n"
	      "  -r connects a second  -V N   verify N clients, -1 all\n"
	      "  --slow N[@BITRATE]   N more clients that read at this rate (repeatable; 0 = not)\n"
	      "  --slow-bps BITRATE   for --slow without a rate\n"
	      "  --resume S   slow clients read at full speed for the last S seconds\n"
	      "  --zap  --zap-every MS   start one client at a time, each leaves at the first\n"
	      "         random access point\n"
	      "  --key-end   each leaves when its first key frame is complete\n"
	      "  --pids a,b   the server's processes  --cpu N   run on this CPU\n"
	      "  --raw   count bytes only  --adts   count frames of ADTS  --rcvbuf B  --timeout S  --header LINE\n"
	      "  --values   print the times of every client\n"
	      "  --protocol http|ws|rtsp|rtsp-udp\n",
	      stderr);
	return -EINVAL;
}

static int add_slow(struct load_options *o, char *text)
{
	char *at = strchr(text, '@');
	struct slow_group *g = &o->slow[o->slow_groups];

	if (o->slow_groups == LOAD_GROUPS_MAX)
		return -EINVAL;
	g->count = (int)strtol(text, NULL, 10);
	g->bits_per_second = at ? strtol(at + 1, NULL, 10) : -1;
	o->slow_groups++;
	return 0;
}

static void add_pids(struct load_options *o, const char *text)
{
	char *end;

	while (*text && o->pid_count < LOAD_PIDS_MAX) {
		o->pids[o->pid_count++] = (pid_t)strtol(text, &end, 10);
		text = *end == ',' ? end + 1 : "";
	}
}

static int read_protocol(struct load_options *o, const char *text)
{
	static const char *const names[] = {[LOAD_HTTP] = "http",
					    [LOAD_WS] = "ws",
					    [LOAD_RTSP] = "rtsp",
					    [LOAD_RTSP_UDP] = "rtsp-udp"};

	for (size_t i = 0; i < array_size(names); i++)
		if (strcmp(names[i], text) == 0) {
			o->protocol = (enum load_protocol)i;
			return 0;
		}
	return -EINVAL;
}

static int long_option(struct load_options *o, int code)
{
	switch (code) {
	case OPT_SLOW:
		return add_slow(o, optarg);
	case OPT_SLOW_BPS:
		o->slow_bps = strtol(optarg, NULL, 10);
		return 0;
	case OPT_RESUME:
		o->resume_s = strtod(optarg, NULL);
		return 0;
	case OPT_ZAP:
		o->zap = true;
		return 0;
	case OPT_ZAP_EVERY:
		o->zap_every_ms = atoi(optarg);
		return 0;
	case OPT_KEY_END:
		o->key_end = true;
		return 0;
	case OPT_PIDS:
		add_pids(o, optarg);
		return 0;
	case OPT_CPU:
		o->cpu = atoi(optarg);
		return 0;
	case OPT_RCVBUF:
		o->rcvbuf = atoi(optarg);
		return 0;
	case OPT_TIMEOUT:
		o->timeout_s = atoi(optarg);
		return 0;
	case OPT_HEADER:
		o->header = optarg;
		return 0;
	case OPT_VALUES:
		o->values = true;
		return 0;
	case OPT_RAW:
		o->raw = true;
		return 0;
	case OPT_ADTS:
		o->raw = o->adts = true;
		return 0;
	case OPT_PROTOCOL:
		return read_protocol(o, optarg);
	default:
		return -EINVAL;
	}
}

static int short_option(struct load_options *o, int code)
{
	switch (code) {
	case 'H':
		o->host = optarg;
		return 0;
	case 'p':
		o->port = atoi(optarg);
		return 0;
	case 'c':
		o->clients = atoi(optarg);
		return 0;
	case 'd':
		o->seconds = strtod(optarg, NULL);
		return 0;
	case 'w':
		o->warm_s = strtod(optarg, NULL);
		return 0;
	case 'r':
		o->connects_per_second = atoi(optarg);
		return 0;
	case 'V':
		o->verify = atoi(optarg);
		return 0;
	case 'l':
		o->label = optarg;
		return 0;
	default:
		return long_option(o, code);
	}
}

static int check(struct load_options *o)
{
	for (int i = 0; i < o->slow_groups; i++) {
		if (o->slow[i].bits_per_second < 0)
			o->slow[i].bits_per_second = o->slow_bps;
		if (o->slow[i].count < 0)
			return -EINVAL;
	}
	if (o->verify < 0 || o->verify > o->clients)
		o->verify = o->clients;
	return o->path_count > 0 && o->clients > 0 && o->connects_per_second > 0 &&
			       o->zap_every_ms > 0
		       ? 0
		       : -EINVAL;
}

int options_read(struct load_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"slow", 1, NULL, OPT_SLOW},
		{"slow-bps", 1, NULL, OPT_SLOW_BPS},
		{"resume", 1, NULL, OPT_RESUME},
		{"zap", 0, NULL, OPT_ZAP},
		{"zap-every", 1, NULL, OPT_ZAP_EVERY},
		{"key-end", 0, NULL, OPT_KEY_END},
		{"pids", 1, NULL, OPT_PIDS},
		{"cpu", 1, NULL, OPT_CPU},
		{"rcvbuf", 1, NULL, OPT_RCVBUF},
		{"timeout", 1, NULL, OPT_TIMEOUT},
		{"header", 1, NULL, OPT_HEADER},
		{"raw", 0, NULL, OPT_RAW},
		{"adts", 0, NULL, OPT_ADTS},
		{"values", 0, NULL, OPT_VALUES},
		{"protocol", 1, NULL, OPT_PROTOCOL},
		{NULL, 0, NULL, 0},
	};
	int code;

	*o = (struct load_options){
		.host = "127.0.0.1",
		.label = "",
		.header = "",
		.port = 8080,
		.cpu = -1,
		.clients = 1,
		.connects_per_second = 500,
		.timeout_s = 15,
		.zap_every_ms = 137,
		.seconds = 10,
		.warm_s = 2,
		.slow_bps = 64000,
	};
	while ((code = getopt_long(argc, argv, "H:p:c:d:w:r:V:l:", longs, NULL)) != -1) {
		if (short_option(o, code) < 0)
			return usage();
	}
	for (; optind < argc && o->path_count < LOAD_PATHS_MAX; optind++)
		o->paths[o->path_count++] = argv[optind];
	return check(o) < 0 ? usage() : 0;
}
