/* Any bytes as the URL of a UDP source, with one of its settings as an option. */
#include "amps-transcoder/source/udp_url.h"

#include <libavutil/log.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *url = strndup((const char *)data, size);
	const char *value = url ? strchr(url, '=') : NULL;
	AVDictionary *options = NULL;
	struct udp_url u;

	av_log_set_level(AV_LOG_QUIET);
	if (value)
		av_dict_set(&options, "sources", value + 1, 0);
	if (url && udp_url_parse(url, options, &u) == 0)
		udp_url_followed(&u, size % 2);
	if (url)
		udp_url_done(&u);
	av_dict_free(&options);
	return 0;
}
