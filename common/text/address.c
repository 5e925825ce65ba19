#include "common/text/address.h"

#include <arpa/inet.h>
#include <assert.h>

void address_text(const struct in6_addr *address, char out[INET6_ADDRSTRLEN])
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(address);
	const char *text = inet_ntop(v4 ? AF_INET : AF_INET6, &address->s6_addr[v4 ? 12 : 0], out,
				     INET6_ADDRSTRLEN);

	assert(text == out);
	(void)text;
}

uint64_t address_client(const struct in6_addr *address)
{
	const uint8_t *bytes = address->s6_addr + (IN6_IS_ADDR_V4MAPPED(address) ? 8 : 0);
	uint64_t name = 0;

	for (int i = 0; i < 8; i++)
		name = name << 8 | bytes[i];
	return name ? name : 1; /* ::1 and its like */
}
