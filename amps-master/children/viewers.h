/* viewers.h - what the workers' pages report: who watches, how much is sent.
 *
 * Owned by the master, used in its loop only.  Workers write their pages meanwhile: a record that
 * changes while it is copied is left out. */
#ifndef AMPS_VIEWERS_H
#define AMPS_VIEWERS_H

#include <jansson.h>
#include "amps-master/children/worker_pool.h"

/* A viewer as it was seen last. */
struct viewer_seen {
	uint64_t id;
	uint32_t channel;
	uint8_t protocol;
	uint8_t address[16];
	char variant[VARIANT_NAME_MAX + 4];
	int64_t since_wall_us;
	uint64_t bytes; /* media bytes sent */
	uint64_t token; /* tokens_name(), 0 = none */
};

struct viewers {
	const struct worker_pool *pool; /* borrowed */
	/* A viewer has come or gone since the last sample. */
	void (*changed)(void *owner, bool started, const struct viewer_seen *viewer);
	void *owner;
	struct viewer_seen *seen; /* in the order of their ids */
	size_t seen_count;
	unsigned worker_count;
	uint64_t sample_us, sample_bytes;
	uint64_t throughput_bps;
};

void viewers_init(struct viewers *v, const struct worker_pool *pool, unsigned worker_count);
void viewers_done(struct viewers *v);

uint64_t viewers_of_output(const struct viewers *v, uint32_t output_slot);

/* Measures the throughput since the last call and reports who has come and gone; once a second or
 * so. */
void viewers_sample(struct viewers *v);

uint64_t viewers_open(const struct viewers *v);
uint64_t viewers_bytes_sent(const struct viewers *v); /* media bytes since the start */

/* Array of the objects that `amps viewers --json` prints, new reference or NULL. */
json_t *viewers_report(const struct viewers *v);

/* A viewer that has come or gone: id, address, stream_id, variant, protocol, since, bytes.  New
 * reference or NULL. */
json_t *viewers_describe_seen(const struct viewer_seen *s);

/* Which worker has the viewer of this id?  0 or -ENOENT. */
must_check int viewers_find(const struct viewers *v, uint64_t serial, unsigned *ret_worker);

/* One record as JSON, new reference or NULL; public for its test. */
json_t *viewers_describe(const void *record);

#endif
