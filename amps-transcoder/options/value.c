#include "amps-transcoder/options/value.h"

#include <libavformat/avformat.h>
#include <stdlib.h>
#include <string.h>

#include "amps-transcoder/options/options.h"

#define PID_MIN 32
#define PID_MAX 8186

#define LOUDNESS_MIN -70
#define LOUDNESS_MAX -5

int value_disposition(const char *text, int *flags)
{
	int all = *text == '+' || *text == '-' ? *flags : 0;

	if (strcmp(text, "0") == 0) {
		*flags = 0;
		return 0;
	}
	for (;;) {
		bool clears = *text == '-';
		char word[32];
		size_t len;
		int flag;

		text += *text == '+' || *text == '-';
		len = strcspn(text, "+-");
		if (len == 0 || len >= sizeof(word))
			return -EINVAL;
		memcpy(word, text, len);
		word[len] = '\0';
		flag = av_disposition_from_string(word);
		if (flag <= 0)
			return -EINVAL;
		all = clears ? all & ~flag : all | flag;
		text += len;
		if (*text)
			continue;
		*flags = all;
		return 0;
	}
}

int value_stream_id(const char *text, unsigned *ret_stream, unsigned *ret_id)
{
	char *end;
	unsigned long stream = strtoul(text, &end, 10), id;

	if (end == text || *end != ':' || stream > OPTION_STREAM_MAX)
		return -EINVAL;
	text = end + 1;
	id = strtoul(text, &end, 0);
	if (end == text || *end || id < PID_MIN || id > PID_MAX)
		return -EINVAL;
	*ret_stream = (unsigned)stream;
	*ret_id = (unsigned)id;
	return 0;
}

int value_fps_mode(const char *text, bool *ret_steady)
{
	static const char *const steady[] = {"cfr", "1"};
	static const char *const others[] = {"vfr", "2", "passthrough", "0", "drop", "auto", "-1"};

	for (size_t i = 0; i < array_size(steady); i++)
		if (strcmp(text, steady[i]) == 0) {
			*ret_steady = true;
			return 0;
		}
	for (size_t i = 0; i < array_size(others); i++)
		if (strcmp(text, others[i]) == 0) {
			*ret_steady = false;
			return 0;
		}
	return -EINVAL;
}

int value_loudness(const char *text, double *ret_lufs)
{
	char *end;
	double lufs;

	/* `loudness:` and `loudness: true` */
	if (!text || strcmp(text, "1") == 0) {
		*ret_lufs = LOUDNESS_USUAL;
		return 0;
	}
	lufs = strtod(text, &end);
	if (end == text || *end || (lufs != 0 && !(lufs >= LOUDNESS_MIN && lufs <= LOUDNESS_MAX)))
		return -EINVAL;
	*ret_lufs = lufs;
	return 0;
}
