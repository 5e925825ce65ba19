/* sink.h - fills the ring of one output with a transport stream: aligns, rewrites across splices,
 * finds random access points, keeps the header's facts, moves to a larger ring.
 *
 * Raw ingest, remux and the TS output of derive all write through it.  Bytes are passed at any
 * alignment, preferably in place:
 *
 * 	p = ts_sink_space(s, &cap);  n = read(fd, p, cap);  ts_sink_put(s, n);
 *
 * With a cushion, what is put waits in front of all that (cushion.h): it goes on by the tick of the
 * job, also while the source is being waited for.
 *
 * Where key frames are so far apart that viewers would give up waiting, a picture between them
 * becomes an access point: sound begins at once there, and the picture with the next key frame.
 *
 * One thread; allocates only in new and attach. */
#ifndef AMPS_TS_SINK_H
#define AMPS_TS_SINK_H

#include "amps-transcoder/job/job.h"
#include "amps-transcoder/ts/parse.h"
#include "amps-transcoder/ts/rewrite.h"

struct ts_sink;

/* `job` is borrowed for the sink's life.  0 or -ENOMEM. */
must_check int ts_sink_new(struct job *job, struct ts_sink **ret);
struct ts_sink *ts_sink_free(struct ts_sink *s); /* returns NULL; accepts NULL */

/* Holds back so much of what is put from now on; first_until_us as in cushion.h.  The sink takes
 * the tick of the job.  0 or -ENOMEM. */
must_check int ts_sink_hold_back(struct ts_sink *s, uint64_t hold_us, uint64_t first_until_us);
/* Until when something is held back, if nothing is put any more; 0 = nothing is. */
uint64_t ts_sink_holds_until_us(const struct ts_sink *s);
/* Writes all that is held back now. */
void ts_sink_let_go(struct ts_sink *s);

/* Takes the ring of a JOB_EVENT_OUTPUT: maps it and sends JOB_MAPPED.  The first one is written at
 * once (spliced to event->continue_90k unless that is TIME_NONE); a later one at the next random
 * access point, or with a continue_90k at once, as if by a new job.  0, or -Exxx (the old ring, if
 * any, goes on). */
must_check int ts_sink_attach(struct ts_sink *s, const struct job_event *event);
bool ts_sink_attached(const struct ts_sink *s);
uint64_t ts_sink_generation(const struct ts_sink *s); /* of the ring that is being written */

/* Where the next bytes go and how many fit (at least 64 KiB).  Only when attached. */
uint8_t *ts_sink_space(struct ts_sink *s, size_t *ret_cap);
/* n bytes were put there. */
void ts_sink_put(struct ts_sink *s, size_t n);
/* Copies; any n. */
void ts_sink_write(struct ts_sink *s, const void *bytes, size_t n);
/* For the header: what was counted of the source's legs. */
void ts_sink_pair(struct ts_sink *s, const uint64_t counts[RING_PAIR_COUNT_]);

/* Sets a function that is called when the programme is first known or changes. */
void ts_sink_on_programme(struct ts_sink *s, void (*call)(void *owner, const struct ts_parse *p),
			  void *owner);

/* The source begins again from its first byte, in a loop: its streams continue seamlessly. */
void ts_sink_repeat(struct ts_sink *s);

/* The next bytes are from another muxer (not behind a cushion): its counters are continued, its
 * times stay. */
void ts_sink_resume(struct ts_sink *s);

/* Clock of the stream as written: the last PCR, unwrapped; without PCRs the last DTS.  With a
 * cushion that of what was put.  TIME_NONE before the first. */
int64_t ts_sink_clock_90k(const struct ts_sink *s);
uint64_t ts_sink_bitrate(const struct ts_sink *s); /* bits a second of media; 0 = not known yet */
bool ts_sink_running(const struct ts_sink *s);	   /* the newest ring has a random access point */
/* How many packets that were put brought media so far; garbage and stuffing bring none. */
uint64_t ts_sink_media_packets(const struct ts_sink *s);

/* What the programme had and has no more while the rest of it goes on (gone_watch.h). */
enum content_fault ts_sink_gone(const struct ts_sink *s);

/* How long the value of the clock references that were put has not changed although they came. */
uint64_t ts_sink_frozen_us(const struct ts_sink *s);

/* No byte will follow; nothing is held back any more. */
void ts_sink_ended(struct ts_sink *s);

#endif
