#include "amps-master/lineup/cidr.h"

#include <string.h>
#include "unit.h"

static void expect(const char *text, uint32_t bits, const char *address)
{
	struct catalog_cidr c;

	cr_assert(cidr_parse(text, &c), "%s", text);
	cr_expect_eq(c.prefix_bits, bits, "%s: %u", text, c.prefix_bits);
	cr_expect_arr_eq(c.address, address, 16, "%s", text);
}

Test(cidr, networks_and_single_addresses)
{
	expect("10.0.0.0/8", 104, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0");
	expect("0.0.0.0/0", 96, "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0");
	expect("192.0.2.1/32", 128, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1");
	expect("192.0.2.1", 128, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1");
	expect("::/0", 0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
	expect("::1/128", 128, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	expect("::1", 128, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
}

Test(cidr, invalid_networks_are_refused)
{
	static const char *const texts[] = {"",		 "/8",		"10.0.0.0/33",
					    "10.0.0.0/", "10.0.0.0/-1", "10.0/8",
					    "::1/129",	 "::g",		"10.0.0.0/8/8"};
	struct catalog_cidr c;

	for (size_t i = 0; i < array_size(texts); i++)
		cr_expect_not(cidr_parse(texts[i], &c), "%s", texts[i]);
}

Test(cidr, a_text_longer_than_any_address_is_refused)
{
	static const char longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
	char text[2 * sizeof(longest)];
	struct catalog_cidr c;

	cr_assert(cidr_parse(longest, &c));
	/* from one that fills the buffer of an address without its NUL on */
	for (size_t n = sizeof(longest); n < sizeof(text); n++) {
		memset(text, 'f', n);
		text[n] = '\0';
		memcpy(text, longest, sizeof(longest) - 1);
		cr_assert_not(cidr_parse(text, &c), "%s", text);
	}
}
