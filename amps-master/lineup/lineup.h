/* lineup.h - what can be played, resolved for the tuners: the master's private counterpart of the
 * catalog.  It holds what the catalog must not: sources, options, commands.
 *
 * Made by the store's thread for each publication, then handed to the master's loop, which owns it
 * until the next one replaces it.  Immutable. */
#ifndef AMPS_LINEUP_H
#define AMPS_LINEUP_H

#include "amps-master/lineup/channel_rules.h"
#include "amps-master/util/pool.h"
#include "common/shm/form.h"
#include "common/text/buf.h"

/* One output of a tuner: what its profile makes of the source. */
struct lineup_output {
	const char *variant; /* "" = the channel's own profile */
	enum output_form form;
	/* The variant under which it runs: variants whose sound is the same share one output. */
	const char *made_as;
	bool plain;	  /* the ingest's ring as it is: copy and nothing else */
	const char *spec; /* JSON {"options":[["vcodec","libx264"],["vn",null],...]}; "" if plain */
	uint64_t hash;	  /* of what decides the output; a change restarts derive alone */
};

/* One source connection. */
struct lineup_tuner {
	const char *key; /* "5", "5/sd" */
	uint32_t channel;
	bool both;		 /* lavfi: one job in both roles */
	const char *spec;	 /* JSON of the JOB message, see below */
	const char *source_text; /* for tables: credentials hidden */
	uint64_t hash; /* of what decides the source connection; a change restarts ingest */
	const char *unavailable; /* why it cannot run yet, NULL = it can; HTTP 502 with this */
	size_t output_count;
	const struct lineup_output *outputs; /* [0] is the first variant's: "" for key "5" */
};

/* The JOB spec is one JSON object:
 *	{"channel":5, "name":"...", "source":"http://...",
 *	 "input_options":[["re",null],["f","lavfi"],...],   in order, lists spread out
 *	 "input_args":["-stream_loop","-1"],                as written
 *	 "stall_timeout_ms":2000, "start_timeout_ms":15000, "ring_seconds":10,
 *	 "allow_private":false, "nice":0, "memory_mb":0,
 *	 "outputs":[{"options":[...]}, ...]}                added when a job is started */

/* Streaming settings the tuners follow. */
struct lineup_settings {
	uint32_t idle_timeout_ms; /* 0 = never stop */
	uint32_t start_timeout_ms;
	uint32_t stall_timeout_ms;
	uint32_t max_overlap; /* tuners that are one viewer's own */
	uint32_t memory_mb;   /* of one job; 0 = the defaults of limits.h */
};

/* Owns every string and array below it; those of the tuners are in its pool. */
struct lineup {
	struct lineup_settings settings;
	struct pool pool;
	struct buf channels; /* JSON text of lineup_channels() */
	size_t channel_count;
	/* What `amps schedule` shows, in id order: [{id, name, state, start, end}]. */
	json_t *schedule;
	struct lineup_tuner *tuners; /* by channel, the channel's own tuner first */
	size_t tuner_count, tuner_cap;
};

/* Resolves the entries (in id order, all of them on air) against `settings` (the model without its
 * channels, profiles completed).  0 or -ENOMEM. */
must_check int lineup_build(const json_t *settings, const struct channel_entry *const *entries,
			    size_t count, struct lineup **ret);

/* Adds those of the entries that are scheduled, on air or not, to l->schedule.  0 or -ENOMEM. */
must_check int lineup_add_schedule(struct lineup *l, const struct channel_entry *entries,
				   size_t count, int64_t wall_us);

/* Appends {"id","name","state","start","end"} for an entry that is scheduled and has a readable
 * window, nothing for others.  `state` as of wall_us is "waiting", "on air" or "ended"; the times
 * are ISO-8601 in UTC, null where the window is open.  0 or -ENOMEM. */
must_check int lineup_schedule_add(json_t *list, const struct channel_entry *entry,
				   int64_t wall_us);

/* A hash of everything the tuners of a channel are made from. */
uint64_t lineup_channel_hash(const struct lineup *l, uint32_t channel);

struct lineup *lineup_free(struct lineup *l); /* returns NULL; accepts NULL */
const struct lineup_tuner *lineup_find_key(const struct lineup *l, const char *key);

/* Which tuner and which of its outputs serve a want. -ENOENT: no such channel, variant, or outside
 * its schedule window. */
must_check int lineup_resolve(const struct lineup *l, const struct output_id *id,
			      const struct lineup_tuner **ret_tuner,
			      const struct lineup_output **ret_output);

/* Channels for `amps list`: array of {id, number, name, group, profile, output, variants}, made for
 * the caller (keeping a tree of all of them costs too much memory).  NULL without memory. */
json_t *lineup_channels(const struct lineup *l);

#endif
