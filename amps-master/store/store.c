#include "amps-master/store/store.h"

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include "amps-master/store/store_work.h"
#include "amps-master/util/thread.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

enum request_kind { REQUEST_LOAD, REQUEST_REPUBLISH, REQUEST_EXPORT };

/* A request on its way there, and with its answer on its way back. */
struct request {
	STAILQ_ENTRY(request) link;
	enum request_kind kind;
	int fd; /* what the loader wrote, or -1 */
	store_done_fn done;
	store_exported_fn exported; /* of an export, instead of `done` */
	uint64_t cookie;	    /* the same */
	void *owner;
	struct store_answer answer;
};

STAILQ_HEAD(queue, request);

struct store {
	/* the thread's own while it runs */
	struct store_work work;

	/* the loop's own */
	struct event *answers_event;
	int answers_fd; /* eventfd: the thread rings when an answer is queued */
	pthread_t thread;
	bool started;

	/* both: under the lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue requests, answers;
	bool stop;
	_Atomic int health; /* W: the thread, relaxed; work.error */
};

/* NULL when it is empty. */
static struct request *queue_take(struct queue *q)
{
	struct request *r = STAILQ_FIRST(q);

	if (r != NULL)
		STAILQ_REMOVE_HEAD(q, link);
	return r;
}

static void request_free(struct request *r)
{
	close_fd(&r->fd);
	store_answer_done(&r->answer);
	free(r);
}

/* The whole content of a file, read rather than mapped: nobody can take it away meanwhile. */
static int read_file(int fd, char **ret, size_t *ret_len)
{
	struct stat st;
	size_t n = 0;
	ssize_t got = 1;
	char *bytes;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > CATALOG_BYTES_MAX)
		return -E2BIG;
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL)
		return -ENOMEM;
	while (n < (size_t)st.st_size && got > 0) {
		got = pread(fd, bytes + n, (size_t)st.st_size - n, (off_t)n);
		n += got > 0 ? (size_t)got : 0;
	}
	*ret = bytes;
	*ret_len = n;
	return 0;
}

static void request_work(struct store *s, struct request *r)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t n = 0;

	if (r->kind == REQUEST_REPUBLISH) {
		store_work_republish(&s->work, clock_wall_us(), &r->answer);
		return;
	}
	if (r->kind == REQUEST_EXPORT) {
		store_work_export(&s->work, &r->answer);
		return;
	}
	/* what cannot be read is no JSON: the answer says that the helper failed */
	if (read_file(r->fd, &bytes, &n) < 0)
		n = 0;
	close_fd(&r->fd);
	store_work_load(&s->work, bytes != NULL ? bytes : "", n, clock_wall_us(), &r->answer);
}

/* Waits for a request; NULL: none came for STORE_PROBE_SECONDS, or it is time to stop. */
static struct request *request_wait(struct store *s)
{
	struct timespec until;
	struct request *r;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STORE_PROBE_SECONDS;
	pthread_mutex_lock(&s->lock);
	while (STAILQ_EMPTY(&s->requests) && !s->stop && error == 0)
		error = pthread_cond_timedwait(&s->wake, &s->lock, &until);
	r = s->stop ? NULL : queue_take(&s->requests);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void answer_post(struct store *s, struct request *r)
{
	uint64_t one = 1;
	ssize_t ignored;

	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->answers, r, link);
	pthread_mutex_unlock(&s->lock);
	/* can only fail when the counter is full, and then the loop is rung already */
	ignored = write(s->answers_fd, &one, sizeof(one));
	(void)ignored;
}

static bool stopping(struct store *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

static void *store_run(void *arg)
{
	struct store *s = arg;

	while (!stopping(s)) {
		struct request *r = request_wait(s);

		if (r != NULL)
			request_work(s, r);
		else if (!stopping(s))
			store_work_probe(&s->work);
		atomic_store_explicit(&s->health, s->work.error, memory_order_relaxed);
		if (r != NULL) {
			answer_post(s, r);
			/* trees of thousands of channels have gone: the next ones may be far */
			db_shrink(s->work.db);
			malloc_trim(0);
		}
	}
	return NULL;
}

/* Log lines are written here, in the loop, where the log belongs. */
static void answer_log(enum request_kind kind, const struct store_answer *a)
{
	size_t i;
	json_t *line;

	json_array_foreach (a->notices, i, line)
		log_info("%s", json_string_value(line));
	if (a->publication == NULL || kind != REQUEST_LOAD)
		return;
	json_array_foreach (json_object_get(a->publication->report, "warnings"), i, line)
		log_warn("the configuration is doubtful, taking it all the same: %s",
			 json_string_value(line));
}

static void on_answers_ready(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;
	uint64_t count;
	struct request *r;
	ssize_t ignored = read(fd, &count, sizeof(count));

	(void)what;
	(void)ignored;
	pthread_mutex_lock(&s->lock);
	r = queue_take(&s->answers);
	if (!STAILQ_EMPTY(&s->answers))
		event_active(s->answers_event, EV_READ, 0);
	pthread_mutex_unlock(&s->lock);
	if (r == NULL)
		return;
	answer_log(r->kind, &r->answer);
	/* the last use of `s`: the receiver may close the store */
	if (r->kind == REQUEST_EXPORT)
		r->exported(r->owner, r->cookie, r->answer.error, r->answer.text,
			    TAKE_PTR(r->answer.config));
	else
		r->done(r->owner, r->answer.error, r->answer.text, TAKE_PTR(r->answer.publication),
			r->answer.problems);
	request_free(r);
}

static int wake_init(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;
	int error = pthread_condattr_init(&attributes);

	if (error != 0)
		return -error;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	error = pthread_cond_init(wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return -error;
}

static int loop_join(struct store *s, struct event_base *base)
{
	s->answers_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->answers_fd < 0)
		return -errno;
	s->answers_event =
		event_new(base, s->answers_fd, EV_READ | EV_PERSIST, on_answers_ready, s);
	if (s->answers_event == NULL || event_add(s->answers_event, NULL) < 0)
		return -ENOMEM;
	return 0;
}

int store_open(struct event_base *base, const char *state_dir, struct store **ret, char *text,
	       size_t text_cap)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->answers_fd = -1;
	atomic_init(&s->health, 0);
	STAILQ_INIT(&s->requests);
	STAILQ_INIT(&s->answers);
	pthread_mutex_init(&s->lock, NULL);
	r = wake_init(&s->wake);
	if (r < 0) {
		pthread_mutex_destroy(&s->lock);
		free(s);
		return r;
	}
	text_copy(text, text_cap, "the database thread cannot be started");
	r = loop_join(s, base);
	if (r == 0)
		r = store_work_open(state_dir, &s->work, text, text_cap);
	if (r == 0)
		r = thread_start(store_run, s, &s->thread);
	s->started = r == 0;
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	struct request *r;

	if (s == NULL)
		return NULL;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->started)
		pthread_join(s->thread, NULL);
	while ((r = queue_take(&s->requests)) != NULL || (r = queue_take(&s->answers)) != NULL)
		request_free(r);
	store_work_close(&s->work);
	if (s->answers_event != NULL)
		event_free(s->answers_event);
	close_fd(&s->answers_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

static void request_queue(struct store *s, struct request *r)
{
	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->requests, r, link);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static void request_post(struct store *s, enum request_kind kind, int fd, store_done_fn done,
			 void *owner)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		close_fd(&fd);
		done(owner, -ENOMEM, "out of memory", NULL, NULL);
		return;
	}
	*r = (struct request){.kind = kind, .fd = fd, .done = done, .owner = owner};
	request_queue(s, r);
}

void store_load(struct store *s, int result_fd, store_done_fn done, void *owner)
{
	request_post(s, REQUEST_LOAD, result_fd, done, owner);
}

void store_republish(struct store *s, store_done_fn done, void *owner)
{
	request_post(s, REQUEST_REPUBLISH, -1, done, owner);
}

void store_export(struct store *s, uint64_t cookie, store_exported_fn done, void *owner)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		done(owner, cookie, -ENOMEM, "out of memory", NULL);
		return;
	}
	*r = (struct request){.kind = REQUEST_EXPORT,
			      .fd = -1,
			      .exported = done,
			      .cookie = cookie,
			      .owner = owner};
	request_queue(s, r);
}

int store_health(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)(uintptr_t)s)->health, memory_order_relaxed);
}
