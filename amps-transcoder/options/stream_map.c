#include "amps-transcoder/options/stream_map.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int stream_map_parse(const char *text, struct stream_map *ret)
{
	struct stream_map m = {0};
	size_t len = strlen(text);

	if (*text == '[' && len > 2 && text[len - 1] == ']' && len < sizeof(m.spec)) {
		m.label = true;
		memcpy(m.spec, text + 1, len - 2);
		*ret = m;
		return 0;
	}
	if (*text == '-') {
		m.negative = true;
		text++;
	}
	if (*text != '0' || (text[1] && text[1] != ':' && text[1] != '?'))
		return -EINVAL;
	text += text[1] == ':' ? 2 : 1;
	len = strlen(text);
	if (len && text[len - 1] == '?') {
		m.optional = true;
		len--;
	}
	if (len >= sizeof(m.spec) || memchr(text, ',', len))
		return -EINVAL;
	memcpy(m.spec, text, len);
	m.spec[len] = '\0';
	if (len && !isdigit((unsigned char)m.spec[0]) && !strchr("vVasdtpmui#", m.spec[0]))
		return -EINVAL;
	*ret = m;
	return 0;
}

bool stream_map_matches(const struct stream_map *m, AVFormatContext *source, unsigned index)
{
	return !m->label &&
	       avformat_match_stream_specifier(source, source->streams[index], m->spec) > 0;
}
