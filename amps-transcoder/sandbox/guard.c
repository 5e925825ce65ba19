#include "amps-transcoder/sandbox/guard.h"

#include <assert.h>
#include <dlfcn.h>
#include <libavutil/avstring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/inside.h"
#include "common/log/log.h"

#define LOOKUP_STEP_US 2000
#define PROXIES_MAX    8u /* addresses of a proxy */

/* Global because the overridden functions have no context. */
static struct {
	bool set;
	bool fixed;  /* no lookup changes `inside` */
	bool judged; /* the host was looked up */
	bool inside; /* inside addresses are allowed */
	const char *host;
	const char *proxy; /* NULL = none */
	uint16_t proxy_port;
	struct sockaddr_storage proxies[PROXIES_MAX];
	socklen_t proxy_lens[PROXIES_MAX];
	size_t proxy_count;
	int (*interrupted)(void *owner); /* asked while a name is looked up */
	void *owner;
} policy;

void guard_set(const char *host, bool allow_private)
{
	assert(host != NULL);
	policy.host = host;
	policy.fixed = allow_private || !*host;
	policy.judged = false;
	policy.inside = allow_private;
	policy.set = true;
}

void guard_set_proxy(const char *host, uint16_t port)
{
	policy.proxy = *host ? host : NULL;
	policy.proxy_port = port;
	policy.proxy_count = 0;
}

/* What the name of the proxy means; the last lookup counts. */
static void note_proxy(const char *node, const struct addrinfo *found)
{
	if (!policy.set || !policy.proxy || !node || strcasecmp(node, policy.proxy) != 0)
		return;
	policy.proxy_count = 0;
	for (; found && policy.proxy_count < PROXIES_MAX; found = found->ai_next) {
		if (found->ai_addrlen > sizeof(policy.proxies[0]))
			continue;
		memcpy(&policy.proxies[policy.proxy_count], found->ai_addr, found->ai_addrlen);
		policy.proxy_lens[policy.proxy_count++] = found->ai_addrlen;
	}
}

static uint16_t port_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static bool is_proxy(const struct sockaddr *address, socklen_t len)
{
	if (policy.proxy_count == 0 || port_of(address) != policy.proxy_port)
		return false;
	assert(policy.proxy_count <= PROXIES_MAX);
	for (size_t i = 0; i < policy.proxy_count; i++)
		if (policy.proxy_lens[i] == len && memcmp(&policy.proxies[i], address, len) == 0)
			return true;
	return false;
}

void guard_interruptible(int (*interrupted)(void *owner), void *owner)
{
	policy.interrupted = interrupted;
	policy.owner = owner;
}

/* The source's own host decides whether the channel may use inside addresses.  Once a lookup was
 * outside this stays so: a hostile name server could answer with an inside address later. */
static void judge_host(const char *node, const struct addrinfo *found)
{
	if (!policy.set || policy.fixed || !node || strcasecmp(node, policy.host) != 0)
		return;
	policy.inside = address_all_inside(found) && (policy.inside || !policy.judged);
	policy.judged = true;
}

/* The type of getaddrinfo(). */
typedef int lookup_function(const char *, const char *, const struct addrinfo *,
			    struct addrinfo **);

/* One lookup on a thread.  Both sides hold a reference; the last one frees it. */
struct lookup {
	lookup_function *real;
	char *node, *service;
	struct addrinfo hints, *found;
	int result;
	atomic_int holders;
	atomic_bool done;
};

static void lookup_put(struct lookup *l)
{
	int before = atomic_fetch_sub(&l->holders, 1);

	assert(before > 0);
	if (before > 1)
		return;
	if (l->result == 0 && l->found)
		freeaddrinfo(l->found);
	free(l->node);
	free(l->service);
	free(l);
}

static void *lookup_run(void *arg)
{
	struct lookup *l = arg;

	l->result = l->real(l->node, l->service, &l->hints, &l->found);
	atomic_store(&l->done, true);
	lookup_put(l);
	return NULL;
}

static struct lookup *lookup_start(lookup_function *real, const char *node, const char *service,
				   const struct addrinfo *hints)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_t thread;

	if (!l)
		return NULL;
	*l = (struct lookup){.real = real,
			     .node = strdup(node),
			     .service = service ? strdup(service) : NULL,
			     .result = EAI_AGAIN,
			     .holders = 2};
	if (hints)
		l->hints = *hints;
	if (!l->node || pthread_create(&thread, NULL, lookup_run, l) != 0) {
		l->holders = 1;
		lookup_put(l);
		return NULL;
	}
	pthread_detach(thread);
	return l;
}

/* A lookup may be slow; heartbeats and orders must continue meanwhile. */
static int lookup_wait(struct lookup *l, struct addrinfo **ret)
{
	int r = EAI_AGAIN;

	while (!atomic_load(&l->done) && !policy.interrupted(policy.owner))
		usleep(LOOKUP_STEP_US);
	if (atomic_load(&l->done)) {
		r = l->result;
		if (r == 0)
			*ret = TAKE_PTR(l->found);
	}
	lookup_put(l);
	return r;
}

static int look_up(lookup_function *real, const char *node, const char *service,
		   const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo numeric = hints ? *hints : (struct addrinfo){0};
	struct lookup *l;

	if (!policy.set || !policy.interrupted || !node)
		return real(node, service, hints, ret);
	numeric.ai_flags |= AI_NUMERICHOST;
	if (real(node, service, &numeric, ret) == 0)
		return 0;
	l = lookup_start(real, node, service, hints);
	return l ? lookup_wait(l, ret) : real(node, service, hints, ret);
}

int getaddrinfo(const char *restrict node, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	static lookup_function *real;
	int r;

	if (!real)
		*(void **)(&real) = dlsym(RTLD_NEXT, "getaddrinfo");
	r = look_up(real, node, service, hints, ret);
	if (r == 0) {
		judge_host(node, *ret);
		note_proxy(node, *ret);
	}
	return r;
}

void guard_judge(void)
{
	struct addrinfo *found = NULL;

	/* a name that cannot be resolved leaves inside addresses refused */
	if (policy.set && !policy.fixed && getaddrinfo(policy.host, NULL, NULL, &found) == 0)
		freeaddrinfo(found);
}

/* Decides for connect(), sendto() and sendmsg(); logs a refusal. */
static bool refused(const struct sockaddr *address, socklen_t len)
{
	if (!policy.set || policy.inside || !address || len < sizeof(sa_family_t) ||
	    !address_inside(address) || is_proxy(address, len))
		return false;
	log_warn("the source points to an address inside this network, refusing it (set "
		 "allow_private to allow it)");
	errno = EACCES;
	return true;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);

	if (!real)
		*(void **)(&real) = dlsym(RTLD_NEXT, "connect");
	return refused(address, len) ? -1 : real(fd, address, len);
}

/* RTP hole punching: the address comes from the server's response. */
ssize_t sendto(int fd, const void *bytes, size_t n, int flags, const struct sockaddr *address,
	       socklen_t len)
{
	static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);

	if (!real)
		*(void **)(&real) = dlsym(RTLD_NEXT, "sendto");
	return refused(address, len) ? -1 : real(fd, bytes, n, flags, address, len);
}

/* SRT */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);

	if (!real)
		*(void **)(&real) = dlsym(RTLD_NEXT, "sendmsg");
	return refused(message->msg_name, message->msg_namelen) ? -1 : real(fd, message, flags);
}

void guard_grant(const char *scheme, const char *list, char *dst, size_t cap)
{
	const char *possible = guard_protocols(scheme), *at = list;
	size_t used = 0;

	if (!list || !strcmp(scheme, "file")) {
		snprintf(dst, cap, "%s", list ? list : possible);
		return;
	}
	*dst = '\0';
	while (*at) {
		char word[32];
		size_t n = strcspn(at, ", ");

		snprintf(word, sizeof(word), "%.*s", (int)n, at);
		if (n > 0 && n < sizeof(word) && av_match_list(word, possible, ',') &&
		    used + n + 1 < cap)
			used += (size_t)snprintf(dst + used, cap - used, "%s%s", used ? "," : "",
						 word);
		at += n;
		at += strspn(at, ", ");
	}
}

const char *guard_protocols(const char *scheme)
{
	static const struct {
		const char *scheme, *protocols;
	} rows[] = {
		{"", "file,crypto"},
		{"file", "file,crypto"},
		{"http", "http,https,tcp,tls,crypto,httpproxy"},
		{"https", "http,https,tcp,tls,crypto,httpproxy"},
		{"rtmp", "rtmp,tcp"},
		{"rtmps", "rtmps,rtmp,tls,tcp"},
		{"rtmpt", "rtmpt,ffrtmphttp,http,tcp"},
		{"rtmpts", "rtmpts,ffrtmphttp,http,https,tls,tcp"},
		{"mmsh", "mmsh,http,tcp"},
		{"mmst", "mmst,tcp"},
		{"rtsp", "rtsp,rtp,rtcp,udp,tcp,http,https,tls"},
		{"rtsps", "rtsp,rtp,rtcp,udp,tcp,tls"},
		{"srt", "srt"},
		{"rist", "rist"},
		{"tcp", "tcp"},
		{"tls", "tls,tcp"},
		{"gopher", "gopher,tcp"},
		{"gophers", "gophers,gopher,tls,tcp"},
		{"ftp", "ftp,tcp"},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		if (!strcmp(rows[i].scheme, scheme))
			return rows[i].protocols;
	return scheme;
}
