#include "amps-transcoder/source/hls_languages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "amps-transcoder/av/memory_avio.h"
#include "amps-transcoder/ts/align.h"

#define PEEK_BYTES    (16 << 10)
#define PLAYLISTS_MAX 16

/* The start of a playlist's first segment, opened with its own demuxer. */
struct beginning {
	AVFormatContext *ts;
	unsigned first; /* index that the first of its streams has in the source's demuxer */
};

struct hls_languages {
	int (*open)(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		    AVDictionary **options);
	struct beginning found[PLAYLISTS_MAX];
	unsigned count;
};

/* The streams announced in the first bytes of a transport stream; NULL = none. */
static AVFormatContext *demux(AVIOContext *pb)
{
	AVFormatContext *ts = avformat_alloc_context();
	AVDictionary *options = NULL;

	if (!ts)
		return NULL;
	ts->pb = pb;
	av_dict_set(&options, "scan_all_pmts", "0", 0);
	/* frees ts when it fails */
	if (avformat_open_input(&ts, NULL, av_find_input_format("mpegts"), &options) < 0)
		ts = NULL;
	else
		ts->pb = NULL;
	av_dict_free(&options);
	return ts;
}

/* Looks at the first bytes of the connection without consuming them. */
static void peek(struct hls_languages *h, unsigned first, AVIOContext *pb)
{
	uint8_t bytes[PEEK_BYTES];
	int n = avio_read_partial(pb, bytes, sizeof(bytes));
	struct buf copy = BUF_INIT;
	AVIOContext *memory;
	AVFormatContext *ts;

	/* within the buffer, so there is no new request */
	avio_seek(pb, 0, SEEK_SET);
	if (n <= 0 || !ts_align_probe(bytes, (size_t)n))
		return;
	buf_add(&copy, bytes, (size_t)n);
	memory = memory_avio_open(&copy);
	ts = memory ? demux(memory) : NULL;
	memory_avio_close(memory);
	assert(h->count < PLAYLISTS_MAX);
	if (ts)
		h->found[h->count++] = (struct beginning){.ts = ts, .first = first};
}

static int on_open(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		   AVDictionary **options)
{
	struct hls_languages *h = ic->opaque;
	int r = h->open(ic, pb, url, flags, options);

	/* the first segment of a playlist is enough */
	if (r >= 0 && h->count < PLAYLISTS_MAX &&
	    (h->count == 0 || h->found[h->count - 1].first != ic->nb_streams))
		peek(h, ic->nb_streams, *pb);
	return r;
}

struct hls_languages *hls_languages_watch(AVFormatContext *ic)
{
	struct hls_languages *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->open = ic->io_open;
	ic->opaque = h;
	ic->io_open = on_open;
	return h;
}

/* The stream of the same kind at the same position within the playlist. */
static AVStream *same_stream(const AVFormatContext *ic, const struct beginning *b, unsigned nth)
{
	enum AVMediaType kind = b->ts->streams[nth]->codecpar->codec_type;
	unsigned before = 0;

	for (unsigned i = 0; i < nth; i++)
		before += b->ts->streams[i]->codecpar->codec_type == kind;
	for (unsigned i = b->first; i < ic->nb_streams; i++)
		/* the demuxer numbers streams by their playlist */
		if (ic->streams[i]->id == ic->streams[b->first]->id &&
		    ic->streams[i]->codecpar->codec_type == kind && before-- == 0)
			return ic->streams[i];
	return NULL;
}

void hls_languages_apply(struct hls_languages *h, AVFormatContext *ic)
{
	ic->io_open = h->open;
	ic->opaque = NULL;
	if (strcmp(ic->iformat->name, "hls") != 0)
		return;
	for (unsigned i = 0; i < h->count; i++) {
		const struct beginning *b = &h->found[i];

		for (unsigned k = 0; k < b->ts->nb_streams; k++) {
			AVStream *st = same_stream(ic, b, k);

			/* the language in the playlist has priority */
			if (st)
				av_dict_copy(&st->metadata, b->ts->streams[k]->metadata,
					     AV_DICT_DONT_OVERWRITE);
		}
	}
}

struct hls_languages *hls_languages_free(struct hls_languages *h)
{
	for (unsigned i = 0; h && i < h->count; i++)
		avformat_close_input(&h->found[i].ts);
	free(h);
	return NULL;
}
