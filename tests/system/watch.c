/* watch.c - many viewers in one process, each judged strictly: a test tells it what to open and how
 * fast to read, and asks what was seen.  Commands come line by line on stdin:
 *
 *	open ID PATH RATE RCVBUF AGAIN	RATE in bytes a second, -1 = all there is, 0 = nothing
 *	rate ID RATE			the longest gap is counted anew from here
 *	close ID
 *	report				answered with one line of JSON, an object a viewer
 *
 * RCVBUF 0 leaves the kernel's choice.  AGAIN 1 opens an ended connection anew.
 * The transport stream as ISO/IEC 13818-1 has it: sync, continuity, tables, time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VIEWERS_MAX 4096
#define PACKET	    188u
#define PIDS	    8192
#define NULL_PID    0x1fff
#define HEAD_MAX    4096
#define TICK_US	    20000
#define WRAP	    (INT64_C(1) << 33)
#define NONE	    INT64_MIN
#define TRACKED	    16

enum state { CONNECTING, HEAD, BODY, ENDED, REFUSED };
static const char *const state_names[] = {"connecting", "head", "body", "ended", "refused"};

/* What must come next: after a mark and at the start the tables, then a random access point. */
enum expect { ANYTHING, A_PAT, A_PMT, A_KEY };

struct track {
	uint16_t pid;
	bool seen, excused;
	uint8_t cc, last[PACKET];
	int64_t dts, pcr;
};

struct viewer {
	int id, fd, port, rcvbuf;
	char path[256];
	bool again, starting, in_mark;
	enum state state;
	int64_t rate;
	uint64_t opened_us, credit_us, last_us;
	int64_t credit;
	char head[HEAD_MAX];
	size_t head_len;
	int status;
	uint8_t rest[PACKET];
	size_t rest_len;
	struct track tracks[TRACKED];
	unsigned track_count;
	enum expect expect;
	int pmt, video;
	int videos[8];
	unsigned video_count;
	/* over all connections */
	unsigned opened, ends, refused, resets;
	uint64_t bytes, packets, gap_us;
	unsigned sync, cc_errors, marked, marks, skipped, backwards, pcr_backwards;
	unsigned bad_starts, bad_cuts;
	int64_t first_dts, dts_gap;
	char first_error[160];
};

static struct viewer *viewers[VIEWERS_MAX];
static int count, epfd;
static const char *host;
static int port;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void note(struct viewer *v, const char *what, int pid, int64_t a, int64_t b)
{
	if (v->first_error[0])
		return;
	snprintf(v->first_error, sizeof(v->first_error),
		 "%s at packet %" PRIu64 " of connection %u, pid %d: %" PRId64 " then %" PRId64,
		 what, v->packets, v->opened, pid, a, b);
}

static struct track *track_of(struct viewer *v, uint16_t pid)
{
	struct track *t;

	for (unsigned i = 0; i < v->track_count; i++)
		if (v->tracks[i].pid == pid)
			return &v->tracks[i];
	if (v->track_count == TRACKED)
		return NULL;
	t = &v->tracks[v->track_count++];
	*t = (struct track){.pid = pid, .dts = NONE, .pcr = NONE};
	return t;
}

static void continuity(struct viewer *v, struct track *t, const uint8_t *p)
{
	uint8_t cc = p[3] & 15, due = t->cc;
	bool payload = p[3] & 0x10;

	if (payload)
		due = (due + 1) & 15;
	if (t->seen && cc != due &&
	    !(payload && cc == t->cc && !memcmp(p + 4, t->last + 4, PACKET - 4))) {
		if (t->excused) {
			v->skipped++;
		} else {
			v->cc_errors++;
			note(v, "continuity", t->pid, due, cc);
		}
	}
	if (payload)
		t->excused = false;
	t->seen = true;
	t->cc = cc;
	memcpy(t->last, p, PACKET);
}

static int64_t stamp(const uint8_t *b)
{
	return (int64_t)(b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 |
	       b[4] >> 1;
}

static int64_t unwrapped(int64_t value, int64_t before)
{
	int64_t turns = before - value + WRAP / 2;

	return value + (turns >= 0 ? turns / WRAP : -((-turns + WRAP - 1) / WRAP)) * WRAP;
}

static void clock_seen(struct viewer *v, struct track *t, const uint8_t *p)
{
	int64_t pcr = (int64_t)p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;

	if (t->pcr != NONE) {
		pcr = unwrapped(pcr, t->pcr);
		if (pcr < t->pcr) {
			v->pcr_backwards++;
			note(v, "clock backwards", t->pid, t->pcr, pcr);
		}
	}
	t->pcr = pcr;
}

static bool has_key(const uint8_t *b, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++)
		if (!b[i] && !b[i + 1] && b[i + 2] == 1 &&
		    (b[i + 3] == 0xb3 ||
		     (!(b[i + 3] & 0x80) && ((b[i + 3] & 31) == 5 || (b[i + 3] & 31) == 7))))
			return true;
	return false;
}

static void wrong_entry(struct viewer *v, int pid)
{
	if (v->starting)
		v->bad_starts++;
	else
		v->bad_cuts++;
	note(v, v->starting ? "wrong start" : "wrong entry after a mark", pid, v->expect, 0);
	v->expect = ANYTHING;
	v->starting = false;
}

static void read_pmt(struct viewer *v, const uint8_t *s, size_t n)
{
	size_t end = 3 + ((s[1] & 15u) << 8 | s[2]) - 4, at = 12 + ((s[10] & 15u) << 8 | s[11]);

	v->video = -1;
	for (; at + 5 <= end && at + 5 <= n; at += 5 + ((s[at + 3] & 15u) << 8 | s[at + 4]))
		if (v->video < 0 && (s[at] == 1 || s[at] == 2 || s[at] == 0x1b || s[at] == 0x24))
			v->video = (s[at + 1] & 0x1f) << 8 | s[at + 2];
	for (unsigned i = 0; i < v->video_count; i++)
		if (v->videos[i] == v->video)
			return;
	if (v->video_count < 8)
		v->videos[v->video_count++] = v->video;
}

static void entry(struct viewer *v, int pid, bool unit, bool key)
{
	if (v->expect == A_PAT) {
		if (pid)
			wrong_entry(v, pid);
		else
			v->expect = A_PMT;
	} else if (v->expect == A_PMT) {
		if (pid == v->pmt)
			v->expect = A_KEY;
		else if (pid)
			wrong_entry(v, pid);
	} else if (v->expect == A_KEY && unit && pid == v->video) {
		if (!key)
			wrong_entry(v, pid);
		v->expect = ANYTHING;
		v->starting = false;
	}
}

static void pes(struct viewer *v, struct track *t, const uint8_t *b, size_t n)
{
	int64_t value;

	if (n < 14 || b[0] || b[1] || b[2] != 1 || !(b[7] & 0x80) || (b[7] & 0x40 && n < 19))
		return;
	value = stamp(b[7] & 0x40 ? b + 14 : b + 9);
	if (t->dts != NONE) {
		value = unwrapped(value, t->dts);
		if (value < t->dts) {
			v->backwards++;
			note(v, "time backwards", t->pid, t->dts, value);
		}
		if (t->pid == v->video && value - t->dts > v->dts_gap)
			v->dts_gap = value - t->dts;
	}
	t->dts = value;
	if (t->pid == v->video && v->first_dts == NONE)
		v->first_dts = value;
}

static void packet(struct viewer *v, const uint8_t *p)
{
	uint16_t pid = (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
	bool field = p[3] & 0x20, payload = p[3] & 0x10, unit = p[1] & 0x40;
	uint8_t flags = field && p[4] ? p[5] : 0;
	size_t at = field ? 5u + p[4] : 4u;
	struct track *t;

	v->packets++;
	if (p[0] != 0x47 || at > PACKET) {
		v->sync++;
		note(v, "sync", pid, p[0], 0);
		return;
	}
	if (pid == NULL_PID)
		return;
	t = track_of(v, pid);
	if (!t)
		return;
	if (flags & 0x80) {
		v->marked++;
		/* the packet that marks and the marked one behind it are one cut */
		if (pid == v->video && !v->in_mark) {
			v->marks++;
			v->in_mark = true;
		}
		t->excused = true;
		if (!payload && v->expect == ANYTHING)
			v->expect = A_PAT;
	}
	continuity(v, t, p);
	if (flags & 0x10)
		clock_seen(v, t, p);
	if (!payload)
		return;
	if (pid == v->video)
		v->in_mark = false;
	if (unit && pid == 0 && at + 13 < PACKET)
		v->pmt = (p[at + 11] & 0x1f) << 8 | p[at + 12];
	else if (unit && pid == v->pmt && at + 13 < PACKET)
		read_pmt(v, p + at + 1 + p[at], PACKET - at - 1 - p[at]);
	entry(v, pid, unit, flags & 0x40 || has_key(p + at, PACKET - at));
	if (unit && pid != 0 && pid != v->pmt)
		pes(v, t, p + at, PACKET - at);
}

static void media(struct viewer *v, const uint8_t *b, size_t n)
{
	uint64_t now = now_us();

	if (v->last_us && v->rate < 0 && now - v->last_us > v->gap_us)
		v->gap_us = now - v->last_us;
	v->last_us = now;
	v->bytes += n;
	while (n) {
		size_t take = PACKET - v->rest_len;

		if (!v->rest_len && n >= PACKET) {
			packet(v, b);
			b += PACKET;
			n -= PACKET;
			continue;
		}
		if (take > n)
			take = n;
		memcpy(v->rest + v->rest_len, b, take);
		v->rest_len += take;
		b += take;
		n -= take;
		if (v->rest_len == PACKET) {
			packet(v, v->rest);
			v->rest_len = 0;
		}
	}
}

static void viewer_open(struct viewer *v);

static void viewer_end(struct viewer *v, enum state state)
{
	close(v->fd);
	v->fd = -1;
	v->state = state;
	if (state == REFUSED)
		v->refused++;
	v->ends++;
	if (v->again)
		viewer_open(v);
}

static void start(struct viewer *v)
{
	char q[400];
	int n = snprintf(q, sizeof(q), "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n", v->path, host,
			 port);

	v->state = HEAD;
	if (send(v->fd, q, (size_t)n, MSG_NOSIGNAL) != n)
		viewer_end(v, REFUSED);
}

static void viewer_open(struct viewer *v)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}, me;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = v};
	socklen_t n = sizeof(me);

	inet_pton(AF_INET, host, &to.sin_addr);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (v->rcvbuf)
		setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &v->rcvbuf, sizeof(v->rcvbuf));
	v->opened++;
	v->opened_us = v->credit_us = now_us();
	v->head_len = v->rest_len = 0;
	v->track_count = 0;
	v->status = 0;
	v->pmt = v->video = -1;
	v->expect = A_PAT;
	v->starting = true;
	v->in_mark = false;
	v->first_dts = NONE;
	v->state = CONNECTING;
	/* blocking: a loopback connection is there at once, or refused */
	if (connect(v->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		bool again = v->again;

		v->again = false; /* the tick tries again: never a loop here */
		viewer_end(v, REFUSED);
		v->again = again;
		return;
	}
	getsockname(v->fd, (struct sockaddr *)&me, &n);
	v->port = ntohs(me.sin_port);
	if (v->rate < 0)
		epoll_ctl(epfd, EPOLL_CTL_ADD, v->fd, &ev);
	start(v);
}

static void head(struct viewer *v, const uint8_t *b, size_t n)
{
	size_t take = n, had = v->head_len;
	char *end;

	if (take > HEAD_MAX - 1 - had)
		take = HEAD_MAX - 1 - had;
	memcpy(v->head + had, b, take);
	v->head_len += take;
	v->head[v->head_len] = 0;
	end = memmem(v->head, v->head_len, "\r\n\r\n", 4);
	if (!end)
		return;
	v->status = atoi(v->head + 9);
	v->state = BODY;
	v->last_us = now_us();
	take = (size_t)(end + 4 - v->head) - had;
	if (v->status == 200)
		media(v, b + take, n - take);
}

/* Reads once, at most `most` bytes; how many, or -1 when there is nothing (more) to read. */
static ssize_t viewer_read(struct viewer *v, size_t most)
{
	static uint8_t buf[1 << 18];
	ssize_t n = recv(v->fd, buf, most < sizeof(buf) ? most : sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n <= 0) {
		v->resets += n < 0;
		viewer_end(v, ENDED);
		return -1;
	}
	if (v->state == HEAD)
		head(v, buf, (size_t)n);
	else if (v->status == 200)
		media(v, buf, (size_t)n);
	return n;
}

static void slow_read(struct viewer *v, uint64_t now)
{
	ssize_t n = 0;

	v->credit += v->rate * (int64_t)(now - v->credit_us) / 1000000;
	v->credit_us = now;
	if (v->credit > v->rate / 4)
		v->credit = v->rate / 4;
	while (v->fd >= 0 && v->credit > 0 && n >= 0) {
		n = viewer_read(v, (size_t)v->credit);
		v->credit -= n > 0 ? n : 0;
	}
}

static void tick(void)
{
	uint64_t now = now_us();

	for (int i = 0; i < count; i++) {
		struct viewer *v = viewers[i];

		if (v->fd >= 0 && v->rate > 0)
			slow_read(v, now);
		else if (v->fd < 0 && v->again)
			viewer_open(v);
	}
}

static struct viewer *find(int id)
{
	for (int i = 0; i < count; i++)
		if (viewers[i]->id == id)
			return viewers[i];
	return NULL;
}

static void report(void)
{
	putchar('[');
	for (int i = 0; i < count; i++) {
		const struct viewer *v = viewers[i];
		int64_t last = NONE;

		for (unsigned k = 0; k < v->track_count; k++)
			if (v->tracks[k].pid == v->video)
				last = v->tracks[k].dts;
		printf("%s{\"id\":%d,\"state\":\"%s\",\"status\":%d,\"port\":%d,\"opened\":%u,"
		       "\"ends\":%u,\"refused\":%u,\"resets\":%u,\"bytes\":%" PRIu64
		       ",\"packets\":%" PRIu64 ",\"rest\":%zu,\"gap_ms\":%" PRIu64
		       ",\"age_ms\":%" PRIu64 ",\"sync\":%u,\"cc\":%u,\"marked\":%u,"
		       "\"marks\":%u,\"skipped\":%u,\"backwards\":%u,\"pcr_backwards\":%u,"
		       "\"bad_starts\":%u,\"bad_cuts\":%u,\"dts_gap_ms\":%" PRId64
		       ",\"seconds\":%.3f,\"error\":\"%s\",\"videos\":[",
		       i ? "," : "", v->id, state_names[v->state], v->status, v->port, v->opened,
		       v->ends, v->refused, v->resets, v->bytes, v->packets, v->rest_len,
		       v->gap_us / 1000, (now_us() - v->last_us) / 1000, v->sync, v->cc_errors,
		       v->marked, v->marks, v->skipped, v->backwards, v->pcr_backwards,
		       v->bad_starts, v->bad_cuts, v->dts_gap / 90,
		       last == NONE || v->first_dts == NONE ? 0.0
							    : (double)(last - v->first_dts) / 90000,
		       v->first_error);
		for (unsigned k = 0; k < v->video_count; k++)
			printf("%s%d", k ? "," : "", v->videos[k]);
		fputs("]}", stdout);
	}
	puts("]");
	fflush(stdout);
}

static void set_rate(struct viewer *v, long rate)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = v};

	if (v->fd >= 0 && v->rate < 0 && rate >= 0)
		epoll_ctl(epfd, EPOLL_CTL_DEL, v->fd, NULL);
	if (v->fd >= 0 && v->rate >= 0 && rate < 0)
		epoll_ctl(epfd, EPOLL_CTL_ADD, v->fd, &ev);
	v->rate = rate;
	v->credit = 0;
	v->credit_us = v->last_us = now_us();
	v->gap_us = 0;
}

static void viewer_forget(struct viewer *v)
{
	if (v->fd >= 0)
		close(v->fd);
	for (int i = 0; i < count; i++)
		if (viewers[i] == v)
			viewers[i] = viewers[--count];
	free(v);
}

static void command(const char *line)
{
	char path[256];
	int id, rcvbuf, again;
	long rate;
	struct viewer *v;

	if (sscanf(line, "open %d %255s %ld %d %d", &id, path, &rate, &rcvbuf, &again) == 5 &&
	    count < VIEWERS_MAX && (v = calloc(1, sizeof(*v)))) {
		v->id = id;
		snprintf(v->path, sizeof(v->path), "%s", path);
		v->rate = rate;
		v->rcvbuf = rcvbuf;
		v->again = again;
		viewers[count++] = v;
		viewer_open(v);
	} else if (sscanf(line, "rate %d %ld", &id, &rate) == 2 && (v = find(id))) {
		set_rate(v, rate);
	} else if (sscanf(line, "close %d", &id) == 1 && (v = find(id))) {
		viewer_forget(v);
	} else if (!strncmp(line, "report", 6)) {
		report();
	}
}

/* False when the test has closed its end. */
static bool commands(void)
{
	static char lines[1 << 16];
	static size_t len;
	ssize_t n = read(0, lines + len, sizeof(lines) - 1 - len);
	char *end, *at = lines;

	if (n <= 0)
		return false;
	len += (size_t)n;
	while ((end = memchr(at, '\n', len - (size_t)(at - lines)))) {
		*end = 0;
		command(at);
		at = end + 1;
	}
	len -= (size_t)(at - lines);
	memmove(lines, at, len);
	return true;
}

int main(int argc, char **argv)
{
	struct epoll_event ev = {.events = EPOLLIN}, got[64];
	struct rlimit fds;
	uint64_t next = 0;

	if (argc != 3)
		return 2;
	host = argv[1];
	port = atoi(argv[2]);
	getrlimit(RLIMIT_NOFILE, &fds);
	fds.rlim_cur = fds.rlim_max;
	setrlimit(RLIMIT_NOFILE, &fds);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &ev);
	for (;;) {
		/* one event a turn for a viewer that may be freed by a command: commands last */
		int n = epoll_wait(epfd, got, 64, TICK_US / 1000);
		bool asked = false;

		for (int i = 0; i < n; i++) {
			struct viewer *v = got[i].data.ptr;

			if (!v)
				asked = true;
			else if (v->fd >= 0)
				viewer_read(v, SIZE_MAX);
		}
		if (asked && !commands())
			return 0;
		if (now_us() >= next) {
			next = now_us() + TICK_US;
			tick();
		}
	}
}
