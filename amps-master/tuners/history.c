#include "amps-master/tuners/history.h"

#include <assert.h>

static uint64_t minute_of(uint64_t now_us)
{
	return now_us / 60000000 + 1;
}

static void sum(struct history_counts *to, const struct history_counts *more)
{
	to->packets += more->packets;
	to->cc_errors += more->cc_errors;
	to->jumps += more->jumps;
	to->switches += more->switches;
	to->away_ms += more->away_ms;
	for (size_t i = 0; i < RING_PAIR_COUNT_; i++)
		to->pair[i] += more->pair[i];
	for (size_t i = 0; i < LOST_CAUSE_COUNT_; i++)
		to->lost[i] += more->lost[i];
}

void history_add(struct history *h, uint64_t now_us, unsigned source,
		 const struct history_counts *more)
{
	uint64_t minute = minute_of(now_us);
	struct history_entry *e = NULL;

	sum(&h->total, more);
	/* the entries of this minute are the newest ones */
	for (unsigned back = 0; back < HISTORY_ENTRIES && !e; back++) {
		struct history_entry *old =
			&h->entries[(h->newest + HISTORY_ENTRIES - back) % HISTORY_ENTRIES];

		if (old->minute != minute)
			break;
		if (old->source == source)
			e = old;
	}
	if (!e) {
		h->newest = (h->newest + 1) % HISTORY_ENTRIES;
		e = &h->entries[h->newest];
		assert(e->minute <= minute);
		*e = (struct history_entry){.minute = minute, .source = source};
	}
	sum(&e->counts, more);
}

void history_hour(const struct history *h, uint64_t now_us, unsigned source,
		  struct history_counts *ret, unsigned *ret_worst)
{
	uint64_t minute = minute_of(now_us), most = 0;

	*ret = (struct history_counts){0};
	*ret_worst = 0;
	for (size_t i = 0; i < HISTORY_ENTRIES; i++) {
		const struct history_entry *e = &h->entries[i];

		if (e->minute == 0 || e->source != source || e->minute > minute ||
		    minute - e->minute >= HISTORY_MINUTES)
			continue;
		sum(ret, &e->counts);
		if (e->counts.cc_errors > most) {
			most = e->counts.cc_errors;
			*ret_worst = (unsigned)(minute - e->minute);
		}
	}
}

void history_forget_hour(struct history *h)
{
	h->newest = 0;
	for (size_t i = 0; i < HISTORY_ENTRIES; i++)
		h->entries[i] = (struct history_entry){0};
}
