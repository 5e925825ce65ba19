#include "common/text/link.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <string.h>

#include "common/text/text.h"

static void add_u64(struct hmac_sha256_ctx *c, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (56 - 8 * i));
	hmac_sha256_update(c, sizeof(bytes), bytes);
}

/* The HMAC of a link for this use, which no other use can have. */
static void digest(const uint8_t *key, const char *use, const struct link *l, uint64_t token,
		   uint8_t out[LINK_SIGNATURE / 2])
{
	struct hmac_sha256_ctx c;

	hmac_sha256_set_key(&c, LINK_KEY_BYTES, key);
	hmac_sha256_update(&c, strlen(use) + 1, (const uint8_t *)use);
	add_u64(&c, l->channel);
	add_u64(&c, (uint64_t)l->expires_s);
	add_u64(&c, token);
	hmac_sha256_update(&c, strlen(l->address) + 1, (const uint8_t *)l->address);
	hmac_sha256_update(&c, strlen(l->region) + 1, (const uint8_t *)l->region);
	hmac_sha256_digest(&c, LINK_SIGNATURE / 2, out);
}

static uint64_t mask(const uint8_t *key, const struct link *l)
{
	uint8_t bytes[LINK_SIGNATURE / 2];
	uint64_t value = 0;

	digest(key, "by", l, 0, bytes);
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void sign(const uint8_t *key, const struct link *l, char text[LINK_SIGNATURE + 1])
{
	uint8_t bytes[LINK_SIGNATURE / 2];

	digest(key, "link", l, l->token, bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void link_write(const uint8_t key[LINK_KEY_BYTES], const struct link *l, char query[LINK_QUERY_MAX])
{
	char signature[LINK_SIGNATURE + 1], by[32] = "";
	int n;

	if (l->token)
		snprintf(by, sizeof(by), "&by=%016llx",
			 (unsigned long long)(l->token ^ mask(key, l)));
	sign(key, l, signature);
	n = snprintf(query, LINK_QUERY_MAX, "exp=%lld%s%s%s%s%s&sig=%s", (long long)l->expires_s,
		     l->address[0] ? "&ip=" : "", l->address, l->region[0] ? "&region=" : "",
		     l->region, by, signature);
	assert(n > 0 && n < LINK_QUERY_MAX);
}

static bool read_by(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (strlen(text) != 16)
		return false;
	for (; *text; text++) {
		int digit = text_hex_value(*text);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return true;
}

bool link_verify(const uint8_t key[LINK_KEY_BYTES], struct link *l, const char *by,
		 const char *signature)
{
	char want[LINK_SIGNATURE + 1];
	uint64_t hidden;

	l->token = 0;
	if (by[0]) {
		if (!read_by(by, &hidden))
			return false;
		l->token = hidden ^ mask(key, l);
		if (!l->token)
			return false;
	}
	sign(key, l, want);
	return strlen(signature) == LINK_SIGNATURE && memeql_sec(signature, want, LINK_SIGNATURE);
}

int link_parse_seconds(const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	size_t n = strspn(text, "0123456789");
	char digits[16];
	uint64_t number;

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (text_parse_u64(digits, LINK_SECONDS_MAX, &number) < 0 || number == 0)
		return -EINVAL;
	for (size_t i = 0; i < array_size(units); i++) {
		if (strcmp(text + n, units[i].unit) != 0)
			continue;
		*ret = (int64_t)number * units[i].seconds;
		return *ret <= LINK_SECONDS_MAX ? 0 : -EINVAL;
	}
	return -EINVAL;
}
