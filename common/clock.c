#include "common/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u + 1u;
}

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Exactly `digits` decimal digits at *at. */
static int take_number(const char **at, int digits, int *ret)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return -EINVAL;
		value = value * 10 + (c - '0');
	}
	*at += digits;
	*ret = value;
	return 0;
}

static int take_char(const char **at, char c)
{
	if (**at != c)
		return -EINVAL;
	(*at)++;
	return 0;
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	assert(month >= 1 && month <= 12);
	return month == 2 && leap ? 29 : days[month - 1];
}

static int parse_date(const char **at, int64_t *ret_days)
{
	int year, month, day;

	if (take_number(at, 4, &year) || take_char(at, '-') || take_number(at, 2, &month) ||
	    take_char(at, '-') || take_number(at, 2, &day))
		return -EINVAL;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return -EINVAL;
	*ret_days = days_from_civil(year, month, day);
	return 0;
}

/* Digits behind a decimal point, as microseconds; more than six are cut. */
static int parse_fraction(const char **at, int64_t *ret_us)
{
	int64_t us = 0, unit = 100000;

	if (**at != '.' && **at != ',')
		return 0;
	(*at)++;
	if (**at < '0' || **at > '9')
		return -EINVAL;
	for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		us += (**at - '0') * unit;
	*ret_us += us;
	return 0;
}

static int parse_time(const char **at, int64_t *ret_us)
{
	int hour, minute, second = 0;

	if (take_number(at, 2, &hour) || take_char(at, ':') || take_number(at, 2, &minute))
		return -EINVAL;
	if (**at == ':' && (take_char(at, ':') || take_number(at, 2, &second)))
		return -EINVAL;
	if (hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute || second)))
		return -EINVAL;
	*ret_us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000;
	return parse_fraction(at, ret_us);
}

/* "Z", "+hh", "+hhmm", "+hh:mm" or nothing; seconds to subtract. */
static int parse_zone(const char **at, int64_t *ret_offset_s, bool *ret_zoned)
{
	int sign, hour, minute = 0;

	*ret_offset_s = 0;
	*ret_zoned = **at != '\0';
	if (!*ret_zoned)
		return 0;
	if (**at == 'Z' || **at == 'z') {
		(*at)++;
		return 0;
	}
	if (**at != '+' && **at != '-')
		return -EINVAL;
	sign = **at == '-' ? -1 : 1;
	(*at)++;
	if (take_number(at, 2, &hour))
		return -EINVAL;
	if (**at == ':')
		(*at)++;
	if (**at && take_number(at, 2, &minute))
		return -EINVAL;
	if (hour > 23 || minute > 59)
		return -EINVAL;
	assert(hour >= 0 && minute >= 0);
	*ret_offset_s = sign * ((int64_t)hour * 3600 + minute * 60);
	return 0;
}

int time_parse_iso8601(const char *text, int64_t *ret_us, bool *ret_zoned)
{
	int64_t days, time_us = 0, offset_s = 0;
	bool zoned = false;

	if (parse_date(&text, &days))
		return -EINVAL;
	if (*text) {
		if (*text != 'T' && *text != 't' && *text != ' ')
			return -EINVAL;
		text++;
		if (parse_time(&text, &time_us))
			return -EINVAL;
		if (*text == ' ')
			text++;
		if (parse_zone(&text, &offset_s, &zoned) || *text)
			return -EINVAL;
	}
	*ret_us = (days * 86400 - offset_s) * 1000000 + time_us;
	if (ret_zoned)
		*ret_zoned = zoned;
	return 0;
}

void time_format_iso8601(int64_t wall_us, char text[32])
{
	time_t seconds = (time_t)(wall_us / 1000000 - (wall_us % 1000000 < 0));
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
}

void time_format_ms(int64_t wall_us, char text[TIME_TEXT_MAX])
{
	time_format_iso8601(wall_us, text);
	snprintf(text + 19, TIME_TEXT_MAX - 19, ".%03dZ", (int)(wall_us / 1000 % 1000));
}
