/* signature.c - see signature.h */
#include "amps-worker/segments/signature.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <string.h>

#include "common/text/text.h"

/* Each use has a prefix of its own, so that no value of one is a value of another. */
static void begin(struct hmac_sha256_ctx *c, const uint8_t *key, const char *use)
{
	hmac_sha256_set_key(c, MEDIA_KEY_BYTES, key);
	hmac_sha256_update(c, strlen(use) + 1, (const uint8_t *)use);
}

static void add_u64(struct hmac_sha256_ctx *c, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (56 - 8 * i));
	hmac_sha256_update(c, sizeof(bytes), bytes);
}

static uint64_t end_u64(struct hmac_sha256_ctx *c)
{
	uint8_t bytes[8];
	uint64_t value = 0;

	hmac_sha256_digest(c, sizeof(bytes), bytes);
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value ? value : 1;
}

static void end_text(struct hmac_sha256_ctx *c, char out[SIGNATURE_TEXT + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[SIGNATURE_TEXT / 2];

	hmac_sha256_digest(c, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[SIGNATURE_TEXT] = '\0';
}

void signature_write(const uint8_t *key, uint32_t channel, int64_t made_s,
		     char out[SIGNATURE_TEXT + 1])
{
	struct hmac_sha256_ctx c;

	begin(&c, key, "segment");
	add_u64(&c, channel);
	add_u64(&c, (uint64_t)(made_s / SIGNATURE_SECONDS));
	end_text(&c, out);
}

static bool text_equal(struct span text, const char *want, size_t n)
{
	return text.len == n && memeql_sec(text.at, want, n);
}

bool signature_matches(const uint8_t *key, uint32_t channel, int64_t made_s, struct span text)
{
	char want[SIGNATURE_TEXT + 1];

	signature_write(key, channel, made_s, want);
	return text_equal(text, want, SIGNATURE_TEXT);
}

uint64_t signature_token(const uint8_t *key, uint64_t name)
{
	struct hmac_sha256_ctx c;

	begin(&c, key, "token");
	add_u64(&c, name);
	return end_u64(&c);
}

uint64_t signature_viewer(const uint8_t *key, uint32_t channel, uint64_t tag,
			  const uint8_t address[16], struct span agent, unsigned nth)
{
	struct hmac_sha256_ctx c;

	begin(&c, key, "viewer");
	add_u64(&c, channel);
	add_u64(&c, tag);
	add_u64(&c, nth);
	hmac_sha256_update(&c, 16, address);
	hmac_sha256_update(&c, agent.len, (const uint8_t *)agent.at);
	return end_u64(&c);
}

static void put_hex(uint64_t value, char out[16])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < 16; i++)
		out[i] = digits[value >> (60 - 4 * i) & 15];
}

static bool take_hex(const char text[16], uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 16; i++) {
		int digit = text_hex_value(text[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return true;
}

uint64_t signature_link(int64_t until_wall_us, const char region[3], bool bound)
{
	if (until_wall_us == 0)
		return 0;
	return (bound ? SIGNATURE_BOUND : 0) | (uint64_t)(until_wall_us / 1000000) << 16 |
	       (uint64_t)(uint8_t)region[0] << 8 | (region[0] ? (uint8_t)region[1] : 0);
}

int64_t signature_link_read(uint64_t link, char region[3])
{
	region[0] = (char)(link >> 8 & 0xff);
	region[1] = region[0] ? (char)(link & 0xff) : '\0';
	region[2] = '\0';
	return (int64_t)((link & ~SIGNATURE_BOUND) >> 16) * 1000000;
}

void session_name_write(const uint8_t *key, uint32_t channel, const struct session_name *name,
			char out[SESSION_TEXT + 1])
{
	struct hmac_sha256_ctx c;

	static_assert(SESSION_TEXT == 3 * 16 + SIGNATURE_TEXT, "number, tag, link, signature");
	put_hex(name->number, out);
	put_hex(name->tag, out + 16);
	put_hex(name->link, out + 32);
	begin(&c, key, "session");
	add_u64(&c, channel);
	add_u64(&c, name->number);
	add_u64(&c, name->tag);
	add_u64(&c, name->link);
	end_text(&c, out + 48);
}

int session_name_read(const uint8_t *key, uint32_t channel, struct span text,
		      struct session_name *ret)
{
	char want[SESSION_TEXT + 1];
	struct session_name name;

	if (text.len != SESSION_TEXT || !take_hex(text.at, &name.number) ||
	    !take_hex(text.at + 16, &name.tag) || !take_hex(text.at + 32, &name.link) ||
	    name.number == 0)
		return -EINVAL;
	session_name_write(key, channel, &name, want);
	if (!text_equal(text, want, SESSION_TEXT))
		return -EINVAL;
	*ret = name;
	return 0;
}
