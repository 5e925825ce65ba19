/* health.c - see health.h. */
#include "amps-worker/health.h"
#include "common/chantab.h"

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

void health_ready(const struct request *q, struct reply *r)
{
	const struct chantab_header *table = q->facts->chantab;
	bool ready = table && atomic_load_explicit(&table->ready, memory_order_relaxed) == 1;

	if (q->facts->draining || !ready) {
		reply_field(r, "Cache-Control", "no-store");
		reply_error(r, 503, READY_RETRY_SECONDS,
			    q->facts->draining ? "the server is shutting down"
					       : "the server is starting");
		return;
	}
	answer(r, "{\"status\": \"ready\"}\n");
}
