#include "amps-helper/guide/time.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Offsets in minutes of names that guides use. */
static const struct {
	const char *name;
	int minutes;
} zones[] = {{"UTC", 0},    {"GMT", 0},	   {"Z", 0},	  {"WET", 0},	 {"BST", 60},
	     {"CET", 60},   {"WEST", 60},  {"CEST", 120}, {"EET", 120},	 {"EEST", 180},
	     {"MSK", 180},  {"EST", -300}, {"EDT", -240}, {"CST", -360}, {"CDT", -300},
	     {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420}};

static bool read_number(const char **at, size_t digits, int *ret)
{
	int n = 0;

	for (size_t i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)(*at)[i]))
			return false;
		n = n * 10 + ((*at)[i] - '0');
	}
	*at += digits;
	*ret = n;
	return true;
}

/* Year, then as much of the rest as there is. */
static bool read_date(const char **at, struct tm *tm)
{
	int year, *const parts[] = {&tm->tm_mon, &tm->tm_mday, &tm->tm_hour, &tm->tm_min,
				    &tm->tm_sec};

	*tm = (struct tm){.tm_mon = 1, .tm_mday = 1, .tm_isdst = -1};
	if (!read_number(at, 4, &year))
		return false;
	for (size_t i = 0; i < array_size(parts) && isdigit((unsigned char)**at); i++)
		if (!read_number(at, 2, parts[i]))
			return false;
	tm->tm_year = year - 1900;
	tm->tm_mon--;
	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 &&
	       tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* "+0100", "+01:00", "+01" or a name. */
static bool read_zone(const char *at, int *ret_minutes)
{
	int sign = *at == '-' ? -1 : 1, hours, minutes = 0;

	for (size_t i = 0; i < array_size(zones); i++)
		if (strcasecmp(at, zones[i].name) == 0) {
			*ret_minutes = zones[i].minutes;
			return true;
		}
	if ((*at != '+' && *at != '-') || (at++, !read_number(&at, 2, &hours)))
		return false;
	at += *at == ':';
	if (*at != '\0' && !read_number(&at, 2, &minutes))
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return *at == '\0' && hours <= 14 && minutes < 60;
}

int guide_time_parse(const char *text, bool local, int64_t shift_s, uint32_t *ret_s)
{
	int minutes = 0;
	struct tm tm;
	int64_t s;

	text += strspn(text, " ");
	if (!read_date(&text, &tm))
		return -EINVAL;
	/* a fraction of a second */
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	text += strspn(text, " ");
	if (*text == '\0') {
		s = local ? mktime(&tm) : timegm(&tm);
	} else {
		if (!read_zone(text, &minutes))
			return -EINVAL;
		s = timegm(&tm) - minutes * 60;
	}
	s += shift_s;
	if (s <= 0 || s > UINT32_MAX - 86400)
		return -EINVAL;
	*ret_s = (uint32_t)s;
	return 0;
}
