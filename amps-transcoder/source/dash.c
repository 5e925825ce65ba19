#include "amps-transcoder/source/dash.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/opt.h>

#include "amps-transcoder/av/memory_avio.h"
#include "amps-transcoder/source/mpd.h"
#include "amps-transcoder/source/playlist_watch.h"
#include "common/clock.h"
#include "common/log/log.h"

#define PREFIX		"amps-dash:" /* of the playlists in memory */
#define MANIFEST_MAX	(8u << 20)
#define FRESH_MIN_US	500000
#define FRESH_MAX_US	5000000
#define SEGMENTS_BEHIND 3 /* of the newest one, at least */
#define READ_BYTES	4096

/* State of the numbering of a track's playlist. */
struct numbering {
	int64_t newest_us; /* start of the newest segment listed; TIME_NONE */
	uint64_t sequence; /* its number */
};

struct dash {
	struct dash_origin origin;
	struct mpd *mpd;
	char *url; /* of the manifest, behind redirects */
	uint64_t fetched_us;
	struct numbering numbering[MPD_TRACKS_MAX];
	AVIOContext *master;
	int (*open)(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		    AVDictionary **options);
	int (*close)(AVFormatContext *ic, AVIOContext *pb);
};

const char *dash_url(void)
{
	return PREFIX "master";
}

/* Reads the rest of the connection. */
static int read_all(AVIOContext *pb, struct buf *text)
{
	for (;;) {
		char *space = buf_reserve(text, READ_BYTES);
		int n = space ? avio_read_partial(pb, (uint8_t *)space, READ_BYTES)
			      : AVERROR(ENOMEM);

		if (n == AVERROR_EOF || n == 0)
			return 0;
		if (n < 0)
			return n;
		text->len += (size_t)n;
		if (text->len > MANIFEST_MAX)
			return -E2BIG;
	}
}

/* Remembers the URL after redirects: relative addresses are relative to it. */
static int remember_url(struct dash *d, AVIOContext *pb, const char *asked)
{
	uint8_t *location = NULL;
	char *url;

	av_opt_get(pb, "location", AV_OPT_SEARCH_CHILDREN, &location);
	url = strdup(location && *location ? (const char *)location : asked);
	av_free(location);
	if (!url)
		return -ENOMEM;
	free(d->url);
	d->url = url;
	return 0;
}

static int take_manifest(struct dash *d, const struct buf *text)
{
	const char *problem;
	struct mpd *mpd;
	int r = mpd_parse(text->data ? text->data : "", text->len, d->url, (int64_t)clock_wall_us(),
			  &mpd, &problem);

	d->fetched_us = clock_mono_us();
	if (r < 0) {
		log_warn("%s", problem);
		return r;
	}
	if (d->mpd && !mpd->live) {
		/* the presentation has ended: this manifest is final */
		*d->origin.live = false;
		if (mpd->track_count < d->mpd->track_count) {
			mpd_free(mpd);
			d->mpd->live = false;
			return 0;
		}
	}
	mpd_free(d->mpd);
	d->mpd = mpd;
	return 0;
}

/* Fetches the manifest again; after a failure the old one stays in use. */
static int refresh(struct dash *d, AVFormatContext *ic)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	AVDictionary *options = NULL;
	AVIOContext *pb = NULL;
	int r;

	av_dict_copy(&options, d->origin.options, 0);
	r = d->open(ic, &pb, d->origin.url, AVIO_FLAG_READ, &options);
	av_dict_free(&options);
	if (r < 0)
		return r;
	r = remember_url(d, pb, d->origin.url);
	if (r == 0)
		r = read_all(pb, &text);
	d->close(ic, pb);
	return r == 0 ? take_manifest(d, &text) : r;
}

static bool is_fresh(const struct dash *d)
{
	int64_t wanted = d->mpd->update_us == TIME_NONE ? FRESH_MAX_US : d->mpd->update_us;

	wanted = MIN(MAX(wanted, FRESH_MIN_US), FRESH_MAX_US);
	return !d->mpd->live || clock_mono_us() - d->fetched_us < (uint64_t)wanted;
}

/* The number of the first segment in the list; a segment that was listed before keeps its number.
 */
static uint64_t number_first(struct numbering *n, const struct mpd_track *t)
{
	uint64_t first = 0;
	size_t same = 0;

	if (!t->count)
		return n->newest_us == TIME_NONE ? 0 : n->sequence + 1;
	if (n->newest_us != TIME_NONE) {
		while (same < t->count &&
		       t->segments[same].start_us + t->segments[same].duration_us / 2 <
			       n->newest_us)
			same++;
		/* all are older: list the newest again */
		same = MIN(same, t->count - 1);
		first = n->sequence - MIN(n->sequence, same);
		if (same == 0 &&
		    t->segments[0].start_us > n->newest_us + t->segments[0].duration_us / 2)
			first = n->sequence + 1;
	}
	n->newest_us = t->segments[t->count - 1].start_us;
	n->sequence = first + t->count - 1;
	return first;
}

static int open_playlist(struct dash *d, AVFormatContext *ic, AVIOContext **pb, unsigned track)
{
	struct buf text = BUF_INIT;

	if (track >= d->mpd->track_count)
		return AVERROR(ENOENT);
	/* use the manifest again if it is fresh */
	if (!is_fresh(d) && refresh(d, ic) < 0 &&
	    d->origin.interrupt.callback(d->origin.interrupt.opaque))
		return AVERROR_EXIT;
	if (track >= d->mpd->track_count)
		return AVERROR(ENOENT);
	mpd_playlist(d->mpd, &d->mpd->tracks[track],
		     number_first(&d->numbering[track], &d->mpd->tracks[track]), &text);
	*pb = memory_avio_open(&text);
	return *pb ? 0 : AVERROR(ENOMEM);
}

static int on_open(AVFormatContext *ic, AVIOContext **pb, const char *url, int flags,
		   AVDictionary **options)
{
	struct dash *d = ic->opaque;

	if (!strncmp(url, PREFIX, sizeof(PREFIX) - 1))
		return open_playlist(d, ic, pb, (unsigned)atoi(url + sizeof(PREFIX) - 1));
	/* the demuxer copies the options of its first connection, which is a buffer in memory and
	 * has none */
	if (options)
		av_dict_copy(options, d->origin.options, AV_DICT_DONT_OVERWRITE);
	return d->open(ic, pb, url, flags, options);
}

static int on_close(AVFormatContext *ic, AVIOContext *pb)
{
	struct dash *d = ic->opaque;

	if (!memory_avio_is(pb))
		return d->close(ic, pb);
	memory_avio_close(pb);
	return 0;
}

unsigned dash_target_s(const struct dash *d)
{
	int64_t longest_s = 0;

	for (unsigned i = 0; i < d->mpd->track_count; i++)
		longest_s = MAX(longest_s, mpd_target_s(&d->mpd->tracks[i]));
	return (unsigned)MIN(longest_s, PLAYLIST_TARGET_MAX_S);
}

int dash_new(const struct dash_origin *origin, AVIOContext *pb, const void *head, size_t head_len,
	     struct dash **ret)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	struct dash *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->origin = *origin;
	for (unsigned i = 0; i < MPD_TRACKS_MAX; i++)
		d->numbering[i].newest_us = TIME_NONE;
	r = remember_url(d, pb, origin->url);
	buf_add(&text, head, head_len);
	if (r == 0)
		r = read_all(pb, &text);
	if (r == 0)
		r = take_manifest(d, &text) < 0 || !d->mpd->live ? -ENOTSUP : 0;
	if (r < 0) {
		dash_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct dash *dash_free(struct dash *d)
{
	if (!d)
		return NULL;
	memory_avio_close(d->master);
	mpd_free(d->mpd);
	free(d->url);
	free(d);
	return NULL;
}

/* The first segment to play: as far behind the newest as the presentation asks for. */
static int start_index(const struct mpd *m)
{
	const struct mpd_track *t = &m->tracks[0];
	int64_t length_us = t->count ? t->segments[t->count - 1].duration_us : 0;
	int64_t behind = length_us > 0 ? (m->delay_us + length_us - 1) / length_us : 0;

	return -(int)MAX(MIN(behind, (int64_t)t->count), SEGMENTS_BEHIND);
}

int dash_prepare(struct dash *d, AVFormatContext *ic, AVDictionary **options)
{
	struct buf text = BUF_INIT;

	mpd_master(d->mpd, PREFIX, &text);
	d->master = memory_avio_open(&text);
	if (!d->master)
		return AVERROR(ENOMEM);
	assert(d->mpd && d->mpd->track_count > 0);
	d->open = ic->io_open;
	d->close = ic->io_close2;
	ic->opaque = d;
	ic->io_open = on_open;
	ic->io_close2 = on_close;
	ic->pb = d->master;
	av_dict_set_int(options, "live_start_index", start_index(d->mpd), AV_DICT_DONT_OVERWRITE);
	/* segments in a manifest may have any extension */
	av_dict_set(options, "allowed_extensions", "ALL", AV_DICT_DONT_OVERWRITE);
	av_dict_set(options, "allowed_segment_extensions", "ALL", AV_DICT_DONT_OVERWRITE);
	av_dict_set(options, "extension_picky", "0", AV_DICT_DONT_OVERWRITE);
	return 0;
}
