/* import.c - `amps import`: an M3U playlist as the `streams:` of a configuration, or as channels of
 * the running server. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "amps-cli/client.h"
#include "amps-cli/command.h"
#include "amps-cli/import/channel.h"
#include "amps-cli/import/m3u.h"
#include "amps-cli/program.h"
#include "common/limits.h"
#include "common/text/text.h"

#define READ_BYTES  65536
#define WRITE_BYTES 65536
#define NOTES_MAX   20
#define SHOWN_MAX   1024 /* bytes of a URL in a remark */

struct import {
	const char *file; /* its name or its URL, without secrets */
	const char *profile;
	uint64_t channels;
	uint64_t notes;
	uint64_t locals; /* counted apart, so that other remarks do not hide them */
	bool json;	 /* an array for the API, else YAML */
	int to;		 /* where it is written */
	struct buf out;
	bool failed; /* it cannot be written */
};

static void print_note(void *owner, uint64_t line, const char *text)
{
	struct import *im = owner;

	if (++im->notes <= NOTES_MAX)
		fprintf(stderr, "%s:%llu: %s\n", im->file, (unsigned long long)line, text);
}

static void flush(struct import *im)
{
	if (write_all(im->to, im->out.data, im->out.len) < 0)
		im->failed = true;
	buf_reset(&im->out);
}

static void note_local(struct import *im, const struct m3u_entry *entry)
{
	char name[128], url[256];

	if (++im->locals > NOTES_MAX)
		return;
	text_copy_foreign(name, sizeof(name), entry->name);
	text_copy_foreign(url, sizeof(url), entry->url);
	fprintf(stderr,
		"%s:%llu: warning: the source of \"%s\" is local (%s), delete the channel unless "
		"this is intended\n",
		im->file, (unsigned long long)entry->line, name, url);
}

static void put_json(struct import *im, const json_t *channel)
{
	_cleanup_(freep) char *text = json_dumps(channel, JSON_COMPACT);

	buf_puts(&im->out, im->channels == 1 ? "[" : ",\n");
	if (text != NULL)
		buf_puts(&im->out, text);
	else
		im->out.failed = true;
}

static void put_yaml(struct import *im, const json_t *channel)
{
	if (im->channels == 1)
		buf_puts(&im->out, "streams:\n");
	import_put_yaml(&im->out, im->channels, channel);
}

static void put_end(struct import *im)
{
	if (im->json)
		buf_puts(&im->out, im->channels == 0 ? "[]\n" : "]\n");
	else if (im->channels == 0)
		buf_puts(&im->out, "streams: []\n");
}

static void take_entry(void *owner, const struct m3u_entry *entry)
{
	struct import *im = owner;
	json_auto_t *channel = NULL;

	assert(im->channels < entry->line); /* an entry has a line of its own */
	if (import_is_local(entry))
		note_local(im, entry);
	channel = import_channel(entry, ++im->channels, im->profile);
	if (channel == NULL)
		im->out.failed = true;
	else if (im->json)
		put_json(im, channel);
	else
		put_yaml(im, channel);
	if (buf_ok(&im->out) && im->out.len >= WRITE_BYTES)
		flush(im);
}

static int read_file(struct import *im, struct m3u *m, int fd)
{
	char bytes[READ_BYTES];

	for (;;) {
		ssize_t n = read(fd, bytes, sizeof(bytes));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = n > 0 ? m3u_feed(m, bytes, (size_t)n) : m3u_end(m);
		if (r == 0 && !buf_ok(&im->out))
			r = -ENOMEM;
		if (r < 0 || n == 0 || im->failed)
			return r;
	}
}

static int import_fd(struct import *im, int fd)
{
	const struct m3u_events events = {im, take_entry, print_note};
	struct m3u *m = m3u_new(&events);
	int r = m != NULL ? read_file(im, m, fd) : -ENOMEM;

	m3u_free(m);
	if (r == 0)
		put_end(im);
	if (r == 0 && buf_ok(&im->out) && im->out.len > 0)
		flush(im);
	if (r == 0 && !buf_ok(&im->out))
		r = -ENOMEM;
	return r == 0 && im->failed ? -EIO : r;
}

static void print_summary(const struct import *im)
{
	if (im->notes > NOTES_MAX)
		fprintf(stderr, "%s: %llu more remarks\n", im->file,
			(unsigned long long)(im->notes - NOTES_MAX));
	if (im->locals > 0)
		fprintf(stderr, "%s: warning: channels with a local source: %llu\n", im->file,
			(unsigned long long)im->locals);
	fprintf(stderr, "%s: %llu channels\n", im->file, (unsigned long long)im->channels);
	if (im->channels > CHANNELS_MAX)
		fprintf(stderr, "%s: a server takes at most %d channels\n", im->file, CHANNELS_MAX);
}

static bool is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

static int open_file(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Adds the channels to the running server. */
static int apply(const struct command_call *call, int fd)
{
	json_auto_t *report = NULL;
	const char *socket = command_value(call, "socket");
	int code = client_command_file(socket, "import", NULL, fd, CONTROL_ANSWER_MS, &report);

	if (code == COMMAND_DONE)
		fprintf(stderr, "added: %lld\n",
			json_integer_value(json_object_get(report, "added")));
	return code;
}

static int run(const struct command_call *call)
{
	const char *profile = command_value(call, "profile");
	bool applies = command_value(call, "apply") != NULL;
	_cleanup_(closep) int made =
		applies ? memfd_create("amps-import", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
	struct import im = {.file = call->operand,
			    .profile = profile != NULL ? profile : "copy",
			    .json = applies || command_value(call, "json") != NULL,
			    .to = applies ? made : STDOUT_FILENO};
	char shown[SHOWN_MAX];
	_cleanup_(closep) int fd = -1;
	char reason[ERROR_TEXT_MAX] = "";
	int r;

	if (im.profile[0] == '\0') {
		fprintf(stderr, "amps import: --profile needs a name\n");
		return COMMAND_USAGE;
	}
	if (is_url(call->operand)) {
		text_redact_url(call->operand, shown, sizeof(shown));
		im.file = shown;
		r = program_fetch(call->operand, &fd, reason, sizeof(reason));
	} else {
		fd = open_file(call->operand);
		r = MIN(fd, 0);
	}
	if (r == 0)
		r = import_fd(&im, fd);
	buf_done(&im.out);
	if (r < 0) {
		fprintf(stderr, "amps: %s: %s\n", im.file,
			r == -EILSEQ	    ? "is UTF-16; save it as UTF-8"
			: r == -EBADMSG	    ? "is a web page or XML, not a playlist"
			: reason[0] != '\0' ? reason
					    : strerror(-r));
		return COMMAND_FAILED;
	}
	print_summary(&im);
	if (!applies)
		return COMMAND_DONE;
	/* the server reads nothing that may make it wait */
	if (fcntl(made, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		fprintf(stderr, "amps: %s: %s\n", im.file, strerror(errno));
		return COMMAND_FAILED;
	}
	return apply(call, made);
}

const struct command cmd_import = {
	.name = "import",
	.operand = "FILE|URL",
	.summary = "Convert or add the channels of an M3U playlist",
	.detail = "\nPrints the channels as part of a configuration, or, with --json, as the API\n"
		  "takes them.  With --apply they are added to the running server, all or none.\n"
		  "FILE may be - for standard input.  A list at an http or https URL may have 16\n"
		  "MiB and take 30 seconds; its certificate must be valid (SSL_CERT_FILE names a\n"
		  "file with further authorities).  Remarks go to standard error.  Attributes\n"
		  "without a key in Amps keep their own names.  A source that is a file or\n"
		  "device of this machine causes a warning: viewers could see any file that the\n"
		  "server may read.",
	.options = {{"profile", "P", "ffmpeg_profile of the channels (default: copy)"},
		    {"apply", NULL, "add them to the running server"},
		    COMMAND_OPTION_JSON,
		    COMMAND_OPTION_SOCKET},
	.run = run,
};
