#include "amps-helper/guide/write.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "common/limits.h"
#include "common/shm/guide.h"
#include "common/text/xml.h"

#define PENDING_BYTES 65536u
#define END_TAG	      "</programme>\n"

struct writer {
	const struct guide_match *match;
	const struct guide_spool *spool;
	int fd;
	struct buf pending;
	uint64_t written;
	struct guide_channel *channels; /* by target; id_hash 0: it has no programmes */
	size_t target_count;
	z_stream z;
	char elements[UINT16_MAX];
};

static int flush(struct writer *w)
{
	int r = buf_ok(&w->pending) ? write_all(w->fd, w->pending.data, w->pending.len) : -ENOMEM;

	w->written += w->pending.len;
	buf_reset(&w->pending);
	return r;
}

static uint64_t position(const struct writer *w)
{
	return w->written + w->pending.len;
}

static int put(struct writer *w, const void *bytes, size_t n)
{
	buf_add(&w->pending, bytes, n);
	return w->pending.len >= PENDING_BYTES ? flush(w) : 0;
}

static int align(struct writer *w)
{
	static const char zeros[8];

	return put(w, zeros, (8 - position(w) % 8) % 8);
}

static void put_time(struct buf *b, const char *name, uint32_t s)
{
	time_t seconds = s;
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S +0000", &tm);
	buf_printf(b, " %s=\"%s\"", name, text);
}

static void put_tag(struct buf *b, const struct spooled *p, const char *id)
{
	buf_puts(b, "<programme");
	put_time(b, "start", p->start_s);
	put_time(b, "stop", p->end_s);
	buf_puts(b, " channel=\"");
	xml_put(b, id, strlen(id));
	buf_puts(b, "\">");
}

/* The programmes of a target; NULL: none. */
static const struct spooled *programmes_of(const struct writer *w, size_t target, size_t *ret_count)
{
	const struct guide_target *t = guide_match_target(w->match, target);
	const struct spooled *list = NULL;

	*ret_count = 0;
	if (t->channel != GUIDE_NONE)
		list = guide_spool_of(w->spool, t->channel, ret_count);
	return list;
}

static int write_xml(struct writer *w, size_t target)
{
	const char *id = guide_match_target(w->match, target)->id;
	struct guide_channel *ch = &w->channels[target];
	size_t count;
	const struct spooled *list = programmes_of(w, target, &count);
	int r = 0;

	if (list == NULL)
		return 0;
	*ch = (struct guide_channel){.id_hash = guide_id_hash(id),
				     .xml_at = position(w),
				     .programme_count = (uint32_t)count};
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = guide_spool_read(w->spool, &list[i], w->elements);
		put_tag(&w->pending, &list[i], id);
		buf_add(&w->pending, w->elements, list[i].bytes);
		buf_puts(&w->pending, END_TAG);
		if (r == 0)
			r = put(w, "", 0);
	}
	ch->xml_bytes = position(w) - ch->xml_at;
	return r;
}

static int pack(struct writer *w, const char *bytes, size_t n, int flush_mode)
{
	int r = 0;

	w->z.next_in = (Bytef *)(uintptr_t)bytes;
	w->z.avail_in = (uInt)n;
	do {
		char *room = buf_reserve(&w->pending, 16384);

		if (room == NULL)
			return -ENOMEM;
		w->z.next_out = (Bytef *)room;
		w->z.avail_out = 16384;
		deflate(&w->z, flush_mode);
		w->pending.len += 16384 - w->z.avail_out;
		if (r == 0)
			r = put(w, "", 0);
	} while (r == 0 && (w->z.avail_in > 0 || w->z.avail_out == 0));
	return r;
}

/* Reads the XML of the channel again and writes its packed form. */
static int write_packed(struct writer *w, struct guide_channel *ch)
{
	uLong crc = crc32(0, NULL, 0);
	int r = deflateReset(&w->z) == Z_OK ? 0 : -ENOMEM;

	assert(ch->xml_at + ch->xml_bytes <= w->written);
	ch->packed_at = position(w);
	for (uint64_t at = 0; r == 0 && at < ch->xml_bytes;) {
		size_t n = (size_t)MIN(ch->xml_bytes - at, sizeof(w->elements));
		ssize_t got = pread(w->fd, w->elements, n, (off_t)(ch->xml_at + at));

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (size_t)got;
		crc = crc32(crc, (const Bytef *)w->elements, (uInt)got);
		r = pack(w, w->elements, (size_t)got,
			 at == ch->xml_bytes ? Z_SYNC_FLUSH : Z_NO_FLUSH);
	}
	ch->packed_bytes = (uint32_t)(position(w) - ch->packed_at);
	ch->crc = (uint32_t)crc;
	return r;
}

static int write_programmes(struct writer *w, size_t target)
{
	const char *id = guide_match_target(w->match, target)->id;
	_cleanup_(buf_done) struct buf tag = BUF_INIT;
	size_t count, tag_bytes;
	const struct spooled *list = programmes_of(w, target, &count);
	uint64_t at = 0;
	int r = 0;

	if (list == NULL)
		return 0;
	/* all tags of a channel are equally long: the times have a fixed length */
	put_tag(&tag, list, id);
	tag_bytes = tag.len;
	w->channels[target].programmes_at = position(w);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct spooled *p = &list[i];
		const struct guide_programme out = {
			.start_s = p->start_s,
			.end_s = p->end_s,
			.xml_at = (uint32_t)at,
			.title_at = (uint16_t)(tag_bytes + p->title_at),
			.title_bytes = p->title_bytes,
			.desc_at = p->desc_bytes > 0 ? (uint16_t)(tag_bytes + p->desc_at) : 0,
			.desc_bytes = p->desc_bytes};

		r = put(w, &out, sizeof(out));
		at += tag_bytes + p->bytes + strlen(END_TAG);
	}
	assert(r < 0 || at == w->channels[target].xml_bytes);
	return buf_ok(&tag) ? r : -ENOMEM;
}

static int compare_channels(const void *a, const void *b)
{
	const struct guide_channel *x = a, *y = b;

	return (x->id_hash > y->id_hash) - (x->id_hash < y->id_hash);
}

/* Writes the channels that have programmes, sorted; sets their number and place. */
static int write_channels(struct writer *w, struct guide_header *h)
{
	size_t n = 0;

	for (size_t i = 0; i < w->target_count; i++)
		if (w->channels[i].id_hash != 0) {
			h->programme_count += w->channels[i].programme_count;
			w->channels[n++] = w->channels[i];
		}
	qsort(w->channels, n, sizeof(*w->channels), compare_channels);
	h->channels_at = position(w);
	h->channel_count = (uint32_t)n;
	return put(w, w->channels, n * sizeof(*w->channels));
}

static json_t *match_of(const struct guide_match *m, const struct guide_target *t)
{
	static const char *const how[] = {[GUIDE_NOTHING] = "none",
					  [GUIDE_BY_ID] = "id",
					  [GUIDE_BY_NAME] = "name",
					  [GUIDE_AMBIGUOUS] = "ambiguous"};
	bool found = t->channel != GUIDE_NONE;
	json_t *hints = json_array();

	for (size_t i = 0; i < t->hint_count; i++)
		json_array_append_new(
			hints, json_pack("{s:s, s:s}", "id", guide_match_channel_id(m, t->hints[i]),
					 "name", guide_match_channel_name(m, t->hints[i])));
	return json_pack("{s:s, s:s, s:s?, s:s?, s:o}", "id", t->id, "how", how[t->how], "channel",
			 found ? guide_match_channel_id(m, t->channel) : NULL, "name",
			 found ? guide_match_channel_name(m, t->channel) : NULL, "hints", hints);
}

static int put_json(const char *bytes, size_t n, void *arg)
{
	return put(arg, bytes, n) < 0 ? -1 : 0;
}

/* The matches are written one by one: together they would be large. */
static int write_report(struct writer *w, json_t *report, struct guide_header *h)
{
	int r = 0;

	json_object_set_new(report, "programmes", json_integer((json_int_t)h->programme_count));
	h->report_at = position(w);
	r = put(w, "{\"source\":", 10);
	if (r == 0 && json_dump_callback(report, put_json, w, JSON_COMPACT) < 0)
		r = -EIO;
	buf_puts(&w->pending, ",\"matches\":[");
	for (size_t i = 0; r == 0 && i < w->target_count; i++) {
		json_t *match = match_of(w->match, guide_match_target(w->match, i));

		if (i > 0)
			buf_putc(&w->pending, ',');
		if (match == NULL || json_dump_callback(match, put_json, w, JSON_COMPACT) < 0)
			r = -ENOMEM;
		json_decref(match);
	}
	buf_puts(&w->pending, "]}");
	h->report_bytes = position(w) - h->report_at;
	return r;
}

static int write_all_parts(struct writer *w, json_t *report, struct guide_header *h)
{
	int r = put(w, h, sizeof(*h));

	for (size_t i = 0; r == 0 && i < w->target_count; i++)
		r = write_xml(w, i);
	if (r == 0)
		r = flush(w); /* the packed form is made of what is in the file */
	for (size_t i = 0; r == 0 && i < w->target_count; i++)
		if (w->channels[i].id_hash != 0)
			r = write_packed(w, &w->channels[i]);
	if (r == 0)
		r = align(w);
	for (size_t i = 0; r == 0 && i < w->target_count; i++)
		r = write_programmes(w, i);
	if (r == 0)
		r = align(w);
	if (r == 0)
		r = write_channels(w, h);
	if (r == 0)
		r = write_report(w, report, h);
	return r == 0 ? flush(w) : r;
}

int guide_write(const struct guide_match *match, const struct guide_spool *spool, json_t *report,
		int fd)
{
	struct guide_header h = {.snapshot = {.magic = GUIDE_MAGIC,
					      .version = GUIDE_VERSION,
					      .header_bytes = sizeof(h),
					      .generation = 1}};
	struct writer *w = calloc(1, sizeof(*w));
	int r = w != NULL ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	w->match = match;
	w->spool = spool;
	w->fd = fd;
	w->target_count = guide_match_target_count(match);
	w->channels = calloc(MAX(w->target_count, 1u), sizeof(*w->channels));
	if (w->channels == NULL || deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8,
						Z_DEFAULT_STRATEGY) != Z_OK)
		r = -ENOMEM;
	if (r == 0)
		r = write_all_parts(w, report, &h);
	h.snapshot.total_bytes = w->written;
	if (r == 0 && h.snapshot.total_bytes > GUIDE_BYTES_MAX)
		r = -EFBIG;
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = write_all(fd, &h, sizeof(h));
	deflateEnd(&w->z);
	buf_done(&w->pending);
	free(w->channels);
	free(w);
	return r;
}
