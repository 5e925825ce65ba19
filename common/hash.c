#include "common/hash.h"

#define HASH_PRIME 0x100000001b3ull

uint64_t hash_bytes(uint64_t state, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		state = (state ^ p[i]) * HASH_PRIME;
	return state;
}

uint64_t hash_text(uint64_t state, const char *text)
{
	if (text == NULL)
		return hash_u64(state, UINT64_MAX);
	return hash_bytes(state, text, strlen(text) + 1);
}

uint64_t hash_u64(uint64_t state, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		state = (state ^ (value >> (8 * i) & 0xff)) * HASH_PRIME;
	return state;
}

uint64_t hash_end(uint64_t state)
{
	/* FNV leaves its last bytes in the low bits; spread them */
	state = (state ^ state >> 32) * 0x9e3779b97f4a7c15ull;
	return state ^ state >> 29;
}
