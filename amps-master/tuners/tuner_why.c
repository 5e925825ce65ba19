/* tuner_why.c - what is wrong with a channel, now and in the last hour, in plain words. */
#include "amps-master/tuners/tuners.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/tuners/tuner.h"
#include "common/text/text.h"

#define NAME_MAX_BYTES 256 /* name_source() fits */
#define PCR_LIMIT_MS   100 /* ISO/IEC 13818-1, annex D */

static void say(json_t *list, const char *format, ...) printf_like(2, 3);
static void say(json_t *list, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(list, json_vsprintf(format, args));
	va_end(args);
}

/* "source 1" with its address; just "the source" where there is one. */
static void name_source(const struct tuner *t, unsigned at, bool address, char *dst, size_t cap)
{
	const char *text = t->def && at < t->def->source_count ? t->def->sources[at].text : "";
	bool many = t->def && t->def->source_count > 1;
	bool slate = t->def && at == t->def->source_count;
	int n = many && !slate ? snprintf(dst, cap, "source %u", at + 1)
			       : snprintf(dst, cap, slate ? "the slate" : "the source");
	char shown[201];

	assert(n > 0 && (size_t)n < cap);
	/* a text that is cut inside of a character is no JSON */
	text_copy(shown, sizeof(shown), text);
	if (address && *shown)
		snprintf(dst + n, cap - (size_t)n, " (%s)", shown);
}

static uint64_t wait_ms(const struct tuner *t, uint64_t now_us)
{
	uint64_t at_us = t->retry[SEAT_SOURCE].at_us;

	return at_us > now_us ? (at_us - now_us) / 1000 : 0;
}

static void say_state(const struct tuner *t, json_t *now, uint64_t now_us)
{
	const char *reason = t->last_error[0] ? t->last_error : "no reason is known";
	char source[NAME_MAX_BYTES];

	name_source(t, t->source_at, true, source, sizeof(source));
	switch (t->state) {
	case TUNER_IDLE:
		say(now, "it does not run: it has no viewer");
		break;
	case TUNER_STARTING:
		say(now, "it starts with %s", source);
		break;
	case TUNER_RUNNING:
		if (tuner_on_slate(t))
			say(now, "no source works: its viewers see a slate");
		else
			say(now, "it runs from %s", source);
		break;
	case TUNER_STALLED:
		say(now, "%s sends nothing at the moment", source);
		break;
	case TUNER_RESTARTING:
		say(now, "it waits for %s, which is tried again in %" PRIu64 " ms: %s", source,
		    wait_ms(t, now_us), reason);
		break;
	case TUNER_ENDED:
		say(now, "%s has come to its end", source);
		break;
	case TUNER_FAILED:
		say(now, "it failed, and is tried again for the next viewer in %" PRIu64 " ms: %s",
		    wait_ms(t, now_us), reason);
		break;
	case TUNER_STATE_COUNT_:
		break;
	}
	if (t->content != CONTENT_GOOD)
		say(now, "%s, and no other source can be started", tuner_content_text(t->content));
	else if (t->state == TUNER_RUNNING && t->last_error[0])
		say(now, "the last error was: %s", t->last_error);
}

static void say_clock(const struct tuner *t, json_t *now)
{
	const struct tuner_facts f = tuner_facts(t);

	if (t->state != TUNER_RUNNING || f.pcr_interval_ms <= PCR_LIMIT_MS)
		return;
	say(now, "its clock references (PCR) are up to %" PRIu64 " ms apart; the limit is %d ms",
	    f.pcr_interval_ms, PCR_LIMIT_MS);
}

static void say_rate(const struct tuner *t, json_t *now, uint64_t now_us)
{
	const struct source_health *h = &t->health[t->source_at];
	char source[NAME_MAX_BYTES];

	if (t->state != TUNER_RUNNING || !tuner_is_slow(t, t->source_at, now_us))
		return;
	name_source(t, t->source_at, false, source, sizeof(source));
	say(now, "%s has delivered %u%% of real time", source, h->rate_permil / 10);
}

static void say_effort(const struct tuner *t, json_t *now)
{
	if (t->state != TUNER_RUNNING || !t->encoder_permil || t->encoder_permil >= 1000)
		return;
	say(now,
	    "it is encoded at %u%% of real time; %" PRIu64 " pictures have been left out so far",
	    t->encoder_permil / 10, t->frames_dropped);
}

/* The minute that was so many minutes ago, as HH:MM. */
static void minute_text(unsigned ago, char text[8])
{
	time_t then = (time_t)(clock_wall_us() / 1000000) - 60 * (time_t)ago;
	struct tm tm;

	localtime_r(&then, &tm);
	strftime(text, 8, "%H:%M", &tm);
}

static void say_source(const struct tuner *t, json_t *hour, unsigned at, uint64_t now_us)
{
	struct history_counts c;
	char source[NAME_MAX_BYTES], minute[8];
	unsigned worst;
	uint64_t lost = 0;

	history_hour(&t->history, now_us, at, &c, &worst);
	name_source(t, at, false, source, sizeof(source));
	for (size_t i = 0; i < LOST_CAUSE_COUNT_; i++)
		lost += c.lost[i];
	if (lost)
		say(hour,
		    "%s was lost %" PRIu64 " times: it ended or failed %" PRIu64
		    " times, was silent %" PRIu64 " times, too slow %" PRIu64
		    " times, showed nothing %" PRIu64 " times, and a process died %" PRIu64
		    " times",
		    source, lost, c.lost[LOST_FAILED], c.lost[LOST_SILENT], c.lost[LOST_SLOW],
		    c.lost[LOST_CONTENT], c.lost[LOST_CRASHED]);
	if (c.away_ms)
		say(hour, "viewers were without media from %s for %.1f s", source,
		    (double)c.away_ms / 1000);
	if (c.cc_errors) {
		minute_text(worst, minute);
		say(hour,
		    "%s lost packets: %" PRIu64 " continuity errors in %" PRIu64
		    " packets (%.2f%%), most of them at %s",
		    source, c.cc_errors, c.packets,
		    c.packets ? 100.0 * (double)c.cc_errors / (double)c.packets : 0, minute);
	}
	if (c.pair[RING_PAIR_LOST_1] || c.pair[RING_PAIR_LOST_2])
		say(hour,
		    "of %s, leg 1 lost %" PRIu64 " RTP packets and leg 2 %" PRIu64 ": %" PRIu64
		    " were filled from the other leg, %" PRIu64 " were lost on both",
		    source, c.pair[RING_PAIR_LOST_1], c.pair[RING_PAIR_LOST_2],
		    c.pair[RING_PAIR_FILLED], c.pair[RING_PAIR_MISSING]);
	if (c.jumps)
		say(hour, "the clock of %s jumped %" PRIu64 " times", source, c.jumps);
	if (c.switches)
		say(hour, "%" PRIu64 " switches to %s", c.switches, source);
}

/* The jobs that make the outputs; their loss is not the source's fault. */
static void say_other_jobs(const struct tuner *t, json_t *hour, uint64_t now_us)
{
	struct history_counts c;
	uint64_t lost = 0;
	unsigned worst;

	history_hour(&t->history, now_us, HISTORY_OTHER_JOBS, &c, &worst);
	for (size_t i = 0; i < LOST_CAUSE_COUNT_; i++)
		lost += c.lost[i];
	if (lost)
		say(hour,
		    "the jobs that make its outputs were lost %" PRIu64
		    " times: they failed %" PRIu64 " times, and a process died %" PRIu64 " times",
		    lost, lost - c.lost[LOST_CRASHED], c.lost[LOST_CRASHED]);
}

static const struct tuner *tuner_of_key(const struct tuners *ts, const char *key)
{
	for (const struct tuner *t = ts->all; t; t = t->next)
		if (strcmp(t->key, key) == 0)
			return t;
	return NULL;
}

json_t *tuners_why(const struct tuners *ts, const char *key)
{
	const struct lineup_tuner *def = ts->lineup ? lineup_find_key(ts->lineup, key) : NULL;
	const struct tuner *t = tuner_of_key(ts, key);
	uint64_t now_us = clock_mono_us();
	json_t *now, *hour;

	if (!def && !(t && t->own))
		return NULL;
	now = json_array();
	hour = json_array();
	if (def && def->unavailable)
		say(now, "it cannot play: %s", def->unavailable);
	else if (!t)
		say(now, "it does not run: it has no viewer");
	else
		say_state(t, now, now_us);
	if (t) {
		say_clock(t, now);
		say_rate(t, now, now_us);
		say_effort(t, now);
	}
	for (unsigned i = 0; t && i < CHANNEL_SOURCES_MAX; i++)
		say_source(t, hour, i, now_us);
	if (t)
		say_other_jobs(t, hour, now_us);
	return json_pack("{s:s, s:o, s:o}", "key", key, "now", now, "last_hour", hour);
}
