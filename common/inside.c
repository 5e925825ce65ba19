#include "common/inside.h"

#include <netinet/in.h>
#include <string.h>

static bool inside4(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} nets[] = {
		{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
		{0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0a80000, 16},
		{0xc6120000, 15}, {0xe0000000, 3},
	};

	for (size_t i = 0; i < array_size(nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool inside6(const uint8_t a[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t translated[12] = {[8] = 0xff, [9] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t local_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
	static const uint8_t teredo[4] = {0x20, 0x01};
	static const uint8_t zero[12];

	if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12) || !memcmp(a, translated, 12))
		return inside4(be32(a + 12));
	/* the position of the IPv4 address depends on the network (RFC 8215), or it is obscured
	 * (RFC 4380) */
	if (!memcmp(a, local_nat64, 6) || !memcmp(a, teredo, 4))
		return true;
	/* 6to4 carries an IPv4 address too */
	if (a[0] == 0x20 && a[1] == 0x02)
		return inside4(be32(a + 2));
	if (!memcmp(a, zero, 12))
		return true;
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) >= 0x80) || a[0] == 0xff;
}

bool address_inside(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return inside4(ntohl(
			((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return inside6(
			((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
	return false;
}

bool address_all_inside(const struct addrinfo *found)
{
	const struct addrinfo *a = found;

	while (a && address_inside(a->ai_addr))
		a = a->ai_next;
	return found && !a;
}
