/* yt_dlp.c - see yt_dlp.h; the options are those of yt-dlp(1). */
#include "amps-master/lineup/yt_dlp.h"

#include <stdio.h>
#include <string.h>

#include "amps-master/lineup/options_list.h"
#include "amps-master/util/json.h"
#include "common/text/buf.h"

#define FORMAT "best"

/* What is needed of the answer: one line about the page's stream, one about the parts of a format
 * like bestvideo+bestaudio. */
#define FIELDS	    "{url,protocol,manifest_url,http_headers,cookies}"
#define PRINT_WHOLE "%(." FIELDS ")j"
#define PRINT_PARTS "%(requested_formats.:." FIELDS ")j"

const char *const yt_dlp_options[] = {"live_from_start",
				      "retries",
				      "fragment_retries",
				      "extractor_retries",
				      "socket_timeout",
				      "force_ipv4",
				      "force_ipv6",
				      "geo_bypass",
				      "user_agent",
				      "referer",
				      "proxy",
				      "username",
				      "password",
				      "video_password",
				      "playlist_items",
				      "format_sort",
				      "no_check_certificates",
				      NULL};

bool yt_dlp_wanted(const json_t *entry)
{
	return !json_read_has(entry, "custom_ffmpeg") &&
	       (json_read_has(entry, "source_handler") ||
		json_read_bool(entry, "use_yt_dlp", false));
}

bool yt_dlp_page_wrong(const char *page, char *text, size_t cap)
{
	if (page[0] != '-')
		return false;
	snprintf(text, cap, "a page for yt-dlp cannot begin with '-'");
	return true;
}

/* One word of a configuration file, which is read like a shell would. */
static void add_word(struct buf *out, const char *word)
{
	buf_putc(out, '\'');
	for (const char *c = word; *c != '\0'; c++) {
		if (*c == '\'')
			buf_puts(out, "'\\''");
		else
			buf_putc(out, *c);
	}
	buf_puts(out, "'\n");
}

static void add_option(struct buf *out, const char *name, const char *value)
{
	_cleanup_(buf_done) struct buf word = BUF_INIT;

	buf_puts(&word, "--");
	for (const char *c = name; *c != '\0'; c++)
		buf_putc(&word, *c == '_' ? '-' : *c);
	if (value != NULL)
		buf_printf(&word, "=%s", value);
	if (buf_ok(&word))
		add_word(out, word.data);
}

/* A list is one value with commas, as format_sort has it. */
static void add_value(struct buf *out, const char *name, const json_t *value)
{
	_cleanup_(buf_done) struct buf joined = BUF_INIT;
	json_t *text;
	size_t i;
	json_t *each;

	if (value == NULL || json_is_null(value) || json_is_false(value))
		return;
	if (json_is_true(value)) {
		add_option(out, name, NULL);
		return;
	}
	if (json_is_array(value)) {
		json_array_foreach (value, i, each) {
			text = options_list_value(each);
			buf_printf(&joined, "%s%s", i > 0 ? "," : "",
				   text != NULL ? json_string_value(text) : "");
			json_decref(text);
		}
	} else {
		text = options_list_value(value);
		buf_puts(&joined, text != NULL ? json_string_value(text) : "");
		json_decref(text);
	}
	if (joined.len > 0 && buf_ok(&joined))
		add_option(out, name, joined.data);
}

char *yt_dlp_config(const json_t *entry, const char *page)
{
	const json_t *handler = json_object_get(entry, "source_handler");
	const json_t *options = json_object_get(handler, "options");
	char scratch[32];
	const char *format = json_read_text(handler, "format", scratch);
	struct buf out = BUF_INIT;

	if (format == NULL)
		format = json_read_text(entry, "yt_dlp_format", scratch);

	add_option(&out, "print", PRINT_WHOLE);
	add_option(&out, "print", PRINT_PARTS);
	buf_puts(&out, "--no-playlist\n--no-warnings\n--no-cache-dir\n");
	add_option(&out, "format", format != NULL ? format : FORMAT);
	if (json_object_get(options, "playlist_items") == NULL)
		add_option(&out, "playlist_items", "1");
	for (size_t i = 0; yt_dlp_options[i] != NULL; i++)
		add_value(&out, yt_dlp_options[i], json_object_get(options, yt_dlp_options[i]));
	add_word(&out, page);
	if (!buf_ok(&out))
		buf_done(&out);
	return out.data;
}
