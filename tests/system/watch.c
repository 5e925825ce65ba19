/* watch.c - many viewers in one process, each judged strictly: a test says what to open and how
 * fast to read, and asks what was seen.  Commands come line by line on stdin:
 *
 *	open ID PATH RATE RCVBUF AGAIN	RATE in bytes a second, -1 = all there is, 0 = nothing
 *	rate ID RATE			the longest gap is counted again from here
 *	close ID
 *	report				answered with one line of JSON, an object a viewer
 *
 * RCVBUF 0 leaves the kernel's choice.  AGAIN 1 opens an ended connection again.
 *
 * `watch -` judges one stream that comes on stdin instead and reports it at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/judge/ts_judge.h"
#include "tests/system/fetch.h"

#define VIEWERS_MAX 4096
#define PATH_BYTES  256
#define LINE_BYTES  (1u << 16)
#define READ_BYTES  (1u << 18)
#define TICK_US	    20000

enum state { REFUSED, HEAD, BODY, ENDED };
static const char *const state_names[] = {"refused", "head", "body", "ended"};

struct viewer {
	int id, rcvbuf;
	char path[PATH_BYTES];
	bool again;
	enum state state;
	int64_t rate;
	int64_t credit; /* bytes it may read */
	uint64_t credit_us, last_us;
	struct fetch fetch;
	struct ts_judge judge;
	/* over all connections */
	unsigned opened, ends, refused, resets;
	uint64_t bytes, gap_us;
};

struct watch {
	const char *host;
	int port, epoll, count;
	struct viewer *viewers[VIEWERS_MAX];
	char lines[LINE_BYTES];
	size_t line_len;
	uint8_t buffer[READ_BYTES];
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void media(struct viewer *v, const uint8_t *b, size_t n)
{
	uint64_t now = now_us();

	if (v->last_us && v->rate < 0)
		v->gap_us = MAX(v->gap_us, now - v->last_us);
	v->last_us = now;
	v->bytes += n;
	ts_judge_feed(&v->judge, b, n, now * 1000);
}

/* Only viewers that take all there is are waited for; others are read on the tick. */
static void viewer_wait(struct watch *w, struct viewer *v, bool wanted)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = v};

	epoll_ctl(w->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, v->fetch.fd, &ev);
}

/* A refused connection is tried again on the next tick: never a loop here. */
static void viewer_open(struct watch *w, struct viewer *v)
{
	v->opened++;
	v->credit_us = now_us();
	ts_judge_restart(&v->judge);
	if (fetch_open(&v->fetch, w->host, w->port, v->path, v->rcvbuf) < 0) {
		v->state = REFUSED;
		v->refused++;
		v->ends++;
		return;
	}
	v->state = HEAD;
	if (v->rate < 0)
		viewer_wait(w, v, true);
}

static void viewer_end(struct watch *w, struct viewer *v)
{
	fetch_close(&v->fetch);
	v->state = ENDED;
	v->ends++;
	if (v->again)
		viewer_open(w, v);
}

/* Reads once, at most `most` bytes; how many, or -1 when there is nothing (more) to read. */
static ssize_t viewer_read(struct watch *w, struct viewer *v, size_t most)
{
	const uint8_t *body;
	size_t len;
	ssize_t n = fetch_read(&v->fetch, w->buffer, MIN(most, READ_BYTES), &body, &len);

	if (n == -EAGAIN)
		return -1;
	if (n <= 0) {
		v->resets += n < 0;
		viewer_end(w, v);
		return -1;
	}
	if (v->state == HEAD && v->fetch.state == FETCH_BODY) {
		v->state = BODY;
		v->last_us = now_us();
	}
	if (len && v->fetch.status == 200)
		media(v, body, len);
	return n;
}

static void slow_read(struct watch *w, struct viewer *v, uint64_t now)
{
	ssize_t n = 0;

	v->credit += v->rate * (int64_t)(now - v->credit_us) / 1000000;
	v->credit_us = now;
	v->credit = MIN(v->credit, v->rate / 4);
	while (v->fetch.fd >= 0 && v->credit > 0 && n >= 0) {
		n = viewer_read(w, v, (size_t)v->credit);
		v->credit -= n > 0 ? n : 0;
	}
}

static void tick(struct watch *w)
{
	uint64_t now = now_us();

	for (int i = 0; i < w->count; i++) {
		struct viewer *v = w->viewers[i];

		if (v->fetch.fd >= 0 && v->rate > 0)
			slow_read(w, v, now);
		else if (v->fetch.fd < 0 && v->again)
			viewer_open(w, v);
	}
}

static struct viewer *find(struct watch *w, int id)
{
	for (int i = 0; i < w->count; i++)
		if (w->viewers[i]->id == id)
			return w->viewers[i];
	return NULL;
}

static void print_number(const char *name, uint64_t value)
{
	printf(",\"%s\":%" PRIu64, name, value);
}

/* Members of an object that has begun. */
static void print_findings(const struct ts_judge *j)
{
	const struct ts_findings *f = &j->found;

	print_number("packets", f->packets);
	print_number("rest", j->carried);
	print_number("sync", f->sync_losses);
	print_number("malformed", f->malformed);
	print_number("tei", f->transport_errors);
	print_number("cc", f->cc_errors);
	print_number("backwards", f->backwards);
	print_number("pcr_backwards", f->pcr_backwards);
	print_number("psi", f->psi_errors);
	print_number("bad_starts", f->bad_starts);
	print_number("bad_cuts", f->bad_cuts);
	print_number("early", f->early);
	print_number("duplicates", f->duplicates);
	print_number("marked", f->marked);
	print_number("marks", f->marks);
	print_number("skipped", f->cc_skips);
	print_number("late", f->late);
	print_number("pmt_changes", f->pmt_changes);
	print_number("dts_gap_ms", (uint64_t)f->dts_gap / 90);
	print_number("pcr_leaps", f->pcr_leaps);
	print_number("pcr_gap_ms", (uint64_t)f->pcr_gap / 90);
	printf(",\"seconds\":%.3f,\"error\":\"%s\",\"videos\":[",
	       (double)ts_judge_duration(j) / 90000, f->first_error);
	for (unsigned i = 0; i < j->video_count; i++)
		printf("%s%d", i ? "," : "", j->videos[i]);
	putchar(']');
}

static void print_viewer(const struct viewer *v)
{
	printf("{\"id\":%d,\"state\":\"%s\",\"status\":%d,\"port\":%d", v->id,
	       state_names[v->state], v->fetch.status, v->fetch.port);
	print_number("opened", v->opened);
	print_number("ends", v->ends);
	print_number("refused", v->refused);
	print_number("resets", v->resets);
	print_number("bytes", v->bytes);
	print_number("gap_ms", v->gap_us / 1000);
	print_number("age_ms", (now_us() - v->last_us) / 1000);
	print_findings(&v->judge);
	putchar('}');
}

static void report(const struct watch *w)
{
	putchar('[');
	for (int i = 0; i < w->count; i++) {
		if (i)
			putchar(',');
		print_viewer(w->viewers[i]);
	}
	puts("]");
	fflush(stdout);
}

static void set_rate(struct watch *w, struct viewer *v, long rate)
{
	bool waits = v->rate < 0, shall = rate < 0;

	if (v->fetch.fd >= 0 && waits != shall)
		viewer_wait(w, v, shall);
	v->rate = rate;
	v->credit = 0;
	v->credit_us = v->last_us = now_us();
	v->gap_us = 0;
}

static void viewer_forget(struct watch *w, struct viewer *v)
{
	for (int i = 0; i < w->count; i++)
		if (w->viewers[i] == v)
			w->viewers[i] = w->viewers[--w->count];
	fetch_close(&v->fetch);
	ts_judge_done(&v->judge);
	free(v);
}

static void command(struct watch *w, const char *line)
{
	char path[PATH_BYTES];
	int id, rcvbuf, again;
	long rate;
	struct viewer *v;

	if (sscanf(line, "open %d %255s %ld %d %d", &id, path, &rate, &rcvbuf, &again) == 5 &&
	    w->count < VIEWERS_MAX && (v = calloc(1, sizeof(*v)))) {
		v->id = id;
		snprintf(v->path, sizeof(v->path), "%s", path);
		v->rate = rate;
		v->rcvbuf = rcvbuf;
		v->again = again;
		ts_judge_init(&v->judge, NULL, NULL);
		w->viewers[w->count++] = v;
		viewer_open(w, v);
	} else if (sscanf(line, "rate %d %ld", &id, &rate) == 2 && (v = find(w, id))) {
		set_rate(w, v, rate);
	} else if (sscanf(line, "close %d", &id) == 1 && (v = find(w, id))) {
		viewer_forget(w, v);
	} else if (!strncmp(line, "report", 6)) {
		report(w);
	}
}

/* False when the test has closed its end. */
static bool commands(struct watch *w)
{
	ssize_t n = read(0, w->lines + w->line_len, LINE_BYTES - 1 - w->line_len);
	char *end, *at = w->lines;

	if (n <= 0)
		return false;
	w->line_len += (size_t)n;
	while ((end = memchr(at, '\n', w->line_len - (size_t)(at - w->lines)))) {
		*end = 0;
		command(w, at);
		at = end + 1;
	}
	w->line_len -= (size_t)(at - w->lines);
	memmove(w->lines, at, w->line_len);
	return true;
}

static void allow_descriptors(void)
{
	struct rlimit fds;

	getrlimit(RLIMIT_NOFILE, &fds);
	fds.rlim_cur = fds.rlim_max;
	setrlimit(RLIMIT_NOFILE, &fds);
}

/* One turn; false at the end.  A command may free a viewer that an event of this turn names, so
 * commands come last. */
static bool turn(struct watch *w)
{
	struct epoll_event got[64];
	int n = epoll_wait(w->epoll, got, 64, TICK_US / 1000);
	bool asked = false;

	for (int i = 0; i < n; i++) {
		struct viewer *v = got[i].data.ptr;

		if (!v)
			asked = true;
		else if (v->fetch.fd >= 0)
			viewer_read(w, v, SIZE_MAX);
	}
	return !asked || commands(w);
}

static int run(struct watch *w)
{
	struct epoll_event ev = {.events = EPOLLIN};
	uint64_t next = 0;

	allow_descriptors();
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(w->epoll, EPOLL_CTL_ADD, 0, &ev);
	while (turn(w)) {
		if (now_us() >= next) {
			next = now_us() + TICK_US;
			tick(w);
		}
	}
	while (w->count)
		viewer_forget(w, w->viewers[0]);
	close_fd(&w->epoll);
	return 0;
}

/* One stream from stdin: its findings at the end. */
static int judge_input(uint8_t *buffer)
{
	struct ts_judge judge;
	ssize_t n;

	ts_judge_init(&judge, NULL, NULL);
	while ((n = read(0, buffer, READ_BYTES)) > 0)
		ts_judge_feed(&judge, buffer, (size_t)n, now_us() * 1000);
	printf("{\"defects\":%" PRIu64, ts_judge_defects(&judge));
	print_findings(&judge);
	puts("}");
	ts_judge_done(&judge);
	return n < 0;
}

int main(int argc, char **argv)
{
	_cleanup_(freep) struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return 1;
	if (argc == 2 && !strcmp(argv[1], "-"))
		return judge_input(w->buffer);
	if (argc != 3) {
		fputs("usage: watch HOST PORT\n       watch -\n", stderr);
		return 2;
	}
	w->host = argv[1];
	w->port = atoi(argv[2]);
	return run(w);
}
