/* worker_page.h - a worker's page: its counters and a record for each of its viewers.
 *
 *	offset 0    struct worker_page (header and counters)
 *	4096        struct viewer_record[WORKER_VIEWERS_MAX]
 *	3674112     struct viewer_counts (viewers by output and by token)
 *
 * W: that worker, all fields.  Readers: the master (`amps viewers`, idle rules, heartbeat) and the
 * other workers (/metrics, limits of tokens).  Counters are relaxed and only grow; a record is
 * valid while its `serial` is not 0 and reads the same before and after it was copied. */
#ifndef AMPS_WORKER_PAGE_H
#define AMPS_WORKER_PAGE_H

#include <assert.h>
#include <stdatomic.h>
#include "common/base.h"
#include "common/limits.h"

#define WORKER_PAGE_MAGIC   0x4547415057534d41ull /* "AMSWPAGE" */
#define WORKER_PAGE_VERSION 3u

enum viewer_protocol { VIEWER_TS = 0, VIEWER_AUDIO, VIEWER_PROTOCOL_COUNT_ };

struct worker_page {
	uint64_t magic;
	uint32_t version;
	uint32_t record_bytes;	       /* sizeof(struct viewer_record) */
	_Atomic uint64_t heartbeat_us; /* clock_mono_us(), at least every 500 ms */
	_Atomic uint64_t connections_open;
	_Atomic uint64_t connections_total;
	_Atomic uint64_t connections_refused; /* no descriptor or over a cap */
	_Atomic uint64_t requests_total;
	_Atomic uint64_t responses[6]; /* by first digit of the status; [0] unused */
	_Atomic uint64_t viewers_open;
	_Atomic uint64_t viewers_total;
	_Atomic uint64_t viewer_skips;	  /* a slow viewer moved to a newer access point */
	_Atomic uint64_t viewers_dropped; /* closed because slow or stopped */
	_Atomic uint64_t bytes_sent;	  /* media bytes */
	_Atomic uint64_t catalog_generation;
	_Atomic uint64_t access_log_dropped; /* lines that could not be written */
	_Atomic uint64_t answers_dropped;    /* ended for memory: their clients read slowest */
	_Atomic uint64_t socket_bytes; /* the kernel's, for viewers that do not read; sampled */
	_Atomic uint32_t records_used; /* records above this index were never used */
	uint32_t pad;
};

struct viewer_record {
	_Atomic uint64_t serial; /* 0 = free; unique in the server: worker index << 40 | count */
	uint32_t channel;
	_Atomic uint32_t output; /* slot of the channel table it reads, UINT32_MAX = waits */
	int64_t since_wall_us;
	_Atomic uint64_t pos;	/* ring position of its next byte */
	_Atomic uint64_t bytes; /* media bytes sent */
	_Atomic uint64_t lag;	/* bytes behind the ring's newest */
	uint8_t address[16];	/* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
	uint8_t protocol; /* enum viewer_protocol */
	uint8_t pad;
	char variant[VARIANT_NAME_MAX + 4];
	char user_agent[80];
	_Atomic uint64_t token; /* worker_page_token() of the token it came with, 0 = none */
};

/* Open addressing by the token's hash; a search ends at the first empty place.  A place whose count
 * is 0 may be given to another token, and is emptied once nothing lies behind it. */
struct token_viewers {
	_Atomic uint64_t token; /* worker_page_token(), 0 = empty */
	_Atomic uint64_t viewers;
};

/* Sums over the records, so that readers need not scan them.  There are as many places for tokens
 * as for viewers, so one is always free. */
struct viewer_counts {
	_Atomic uint32_t of_output[OUTPUTS_MAX];
	struct token_viewers of_token[WORKER_VIEWERS_MAX];
};

#define WORKER_PAGE_RECORDS_OFFSET 4096u
#define WORKER_PAGE_COUNTS_OFFSET                                                                  \
	(WORKER_PAGE_RECORDS_OFFSET + WORKER_VIEWERS_MAX * sizeof(struct viewer_record))
#define WORKER_PAGE_BYTES (WORKER_PAGE_COUNTS_OFFSET + sizeof(struct viewer_counts))

static_assert(sizeof(struct worker_page) == 184, "layout of struct worker_page");
static_assert(sizeof(struct viewer_record) == 224, "layout of struct viewer_record");
static_assert(WORKER_PAGE_COUNTS_OFFSET == 3674112, "layout of a worker's page");

/* Master: writes the header of a freshly created object mapped at `map`. */
void worker_page_init(void *map);

/* Readers: 0 if magic, version and sizes are ours, else -EINVAL. */
must_check int worker_page_check(const void *map);

/* The record array behind the page. */
static inline struct viewer_record *worker_page_records(void *map)
{
	return (struct viewer_record *)(void *)((char *)map + WORKER_PAGE_RECORDS_OFFSET);
}

/* The worker: publishes a record in a free place, or frees the place (serial 0 in *from). */
void worker_page_put(void *map, size_t index, const struct viewer_record *from);

/* The hash by which records name a token; never 0. */
uint64_t worker_page_token(const char *token, size_t len);

/* The worker: `by` viewers more or less that came with that token or read that output. */
void worker_page_add_token(void *map, uint64_t token, int by);
void worker_page_add_output(void *map, uint32_t output, int by);

/* Readers: how many viewers of this page came with that token, or read that output (UINT32_MAX:
 * none).
 */
uint64_t worker_page_token_viewers(const void *map, uint64_t token);
uint32_t worker_page_output_viewers(const void *map, uint32_t output);

/* Readers: a consistent copy of record `index`.  0, or -ENOENT (free or changed meanwhile). */
must_check int worker_page_get(const void *map, size_t index, struct viewer_record *ret);

#endif
