/* viewers.c - `amps viewers`: the viewers and what they watch. */
#include "amps-cli/command.h"
#include "amps-cli/term/format.h"
#include "amps-cli/term/watch.h"

static const struct view_column COLUMNS[] = {
	{{.title = "ID", .right = true}, "id", format_text},
	{{.title = "ADDRESS"}, "address", format_text},
	{{.title = "CHANNEL", .right = true}, "stream_id", format_text},
	{{.title = "VARIANT", .least = 6, .drop = 3}, "variant", format_text},
	{{.title = "PROTOCOL", .drop = 4}, "protocol", format_text},
	{{.title = "SINCE", .drop = 2}, "since", format_time},
	{{.title = "BYTES", .right = true}, "bytes", format_bytes},
	{{.title = "LAG", .right = true, .drop = 1}, "lag_bytes", format_bytes},
	{{.title = "RTT MS", .right = true, .drop = 6}, "rtt_ms", format_text},
	{{.title = "SENT AGAIN", .right = true, .drop = 7}, "retransmits", format_text},
	{{.title = "DELIVERY", .right = true, .drop = 8}, "delivery_bps", format_bitrate},
	{{.title = "SKIPS", .right = true, .drop = 9}, "skips", format_text},
	{{.title = "USER AGENT", .least = 10, .drop = 5}, "user_agent", format_text},
};

static const struct view VIEW = {.method = "viewers",
				 .columns = COLUMNS,
				 .count = array_size(COLUMNS),
				 .empty = "no viewers"};

const struct command cmd_viewers = {
	.name = "viewers",
	.summary = "Show who watches what",
	.detail = "\nWith --watch it works as `amps tuners` does.",
	.options = {COMMAND_OPTION_JSON, COMMAND_OPTION_WATCH, COMMAND_OPTION_SOCKET},
	.view = &VIEW,
	.run = watch_run,
};
