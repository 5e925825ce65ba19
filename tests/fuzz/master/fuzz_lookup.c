/* Any bytes as an answer of yt-dlp: what is taken from it is an address of a server, and fits into
 * a job's spec. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "amps-master/tuners/lookup.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(const char *url)
{
	if (strstr(url, "://") == NULL || strlen(url) > LOOKUP_URL_MAX ||
	    strpbrk(url, " \r\n\t") != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct buf spec = BUF_INIT;
	struct found_source f;
	json_t *whole;

	if (found_source_parse((const char *)bytes, n, 1700000000000000, &f) < 0)
		return 0;
	check(f.source);
	if (f.sound != NULL)
		check(f.sound);
	buf_puts(&spec, "{\"a\":0");
	found_source_print(&f, &spec);
	buf_puts(&spec, "}");
	whole = buf_ok(&spec) ? json_loads(spec.data, 0, NULL) : NULL;
	if (whole == NULL)
		abort();
	json_decref(whole);
	buf_done(&spec);
	found_source_done(&f);
	return 0;
}
