#include "amps-master/store/store.h"

#include <assert.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "amps-master/store/store_work.h"
#include "amps-master/util/work_queue.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/text/text.h"

/* A request on its way there, and with its answer on its way back. */
struct request {
	struct work work;
	struct store *store;
	struct store_operation op;
	store_done_fn done;
	void *owner;
	uint64_t cookie;
	struct store_answer answer;
	struct request *next; /* a change in the same transaction, or NULL */
};

struct store {
	struct store_work work; /* the thread's own while it runs, as the next */
	bool loaded;		/* all channels were in memory as trees */
	struct work_queue *queue;
	struct work_queue *copies; /* of backups: neither changes nor the loop wait for them */
	char *state_dir;
	atomic_bool closing; /* W: the loop, relaxed; a backup ends */
	_Atomic int health;  /* W: the thread, relaxed; work.error */
};

static void request_run(struct work *w);

/* The whole content of a file, read rather than mapped: it cannot be truncated while it is used. */
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

static void run_load(struct store_work *w, struct request *r)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t n = 0;

	/* unreadable counts as no JSON: the answer says that the helper failed */
	if (read_file(r->op.fd, &bytes, &n) < 0)
		n = 0;
	close_fd(&r->op.fd);
	store_work_load(w, bytes != NULL ? bytes : "", n, &r->op.discard, clock_wall_us(),
			&r->answer);
}

static bool is_change(const struct work *w)
{
	return w->run == request_run && ((const struct request *)w)->op.kind == STORE_CHANGE;
}

static void run_call(struct store *s, struct request *r)
{
	store_answer_done(&r->answer);
	r->op.call(&s->work, r->op.arg, clock_wall_us(), &r->answer);
}

/* Commits the transaction of these changes, which end before `end`.  0, or what has failed all of
 * them. */
static int commit(struct store *s, struct request *first, const struct request *end)
{
	struct store_answer result;
	int error;

	store_work_commit(&s->work, clock_wall_us(), &result);
	assert(s->work.batch == NULL);
	error = result.error;
	for (struct request *r = first; error < 0 && r != end; r = r->next) {
		r->answer.error = error;
		text_copy(r->answer.text, sizeof(r->answer.text), result.text);
		r->answer.changed = false;
	}
	first->answer.publication = TAKE_PTR(result.publication);
	store_answer_done(&result);
	return error;
}

/* The changes that are waiting share the transaction of the first.  If that fails, each is made
 * alone, because one that cannot be stored, such as one too large for the disk, must not fail the
 * others; but a locked database would make each of them wait. */
static void run_changes(struct store *s, struct request *first)
{
	uint64_t end_us = clock_mono_us() + STORE_BATCH_MS * 1000;
	struct request *last = first;
	int error;

	for (;;) {
		run_call(s, last);
		if (last->answer.error < 0 || clock_mono_us() >= end_us)
			break;
		last->next = (struct request *)work_queue_take(s->queue, is_change);
		if (last->next == NULL)
			break;
		last = last->next;
	}
	error = commit(s, first, NULL);
	if (error == 0 || error == -EBUSY || first == last)
		return;
	for (struct request *r = first; r != NULL; r = r->next) {
		run_call(s, r);
		(void)!commit(s, r, r->next);
	}
}

static void request_run(struct work *w)
{
	struct request *r = (struct request *)w;
	struct store_work *work = &r->store->work;

	switch (r->op.kind) {
	case STORE_LOAD:
		run_load(work, r);
		r->store->loaded = true;
		break;
	case STORE_REPUBLISH:
		store_work_republish(work, clock_wall_us(), &r->answer);
		break;
	case STORE_CALL:
		r->op.call(work, r->op.arg, clock_wall_us(), &r->answer);
		break;
	case STORE_CHANGE:
		run_changes(r->store, r);
		break;
	case STORE_BACKUP:
		/* in the other thread */
		store_work_backup(r->store->state_dir, r->op.fd, &r->store->closing, &r->answer);
		return;
	case STORE_EXPORT:
		store_work_export(work, &r->answer);
		r->store->loaded = true;
		break;
	}
	atomic_store_explicit(&r->store->health, work->error, memory_order_relaxed);
}

/* Gives back what the trees of thousands of channels have left.  One channel leaves little, and the
 * next change would wait. */
static void on_answered(void *owner)
{
	struct store *s = owner;

	if (!s->loaded)
		return;
	s->loaded = false;
	buf_done(&s->work.publisher.catalog);
	db_shrink(s->work.db);
	malloc_trim(0);
}

static void on_idle(void *owner)
{
	struct store *s = owner;

	store_work_probe(&s->work);
	atomic_store_explicit(&s->health, s->work.error, memory_order_relaxed);
}

/* Log lines are written here, in the loop, where the log belongs. */
static void answer_log(enum store_kind kind, const struct store_answer *a)
{
	size_t i;
	json_t *line;

	json_array_foreach (a->notices, i, line)
		log_info("%s", json_string_value(line));
	if (a->warning != NULL)
		log_warn("%s", a->warning);
	if (a->publication == NULL || kind != STORE_LOAD)
		return;
	json_array_foreach (json_object_get(a->publication->report, "warnings"), i, line)
		log_warn("the configuration has warnings, using it: %s", json_string_value(line));
}

static void operation_done(struct store_operation *op)
{
	if (op->kind == STORE_LOAD || op->kind == STORE_BACKUP)
		close_fd(&op->fd);
}

static void request_free(struct request *r)
{
	operation_done(&r->op);
	store_answer_done(&r->answer);
	free(r);
}

static void request_drop(struct work *w)
{
	struct request *r = (struct request *)w;

	while (r != NULL) {
		struct request *next = r->next;

		request_free(r);
		r = next;
	}
}

static void request_done(struct work *w)
{
	struct request *r = (struct request *)w;

	assert(r->answer.error != 0 || r->answer.publication != NULL || r->answer.config != NULL ||
	       r->op.kind == STORE_CALL || r->op.kind == STORE_CHANGE ||
	       r->op.kind == STORE_BACKUP);
	answer_log(r->op.kind, &r->answer);
	while (r != NULL) {
		struct request *next = r->next;

		/* may close the store after a first load, which shares no transaction */
		assert(next == NULL || r->op.kind == STORE_CHANGE);
		r->done(r->owner, r->cookie, &r->answer);
		request_free(r);
		r = next;
	}
}

int store_open(struct event_base *base, const char *state_dir, struct store **ret, char *text,
	       size_t text_cap)
{
	struct store *s = calloc(1, sizeof(*s));
	const struct work_queue_env env = {.base = base,
					   .owner = s,
					   .idle = on_idle,
					   .idle_seconds = STORE_PROBE_SECONDS,
					   .after = on_answered};
	int r;

	if (s == NULL)
		return -ENOMEM;
	if (db_lost(state_dir))
		log_error("the database %s/amps.db is missing or empty, starting from the "
			  "configuration file: what was changed through the API is lost; to have "
			  "it back, stop the server and put a copy made by 'amps backup' in place",
			  state_dir);
	s->state_dir = strdup(state_dir);
	r = store_work_open(state_dir, &s->work, text, text_cap);
	if (r == 0) {
		text_copy(text, text_cap, "the database thread cannot be started");
		r = s->state_dir != NULL ? work_queue_new(&env, &s->queue) : -ENOMEM;
	}
	if (r == 0)
		r = work_queue_new(&(struct work_queue_env){.base = base}, &s->copies);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (s == NULL)
		return NULL;
	atomic_store_explicit(&s->closing, true, memory_order_relaxed);
	work_queue_free(s->copies);
	work_queue_free(s->queue);
	store_work_close(&s->work);
	free(s->state_dir);
	free(s);
	return NULL;
}

void store_submit(struct store *s, const struct store_operation *op, store_done_fn done,
		  void *owner, uint64_t cookie)
{
	struct request *r = malloc(sizeof(*r));

	if (r == NULL) {
		struct store_operation dropped = *op;
		struct store_answer answer = {.error = -ENOMEM, .text = "out of memory"};

		operation_done(&dropped);
		done(owner, cookie, &answer);
		return;
	}
	*r = (struct request){
		.work = {.run = request_run, .done = request_done, .drop = request_drop},
		.store = s,
		.op = *op,
		.done = done,
		.owner = owner,
		.cookie = cookie,
	};
	work_queue_post(op->kind == STORE_BACKUP ? s->copies : s->queue, &r->work);
}

struct disposal {
	struct work work;
	struct lineup *lineup;
};

static void disposal_run(struct work *w)
{
	struct disposal *d = (struct disposal *)w;

	d->lineup = lineup_unref(d->lineup);
}

static void disposal_done(struct work *w)
{
	disposal_run(w);
	free(w);
}

void store_dispose(struct store *s, struct lineup *l)
{
	struct disposal *d = l != NULL ? malloc(sizeof(*d)) : NULL;

	if (d == NULL) {
		lineup_unref(l);
		return;
	}
	*d = (struct disposal){
		.work = {.run = disposal_run, .done = disposal_done, .drop = disposal_done},
		.lineup = l,
	};
	work_queue_post(s->queue, &d->work);
}

int store_health(const struct store *s)
{
	return atomic_load_explicit(&((struct store *)(uintptr_t)s)->health, memory_order_relaxed);
}
