/* lineup_channel.h - one resolved channel: its tuners, its fragment of the catalog, its hash.
 *
 * Made by lineup_channel_new() (lineup.h) in the store's thread, then immutable but for its
 * references. */
#ifndef AMPS_LINEUP_CHANNEL_H
#define AMPS_LINEUP_CHANNEL_H

#include <stdatomic.h>
#include "amps-master/lineup/channel_rules.h"
#include "common/shm/form.h"

/* One output of a tuner: what its profile makes of the source. */
struct lineup_output {
	const char *variant; /* "" = the channel's own profile */
	union {
		/* JSON {"options":[["vcodec","libx264"],["vn",null],...]}; "" if plain. */
		const char *spec;
		/* For the forms of segments: how the stream of this variant is cut.  Their spec is
		 * made only when it is sent: kept, it would be most of an idle channel's memory. */
		const struct channel_segments *segments;
	};
	/* of what decides the output; a change restarts derive alone.  An idle channel has several
	 * outputs, so it is small. */
	uint32_t hash;
	uint8_t form;	 /* enum output_form */
	bool plain;	 /* the ingest's ring as it is: copy and nothing else */
	uint8_t sharing; /* see lineup_made_as() */
};

/* The variant under which it runs: variants whose sound is the same share one output, that of the
 * first of them, which stands `sharing` places before this one. */
static inline const char *lineup_made_as(const struct lineup_output *o)
{
	return (o - o->sharing)->variant;
}

/* What a tuner may play. */
struct lineup_source {
	const char *spec;   /* JSON of the JOB message, see below */
	const char *text;   /* for tables: credentials hidden */
	const char *lookup; /* it is a page: yt-dlp's stdin, see yt_dlp.h; or NULL */
	uint64_t hash;	    /* of what decides the connection; a change restarts ingest */
	uint64_t address;   /* hash of where it is: never two connections to one */
};

/* One source connection. */
struct lineup_tuner {
	const char *key; /* "5", "5/sd" */
	uint32_t channel;
	uint16_t output_count;
	uint8_t source_count; /* at least one */
	bool both;	      /* one of them is lavfi: one job in both roles */
	uint32_t cushion_ms;  /* how much of its sources is held back */
	bool watch_content;   /* a source that is black, frozen or silent is faulty */
	const char *slate;    /* text that is shown while no source works; "" = a text of Amps' own,
				 NULL = there is no slate */
	const char *unavailable; /* why it cannot run yet, NULL = it can; HTTP 502 with this */
	const struct lineup_source *sources; /* in the order in which they are tried */
	const struct lineup_output *outputs; /* [0] is the first variant's: "" for key "5" */
};

/* The source of this hash; -1 = the tuner has none. */
int lineup_find_source(const struct lineup_tuner *t, uint64_t hash);
/* Do both have the same ones in the same order?  `a` may be NULL: no. */
bool lineup_same_sources(const struct lineup_tuner *a, const struct lineup_tuner *b);

/* The JOB spec is one JSON object:
 *	{"channel":5, "name":"...", "source":"http://...",
 *	 "input_options":[["re",null],["f","lavfi"],...],   in order, lists spread out
 *	 "input_args":["-stream_loop","-1"],                as written
 *	 "stall_timeout_ms":2000, "ring_seconds":10,
 *	 "start_timeout_ms":20000,                          if it is not JOB_START_TIMEOUT_MS
 *	 "cushion_ms":4000,                                 if it is not 0
 *	 "pair":"rtp://...", "window_ms":200,               of a pair: "source" is the first leg
 *	 "allow_private":true, "nice":10, "memory_mb":500,  if they are not false or 0
 *	 "command":{"argv":[...], "env":[...], "cwd":""},   of custom_ffmpeg only
 *	 "outputs":[{"options":[...]}, ...],                added when a job is started
 *	 "next_source":true,                                likewise: another one follows its end
 *	 "source_keys":true}                                the source itself is a variant, too
 * That of a slate: {"channel":5, "name":"...", "slate":"text", "nice":10}, "" for the text of
 * Amps' own.
 * If the source is a page, "page" is its address; what yt-dlp has found is added when a job is
 * started, "sound" if it comes apart from the picture:
 *	 "source":"http://...", "sound":"http://...",
 *	 "http_headers":[["User-Agent","..."],...],
 *	 "cookies":"name=value; domain=...; path=/\n..."    in libav's form */

/* A channel, resolved once: what the catalog, the tuners and the lists have of it.  One block of
 * memory, immutable but for its references, shared by all generations in which it is the same. */
struct lineup_channel {
	_Atomic unsigned refs;
	uint32_t id;
	struct schedule_window window; /* SCHEDULE_ALWAYS unless scheduled */
	uint64_t source_hash;	       /* as given to lineup_channel_new() */
	uint64_t hash;		       /* of its catalog entry and its tuners */
	const char *name;
	const char *summary;	       /* JSON of its line of lineup_channels() */
	const unsigned char *fragment; /* of the catalog, see catalog_build.h */
	struct lineup_tuner *tuners;   /* its own first */
	uint32_t fragment_bytes;
	uint16_t tuner_count;
	bool scheduled;	  /* of scheduled_streams */
	bool on_air_ever; /* false: its window cannot be read */
};

/* Channels in id order, with a reference each. */
struct channel_list {
	struct lineup_channel **at;
	size_t count;
};
#define CHANNEL_LIST_INIT ((struct channel_list){0})

#endif
