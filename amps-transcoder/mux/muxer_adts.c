/* muxer_adts.c - the sound of an output as endless ADTS (ISO 13818-7, 6.2) or MP3, each frame an
 * access point.  libavformat's muxer writes the headers of ADTS; packets that have them already
 * stay as they are, as those of MP3 do. */
#include <assert.h>
#include <stddef.h>

#include "amps-transcoder/av/byte_muxer.h"
#include "amps-transcoder/job/out_rings.h"
#include "amps-transcoder/mux/muxer.h"

#define FRAME_MAX 8191 /* bytes of a frame with its header: its length has 13 bits */

struct adts_form {
	struct muxer base;
	struct out_rings out;
	AVFormatContext *context; /* NULL while closed */
};
static_assert(offsetof(struct adts_form, base) == 0, "a muxer is cast to its form");

static bool fits(enum AVCodecID id)
{
	return id == AV_CODEC_ID_AAC;
}

static bool fits_mp3(enum AVCodecID id)
{
	return id == AV_CODEC_ID_MP3;
}

static int init(struct muxer *m)
{
	out_rings_init(&((struct adts_form *)m)->out, m->job);
	return 0;
}

static void done(struct muxer *m)
{
	struct adts_form *f = (struct adts_form *)m;

	byte_muxer_close(&f->context);
	out_rings_done(&f->out);
}

static int attach(struct muxer *m, const struct job_event *e)
{
	return out_rings_attach(&((struct adts_form *)m)->out, e);
}

static uint64_t generation(const struct muxer *m)
{
	return ((const struct adts_form *)m)->out.ring.generation;
}

/* Part of a frame. */
static int write_bytes(void *opaque, av_written_byte *bytes, int n)
{
	struct adts_form *f = opaque;

	out_rings_append(&f->out, bytes, (size_t)n);
	return n;
}

static int open_form(struct muxer *m, int64_t lag_90k)
{
	struct adts_form *f = (struct adts_form *)m;

	(void)lag_90k;
	byte_muxer_close(&f->context);
	return byte_muxer_open(m->ops == &muxer_mp3 ? "mp3" : "adts", FRAME_MAX, write_bytes, f,
			       &f->context);
}

static int add_stream(struct muxer *m, unsigned place, const AVCodecParameters *parameters,
		      const struct muxer_stream *from)
{
	(void)from;
	assert(place == 0); /* output_select.c chooses one stream */
	return muxer_new_stream(((struct adts_form *)m)->context, parameters) ? 0 : AVERROR(ENOMEM);
}

static int begin(struct muxer *m, bool cut)
{
	AVDictionary *options = NULL;
	int r;

	(void)cut; /* the form has no mark: a decoder resynchronises */
	if (m->ops == &muxer_mp3) {
		/* frames alone: what follows the headers of a file has no end here */
		av_dict_set(&options, "id3v2_version", "0", 0);
		av_dict_set(&options, "write_xing", "0", 0);
	}
	r = avformat_write_header(((struct adts_form *)m)->context, &options);
	av_dict_free(&options);
	return MIN(r, 0);
}

static int write_packet(struct muxer *m, unsigned place, AVPacket *packet)
{
	struct adts_form *f = (struct adts_form *)m;
	struct ring_rap rap = {.pts_90k = packet->pts};
	int64_t end_90k = packet->pts + packet->duration;
	int r;

	(void)place;
	if (f->out.next.writer.header)
		out_rings_move(&f->out);
	rap.pos = f->out.pos;
	packet->stream_index = 0;
	av_packet_rescale_ts(packet, (AVRational){1, 90000}, f->context->streams[0]->time_base);
	r = av_write_frame(f->context, packet);
	if (r < 0 || f->out.pos == rap.pos)
		return r;
	out_rings_add_rap(&f->out, &rap);
	ring_writer_frontier(&f->out.ring.writer, end_90k);
	out_rings_measure(&f->out, end_90k);
	return 0;
}

static void end(struct muxer *m)
{
	av_write_trailer(((struct adts_form *)m)->context);
}

static void ended(struct muxer *m)
{
	out_rings_ended(&((struct adts_form *)m)->out);
}

/* The forms differ in the codec that they take. */
#define ROW(name_, fits_)                                                                          \
	{                                                                                          \
		.name = name_, .size = sizeof(struct adts_form), .fits = fits_, .init = init,      \
		.done = done, .attach = attach, .generation = generation, .open = open_form,       \
		.add_stream = add_stream, .begin = begin, .write = write_packet, .end = end,       \
		.ended = ended,                                                                    \
	}

const struct muxer_ops muxer_adts = ROW("ADTS", fits);
const struct muxer_ops muxer_mp3 = ROW("MP3", fits_mp3);
