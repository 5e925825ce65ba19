#include "amps-worker/status/health.h"
#include "common/shm/chantab.h"

#define READY_RETRY_SECONDS 1

static void answer(struct reply *r, const char *json)
{
	r->type = "application/json";
	reply_field(r, "Cache-Control", "no-store");
	buf_puts(&r->body, json);
}

void health_live(const struct request *q, struct reply *r)
{
	(void)q;
	answer(r, "{\"status\": \"ok\"}\n");
}

/* NULL: the server is ready. */
static const char *not_ready(const struct facts *f)
{
	static const char *const reasons[READINESS_COUNT_] = {
		[READINESS_STARTING] = "the server is starting",
		[READINESS_DATABASE_LOCKED] = "the database is locked by another process",
		[READINESS_DATABASE_GONE] = "the database file was moved or deleted",
		[READINESS_DATABASE_FAILED] = "the database cannot be written",
	};
	const struct chantab_header *table = f->chantab;
	uint64_t at = table ? atomic_load_explicit(&table->ready, memory_order_relaxed)
			    : READINESS_STARTING;

	if (f->draining)
		return "the server is shutting down";
	return at == READINESS_READY ? NULL : reasons[at < READINESS_COUNT_ ? at : 0];
}

void health_ready(const struct request *q, struct reply *r)
{
	const char *why = not_ready(q->facts);

	if (!why) {
		answer(r, "{\"status\": \"ready\"}\n");
		return;
	}
	reply_field(r, "Cache-Control", "no-store");
	reply_error(r, 503, READY_RETRY_SECONDS, "%s", why);
}
