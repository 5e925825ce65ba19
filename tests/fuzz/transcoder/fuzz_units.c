/* fuzz_units.c - packets of any stream through the parser, into units of each stream, and those
 * into fragments of MP4 */
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>
#include <sanitizer/lsan_interface.h>

#include "amps-transcoder/segment/facts.h"
#include "amps-transcoder/segment/fragments.h"
#include "amps-transcoder/segment/units.h"

#define UNITS_A_FRAGMENT 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is made of one stream. */
struct side {
	unsigned pid;
	struct units *units;
	struct fragments *fragments;
	int64_t last_dts;
	unsigned waiting;
};

static void begin_muxer(struct side *s, const AVCodecParameters *parameters)
{
	struct segment_media media = {0};

	s->fragments = fragments_free(s->fragments);
	s->last_dts = AV_NOPTS_VALUE;
	s->waiting = 0;
	facts_of_parameters(parameters, 3600, &media);
	if (strnlen(media.picture, SEGMENT_CODEC_MAX) == SEGMENT_CODEC_MAX ||
	    strnlen(media.sound, SEGMENT_CODEC_MAX) == SEGMENT_CODEC_MAX)
		abort();
	if (fragments_new(parameters, &s->fragments) < 0 && s->fragments)
		abort();
}

static void add(struct side *s, const AVPacket *unit)
{
	struct fragment part;
	int r;

	if (unit->duration <= 0 || unit->dts == AV_NOPTS_VALUE || unit->size <= 0)
		abort();
	if (!s->fragments || (s->last_dts != AV_NOPTS_VALUE && unit->dts <= s->last_dts))
		return;
	/* libavformat leaks a buffer where a moov cannot be written yet; the number of tries is
	 * small
	 */
	__lsan_disable();
	r = fragments_add(s->fragments, unit);
	__lsan_enable();
	if (r < 0)
		return;
	s->last_dts = unit->dts;
	if (++s->waiting < UNITS_A_FRAGMENT)
		return;
	s->waiting = 0;
	if (fragments_cut(s->fragments, &part) == 1 && (part.len == 0 || part.duration <= 0))
		abort();
}

static void take(struct side *s)
{
	AVPacket *unit = av_packet_alloc();

	while (unit && units_next(s->units, unit) == 1) {
		if (units_changed(s->units))
			begin_muxer(s, units_parameters(s->units));
		add(s, unit);
		av_packet_unref(unit);
	}
	av_packet_free(&unit);
}

static void end(struct side *s)
{
	if (s->units) {
		units_gap(s->units, true);
		take(s);
	}
	s->units = units_free(s->units);
	s->fragments = fragments_free(s->fragments);
	s->pid = TS_PID_NONE;
}

static void feed(struct side *s, const struct ts_parse *p, unsigned pid, const uint8_t *packet,
		 uint64_t pos)
{
	const struct ts_stream *stream;

	if (pid == TS_PID_NONE || !p->stream_of[pid])
		return;
	stream = &p->streams[p->stream_of[pid] - 1];
	if (s->pid != pid || !s->units) {
		end(s);
		s->pid = pid;
		if (units_new(stream, &s->units) < 0)
			return;
	}
	if (ts_pid(packet) == pid && units_packet(s->units, stream, packet, pos) < 0)
		abort();
	units_access(s->units, pos);
	take(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ts_parse p;
	struct side picture = {.pid = TS_PID_NONE}, sound = {.pid = TS_PID_NONE};
	uint8_t packet[TS_PACKET];
	struct ts_rap rap;

	av_log_set_level(AV_LOG_QUIET);
	ts_parse_init(&p);
	for (size_t at = 0; at + TS_PACKET <= size; at += TS_PACKET) {
		memcpy(packet, data + at, TS_PACKET);
		packet[0] = TS_SYNC;
		ts_parse_packet(&p, packet, at, &rap);
		feed(&picture, &p, p.video_pid, packet, at);
		feed(&sound, &p, p.audio_pid, packet, at);
	}
	end(&picture);
	end(&sound);
	return 0;
}
