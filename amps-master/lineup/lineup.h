/* lineup.h - what can be played, resolved for the tuners: the master's private counterpart of the
 * catalog.  It holds what the catalog must not: sources, options, commands.
 *
 * Made by the store's thread for each publication; the thread and the master's loop hold references
 * to it.  Immutable. */
#ifndef AMPS_LINEUP_H
#define AMPS_LINEUP_H

#include "amps-master/lineup/lineup_channel.h"

/* Streaming settings the tuners follow. */
struct lineup_settings {
	uint32_t idle_timeout_ms; /* 0 = never stop */
	uint32_t start_timeout_ms;
	uint32_t stall_timeout_ms;
	uint32_t return_after_ms; /* an earlier source must be stable so long */
	uint32_t max_overlap;	  /* tuners that are one viewer's own */
	uint32_t ring_seconds;
	uint32_t memory_mb; /* of one job; 0 = the defaults of limits.h */
	uint32_t nice;	    /* of jobs */
};

struct lineup {
	_Atomic unsigned refs;
	struct lineup_settings settings;
	struct channel_list channels; /* those on air */
	/* What `amps schedule` shows, in id order: [{id, name, state, start, end}]. */
	json_t *schedule;
	char *lookup_program; /* path of yt-dlp; NULL = found on PATH */
};

/* Resolves one entry against `settings` (the model without its channels, profiles completed).
 * `source_hash` identifies the definition.  0 or -ENOMEM. */
must_check int lineup_channel_new(const json_t *settings, const struct channel_entry *e,
				  uint64_t source_hash, struct lineup_channel **ret);

struct lineup_channel *lineup_channel_ref(struct lineup_channel *c);
void lineup_channel_unref(struct lineup_channel *c); /* accepts NULL */

/* An empty list with room for so many.  0 or -ENOMEM. */
must_check int channel_list_init(size_t cap, struct channel_list *ret);
void channel_list_done(struct channel_list *list);
/* Appends from[first..end), sharing the channels; there is room. */
void channel_list_share(struct channel_list *list, const struct channel_list *from, size_t first,
			size_t end);
/* The index of the channel in the list, or the one where it would be inserted. */
size_t channel_list_find(const struct channel_list *list, uint32_t id);

/* Makes a line-up with one reference; takes the list, also in failure.  0 or -ENOMEM. */
must_check int lineup_new(const json_t *settings, struct channel_list *on_air, struct lineup **ret);

/* Resolves entries (in id order, all of them on air) and makes a line-up of them.  0 or -ENOMEM. */
must_check int lineup_build(const json_t *settings, const struct channel_entry *const *entries,
			    size_t count, struct lineup **ret);

/* Adds those of the channels that are scheduled, on air or not, to l->schedule.  0 or -ENOMEM. */
must_check int lineup_add_schedule(struct lineup *l, const struct channel_list *all,
				   int64_t wall_us);

/* Appends {"id","name","state","start","end"}.  `state` as of wall_us is "waiting", "on air" or
 * "ended"; the times are ISO-8601 in UTC, null where the window is open.  0 or -ENOMEM. */
must_check int lineup_schedule_add(json_t *list, uint32_t id, const char *name,
				   const struct schedule_window *w, int64_t wall_us);

struct lineup *lineup_ref(struct lineup *l);
struct lineup *lineup_unref(struct lineup *l); /* returns NULL; accepts NULL */
const struct lineup_tuner *lineup_find_key(const struct lineup *l, const char *key);

/* Which tuner and which of its outputs serve a want. -ENOENT: no such channel, variant, or outside
 * its schedule window. */
must_check int lineup_resolve(const struct lineup *l, const struct output_id *id,
			      const struct lineup_tuner **ret_tuner,
			      const struct lineup_output **ret_output);

/* The output that this one of the same tuner is made from: the transport stream of that variant
 * (form_reads_ts()), else itself. */
const struct lineup_output *lineup_reads(const struct lineup_tuner *t,
					 const struct lineup_output *o);

/* Channels for `amps list`: array of {id, number, name, group, profile, output, variants}, made for
 * the caller (keeping a tree of all of them costs too much memory).  NULL without memory. */
json_t *lineup_channels(const struct lineup *l);

#endif
