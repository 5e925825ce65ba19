#include "common/text/utf8.h"

#include <string.h>
#include "unit.h"

Test(utf8, strict)
{
	static const char *const bad[] = {"\x80",
					  "\xc0\x80",
					  "\xe0\x80\x80",
					  "\xed\xa0\x80",
					  "\xf4\x90\x80\x80",
					  "\xf8\x88\x80\x80\x80",
					  "\xc3",
					  "\xff"};

	for (size_t i = 0; i < array_size(bad); i++)
		cr_expect_not(utf8_valid(bad[i], strlen(bad[i])), "%zu", i);
	cr_expect(utf8_valid("aé€😀", strlen("aé€😀")));
}

Test(utf8, put_and_next_are_inverse)
{
	static const uint32_t all[] = {1,      0x7f,   0x80,   0x7ff,	0x800,
				       0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};

	for (size_t i = 0; i < array_size(all); i++) {
		struct buf b = BUF_INIT;
		uint32_t c = 0;

		utf8_put(&b, all[i]);
		cr_expect_eq(utf8_next(b.data, b.len, &c), b.len);
		cr_expect_eq(c, all[i]);
		buf_done(&b);
	}
}
