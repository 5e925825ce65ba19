#include "common/text/link.h"

#include "unit.h"
#include <stdio.h>
#include <string.h>

static const uint8_t key[LINK_KEY_BYTES] = "a key for the tests of links....";

/* The value of a parameter. */
static void value(const char *query, const char *name, char *to)
{
	const char *at = strstr(query, name);

	to[0] = '\0';
	if (at)
		snprintf(to, 64, "%.*s", (int)strcspn(at + strlen(name), "&"), at + strlen(name));
}

Test(link, holds_as_it_was_made_and_not_otherwise)
{
	const struct link made = {.channel = 5,
				  .expires_s = 2000000000,
				  .address = "2001:db8::1",
				  .region = "DE",
				  .token = 0x123456789abcdef0};
	struct link l = made, other;
	char query[LINK_QUERY_MAX], by[64], signature[64];

	link_write(key, &l, query);
	value(query, "&by=", by);
	value(query, "&sig=", signature);
	cr_assert_eq(strlen(signature), LINK_SIGNATURE);
	cr_expect_null(strstr(query, "123456789abcdef0"), "the token's name is hidden");
	l.token = 0;
	cr_assert(link_verify(key, &l, by, signature));
	cr_expect_eq(l.token, made.token);
	other = made;
	other.channel++;
	cr_expect_not(link_verify(key, &other, by, signature));
	other = made;
	other.expires_s++;
	cr_expect_not(link_verify(key, &other, by, signature));
	other = made;
	other.address[0] = '\0';
	cr_expect_not(link_verify(key, &other, by, signature));
	other = made;
	other.region[0] = '\0';
	cr_expect_not(link_verify(key, &other, by, signature));
	other = made;
	cr_expect_not(link_verify(key, &other, "", signature));
	cr_expect_not(link_verify(key, &other, "123456789abcdef", signature));
	cr_expect_not(link_verify(key, &other, by, ""));
	signature[0] = signature[0] == '0' ? '1' : '0';
	cr_expect_not(link_verify(key, &other, by, signature));
}

Test(link, takes_a_time_with_a_unit)
{
	static const char *const wrong[] = {"",	    "0",   "h",	   "-1", "1y",
					    "1.5h", "1hh", "366d", " 1", "99999999999999999999"};
	int64_t s;

	cr_expect(link_parse_seconds("90", &s) == 0 && s == 90);
	cr_expect(link_parse_seconds("30m", &s) == 0 && s == 1800);
	cr_expect(link_parse_seconds("4h", &s) == 0 && s == 14400);
	cr_expect(link_parse_seconds("365d", &s) == 0 && s == LINK_SECONDS_MAX);
	for (size_t i = 0; i < array_size(wrong); i++)
		cr_expect_eq(link_parse_seconds(wrong[i], &s), -EINVAL, "%s", wrong[i]);
}
