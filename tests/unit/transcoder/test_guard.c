#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "unit.h"

#include "amps-transcoder/sandbox/guard.h"
#include "common/inside.h"

static bool inside(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_inside((struct sockaddr *)&v4);
	cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
	return address_inside((struct sockaddr *)&v6);
}

Test(guard, private_addresses_are_recognised)
{
	static const char *const in[] = {"127.0.0.1",
					 "127.255.0.9",
					 "10.1.2.3",
					 "172.16.0.1",
					 "172.31.255.255",
					 "192.168.1.1",
					 "169.254.1.1",
					 "100.64.0.1",
					 "0.0.0.0",
					 "224.0.0.1",
					 "239.1.2.3",
					 "255.255.255.255",
					 "::1",
					 "::",
					 "fe80::1",
					 "fc00::1",
					 "fd12::1",
					 "ff02::1",
					 "::ffff:10.0.0.1",
					 "::ffff:127.0.0.1",
					 "::127.0.0.1",
					 "64:ff9b::a00:1",
					 "64:ff9b:1::808:808",
					 "::ffff:0:127.0.0.1",
					 "2001:0:808:808::1",
					 "2002:7f00:1::",
					 "2002:c0a8:101::",
					 "fec0::1"};
	static const char *const out[] = {"8.8.8.8",	      "172.32.0.1",	 "172.15.0.1",
					  "192.169.0.1",      "100.128.0.1",	 "1.1.1.1",
					  "223.255.255.1",    "2001:4860::8888", "::ffff:8.8.8.8",
					  "64:ff9b::808:808", "2002:808:808::",	 "::ffff:0:8.8.8.8",
					  "64:ff9b:2::a00:1"};

	for (size_t i = 0; i < array_size(in); i++)
		cr_assert(inside(in[i]), "%s", in[i]);
	for (size_t i = 0; i < array_size(out); i++)
		cr_assert_not(inside(out[i]), "%s", out[i]);
}

/* A socket that listens on loopback; its port. */
static int listener(in_port_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = a.sin_port;
	return fd;
}

static int try_connect(in_port_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;

	close(fd);
	return r;
}

static void look_up(const char *host)
{
	struct addrinfo *found;

	if (getaddrinfo(host, "80", &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found) == 0)
		freeaddrinfo(found);
}

Test(guard, a_public_source_cannot_redirect_to_a_private_address)
{
	in_port_t port;
	int fd = listener(&port);

	cr_assert_eq(try_connect(port), 0);
	guard_set("8.8.8.8", false);
	cr_assert_eq(try_connect(port), -EACCES);
	look_up("8.8.8.8");
	look_up("127.0.0.1"); /* what a playlist points to does not count as the source */
	cr_assert_eq(try_connect(port), -EACCES);
	guard_set("8.8.8.8", true);
	cr_assert_eq(try_connect(port), 0);
	close(fd);
}

Test(guard, of_the_inside_addresses_only_that_of_the_proxy_is_reached)
{
	struct addrinfo *found;
	in_port_t port, other;
	int fd = listener(&port), other_fd = listener(&other);
	char service[8];

	snprintf(service, sizeof(service), "%u", ntohs(port));
	guard_set("8.8.8.8", false);
	guard_set_proxy("localhost", ntohs(port));
	cr_assert_eq(try_connect(port), -EACCES, "it was not looked up");
	look_up("127.0.0.1");
	cr_assert_eq(try_connect(port), -EACCES, "that is another name");
	cr_assert_eq(
		getaddrinfo("LocalHost", service,
			    &(struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM},
			    &found),
		0);
	freeaddrinfo(found);
	cr_assert_eq(try_connect(port), 0);
	snprintf(service, sizeof(service), "%u", ntohs(other));
	cr_assert_eq(
		getaddrinfo("localhost", service,
			    &(struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM},
			    &found),
		0);
	freeaddrinfo(found);
	cr_assert_eq(try_connect(other), -EACCES, "another port");
	guard_set_proxy("", 0);
	cr_assert_eq(try_connect(port), -EACCES);
	close(fd);
	close(other_fd);
}

/* Datagrams name their address with every send: RTSP's punched holes, SRT. */
Test(guard, datagrams_cannot_reach_a_private_address)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(9),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char x = 0;
	struct iovec bytes = {.iov_base = &x, .iov_len = 1};
	struct msghdr message = {
		.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &bytes, .msg_iovlen = 1};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	guard_set("8.8.8.8", false);
	cr_assert_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), -1);
	cr_assert_eq(errno, EACCES);
	cr_assert_eq(sendmsg(fd, &message, 0), -1);
	cr_assert_eq(errno, EACCES);
	guard_set("8.8.8.8", true);
	cr_assert_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	cr_assert_eq(sendmsg(fd, &message, 0), 1);
	close(fd);
}

Test(guard, a_private_source_may_use_private_addresses)
{
	in_port_t port;
	int fd = listener(&port);

	guard_set("localhost", false);
	cr_assert_eq(try_connect(port), -EACCES);
	look_up("LOCALHOST");
	cr_assert_eq(try_connect(port), 0);
	close(fd);
}

/* A name server may answer with an address inside first, with its own when libav connects again. */
Test(guard, a_source_that_moved_to_a_public_address_stays_public)
{
	char host[16] = "127.0.0.1"; /* what this name leads to */
	in_port_t port;
	int fd = listener(&port);

	guard_set(host, false);
	look_up(host);
	cr_assert_eq(try_connect(port), 0);
	strcpy(host, "8.8.8.8");
	look_up(host);
	cr_assert_eq(try_connect(port), -EACCES);
	strcpy(host, "127.0.0.1");
	look_up(host);
	cr_assert_eq(try_connect(port), -EACCES);
	close(fd);
}

Test(guard, a_name_with_public_and_private_addresses_is_public)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in out = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
	struct addrinfo last = {.ai_addr = (struct sockaddr *)&in};
	struct addrinfo first = {.ai_addr = (struct sockaddr *)&in, .ai_next = &last};

	cr_assert(address_all_inside(&first));
	first.ai_addr = (struct sockaddr *)&out;
	cr_assert_not(address_all_inside(&first));
	cr_assert_not(address_all_inside(NULL));
}

Test(guard, remote_sources_never_read_files)
{
	static const char *const schemes[] = {"http", "https", "rtmp", "rtsp", "srt", "udp"};
	static const char *const never[] = {"file", "concat", "data", "subfile",
					    "pipe", "fd",     "unix"};

	for (size_t i = 0; i < array_size(schemes); i++)
		for (size_t j = 0; j < array_size(never); j++)
			cr_assert_not(strstr(guard_protocols(schemes[i]), never[j]), "%s: %s",
				      schemes[i], never[j]);
	cr_assert(strstr(guard_protocols("file"), "file"));
	cr_assert_not(strstr(guard_protocols("file"), "http"));
}

static int asked;

static int never(void *owner)
{
	(void)owner;
	asked++;
	return 0;
}

static int at_once(void *owner)
{
	(void)owner;
	return 1;
}

static const char *granted(const char *scheme, const char *list)
{
	static char text[64];

	guard_grant(scheme, list, text, sizeof(text));
	return text;
}

Test(guard, a_protocol_whitelist_only_narrows_the_protocols)
{
	cr_expect_str_eq(granted("rtmp", NULL), guard_protocols("rtmp"));
	cr_expect_str_eq(granted("http", "file,http,tcp,subfile"), "http,tcp");
	cr_expect_str_eq(granted("https", "tls, https tcp"), "tls,https,tcp");
	cr_expect_str_eq(granted("http", "htt,https5,,"), "");
	cr_expect_str_eq(granted("file", NULL), "file,crypto");
	cr_expect_str_eq(granted("file", "file,udp,rtp"), "file,udp,rtp");
}

Test(guard, a_lookup_can_be_cancelled)
{
	struct addrinfo *found = NULL;

	guard_set("localhost", false);
	guard_interruptible(never, NULL);
	cr_assert_eq(getaddrinfo("127.0.0.1", "80", NULL, &found), 0);
	freeaddrinfo(found);
	cr_assert_eq(asked, 0);
	cr_assert_eq(getaddrinfo("localhost", "80", NULL, &found), 0);
	freeaddrinfo(found);
	guard_interruptible(at_once, NULL);
	cr_assert_eq(getaddrinfo("name.invalid", "80", NULL, &found), EAI_AGAIN);
}
