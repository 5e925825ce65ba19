#include "amps-master/guide/guide_now.h"

#include <assert.h>
#include <fcntl.h>

#include "amps-master/util/work_queue.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/shm/catalog.h"
#include "common/shm/guide.h"
#include "common/shm/programmes.h"
#include "common/text/xml.h"

static void put_time(json_t *entry, const char *key, int64_t us)
{
	char text[32];

	time_format_iso8601(us, text);
	json_object_set_new(entry, key, json_string(text));
}

/* A programme that is on, or the next one. */
static void put(json_t *entry, bool on, json_t *title, int64_t start_us, int64_t end_us)
{
	json_object_set_new(entry, on ? "now" : "next", title);
	put_time(entry, on ? "until" : "start", on ? end_us : start_us);
}

static json_t *title_of(const struct guide_entry *e)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	xml_read(&b, e->title.at, e->title.len);
	return b.data ? json_stringn(b.data, b.len) : json_null();
}

/* What is on ends, or the next one begins. */
static void note_change(int64_t *until_us, bool on, int64_t start_us, int64_t end_us)
{
	*until_us = MIN(*until_us, programmes_minute(on ? end_us : start_us));
}

static void put_imported(json_t *entry, const struct guide *g, const struct guide_channel *ch,
			 int64_t wall_us, int64_t *until_us)
{
	uint32_t at = guide_now(g, ch, wall_us);
	struct guide_entry e;

	for (; guide_entry_at(g, ch, at, &e); at++) {
		bool on = e.start_us <= wall_us;

		put(entry, on, title_of(&e), e.start_us, e.end_us);
		note_change(until_us, on, e.start_us, e.end_us);
		if (!on)
			return;
	}
}

static void put_own(json_t *entry, const struct programmes_ahead *own, int64_t wall_us,
		    int64_t *until_us)
{
	for (size_t i = 0; i < own->count; i++) {
		const struct programme *p = &own->list[i];
		bool on = p->start_us <= wall_us;

		put(entry, on, json_string(p->title ? p->title : ""), p->start_us, p->end_us);
		note_change(until_us, on, p->start_us, p->end_us);
		if (!on)
			return;
	}
}

static json_t *channel_of(const struct catalog *c, const struct guide *g,
			  const struct catalog_channel *ch, int64_t wall_us, int64_t *until_us)
{
	json_t *entry =
		json_pack("{s:I, s:s?, s:n, s:n, s:n, s:n}", "id", (json_int_t)ch->id, "name",
			  catalog_text(c, ch->name_at), "now", "until", "next", "start");
	const struct guide_channel *imported = guide_find(g, catalog_text(c, ch->tvg_id_at));
	struct programmes_ahead own;

	programmes_ahead(c, ch, wall_us, &own);
	if (own.count > 0)
		put_own(entry, &own, wall_us, until_us);
	else if (imported)
		put_imported(entry, g, imported, wall_us, until_us);
	return entry;
}

/* [{"id", "name", "now", "until", "next", "start"}] of the channels on air; null where it is not
 * known.  `g` may be NULL.  *ret_until_us: the full minute from which it is to be made again,
 * or INT64_MAX.  A new reference, or NULL without memory. */
static json_t *report(const struct catalog *c, const struct guide *g, int64_t wall_us,
		      int64_t *ret_until_us)
{
	json_t *list = json_array();

	*ret_until_us = INT64_MAX;
	for (size_t i = 0; i < catalog_channel_count(c); i++)
		json_array_append_new(
			list, channel_of(c, g, catalog_channel_at(c, i), wall_us, ret_until_us));
	return list;
}

/* ---------- the thread ---------- */

struct guide_now {
	struct work_queue *queue;
	guide_now_fn answer;
	void *owner;
	struct guide_catalog catalog;
	struct published guide;
	uint64_t version;	     /* of these two */
	struct guide_text_file text; /* the last one; fd -1 = none that is of this version */
	int64_t until_us;
};

/* All of it is copied or owned. */
struct job {
	struct work work;
	struct guide_now *now; /* of the loop */
	uint64_t ticket, version;
	struct guide_catalog catalog;
	struct published guide;

	struct guide_text_file text;
	int64_t until_us;
};

static void job_free(struct job *j)
{
	close_fd(&j->catalog.fd);
	close_fd(&j->guide.fd);
	close_fd(&j->text.fd);
	free(j);
}

static void drop_job(struct work *w)
{
	job_free((struct job *)w);
}

/* Without a guide, or if it cannot be mapped, only the channels' own programmes are known. */
static void run_job(struct work *w)
{
	struct job *j = (struct job *)w;
	struct snapshot *catalog = NULL, *guide = NULL;
	json_t *list;

	if (j->catalog.fd < 0 ||
	    snapshot_open(&catalog_type, j->catalog.fd, j->catalog.bytes, &catalog) < 0)
		return;
	if (j->guide.fd >= 0 && snapshot_open(&guide_type, j->guide.fd, j->guide.bytes, &guide) < 0)
		guide = NULL;
	list = report(catalog_of(catalog), guide_of(guide), clock_wall_us(), &j->until_us);
	guide_text_file_make(&j->text, list);
	json_decref(list);
	snapshot_unref(guide);
	snapshot_unref(catalog);
}

static void on_made(struct work *w)
{
	struct job *j = (struct job *)w;
	struct guide_now *n = j->now;

	assert(j->version <= n->version);
	n->answer(n->owner, j->ticket, &j->text);
	if (j->version == n->version) {
		close_fd(&n->text.fd);
		n->text = (struct guide_text_file){TAKE_FD(j->text.fd), j->text.bytes};
		n->until_us = j->until_us;
	}
	job_free(j);
}

static int copy_fd(int fd)
{
	return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

void guide_now_ask(struct guide_now *n, uint64_t ticket)
{
	static const struct guide_text_file none = {.fd = -1};
	struct job *j;

	if (n->text.fd >= 0 && clock_wall_us() < n->until_us) {
		n->answer(n->owner, ticket, &n->text);
		return;
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL) {
		n->answer(n->owner, ticket, &none);
		return;
	}
	*j = (struct job){.work = {.run = run_job, .done = on_made, .drop = drop_job},
			  .now = n,
			  .ticket = ticket,
			  .version = n->version,
			  .catalog = {copy_fd(n->catalog.fd), n->catalog.bytes},
			  .guide = {.fd = copy_fd(n->guide.fd), .bytes = n->guide.bytes},
			  .text = {.fd = -1}};
	work_queue_post(n->queue, &j->work);
}

/* What was made is of the past. */
static void forget(struct guide_now *n)
{
	n->version++;
	close_fd(&n->text.fd);
}

void guide_now_follow_catalog(struct guide_now *n, const struct guide_catalog *c)
{
	close_fd(&n->catalog.fd);
	n->catalog = (struct guide_catalog){copy_fd(c->fd), c->bytes};
	forget(n);
}

void guide_now_follow_guide(struct guide_now *n, const struct published *guide)
{
	close_fd(&n->guide.fd);
	n->guide = (struct published){.fd = copy_fd(guide->fd), .bytes = guide->bytes};
	if (n->guide.fd < 0)
		log_error("the guide cannot be kept, `amps list --now` does not show it");
	forget(n);
}

int guide_now_new(struct event_base *base, guide_now_fn answer, void *owner, struct guide_now **ret)
{
	struct guide_now *n = calloc(1, sizeof(*n));
	const struct work_queue_env queue = {.base = base, .owner = n};
	int r;

	if (n == NULL)
		return -ENOMEM;
	n->answer = answer;
	n->owner = owner;
	n->catalog.fd = n->guide.fd = n->text.fd = -1;
	r = work_queue_new(&queue, &n->queue);
	if (r < 0)
		guide_now_free(n);
	else
		*ret = n;
	return r;
}

struct guide_now *guide_now_free(struct guide_now *n)
{
	if (n == NULL)
		return NULL;
	work_queue_free(n->queue);
	close_fd(&n->catalog.fd);
	close_fd(&n->guide.fd);
	close_fd(&n->text.fd);
	free(n);
	return NULL;
}
