/* muxer_ts.c - an output as a transport stream, made by libavformat's muxer: times stay as they
 * are, PCR ahead of every DTS (ts/pcr.h), PAT and PMT every 100 ms and at key frames, several
 * frames of sound in one PES as long as that makes them no later than 75 ms. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "amps-transcoder/mux/interleave.h"
#include "amps-transcoder/mux/muxer.h"
#include "amps-transcoder/mux/ts_muxer.h"

/* The PCR is ahead of its DTS by twice this, so that a large picture arrives in time; the muxer
 * gathers sound for one PES for half of it. */
#define MAX_DELAY_US	"150000"
#define PATIENCE_90K	180000 /* how long a paused stream may delay the others */
#define FIRST_PID	0x100  /* the muxer's own, too */
#define GENERATION_STEP 7      /* versions between two jobs; a job may use so many */

struct ts_form {
	struct muxer base;
	struct ts_muxer muxer;
	struct ts_sink *sink;
	struct interleave queue;	  /* libav's would wait for subtitles, too */
	bool again;			  /* streams were announced before */
	unsigned tables;		  /* how often again */
	int stream_of[MUXER_STREAMS_MAX]; /* the muxer's stream, by place */
};
static_assert(offsetof(struct ts_form, base) == 0, "a muxer is cast to its form");
static_assert(MUXER_STREAMS_MAX <= INTERLEAVE_STREAMS_MAX, "a place is a stream of the queue");

static int init(struct muxer *m)
{
	struct ts_form *f = (struct ts_form *)m;
	int r = ts_sink_new(m->job, &f->sink);

	if (r == 0)
		ts_muxer_init(&f->muxer, f->sink);
	return r;
}

static void done(struct muxer *m)
{
	struct ts_form *f = (struct ts_form *)m;

	ts_muxer_close(&f->muxer);
	interleave_done(&f->queue);
	ts_sink_free(f->sink);
}

static int attach(struct muxer *m, const struct job_event *e)
{
	return ts_sink_attach(((struct ts_form *)m)->sink, e);
}

static uint64_t generation(const struct muxer *m)
{
	return ts_sink_generation(((const struct ts_form *)m)->sink);
}

/* Opened again, the counters go on with a new version of the PMT. */
static int open_form(struct muxer *m, int64_t lag_90k)
{
	struct ts_form *f = (struct ts_form *)m;
	const char *service = job_spec_text(m->job, "name", "");
	AVFormatContext *context;
	int r;

	ts_muxer_close(&f->muxer);
	if (f->again) {
		f->tables++;
		ts_pcr_resume(&f->muxer.pcr);
		ts_sink_resume(f->sink);
	}
	f->again = true;
	r = ts_muxer_open(&f->muxer);
	if (r < 0)
		return r;
	context = f->muxer.context;
	assert(f->queue.count == 0);
	interleave_init(&f->queue, PATIENCE_90K + lag_90k);
	if (*service)
		av_dict_set(&context->metadata, "service_name", service, 0);
	av_dict_set(&context->metadata, "service_provider", "Amps", 0);
	av_dict_copy(&context->metadata, m->metadata, 0);
	return 0;
}

static unsigned option_number(const struct muxer *m, const char *name, unsigned otherwise)
{
	const AVDictionaryEntry *e = av_dict_get(m->options, name, NULL, 0);

	return e ? (unsigned)strtoul(e->value, NULL, 0) : otherwise;
}

/* The place gives the PID. */
static int add_stream(struct muxer *m, unsigned place, const AVCodecParameters *parameters,
		      const struct muxer_stream *from)
{
	struct ts_form *f = (struct ts_form *)m;
	AVStream *stream = muxer_new_stream(f->muxer.context, parameters);

	if (!stream)
		return AVERROR(ENOMEM);
	f->stream_of[place] = stream->index;
	if (parameters->codec_type != AVMEDIA_TYPE_SUBTITLE)
		interleave_await(&f->queue, place);
	stream->id = (int)(from->id ? from->id
				    : option_number(m, "mpegts_start_pid", FIRST_PID) + place);
	stream->disposition = from->disposition;
	if (from->language && *from->language)
		av_dict_set(&stream->metadata, "language", from->language, 0);
	return 0;
}

/* Players cache the tables by version: each job and each new set of streams needs another one. */
static unsigned tables_version(const struct ts_form *f)
{
	uint64_t version = option_number(&f->base, "tables_version", 0) + f->tables +
			   GENERATION_STEP * ts_sink_generation(f->sink);

	return (unsigned)(version % TS_VERSIONS);
}

static int begin(struct muxer *m, bool cut)
{
	struct ts_form *f = (struct ts_form *)m;
	AVDictionary *all = NULL;
	int r;

	av_dict_set(&all, "mpegts_copyts", "1", 0);
	av_dict_set(&all, "max_delay", MAX_DELAY_US, 0);
	av_dict_set(&all, "pcr_period", "20", 0);
	av_dict_copy(&all, m->options, 0);
	if (cut)
		av_dict_set(&all, "mpegts_flags", "+initial_discontinuity", AV_DICT_APPEND);
	av_dict_set_int(&all, "tables_version", tables_version(f), 0);
	r = avformat_write_header(f->muxer.context, &all);
	av_dict_free(&all);
	return MIN(r, 0);
}

/* Writes what waits no longer; `all`: everything.  0 or the first error of libav. */
static int write_queue(struct ts_form *f, bool all)
{
	AVPacket *packet;
	int r = 0;

	while ((packet = interleave_take(&f->queue, all))) {
		const AVStream *stream =
			f->muxer.context->streams[f->stream_of[packet->stream_index]];

		packet->stream_index = stream->index;
		av_packet_rescale_ts(packet, (AVRational){1, TS_HZ}, stream->time_base);
		if (r >= 0)
			r = av_write_frame(f->muxer.context, packet);
		av_packet_free(&packet);
	}
	return MIN(r, 0);
}

static int write_packet(struct muxer *m, unsigned place, AVPacket *packet)
{
	struct ts_form *f = (struct ts_form *)m;
	int r = interleave_put(&f->queue, place, packet);

	return r < 0 ? r : write_queue(f, false);
}

static void end(struct muxer *m)
{
	struct ts_form *f = (struct ts_form *)m;

	(void)!write_queue(f, true);
	av_write_trailer(f->muxer.context);
}

static void ended(struct muxer *m)
{
	ts_sink_ended(((struct ts_form *)m)->sink);
}

const struct muxer_ops muxer_ts = {
	.name = "MPEG-TS",
	.size = sizeof(struct ts_form),
	.fits = ts_muxer_fits,
	.init = init,
	.done = done,
	.attach = attach,
	.generation = generation,
	.open = open_form,
	.add_stream = add_stream,
	.begin = begin,
	.write = write_packet,
	.end = end,
	.ended = ended,
};
