/* report.c - prints the load client's results as one line of JSON */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/load/load.h"

/* Sums over the fast clients, or over the slow ones. */
struct sums {
	int lost, closed, verified, unplaced;
	uint64_t window_bytes, min_bytes, max_bytes;
	uint64_t packets, sync_losses, counter_errors, duplicates, transport_errors;
	uint64_t compared, lost_packets, alien_packets, cuts, bad_starts, defects;
	uint64_t frames, stray_bytes; /* of ADTS */
	uint64_t rtp_lost;	      /* packets of RTP */
};

static int compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The quantile `part` (0 to 1) of n sorted values; -1 if n is 0. */
static double quantile(const double *values, int n, double part)
{
	return n ? values[(int)(part * (n - 1) + 0.5)] : -1;
}

static void print_spread(const char *name, double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare_numbers);
	printf(",\"%s\":{\"n\":%d,\"min\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,"
	       "\"max\":%.2f}",
	       name, n, quantile(values, n, 0), quantile(values, n, .5), quantile(values, n, .9),
	       quantile(values, n, .99), quantile(values, n, 1));
}

static void add_client(struct sums *s, const struct client *c)
{
	const struct ts_findings *t = &c->ts.found;

	s->lost += c->closed_early || c->failed || c->state < CLIENT_BODY;
	s->closed += c->state == CLIENT_DONE;
	s->verified += c->verified;
	s->unplaced += c->verified && c->run.compared == 0;
	s->window_bytes += c->window_bytes;
	s->min_bytes = MIN(s->min_bytes, c->window_bytes);
	s->max_bytes = MAX(s->max_bytes, c->window_bytes);
	s->packets += c->verified ? t->packets : 0;
	s->sync_losses += t->sync_losses;
	s->counter_errors += t->cc_errors;
	s->duplicates += t->duplicates;
	s->transport_errors += t->transport_errors;
	s->compared += c->run.compared;
	s->lost_packets += c->run.lost;
	s->alien_packets += c->run.alien;
	s->cuts += t->cuts;
	s->bad_starts += t->bad_starts + t->bad_cuts + t->early;
	s->defects += ts_judge_defects(&c->ts);
	s->frames += c->sound.frames;
	s->stray_bytes += c->sound.stray_bytes;
	s->rtp_lost += c->rtp_lost;
}

static void sum_up(const struct load *l, bool slow, struct sums *s)
{
	memset(s, 0, sizeof(*s));
	s->min_bytes = UINT64_MAX;
	for (int i = 0; i < l->total; i++) {
		if (l->clients[i].slow == slow)
			add_client(s, &l->clients[i]);
	}
}

static void print_window(const struct load *l, const struct sums *s, double *values)
{
	double mbit = (double)s->window_bytes * 8 / 1e6;
	double cpu = l->after.cpu_s - l->before.cpu_s;

	for (int i = 0; i < l->o.clients; i++)
		values[i] = (double)l->clients[i].window_bytes;
	qsort(values, (size_t)l->o.clients, sizeof(*values), compare_numbers);
	printf(",\"mbps\":%.1f,\"bytes\":{\"min\":%" PRIu64 ",\"p50\":%.0f,\"max\":%" PRIu64 "}",
	       mbit / l->window_s, s->min_bytes, quantile(values, l->o.clients, .5), s->max_bytes);
	printf(",\"srv_cpu_s\":%.3f,\"mbit_per_cpu_s\":%.0f,\"cpu_ms_per_client_s\":%.4f,"
	       "\"cli_cpu_s\":%.3f",
	       cpu, cpu > 0 ? mbit / cpu : 0, cpu * 1e3 / l->window_s / l->o.clients,
	       l->own_after_s - l->own_before_s);
}

static void print_sums(const struct sums *s, const char *prefix)
{
	printf(",\"%sverified\":%d,\"%sunplaced\":%d,\"%spkts\":%" PRIu64 ",\"%scompared\":%" PRIu64
	       ",\"%ssync_loss\":%" PRIu64 ",\"%scc_err\":%" PRIu64 ",\"%sdup\":%" PRIu64
	       ",\"%stei\":%" PRIu64 ",\"%slost_bytes\":%" PRIu64 ",\"%salien_bytes\":%" PRIu64
	       ",\"%scuts\":%" PRIu64 ",\"%sbad_starts\":%" PRIu64 ",\"%sdefects\":%" PRIu64
	       ",\"%sframes\":%" PRIu64 ",\"%sstray_bytes\":%" PRIu64
	       ",\"%srtp_lost\":%" PRIu64,
	       prefix, s->verified, prefix, s->unplaced, prefix, s->packets, prefix, s->compared,
	       prefix, s->sync_losses, prefix, s->counter_errors, prefix, s->duplicates, prefix,
	       s->transport_errors, prefix, s->lost_packets * TS_BYTES, prefix,
	       s->alien_packets * TS_BYTES, prefix, s->cuts, prefix, s->bad_starts, prefix,
	       s->defects, prefix, s->frames, prefix, s->stray_bytes,
	       prefix, s->rtp_lost);
}

enum moment { AT_CONNECTED, AT_FIRST, AT_RAP, AT_KEY_END };

static uint64_t moment_of(const struct client *c, enum moment m)
{
	switch (m) {
	case AT_CONNECTED:
		return c->connected_ns;
	case AT_FIRST:
		return c->first_ns;
	case AT_RAP:
		return c->ts.access_ns;
	default:
		return c->ts.picture_end_ns;
	}
}

static void print_moment(const struct load *l, const char *name, enum moment m, double *values)
{
	int n = 0;

	for (int i = 0; i < l->o.clients; i++) {
		uint64_t at = moment_of(&l->clients[i], m);

		if (at)
			values[n++] = (double)(at - l->clients[i].start_ns) / 1e6;
	}
	print_spread(name, values, n);
	if (!l->o.values)
		return;
	printf(",\"%s_values\":[", name);
	for (int i = 0; i < n; i++)
		printf("%s%.3f", i ? "," : "", values[i]);
	printf("]");
}

static void print_rest(const struct load *l, double *values)
{
	int n = 0;

	for (int i = 0; i < l->o.clients; i++) {
		if (l->clients[i].ts.access_ns)
			values[n++] = (double)l->clients[i].ts.access_bytes / 1e3;
	}
	print_spread("rap_kbytes", values, n);
	n = 0;
	for (int i = 0; i < l->o.clients; i++) {
		if (l->clients[i].gap_ns)
			values[n++] = (double)l->clients[i].gap_ns / 1e6;
	}
	print_spread("gap_max_ms", values, n);
}

int report_print(struct load *l)
{
	_cleanup_(freep) double *values = calloc((size_t)l->total + 1, sizeof(*values));
	struct sums fast, slow;

	if (!values)
		return l->total;
	sum_up(l, false, &fast);
	sum_up(l, true, &slow);
	printf("{\"label\":\"%s\",\"clients\":%d,\"slow\":%d,\"secs\":%.2f", l->o.label,
	       l->o.clients, l->total - l->o.clients, l->window_s);
	if (l->window_s > 0)
		print_window(l, &fast, values);
	printf(",\"procs\":%ld,\"rss_kb\":%ld,\"pss_kb\":%ld,\"lost_clients\":%d,"
	       "\"slow_closed\":%d",
	       l->after.processes, l->after.rss_kb, l->after.pss_kb, fast.lost, slow.closed);
	print_sums(&fast, "");
	print_sums(&slow, "slow_");
	print_moment(l, "connect_ms", AT_CONNECTED, values);
	print_moment(l, "first_byte_ms", AT_FIRST, values);
	print_moment(l, "rap_ms", AT_RAP, values);
	print_moment(l, "key_ms", AT_KEY_END, values);
	print_rest(l, values);
	printf("}\n");
	return fast.lost;
}
