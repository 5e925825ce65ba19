/* vlc.c - `amps vlc`: a player on the playlist or on one channel. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/url.h"
#include "common/limits.h"
#include "common/text/text.h"

static int usage(const char *text)
{
	fprintf(stderr, "amps vlc: %s\n", text);
	return COMMAND_USAGE;
}

static int check_usage(const struct command_call *call)
{
	const char *id = command_value(call, "stream-id");
	const char *region = command_value(call, "region");
	const char *player = command_value(call, "player");
	const char *format = command_value(call, "format");
	char code[3];
	uint64_t number;

	if (id != NULL && text_parse_u64(id, CHANNEL_ID_MAX, &number) < 0)
		return usage("--stream-id takes the number of a channel");
	if (id == NULL && command_value(call, "variant") != NULL)
		return usage("--variant needs --stream-id");
	if (region != NULL && !text_region(region, strlen(region), code))
		return usage("--region takes a code of two letters");
	if (format != NULL && !url_knows_format(format))
		return usage("--format is ts, hls, dash, rtsp, audio, mp4 or ws");
	if (format != NULL && strcmp(format, "ws") == 0 && command_value(call, "print") == NULL)
		return usage("players cannot open a WebSocket: add --print");
	if (player == NULL)
		player = "vlc";
	if (strcmp(player, "ffplay") == 0 && id == NULL && command_value(call, "print") == NULL)
		return usage("ffplay plays no list of channels: choose one with --stream-id");
	if (strcmp(player, "vlc") != 0 && strcmp(player, "mpv") != 0 &&
	    strcmp(player, "ffplay") != 0)
		return usage("--player is vlc, mpv or ffplay");
	return COMMAND_DONE;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

/* COMMAND_DONE if the server has the channel on air, with this variant. */
static int check_channel(const json_t *channels, const char *id, const char *variant)
{
	long long number = strtoll(id, NULL, 10);
	const json_t *channel;
	size_t i;

	json_array_foreach (channels, i, channel) {
		if (json_integer_value(json_object_get(channel, "id")) != number)
			continue;
		if (variant == NULL || has_text(json_object_get(channel, "variants"), variant))
			return COMMAND_DONE;
		fprintf(stderr, "amps: channel %s has no variant '%s'\n", id, variant);
		return COMMAND_FAILED;
	}
	fprintf(stderr, "amps: there is no channel %s\n", id);
	return COMMAND_FAILED;
}

/* Becomes the player. */
static int play(const char *player, const char *url)
{
	signal(SIGPIPE, SIG_DFL);
	execlp(player, player, url, (char *)NULL);
	fprintf(stderr, "amps: cannot start %s: %s\n", player,
		errno == ENOENT ? "it is not installed" : strerror(errno));
	return COMMAND_FAILED;
}

static int open_link(const struct command_call *call, const json_t *links)
{
	const char *player = command_value(call, "player");
	const struct url_parts parts = {
		.base = json_string_value(json_object_get(links, "url")),
		.token = json_string_value(json_object_get(links, "token")),
		.stream_id = command_value(call, "stream-id"),
		.variant = command_value(call, "variant"),
		.region = command_value(call, "region"),
		.rtsp_port = (unsigned)json_integer_value(json_object_get(links, "rtsp_port")),
		.format = command_value(call, "format"),
	};
	_cleanup_(buf_done) struct buf url = BUF_INIT;
	int code = COMMAND_DONE;

	if (parts.base != NULL)
		url_put(&url, &parts);
	if (parts.base == NULL || !buf_ok(&url)) {
		fprintf(stderr, "amps: the server does not report its address\n");
		code = COMMAND_FAILED;
	} else if (parts.format != NULL && strcmp(parts.format, "rtsp") == 0 &&
		   parts.rtsp_port == 0) {
		fprintf(stderr, "amps: the server does not serve RTSP\n");
		code = COMMAND_FAILED;
	} else if (command_value(call, "print") != NULL) {
		printf("%s\n", url.data);
	} else {
		code = play(player != NULL ? player : "vlc", url.data);
	}
	return code;
}

static int run(const struct command_call *call)
{
	const char *socket = command_value(call, "socket");
	const char *id = command_value(call, "stream-id");
	json_auto_t *channels = NULL, *links = NULL;
	int code = check_usage(call);

	if (code == COMMAND_DONE && id != NULL) {
		code = client_command(socket, "list", NULL, &channels);
		if (code == COMMAND_DONE)
			code = check_channel(channels, id, command_value(call, "variant"));
	}
	if (code == COMMAND_DONE)
		code = client_command(socket, "links", NULL, &links);
	if (code == COMMAND_DONE)
		code = open_link(call, links);
	return code;
}

const struct command cmd_vlc = {
	.name = "vlc",
	.summary = "Start a player on the playlist or on one channel",
	.detail = "\nThe link carries the shared token if the server needs one.",
	.options = {{"stream-id", "N", "play this channel (default: the playlist)"},
		    {"variant", "V", "one of the channel's variants"},
		    {"region", "CC", "the viewer's region, a code of two letters"},
		    {"format", "F",
		     "ts, hls, dash, rtsp, audio, mp4 or ws (default: ts; of the "
		     "playlist: as each channel says)"},
		    {"player", "P", "vlc, mpv or ffplay (default: vlc)"},
		    {"print", NULL, "print the link and start nothing"},
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
