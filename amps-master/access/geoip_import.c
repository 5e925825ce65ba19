#include "amps-master/access/geoip_import.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-master/api/events.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/programs.h"
#include "common/shm/geoip.h"
#include "common/shm/shm.h"

struct geoip_import {
	struct helpers *helpers; /* borrowed, as the next two are */
	struct worker_pool *pool;
	struct chantab_header *chantab;
	char *path;	     /* NULL = none; owned */
	uint64_t generation; /* published last */
	struct helper *helper;
	bool again; /* the settings were loaded while it was read */
};

static void fail(const struct geoip_import *g, const char *reason)
{
	log_error("the countries of addresses cannot be read (%s), %s path=%s", reason,
		  g->generation > 0 ? "keeping those that were read last" : "going on without them",
		  g->path);
	event_of_warning(g->chantab, "the countries of addresses (region.geoip) cannot be read");
}

static void publish(struct geoip_import *g, struct published *p)
{
	assert(p->generation == g->generation + 1);
	g->generation = p->generation;
	worker_pool_publish_snapshot(g->pool, SNAPSHOT_GEOIP, p);
}

/* Without a file there are no countries. */
static void publish_none(struct geoip_import *g)
{
	const struct geoip_header none = {.snapshot = {.magic = GEOIP_MAGIC,
						       .version = GEOIP_VERSION,
						       .header_bytes = sizeof(none),
						       .total_bytes = sizeof(none),
						       .generation = g->generation + 1}};
	struct published p = {.fd = shm_snapshot("amps-countries", &none, sizeof(none)),
			      .bytes = sizeof(none),
			      .generation = none.snapshot.generation};

	if (p.fd < 0)
		log_error("the countries of addresses cannot be dropped (%s), keeping those that "
			  "were read last",
			  strerror(-p.fd));
	else
		publish(g, &p);
}

/* Takes what the helper has written if workers will take it.  0 or -Exxx. */
static int take(struct geoip_import *g, int *fd)
{
	struct snapshot *s;
	struct stat st;
	uint64_t count;
	int r = shm_end(*fd);

	if (r == 0 && fstat(*fd, &st) < 0)
		r = -errno;
	if (r == 0)
		r = snapshot_open(&geoip_type, *fd, (uint64_t)st.st_size, &s);
	if (r < 0)
		return r;
	count = ((const struct geoip_header *)(const void *)s->header)->count;
	r = s->header->generation == g->generation + 1 ? 0 : -EINVAL;
	snapshot_unref(s);
	if (r < 0)
		return r;
	publish(g, &(struct published){TAKE_FD(*fd), (uint64_t)st.st_size, g->generation + 1});
	log_info("the countries of addresses are read ranges=%" PRIu64 " path=%s", count, g->path);
	return 0;
}

static void read_file(struct geoip_import *g);

static void on_read(void *owner, struct helper_result *result)
{
	struct geoip_import *g = owner;
	int r;

	g->helper = NULL;
	if (g->again || !g->path) {
		g->again = false;
		read_file(g);
		return;
	}
	if (result->error < 0) {
		fail(g, result->reason[0] ? result->reason : strerror(-result->error));
		return;
	}
	r = take(g, &result->output_fd);
	if (r < 0)
		fail(g, strerror(-r));
}

static int start_helper(struct geoip_import *g)
{
	char program[PATH_MAX];
	const char *const argv[] = {program, "geoip", NULL};
	json_auto_t *task = json_pack("{s:s, s:I}", "path", g->path, "generation",
				      (json_int_t)g->generation + 1);
	_cleanup_(freep) char *text = task ? json_dumps(task, JSON_COMPACT) : NULL;
	struct helper_spec spec = {.argv = argv,
				   .input = text,
				   .timeout_ms = (GEOIP_SECONDS_MAX + HELPER_GRACE_S + 1) * 1000,
				   .output_bytes = geoip_type.bytes_max + 1,
				   .unprivileged = true};
	int r = text ? programs_find("amps-helper", program, sizeof(program)) : -ENOMEM;

	if (r < 0)
		return r;
	spec.input_bytes = strlen(text);
	return helper_start(g->helpers, &spec, on_read, g, &g->helper);
}

static void read_file(struct geoip_import *g)
{
	int r;

	assert(!g->helper);
	if (!g->path) {
		if (g->generation > 0)
			publish_none(g);
		return;
	}
	r = start_helper(g);
	if (r < 0)
		fail(g, strerror(-r));
}

void geoip_import_follow(struct geoip_import *g, const struct publication *p)
{
	const char *path;

	if (!p->settings)
		return;
	path = json_string_value(json_object_get(json_object_get(p->settings, "region"), "geoip"));
	free(g->path);
	g->path = path && path[0] ? strdup(path) : NULL;
	if (g->helper)
		g->again = true;
	else
		read_file(g);
}

bool geoip_import_idle(const struct geoip_import *g)
{
	return !g->helper;
}

int geoip_import_new(struct helpers *helpers, struct worker_pool *pool,
		     struct chantab_header *chantab, struct geoip_import **ret)
{
	struct geoip_import *g = calloc(1, sizeof(*g));

	assert(helpers && pool && chantab);
	if (!g)
		return -ENOMEM;
	g->helpers = helpers;
	g->pool = pool;
	g->chantab = chantab;
	*ret = g;
	return 0;
}

struct geoip_import *geoip_import_free(struct geoip_import *g)
{
	if (!g)
		return NULL;
	helper_cancel(g->helper);
	free(g->path);
	free(g);
	return NULL;
}
