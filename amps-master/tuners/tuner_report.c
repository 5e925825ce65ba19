/* tuner_report.c - the tuners as JSON, for `amps tuners`. */
#include "amps-master/tuners/tuners.h"

#include <stdio.h>
#include <string.h>
#include "amps-master/tuners/tuner.h"
#include "common/shm/chantab.h"

/* CPU seconds and resident bytes of a process, from proc(5); zeroes once it is gone. */
static void process_usage(pid_t pid, double *cpu_seconds, uint64_t *memory_bytes)
{
	unsigned long user, system;
	char path[64], line[1024];
	const char *behind_name;
	long resident;
	FILE *f;

	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f) && (behind_name = strrchr(line, ')')) &&
	    sscanf(behind_name + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
		   "%*u %*u %ld",
		   &user, &system, &resident) == 3) {
		*cpu_seconds += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
		*memory_bytes += (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	fclose(f);
}

static json_t *pid_json(const struct job *j)
{
	return j && j->pid > 0 ? json_integer(j->pid) : json_null();
}

static const char *const content_names[CONTENT_FAULT_COUNT_] = {
	[CONTENT_GOOD] = "good",
	[CONTENT_BLACK] = "black",
	[CONTENT_FROZEN] = "frozen",
	[CONTENT_SILENT] = "silent",
	[CONTENT_NO_PICTURE] = "no picture",
	[CONTENT_NO_SOUND] = "no sound",
};

static json_t *tuner_json(const struct tuner *t, void *owner,
			  uint64_t (*viewers_of)(void *owner, uint32_t output_slot))
{
	json_t *variants = json_array();
	uint64_t viewers = 0, memory = 0, rate_in = 0;
	int64_t up_us = t->started_wall_us ? clock_wall_us() - t->started_wall_us : 0;
	const struct job *derive = tuner_both(t) ? t->jobs[SEAT_SOURCE] : t->jobs[SEAT_DERIVE];
	const struct history_counts *total = &t->history.total;
	const struct tuner_facts facts = tuner_facts(t);
	double cpu = 0;
	char started[32];

	for (const struct output *o = t->outputs; o; o = o->next) {
		if (o->wants)
			viewers += viewers_of(owner, o->slot);
		if (o->id.form == OUTPUT_TS && o->id.variant[0])
			json_array_append_new(variants, json_string(o->id.variant));
		if (o->source)
			rate_in = o->rate_bps;
	}
	for (size_t i = 0; i < SEAT_COUNT_; i++)
		process_usage(t->jobs[i] ? t->jobs[i]->pid : 0, &cpu, &memory);
	time_format_iso8601(t->started_wall_us, started);
	return json_pack(
		"{s:s, s:i, s:o, s:o, s:o, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:i, s:f, "
		"s:I, s:s?, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I, s:I, s:I, s:I, s:s?, s:I, s:o}",
		"key", t->key, "stream_id", (int)t->channel, "variants", variants, "pid",
		pid_json(t->jobs[SEAT_SOURCE]), "derive_pid", pid_json(derive), "state",
		tuner_state_name(t->state), "source", t->def ? tuner_source(t)->text : "",
		"started", started, "uptime_seconds", (double)MAX(up_us, 0) / 1e6, "viewers",
		(json_int_t)viewers, "bitrate_in", (json_int_t)rate_in, "bitrate_out",
		(json_int_t)facts.rate_out_bps, "restarts", (int)t->restarts, "cpu_seconds", cpu,
		"memory_bytes", (json_int_t)memory, "last_error",
		t->last_error[0] ? t->last_error : NULL, "source_number",
		tuner_on_slate(t) ? 0 : (int)t->source_at + 1, "sources",
		t->def ? t->def->source_count : 0, "switches", (json_int_t)total->switches,
		"restarts_crashed", (json_int_t)total->lost[LOST_CRASHED], "restarts_failed",
		(json_int_t)total->lost[LOST_FAILED], "restarts_silent",
		(json_int_t)total->lost[LOST_SILENT], "restarts_slow",
		(json_int_t)total->lost[LOST_SLOW], "restarts_content",
		(json_int_t)total->lost[LOST_CONTENT], "cc_errors", (json_int_t)total->cc_errors,
		"clock_jumps", (json_int_t)total->jumps, "pcr_interval_ms",
		(json_int_t)facts.pcr_interval_ms, "pcr_jitter_ms", (json_int_t)facts.pcr_jitter_ms,
		"first_media_ms", (json_int_t)(t->health[t->source_at].start_took_us / 1000),
		"leg1_lost", (json_int_t)total->pair[RING_PAIR_LOST_1], "leg2_lost",
		(json_int_t)total->pair[RING_PAIR_LOST_2], "pair_filled",
		(json_int_t)total->pair[RING_PAIR_FILLED], "pair_lost",
		(json_int_t)total->pair[RING_PAIR_MISSING], "content",
		t->jobs[SEAT_WATCH] || t->content != CONTENT_GOOD ? content_names[t->content]
								  : NULL,
		"frames_dropped", (json_int_t)t->frames_dropped, "encoder_speed",
		t->encoder_permil ? json_real(t->encoder_permil / 1000.0) : json_null());
}

json_t *tuners_report(const struct tuners *ts, void *owner,
		      uint64_t (*viewers_of)(void *owner, uint32_t output_slot))
{
	json_t *list = json_array();

	for (const struct tuner *t = ts->all; t; t = t->next)
		if (t->slot >= 0)
			json_array_append_new(list, tuner_json(t, owner, viewers_of));
	return list;
}

unsigned tuners_count(const struct tuners *ts)
{
	unsigned n = 0;

	for (const struct tuner *t = ts->all; t; t = t->next)
		n += t->slot >= 0;
	return n;
}
