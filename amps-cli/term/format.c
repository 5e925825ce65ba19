#include "amps-cli/term/format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "common/text/text.h"

const char *format_text(const json_t *value, char *dst)
{
	const json_t *item;
	size_t i, used = 0;

	dst[0] = '\0';
	if (json_is_string(value))
		(void)!text_copy(dst, FORMAT_MAX, json_string_value(value));
	else if (json_is_integer(value))
		snprintf(dst, FORMAT_MAX, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(dst, FORMAT_MAX, "%.1f", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(dst, FORMAT_MAX, "%s", json_is_true(value) ? "yes" : "no");
	json_array_foreach (value, i, item) {
		char text[FORMAT_MAX];
		int n = snprintf(dst + used, FORMAT_MAX - used, "%s%s", i > 0 ? "," : "",
				 format_text(item, text));

		if (n < 0 || (size_t)n >= FORMAT_MAX - used)
			break;
		used += (size_t)n;
	}
	return dst;
}

/* Scales by thousands: "999 B", "1.5 MB". */
static const char *scaled(const json_t *value, const char *unit, char *dst)
{
	static const char prefixes[] = " kMGTP";
	double n = json_number_value(value);
	size_t i = 0;

	dst[0] = '\0';
	if (!json_is_number(value))
		return dst;
	/* 999.95 would print as 1000.0 */
	while (n >= 999.95 && i + 2 < sizeof(prefixes)) {
		n /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(dst, FORMAT_MAX, "%.0f %s", n, unit);
	else
		snprintf(dst, FORMAT_MAX, "%.1f %c%s", n, prefixes[i], unit);
	return dst;
}

const char *format_bytes(const json_t *value, char *dst)
{
	return scaled(value, "B", dst);
}

const char *format_bitrate(const json_t *value, char *dst)
{
	return scaled(value, "bit/s", dst);
}

const char *format_duration(const json_t *value, char *dst)
{
	long long s = (long long)json_number_value(value);

	dst[0] = '\0';
	if (!json_is_number(value))
		return dst;
	if (s >= 86400)
		snprintf(dst, FORMAT_MAX, "%lldd %02lld:%02lld:%02lld", s / 86400, s / 3600 % 24,
			 s / 60 % 60, s % 60);
	else
		snprintf(dst, FORMAT_MAX, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	return dst;
}

const char *format_seconds(const json_t *value, char *dst)
{
	dst[0] = '\0';
	if (json_is_number(value))
		snprintf(dst, FORMAT_MAX, "%.1f s", json_number_value(value));
	return dst;
}

const char *format_time(const json_t *value, char *dst)
{
	time_t t = (time_t)json_number_value(value);
	struct tm tm;

	if (!json_is_number(value))
		return format_text(value, dst);
	if (localtime_r(&t, &tm) == NULL || strftime(dst, FORMAT_MAX, "%F %T", &tm) == 0)
		dst[0] = '\0';
	return dst;
}
