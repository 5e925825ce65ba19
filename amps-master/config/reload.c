#include "amps-master/config/reload.h"

#include <assert.h>
#include <string.h>
#include "amps-master/config/loader.h"
#include "common/limits.h"
#include "common/log/log.h"

enum reload_state { RELOAD_IDLE, RELOAD_LOADING, RELOAD_STORING, RELOAD_APPLIED, RELOAD_STATES_ };

struct waiters {
	uint64_t tickets[CONTROL_CLIENTS_MAX + 1];
	size_t count;
	struct discard discard;
};

struct reload {
	struct reload_env env;
	enum reload_state state;
	struct waiters now;	   /* answered by the current run */
	struct waiters later;	   /* answered by the next run */
	struct helper *loader;	   /* while LOADING */
	json_t *report;		   /* while APPLIED */
	struct served_wait served; /* while APPLIED */
};

static void reload_set_state(struct reload *r, enum reload_state state)
{
	static const uint8_t legal[RELOAD_STATES_] = {
		[RELOAD_IDLE] = 1u << RELOAD_LOADING,
		[RELOAD_LOADING] = 1u << RELOAD_STORING | 1u << RELOAD_IDLE,
		[RELOAD_STORING] = 1u << RELOAD_APPLIED | 1u << RELOAD_IDLE,
		[RELOAD_APPLIED] = 1u << RELOAD_IDLE,
	};
	bool allowed;

	assert(r->state < RELOAD_STATES_ && state < RELOAD_STATES_);
	allowed = legal[r->state] & 1u << state;
	assert(allowed);
	r->state = state;
}

static void reload_start(struct reload *r);

static void reload_finish(struct reload *r, const struct reload_result *result)
{
	struct waiters answered = r->now;

	assert(r->state != RELOAD_IDLE && answered.count > 0);
	reload_set_state(r, RELOAD_IDLE);
	r->now = r->later;
	r->later.count = 0;
	r->later.discard = DISCARD_NOTHING;
	for (size_t i = 0; i < answered.count; i++)
		r->env.done(r->env.owner, answered.tickets[i], result);
	json_decref(r->report);
	r->report = NULL;
	if (r->now.count > 0 && r->state == RELOAD_IDLE)
		reload_start(r);
}

static void reload_fail(struct reload *r, int error, const char *text, const json_t *problems)
{
	const struct reload_result result = {.error = error, .text = text, .problems = problems};

	reload_finish(r, &result);
}

static void on_served(void *owner)
{
	struct reload *r = owner;
	const struct reload_result result = {.report = r->report};

	assert(r->state == RELOAD_APPLIED);
	reload_finish(r, &result);
}

static void on_loaded(void *owner, struct helper_result *result);

static void reload_start(struct reload *r)
{
	int error;

	assert(r->now.count > 0 && !r->loader && !r->report);
	reload_set_state(r, RELOAD_LOADING);
	error = loader_start(r->env.helpers, r->env.loader_argv, on_loaded, r, &r->loader);
	if (error < 0)
		reload_fail(r, error, "cannot start the configuration's loader", NULL);
}

static void on_stored(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct reload *r = owner;

	(void)cookie;
	assert(r->state == RELOAD_STORING && !r->report);
	if (a->error < 0) {
		reload_fail(r, a->error, a->text, a->problems);
		return;
	}
	r->report = json_incref(a->publication->report);
	r->env.apply(r->env.owner, a->publication);
	reload_set_state(r, RELOAD_APPLIED);
	worker_pool_await(r->env.pool, &r->served);
}

static void on_loaded(void *owner, struct helper_result *result)
{
	struct reload *r = owner;

	assert(r->state == RELOAD_LOADING);
	r->loader = NULL;
	if (result->error == 0 || result->error == -EIO) {
		reload_set_state(r, RELOAD_STORING);
		store_submit(r->env.store,
			     &(struct store_operation){.kind = STORE_LOAD,
						       .fd = TAKE_FD(result->output_fd),
						       .discard = r->now.discard},
			     on_stored, r, 0);
	} else {
		log_error("the configuration's loader failed (%s)", result->reason);
		reload_fail(r, result->error,
			    result->error == -ETIMEDOUT
				    ? "reading the configuration took too long"
				    : "the configuration's loader was killed by a signal",
			    NULL);
	}
}

/* True if a signal waits already: one run and one log line answer any number of signals. */
static bool signal_waits(const struct waiters *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->tickets[i] == 0)
			return true;
	return false;
}

void reload_request(struct reload *r, uint64_t ticket, const struct discard *discard)
{
	struct waiters *w = r->state == RELOAD_IDLE ? &r->now : &r->later;
	const struct reload_result busy = {.error = -EBUSY, .text = "too many reloads wait"};

	assert(w->count <= array_size(w->tickets));
	if (ticket == 0 && signal_waits(w))
		return;
	if (w->count == array_size(w->tickets) || discard_add(&w->discard, discard) < 0) {
		r->env.done(r->env.owner, ticket, &busy);
		return;
	}
	w->tickets[w->count++] = ticket;
	if (r->state == RELOAD_IDLE)
		reload_start(r);
}

int reload_new(const struct reload_env *env, struct reload **ret)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->env = *env;
	r->served = (struct served_wait){.done = on_served, .owner = r};
	*ret = r;
	return 0;
}

struct reload *reload_free(struct reload *r)
{
	if (!r)
		return NULL;
	helper_cancel(r->loader);
	json_decref(r->report);
	free(r);
	return NULL;
}
