#include "amps-transcoder/ts/sink.h"

#include <assert.h>
#include <string.h>

#include "amps-transcoder/job/out_rings.h"
#include "amps-transcoder/ts/align.h"
#include "amps-transcoder/ts/clock_watch.h"
#include "amps-transcoder/ts/cushion.h"
#include "amps-transcoder/ts/gone_watch.h"
#include "amps-transcoder/ts/sound.h"
#include "common/clock.h"
#include "common/log/log.h"

#define HELD_MAX	(32u << 10) /* bytes held back while a picture or a time is undecided */
#define SOUND_MAX	(64u << 10) /* bytes of one PES */
#define MARKS_MAX	TS_RAP_PIDS /* put into the bytes that are read at once */
#define RAP_WAIT_TENTHS 8	    /* of start_timeout, at which viewers give up */
#define GAP_MIN_90K	(TS_HZ / 25)
#define GAP_MAX_90K	TS_HZ
#define GAP_OVER_90K	(3 * TS_HZ / 10)
#define GAP_DOUBLED_MAX 3u

#define MEASURE_US 1000000u /* between two times that sounds are decoded for a jump */

struct ts_sink {
	struct out_rings out;	 /* the next ring is moved to at an access point */
	struct cushion *cushion; /* in front of all that follows; NULL = none */
	bool said_full;		 /* that the cushion holds less than it should */
	size_t parsed;		 /* bytes behind pos that were parsed but held back */
	size_t waiting;		 /* bytes of packets behind those whose times need a later PCR */
	size_t rest;		 /* bytes behind those that are no whole packet yet */
	struct ts_align align;
	struct ts_parse parse;
	struct ts_rewrite rewrite;
	struct clock_watch clock;
	struct gone_watch gone;
	uint64_t bytes_in;
	uint64_t now_us; /* when the bytes at hand came */
	uint64_t rap_us; /* when there was an access point last, or the sink began */
	uint64_t rap_wait_us;
	uint64_t measured_us; /* when sounds were decoded for a jump; 0 = never */
	unsigned take_overs;  /* rings for viewers of another job that it was given */
	bool follows;	      /* viewers come from another job's ring ... */
	/* ... and know the counters of these PIDs from the first access point */
	struct ts_pid_cc announced[TS_RAP_PIDS];
	unsigned announced_count;
	/* of a source that is repeated: where the round began in bytes_in, and the last one */
	uint64_t round_at, round_bytes;
	int64_t round_90k;
	void (*on_programme)(void *owner, const struct ts_parse *p);
	void *owner;
};

static void on_jump(void *owner);

int ts_sink_new(struct job *job, struct ts_sink **ret)
{
	struct ts_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	out_rings_init(&s->out, job);
	s->rap_us = clock_mono_us();
	s->rap_wait_us = (uint64_t)job_spec_int(job, "start_timeout_ms", JOB_START_TIMEOUT_MS) *
			 1000 / 10 * RAP_WAIT_TENTHS;
	ts_parse_init(&s->parse);
	ts_rewrite_init(&s->rewrite);
	ts_rewrite_on_jump(&s->rewrite, on_jump, s);
	s->clock = CLOCK_WATCH_INIT;
	s->gone = GONE_WATCH_INIT;
	*ret = s;
	return 0;
}

struct ts_sink *ts_sink_free(struct ts_sink *s)
{
	if (!s)
		return NULL;
	if (s->cushion)
		job_on_tick(s->out.job, NULL, NULL);
	cushion_free(s->cushion);
	out_rings_done(&s->out);
	free(s);
	return NULL;
}

/* How far the first timestamp goes behind the frontier of an older job: by the time that has
 * passed, limited to one picture at least and a second at most. */
static int64_t gap_behind(const struct job *job)
{
	int64_t gone_us = (int64_t)(clock_mono_us() - job->continue_mono_us);
	int64_t gap = gone_us > 0 ? gone_us * 9 / 100 : 0;

	return MIN(MAX(gap, GAP_MIN_90K), GAP_MAX_90K);
}

bool ts_sink_attached(const struct ts_sink *s)
{
	return out_rings_attached(&s->out);
}

uint64_t ts_sink_generation(const struct ts_sink *s)
{
	return s->out.ring.generation;
}

/* Limits the write size in a small ring, so that readers inside its guard do not count as lapped.
 */
static size_t space_bytes(const struct out_ring *r)
{
	return MIN(RING_WRITE_MAX, r->writer.data_bytes / 8) / TS_PACKET * TS_PACKET;
}

static uint8_t *reserve(struct out_ring *r)
{
	return ring_writer_reserve(&r->writer, space_bytes(r));
}

static uint8_t *ring_space(struct ts_sink *s, size_t *ret_cap)
{
	size_t held = s->parsed + s->waiting + s->rest;

	assert(ts_sink_attached(s) && held + MARKS_MAX * TS_PACKET < space_bytes(&s->out.ring));
	*ret_cap = space_bytes(&s->out.ring) - held - MARKS_MAX * TS_PACKET;
	return reserve(&s->out.ring) + held;
}

static void commit(struct ts_sink *s, size_t n)
{
	assert(n <= s->parsed);
	out_rings_commit(&s->out, n);
	s->parsed -= n;
}

/* Switches to the larger ring; the access point is `at` bytes after pos, and the `behind` bytes
 * from there on are copied. */
static void move_over(struct ts_sink *s, size_t at, size_t behind)
{
	uint8_t *from = s->out.ring.writer.data +
			(s->out.ring.writer.commit & (s->out.ring.writer.data_bytes - 1));

	assert(s->out.next.writer.header && at <= s->parsed);
	memcpy(reserve(&s->out.next), from + at, behind);
	commit(s, at);
	out_rings_move(&s->out);
}

/* The same while the older job goes on writing, until the first access point of this one: as much
 * later as it will have written, and a margin for sources that deliver in bursts, which grows with
 * each ring that began too early. */
static int64_t gap_over(struct ts_sink *s, const struct job_event *event)
{
	uint64_t gone_us = MIN(clock_mono_us() - event->continue_mono_us, 10000000ull);
	int64_t margin_90k = (int64_t)GAP_OVER_90K << MIN(s->take_overs, GAP_DOUBLED_MAX);

	s->take_overs++;
	return (int64_t)gone_us * 9 / 100 + margin_90k;
}

/* The next ring has viewers that have watched another job: it begins at once, like that of a new
 * job, and nothing of the time until now goes on in it.  *ret_lead_90k: how far this source's PCRs
 * are ahead of its pictures; packets before the next PCR may decide where it goes. */
static void take_over(struct ts_sink *s, int64_t *ret_lead_90k)
{
	const struct ts_parse *p = &s->parse;
	bool known = p->frontier_90k != TIME_NONE && p->pcr_90k != TIME_NONE;

	*ret_lead_90k = known ? MAX(p->frontier_90k - p->pcr_90k, 0) : 0;
	move_over(s, s->parsed, s->waiting + s->rest);
	assert(s->parsed == 0);
	ts_parse_init(&s->parse);
	ts_rewrite_init(&s->rewrite);
	ts_rewrite_on_jump(&s->rewrite, on_jump, s);
}

int ts_sink_attach(struct ts_sink *s, const struct job_event *event)
{
	bool first = !out_rings_attached(&s->out);
	int64_t clock_90k = event->continue_clock_90k, at_90k, gap_90k, lead_90k = 0;
	int err = out_rings_attach(&s->out, event);

	if (err < 0 || event->continue_90k == TIME_NONE)
		return err;
	if (!first)
		take_over(s, &lead_90k);
	gap_90k = first ? gap_behind(s->out.job) : gap_over(s, event);
	at_90k = event->continue_90k + gap_90k;
	if (clock_90k != TIME_NONE)
		at_90k = MAX(at_90k, clock_90k + gap_90k + lead_90k);
	ts_rewrite_splice(&s->rewrite, at_90k, true);
	if (clock_90k != TIME_NONE)
		ts_rewrite_clock_after(&s->rewrite, first ? clock_90k : clock_90k + gap_90k);
	s->rewrite.version_add = (uint8_t)(event->generation % TS_VERSIONS);
	s->follows = true;
	return 0;
}

static void add_rap(struct ts_sink *s, const struct ts_rap *rap)
{
	struct ring_rap slot;

	s->rap_us = clock_mono_us();
	if (!s->out.ring.running) {
		ring_writer_first_pcr(&s->out.ring.writer, s->parse.pcr_90k);
		s->announced_count = rap->pid_count;
		memcpy(s->announced, rap->pids, sizeof(s->announced));
	}
	ts_rap_pack(rap, &slot);
	out_rings_add_rap(&s->out, &slot);
}

/* Is it the first packet of a PID in this ring that viewers of another ring may know, with a
 * counter that it does not follow? */
static bool is_new_pid(const struct ts_sink *s, const uint8_t *packet)
{
	unsigned pid = ts_pid(packet);

	if (!s->follows || !s->out.ring.running || s->parse.cc[pid] <= 15 || pid == TS_PID_NONE ||
	    packet[1] & 0x80)
		return false;
	for (unsigned i = 0; i < s->announced_count; i++)
		if (s->announced[i].pid == pid)
			return false;
	return true;
}

/* Puts a mark in front of this packet; `behind` bytes from there on are moved.  False if there is
 * no room. */
static bool put_mark(const struct ts_sink *s, uint8_t *packet, size_t behind)
{
	unsigned pid = ts_pid(packet), cc = packet[3] & 0x0f;

	if (s->parsed + behind + TS_PACKET > space_bytes(&s->out.ring))
		return false;
	cc -= ts_has_payload(packet);
	memmove(packet + TS_PACKET, packet, behind);
	ts_rap_mark(packet, pid, cc);
	return true;
}

/* How many bytes may be committed: all, unless a larger ring waits and an access point may be a few
 * packets back. */
static size_t committable(const struct ts_sink *s)
{
	uint64_t undecided;

	if (!s->out.next.writer.header || !ts_parse_undecided(&s->parse, &undecided) ||
	    undecided < s->out.pos || s->parsed > HELD_MAX)
		return s->parsed;
	return (size_t)(undecided - s->out.pos);
}

/* Rewrites and parses the packets between `parsed` and `end` bytes behind pos.  With `more` to
 * come, it stops at a packet whose times need a later PCR. */
static void take_packets(struct ts_sink *s, size_t end, bool more)
{
	uint8_t *base = s->out.ring.writer.data +
			(s->out.ring.writer.commit & (s->out.ring.writer.data_bytes - 1));
	struct ts_rap rap;

	while (s->parsed < end) {
		uint8_t *packet = base + s->parsed;
		size_t at_hand = (end - s->parsed) / TS_PACKET;
		unsigned saw;

		if (ts_rewrite_middle(&s->rewrite, &s->parse, packet)) {
			s->parsed += TS_PACKET;
			continue;
		}
		if (is_new_pid(s, packet) && put_mark(s, packet, end - s->parsed + s->rest))
			end += TS_PACKET;
		if (more && at_hand < HELD_MAX / TS_PACKET &&
		    ts_rewrite_waits(&s->rewrite, &s->parse, packet, at_hand))
			break;
		ts_rewrite_packet(&s->rewrite, &s->parse, packet, at_hand);
		saw = ts_parse_packet(&s->parse, packet, s->out.pos + s->parsed, &rap);
		s->parsed += TS_PACKET;
		if (saw & TS_SAW_PCR)
			clock_watch_time(&s->clock, s->parse.pcr_90k, s->now_us);
		if (saw & TS_SAW_PMT && s->on_programme)
			s->on_programme(s->owner, &s->parse);
		if (!(saw & TS_SAW_RAP))
			continue;
		if (s->out.next.writer.header && rap.pos >= s->out.pos) {
			size_t at = (size_t)(rap.pos - s->out.pos);
			size_t parsed = s->parsed - at;

			s->parsed = at;
			move_over(s, at, end - at + s->rest);
			s->parsed = parsed;
			end -= at;
			base = reserve(&s->out.ring);
		}
		/* announce the access point only after its bytes */
		end -= s->parsed;
		commit(s, s->parsed);
		base = reserve(&s->out.ring);
		add_rap(s, &rap);
	}
	s->waiting = end - s->parsed;
}

static const struct clock_watch *clock_watch(const struct ts_sink *s)
{
	return s->cushion ? cushion_clock_watch(s->cushion) : &s->clock;
}

/* n bytes were put into the space of the ring. */
static void ring_put(struct ts_sink *s, size_t n)
{
	struct ring_writer *w = &s->out.ring.writer;
	uint8_t *bytes = w->data + (w->commit & (w->data_bytes - 1)) + s->parsed + s->waiting;
	size_t rest, whole = ts_align(&s->align, bytes, s->rest + n, &rest);

	assert(whole % TS_PACKET == 0 && whole + rest <= s->rest + n);
	s->bytes_in += n;
	s->rest = rest;
	s->now_us = clock_mono_us();
	s->parse.any_picture = s->now_us - s->rap_us > s->rap_wait_us;
	take_packets(s, s->parsed + s->waiting + whole, true);
	commit(s, committable(s));
	gone_watch_streams(&s->gone, &s->parse, s->now_us);
	w = &s->out.ring.writer;
	if (s->parse.frontier_90k != TIME_NONE)
		ring_writer_frontier(w, s->parse.frontier_90k);
	if (s->parse.pcr_90k != TIME_NONE)
		ring_writer_pcr(w, s->parse.pcr_90k);
	ring_writer_stats(w, s->bytes_in, s->out.bitrate,
			  s->parse.cc_errors + s->align.losses +
				  (s->cushion ? cushion_losses(s->cushion) : 0));
	ring_writer_clock(w, s->rewrite.jumps, clock_watch(s)->interval_us,
			  clock_watch(s)->jitter_us);
	out_rings_measure(&s->out, s->parse.clock_90k);
}

void ts_sink_pair(struct ts_sink *s, const uint64_t counts[RING_PAIR_COUNT_])
{
	ring_writer_pair(&s->out.ring.writer, counts);
}

static void ring_write(struct ts_sink *s, const uint8_t *from, size_t n)
{
	while (n) {
		size_t cap;
		uint8_t *to = ring_space(s, &cap);
		size_t part = MIN(n, cap);

		memcpy(to, from, part);
		ring_put(s, part);
		from += part;
		n -= part;
	}
}

void ts_sink_on_programme(struct ts_sink *s, void (*call)(void *owner, const struct ts_parse *p),
			  void *owner)
{
	s->on_programme = call;
	s->owner = owner;
}

/* How many packets of this ring are still readable. */
static size_t packets_kept(const struct ts_sink *s)
{
	return MIN(s->out.ring.writer.commit + s->parsed, s->out.ring.writer.data_bytes / 2) /
	       TS_PACKET;
}

/* The packet `back` packets before the end of what was written. */
static const uint8_t *packet_back(const struct ts_sink *s, size_t back)
{
	const struct ring_writer *w = &s->out.ring.writer;
	uint64_t at = w->commit + s->parsed - back * TS_PACKET;

	assert(back > 0 && back <= packets_kept(s));
	return w->data + (at & (w->data_bytes - 1));
}

/* The payload of the last PES of a stream of sound, as far as it is kept. */
static size_t last_sound(const struct ts_sink *s, unsigned pid, uint8_t *dst, size_t cap)
{
	size_t kept = packets_kept(s), back = 1, used = 0;

	while (back <= kept &&
	       !(ts_pid(packet_back(s, back)) == pid && ts_pusi(packet_back(s, back))))
		back++;
	for (; back > 0 && back <= kept; back--) {
		const uint8_t *packet = packet_back(s, back);
		struct ts_pes pes = {.data_at = ts_payload_at(packet)};
		size_t n;

		if (ts_pid(packet) != pid)
			continue;
		assert(used <= cap);
		ts_pes_find(packet, &pes);
		n = MIN(TS_PACKET - pes.data_at, cap - used);
		memcpy(dst + used, packet + pes.data_at, n);
		used += n;
	}
	return used;
}

/* How long the last PES of a stream of sound is: the number of frames in one varies, so they are
 * counted.  0 = not known. */
static int64_t last_length(const struct ts_sink *s, const struct ts_stream *stream)
{
	uint8_t data[SOUND_MAX + TS_SOUND_PADDING] = {0};

	if (stream->kind != TS_KIND_AUDIO || stream->last_pts_90k == TIME_NONE)
		return 0;
	return ts_sound_length_90k(stream->codec, data,
				   last_sound(s, stream->pid, data, SOUND_MAX));
}

static int64_t end_of(const struct ts_sink *s, const struct ts_stream *stream)
{
	int64_t length = last_length(s, stream);

	return length > 0 ? stream->last_pts_90k + length : stream->end_90k;
}

/* Another timeline begins where this one has ended. */
static void on_jump(void *owner)
{
	struct ts_sink *s = owner;

	if (s->measured_us && s->now_us - s->measured_us < MEASURE_US)
		return;
	s->measured_us = s->now_us;
	for (unsigned i = 0; i < s->parse.stream_count; i++) {
		int64_t length = last_length(s, &s->parse.streams[i]);

		if (length > 0)
			ts_parse_last_unit(&s->parse, i, length);
	}
}

/* The length of a round at which no stream begins again before it has ended. */
static int64_t round_length(const struct ts_sink *s)
{
	int64_t length = TIME_NONE;

	for (unsigned i = 0; i < s->parse.stream_count; i++) {
		const struct ts_stream *stream = &s->parse.streams[i];

		if (stream->kind != TS_KIND_OTHER && stream->begin_90k != TIME_NONE)
			length = MAX(length, end_of(s, stream) - stream->begin_90k);
	}
	return length;
}

/* Measures the round; the same number of bytes is the same round, whose sound need not be decoded
 * again. */
static void measure_round(struct ts_sink *s)
{
	uint64_t bytes = s->bytes_in - s->round_at;

	if (bytes != s->round_bytes)
		s->round_90k = round_length(s);
	s->round_bytes = bytes;
	s->round_at = s->bytes_in;
}

static void ring_repeat(struct ts_sink *s)
{
	const struct ts_parse *p = &s->parse;
	int64_t frontier = p->frontier_90k != TIME_NONE ? p->frontier_90k : p->clock_90k;

	take_packets(s, s->parsed + s->waiting, false);
	s->rest = 0; /* drop half a packet at the end */
	ts_align_restart(&s->align);
	measure_round(s);
	if (frontier != TIME_NONE)
		ts_rewrite_repeat(&s->rewrite, frontier, s->round_90k);
	ts_parse_new_round(&s->parse);
}

/* ---------- what is held back in front of the ring ---------- */

static void write_piece(struct ts_sink *s, const struct cushion_piece *piece)
{
	if (piece->repeat)
		ring_repeat(s);
	ring_write(s, piece->bytes, piece->n);
}

/* Writes what is due. */
static void let_due_go(struct ts_sink *s)
{
	struct cushion_piece piece;

	while (out_rings_attached(&s->out) && cushion_take(s->cushion, clock_mono_us(), &piece))
		write_piece(s, &piece);
	if (s->said_full || !cushion_overflowed(s->cushion))
		return;
	s->said_full = true;
	job_report_notice(s->out.job, "the cushion holds less than it should, because the source "
				      "has too many bits a second");
}

static void on_tick(void *owner)
{
	let_due_go(owner);
}

int ts_sink_hold_back(struct ts_sink *s, uint64_t hold_us, uint64_t first_until_us)
{
	int r = cushion_new(hold_us, first_until_us, &s->cushion);

	assert(s->bytes_in == 0);
	if (r == 0)
		job_on_tick(s->out.job, on_tick, s);
	return r;
}

uint64_t ts_sink_holds_until_us(const struct ts_sink *s)
{
	return s->cushion ? cushion_empty_us(s->cushion) : 0;
}

void ts_sink_let_go(struct ts_sink *s)
{
	if (!s->cushion)
		return;
	cushion_let_go(s->cushion);
	let_due_go(s);
}

uint8_t *ts_sink_space(struct ts_sink *s, size_t *ret_cap)
{
	return s->cushion ? cushion_space(s->cushion, ret_cap) : ring_space(s, ret_cap);
}

void ts_sink_put(struct ts_sink *s, size_t n)
{
	if (!s->cushion) {
		ring_put(s, n);
		return;
	}
	cushion_put(s->cushion, n, clock_mono_us());
	let_due_go(s);
}

void ts_sink_write(struct ts_sink *s, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n) {
		size_t cap;
		uint8_t *to = ts_sink_space(s, &cap);
		size_t part = MIN(n, cap);

		memcpy(to, from, part);
		ts_sink_put(s, part);
		from += part;
		n -= part;
	}
}

void ts_sink_repeat(struct ts_sink *s)
{
	if (s->cushion)
		cushion_repeat(s->cushion);
	else
		ring_repeat(s);
}

void ts_sink_resume(struct ts_sink *s)
{
	assert(!s->cushion);
	ts_rewrite_resume(&s->rewrite);
}

int64_t ts_sink_clock_90k(const struct ts_sink *s)
{
	return s->cushion ? cushion_clock_90k(s->cushion) : s->parse.clock_90k;
}

uint64_t ts_sink_bitrate(const struct ts_sink *s)
{
	return s->out.bitrate;
}

bool ts_sink_running(const struct ts_sink *s)
{
	return s->out.ring.running;
}

enum content_fault ts_sink_gone(const struct ts_sink *s)
{
	return gone_watch_verdict(&s->gone, clock_mono_us());
}

uint64_t ts_sink_frozen_us(const struct ts_sink *s)
{
	return clock_watch_frozen_us(clock_watch(s));
}

uint64_t ts_sink_media_packets(const struct ts_sink *s)
{
	return s->cushion ? cushion_media_packets(s->cushion) : s->parse.media_packets;
}

void ts_sink_ended(struct ts_sink *s)
{
	assert(ts_sink_attached(s) && !ts_sink_holds_until_us(s));
	take_packets(s, s->parsed + s->waiting, false);
	commit(s, s->parsed);
	out_rings_ended(&s->out);
}
