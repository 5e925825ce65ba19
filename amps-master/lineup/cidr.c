#include "amps-master/lineup/cidr.h"

#include <assert.h>
#include <arpa/inet.h>
#include <string.h>
#include "common/text/text.h"

bool cidr_parse(const char *text, struct catalog_cidr *ret)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	uint64_t bits = 128;
	bool v4 = memchr(text, ':', n) == NULL;

	*ret = (struct catalog_cidr){0};
	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (slash != NULL && text_parse_u64(slash + 1, v4 ? 32 : 128, &bits) < 0)
		return false;
	if (!v4) {
		ret->prefix_bits = (uint32_t)bits;
		return inet_pton(AF_INET6, address, ret->address) == 1;
	}
	assert(bits <= 32 || slash == NULL);
	ret->prefix_bits = slash != NULL ? (uint32_t)bits + 96 : 128;
	memset(ret->address + 10, 0xff, 2);
	return inet_pton(AF_INET, address, ret->address + 12) == 1;
}
