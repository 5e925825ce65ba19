#include "amps-transcoder/source/mpd.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text/text.h"

#define SECOND_US      1000000ll
#define TIMESCALE_MAX  1000000000ll
#define CLOCK_SLACK_US 500000
#define URL_MAX	       2048
#define LEVELS	       3 /* period, adaptation set, representation */

/* Reading of elements and attributes (XML Schema's datatypes).  Everything is borrowed from the
 * document.  A value that is missing or cannot be read, or is larger than any real one, becomes
 * `missing`.  Times in microseconds. */
static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcmp((const char *)node->name, name);
}

static const xmlNode *child_of(const xmlNode *node, const char *name)
{
	for (const xmlNode *c = node ? node->children : NULL; c; c = c->next)
		if (is_named(c, name))
			return c;
	return NULL;
}

static const xmlNode *next_of(const xmlNode *node, const char *name)
{
	for (node = node->next; node && !is_named(node, name); node = node->next)
		;
	return node;
}

static const char *attr_of(const xmlNode *node, const char *name)
{
	/* entities are not declared, so a value is one text node */
	for (const xmlAttr *a = node ? node->properties : NULL; a; a = a->next)
		if (!strcmp((const char *)a->name, name))
			return a->children && a->children->content
				       ? (const char *)a->children->content
				       : "";
	return NULL;
}

static int64_t number_of(const char *text, int64_t missing)
{
	char *end;
	long long n;

	if (!text)
		return missing;
	errno = 0;
	n = strtoll(text, &end, 10);
	/* bounded, so that sums of a few values do not overflow */
	return errno || end == text || n > INT64_MAX / 8 || n < INT64_MIN / 8 ? missing : n;
}

/* xs:duration without years and months, which no manifest has: "P1DT2H3M4.5S". */
static int64_t duration_of(const char *text, int64_t missing)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = {{'D', 86400}, {'H', 3600}, {'M', 60}, {'S', 1}};
	double total = 0;

	if (!text || *text++ != 'P')
		return missing;
	while (*text) {
		char *end;
		double n;

		if (*text == 'T')
			text++;
		n = strtod(text, &end);
		if (end == text)
			break;
		for (size_t i = 0; i < array_size(units); i++)
			total += units[i].unit == *end ? n * units[i].seconds : 0;
		text = *end ? end + 1 : end;
	}
	/* a century */
	return total >= 0 && total < 3.2e9 ? (int64_t)(total * 1e6) : missing;
}

static int64_t time_of(const char *text, int64_t missing)
{
	int64_t us;

	return text && time_parse_iso8601(text, &us, NULL) >= 0 ? us : missing;
}

/* `base` with what this element's first BaseURL adds to it.  The caller's; NULL without memory. */
static char *base_url_of(const char *base, const xmlNode *node)
{
	static const char BLANKS[] = " \t\r\n";
	const xmlNode *b = child_of(node, "BaseURL");
	xmlChar *content = b ? xmlNodeGetContent(b) : NULL, *begin, *built;
	char *ret;

	if (!content)
		return strdup(base);
	begin = content + strspn((const char *)content, BLANKS);
	begin[strcspn((const char *)begin, BLANKS)] = '\0';
	built = xmlBuildURI(begin, (const xmlChar *)base);
	ret = strdup(built ? (const char *)built : base);
	xmlFree(content);
	xmlFree(built);
	return ret;
}

/* Where one track of one period gets its segments from. */
struct template
{
	const xmlNode
		*nodes[LEVELS];	 /* SegmentTemplate or SegmentList, innermost first; NULL = none */
	const xmlNode *timeline; /* NULL = none */
	bool list;		 /* SegmentList */
	const char *base, *id, *bandwidth;
	const char *media, *init;
	int64_t timescale, duration, number, offset; /* duration 0 = not given */
	int64_t begin_us, end_us;		     /* of the period; end TIME_NONE = open */
};

/* A run of segments of one length. */
struct run {
	int64_t time, duration, count; /* in units of the timescale */
};

struct reading {
	struct mpd *mpd;
	int64_t wall_us, begun_us; /* begun: of the presentation, wall clock */
	int64_t depth_us;	   /* of the window; TIME_NONE = all */
	bool encrypted;		   /* something was skipped because it is encrypted */
};

/* a * b / c without overflow; c > 0. */
static int64_t scale(int64_t a, int64_t b, int64_t c)
{
	__int128 r;

	assert(c > 0);
	r = (__int128)a * b / c;
	return r > INT64_MAX / 2 ? INT64_MAX / 2 : r < INT64_MIN / 2 ? INT64_MIN / 2 : (int64_t)r;
}

static int64_t ticks_us(const struct template *t, int64_t ticks)
{
	return scale(ticks, SECOND_US, t->timescale);
}

static void segment_done(struct mpd_segment *s)
{
	free(s->init);
	free(s->media);
}

/* One "$Number%05d$" at text (behind the first $), n bytes long, into `out`. */
static void put_identifier(const struct template *t, const char *text, size_t n, int64_t number,
			   int64_t time, struct buf *out)
{
	const char *percent = memchr(text, '%', n);
	size_t name = percent ? (size_t)(percent - text) : n;
	/* "%0[width]d" is all that the standard allows */
	int width = percent ? (int)number_of(percent + 1, 0) : 0;

	width = width < 0 ? 0 : MIN(width, 20);
	if (name == 0)
		buf_putc(out, '$');
	else if (name == 16 && !strncmp(text, "RepresentationID", name))
		buf_puts(out, t->id);
	else if (name == 9 && !strncmp(text, "Bandwidth", name))
		buf_printf(out, "%0*lld", width, (long long)number_of(t->bandwidth, 0));
	else if (name == 6 && !strncmp(text, "Number", name))
		buf_printf(out, "%0*lld", width, (long long)number);
	else if (name == 4 && !strncmp(text, "Time", name))
		buf_printf(out, "%0*lld", width, (long long)time);
}

/* Expands a URL template; NULL if the result is invalid. */
static char *make_url(const struct template *t, const char *pattern, int64_t number, int64_t time)
{
	_cleanup_(buf_done) struct buf name = BUF_INIT;
	const char *end;
	xmlChar *url;
	char *ret = NULL;

	for (const char *p = pattern; *p && name.len <= URL_MAX; p++) {
		if (*p != '$' || !(end = strchr(p + 1, '$'))) {
			buf_putc(&name, *p);
			continue;
		}
		put_identifier(t, p + 1, (size_t)(end - p - 1), number, time, &name);
		p = end;
	}
	if (!buf_ok(&name) || !name.len || name.len > URL_MAX)
		return NULL;
	url = xmlBuildURI((const xmlChar *)name.data, (const xmlChar *)t->base);
	/* a line break would inject a line into the playlist */
	if (url && strlen((const char *)url) <= URL_MAX && !strpbrk((const char *)url, "\r\n\""))
		ret = strdup((const char *)url);
	xmlFree(url);
	return ret;
}

/* An attribute of the innermost element that has it. */
static const char *inherited(const struct template *t, const char *name)
{
	const char *value = NULL;

	for (unsigned i = 0; i < LEVELS && !value; i++)
		value = attr_of(t->nodes[i], name);
	return value;
}

/* Sets the timeline and the attributes; false if there are no segments. */
static bool template_complete(struct template *t)
{
	const xmlNode *init = NULL;

	for (unsigned i = 0; i < LEVELS; i++) {
		if (!t->timeline)
			t->timeline = child_of(t->nodes[i], "SegmentTimeline");
		if (!init)
			init = child_of(t->nodes[i], "Initialization");
	}
	t->media = inherited(t, "media");
	t->init = t->list ? attr_of(init, "sourceURL") : inherited(t, "initialization");
	t->timescale = number_of(inherited(t, "timescale"), 1);
	t->duration = number_of(inherited(t, "duration"), 0);
	t->number = number_of(inherited(t, "startNumber"), 1);
	t->offset = MAX(number_of(inherited(t, "presentationTimeOffset"), 0), 0);
	return t->timescale > 0 && t->timescale <= TIMESCALE_MAX && (t->list || t->media) &&
	       (t->timeline || t->duration > 0);
}

static bool template_find(struct template *t, const xmlNode *const levels[LEVELS])
{
	static const char *const names[] = {"SegmentTemplate", "SegmentList"};
	bool any = false;

	for (size_t k = 0; k < array_size(names) && !any; k++) {
		for (unsigned i = 0; i < LEVELS; i++) {
			t->nodes[i] = child_of(levels[i], names[k]);
			any = any || t->nodes[i];
		}
		t->list = k == 1;
	}
	return any && template_complete(t);
}

/* The number of segments of this length after `time`.  The end of the period limits them, or else
 * the clock, with slack because the clock of the sender may be slow. */
static int64_t available(const struct reading *r, const struct template *t, int64_t time,
			 int64_t duration)
{
	int64_t now_us = r->wall_us - r->begun_us - CLOCK_SLACK_US - t->begin_us;
	bool ended = t->end_us != TIME_NONE && t->end_us - t->begin_us <= now_us;
	int64_t until_us = ended ? t->end_us - t->begin_us : now_us;
	int64_t length = scale(until_us, t->timescale, SECOND_US) + t->offset - time;

	assert(duration > 0);
	if (length <= 0 || (!ended && !r->mpd->live))
		return 0;
	/* the last segment of a period may be shorter */
	return length / duration + (ended && length % duration != 0);
}

/* The next run of the timeline; false at its end. */
static bool next_run(const struct reading *r, const struct template *t, const xmlNode **s,
		     int64_t *time, struct run *ret)
{
	int64_t repeat;
	const char *next_time;

	if (!*s)
		return false;
	*time = number_of(attr_of(*s, "t"), *time);
	repeat = number_of(attr_of(*s, "r"), 0);
	*ret = (struct run){.time = *time, .duration = number_of(attr_of(*s, "d"), 0)};
	*s = next_of(*s, "S");
	if (ret->duration <= 0 || *time < 0 || *time > INT64_MAX / 4)
		return false;
	next_time = attr_of(*s, "t");
	if (repeat >= 0)
		ret->count = repeat + 1;
	else if (next_time)
		ret->count = MAX((number_of(next_time, 0) - *time) / ret->duration, 0);
	else
		ret->count = available(r, t, *time, ret->duration);
	ret->count = MIN(ret->count, INT32_MAX);
	*time += scale(ret->count, ret->duration, 1);
	return true;
}

/* Takes ownership of the URLs. */
static void track_add(struct mpd_track *track, const struct mpd_segment *s)
{
	if (track->count == MPD_SEGMENTS_MAX) {
		segment_done(&track->segments[0]);
		memmove(track->segments, track->segments + 1,
			(MPD_SEGMENTS_MAX - 1) * sizeof(*track->segments));
		track->count--;
	}
	assert(track->count < MPD_SEGMENTS_MAX && s->media);
	track->segments[track->count++] = *s;
}

/* The segment of that index in a SegmentList. */
static const char *list_media(const struct template *t, int64_t index)
{
	for (unsigned i = 0; i < LEVELS; i++) {
		const xmlNode *u = child_of(t->nodes[i], "SegmentURL");

		for (; u && index > 0; index--)
			u = next_of(u, "SegmentURL");
		if (u)
			return attr_of(u, "media");
	}
	return NULL;
}

static void put_segment(const struct template *t, struct mpd_track *track, int64_t index,
			int64_t time, int64_t duration)
{
	int64_t start_us = ticks_us(t, time - t->offset);
	const char *media = t->list ? list_media(t, index) : t->media;
	struct mpd_segment s = {
		.start_us = t->begin_us + start_us,
		.duration_us = ticks_us(t, time + duration - t->offset) - start_us,
	};

	if (!media || (t->end_us != TIME_NONE && s.start_us >= t->end_us))
		return;
	if (t->end_us != TIME_NONE)
		s.duration_us = MIN(s.duration_us, t->end_us - s.start_us);
	s.init = t->init ? make_url(t, t->init, 0, 0) : NULL;
	s.media = make_url(t, media, t->number + index, time);
	if (s.media)
		track_add(track, &s);
	else
		segment_done(&s);
}

/* Adds the newest segments of a timeline; the number is bounded, whatever the timeline repeats. */
static void put_timeline(const struct reading *r, const struct template *t, struct mpd_track *track)
{
	const xmlNode *first = child_of(t->timeline, "S"), *s = first;
	int64_t time = 0, total = 0, index = 0;
	struct run run;

	while (next_run(r, t, &s, &time, &run))
		total += run.count;
	for (s = first, time = 0; next_run(r, t, &s, &time, &run); index += run.count)
		for (int64_t i = MAX(total - MPD_SEGMENTS_MAX - index, 0); i < run.count; i++)
			put_segment(t, track, index + i, run.time + scale(i, run.duration, 1),
				    run.duration);
}

/* Adds segments of constant length; the clock decides which exist. */
static void put_by_clock(const struct reading *r, const struct template *t, struct mpd_track *track)
{
	int64_t count = available(r, t, t->offset, t->duration), from = 0;
	int64_t depth = r->depth_us == TIME_NONE
				? MPD_SEGMENTS_MAX
				: scale(r->depth_us, t->timescale, SECOND_US) / t->duration;

	from = MAX(count - MAX(MIN(depth, MPD_SEGMENTS_MAX), 1), 0);
	for (int64_t i = from; i < count; i++)
		put_segment(t, track, i, i * t->duration + t->offset, t->duration);
}

static void put_track(const struct reading *r, const struct template *t, struct mpd_track *track)
{
	track->bandwidth = MAX(track->bandwidth, (uint64_t)MAX(number_of(t->bandwidth, 0), 0));
	if (t->timeline)
		put_timeline(r, t, track);
	else
		put_by_clock(r, t, track);
}

/* The best representation of a set. */
static const xmlNode *best_of(const xmlNode *set)
{
	const xmlNode *best = NULL;

	for (const xmlNode *c = child_of(set, "Representation"); c;
	     c = next_of(c, "Representation"))
		if (!child_of(c, "ContentProtection") &&
		    (!best || number_of(attr_of(c, "bandwidth"), 0) >
				      number_of(attr_of(best, "bandwidth"), 0)))
			best = c;
	return best;
}

/* The content type of a set, as "video" or "audio"; NULL if it cannot be played. */
static const char *content_of(const xmlNode *set, const xmlNode *representation)
{
	static const char *const kinds[] = {"video", "audio"};
	const char *type = attr_of(representation, "mimeType");

	if (!type)
		type = attr_of(set, "mimeType");
	for (size_t i = 0; type && i < array_size(kinds); i++)
		if (!strncmp(type, kinds[i], 5) && !strcmp(type + 5, "/mp4"))
			return kinds[i];
	return NULL;
}

/* The track of the picture, or of the nth sound; NULL when there is no room. */
static struct mpd_track *track_of(struct mpd *m, bool video, unsigned nth, const char *language)
{
	struct mpd_track *t = m->tracks;

	for (; t < m->tracks + m->track_count; t++)
		if (t->video == video && (video || nth-- == 0))
			return t;
	if (m->track_count == MPD_TRACKS_MAX)
		return NULL;
	if (video) {
		memmove(m->tracks + 1, m->tracks, m->track_count * sizeof(*t));
		t = m->tracks;
	}
	*t = (struct mpd_track){.video = video};
	for (size_t i = 0;
	     language && isalnum((unsigned char)language[i]) && i + 1 < sizeof(t->language); i++)
		t->language[i] = language[i];
	m->track_count++;
	return t;
}

static int read_set(struct reading *r, struct template *t, const xmlNode *period,
		    const xmlNode *set, const char *base, struct mpd_track *track)
{
	const xmlNode *representation = best_of(set);
	const xmlNode *const levels[LEVELS] = {representation, set, period};
	_cleanup_(freep) char *set_base = base_url_of(base, set);
	_cleanup_(freep) char *own = set_base ? base_url_of(set_base, representation) : NULL;

	if (!own)
		return -ENOMEM;
	t->base = own;
	t->id = attr_of(representation, "id");
	t->bandwidth = attr_of(representation, "bandwidth");
	if (!t->id)
		t->id = "";
	if (strlen(t->base) <= URL_MAX && strlen(t->id) <= URL_MAX && template_find(t, levels))
		put_track(r, t, track);
	return 0;
}

/* The set of pictures with the highest rate. */
static const xmlNode *best_video(struct reading *r, const xmlNode *period)
{
	const xmlNode *best = NULL;
	int64_t best_rate = -1;

	for (const xmlNode *set = child_of(period, "AdaptationSet"); set;
	     set = next_of(set, "AdaptationSet")) {
		const xmlNode *c = best_of(set);
		const char *kind = c ? content_of(set, c) : NULL;
		int64_t rate = number_of(attr_of(c, "bandwidth"), 0);

		if (child_of(set, "ContentProtection") || (!c && child_of(set, "Representation")))
			r->encrypted = true;
		else if (kind && *kind == 'v' && rate > best_rate) {
			best = set;
			best_rate = rate;
		}
	}
	return best;
}

static int read_period(struct reading *r, const xmlNode *period, const char *mpd_base,
		       int64_t begin_us, int64_t end_us)
{
	_cleanup_(freep) char *base = base_url_of(mpd_base, period);
	const xmlNode *video = best_video(r, period);
	unsigned sounds = 0;
	int error = base ? 0 : -ENOMEM;

	for (const xmlNode *set = child_of(period, "AdaptationSet"); set && error == 0;
	     set = next_of(set, "AdaptationSet")) {
		struct template t = {.begin_us = begin_us, .end_us = end_us};
		const xmlNode *c = best_of(set);
		const char *kind = c ? content_of(set, c) : NULL;
		struct mpd_track *track = NULL;

		if (!kind || child_of(set, "ContentProtection"))
			continue;
		if (set == video)
			track = track_of(r->mpd, true, 0, NULL);
		else if (*kind == 'a')
			track = track_of(r->mpd, false, sounds++, attr_of(set, "lang"));
		if (track)
			error = read_set(r, &t, period, set, base, track);
	}
	return error;
}

static int read_periods(struct reading *r, const xmlNode *root, const char *url)
{
	_cleanup_(freep) char *base = base_url_of(url, root);
	const xmlNode *period = child_of(root, "Period"), *next;
	int64_t end_us = 0;
	int error = base ? 0 : -ENOMEM;

	for (; period && error == 0; period = next) {
		int64_t begin_us =
			duration_of(attr_of(period, "start"), end_us == TIME_NONE ? 0 : end_us);
		int64_t length_us = duration_of(attr_of(period, "duration"), TIME_NONE);

		next = next_of(period, "Period");
		begin_us = MIN(begin_us, INT64_MAX / 8);
		end_us = length_us != TIME_NONE ? begin_us + length_us : TIME_NONE;
		if (next)
			end_us = duration_of(attr_of(next, "start"), end_us);
		else if (end_us == TIME_NONE)
			end_us = duration_of(attr_of(root, "mediaPresentationDuration"), TIME_NONE);
		error = read_period(r, period, base, begin_us, end_us);
	}
	return error;
}

static const char *read_root(struct reading *r, const xmlNode *root, const char *url, int *ret)
{
	struct mpd *m = r->mpd;
	const char *type = attr_of(root, "type");

	*ret = -EBADMSG;
	if (!root || !is_named(root, "MPD"))
		return "not a DASH manifest";
	m->live = type && !strcmp(type, "dynamic");
	m->update_us = duration_of(attr_of(root, "minimumUpdatePeriod"), TIME_NONE);
	m->delay_us = duration_of(attr_of(root, "suggestedPresentationDelay"), 0);
	r->begun_us = time_of(attr_of(root, "availabilityStartTime"), 0);
	r->depth_us = duration_of(attr_of(root, "timeShiftBufferDepth"), TIME_NONE);
	if (!m->live) {
		/* all of it is there */
		r->begun_us = 0;
		r->wall_us = INT64_MAX / 4;
		r->depth_us = TIME_NONE;
	}
	*ret = read_periods(r, root, url);
	if (*ret < 0)
		return "no memory";
	if (!m->live)
		return NULL;
	if (m->track_count > 0)
		return NULL;
	*ret = -EBADMSG;
	return r->encrypted ? "the DASH presentation is encrypted"
			    : "the DASH presentation has nothing that can be played";
}

bool mpd_probe(const uint8_t *bytes, size_t n)
{
	return memmem(bytes, n, "<MPD", 4) && !memchr(bytes, '\0', n);
}

/* Rejects text that the parser would read in another encoding than UTF-8: the checks look at bytes.
 */
static bool is_plain(const char *xml, size_t n)
{
	if (n >= 3 && !memcmp(xml, "\xef\xbb\xbf", 3)) {
		xml += 3;
		n -= 3;
	}
	return n <= INT32_MAX && n > 0 && strchr("< \t\r\n", *xml) && !memchr(xml, '\0', n) &&
	       !memmem(xml, n, "<!DOCTYPE", 9);
}

int mpd_parse(const char *xml, size_t n, const char *url, int64_t wall_us, struct mpd **ret,
	      const char **ret_problem)
{
	struct reading r = {.mpd = calloc(1, sizeof(*r.mpd)), .wall_us = wall_us};
	xmlDoc *doc = NULL;
	int error = -EBADMSG;

	if (!r.mpd) {
		*ret_problem = "no memory";
		return -ENOMEM;
	}
	if (is_plain(xml, n))
		doc = xmlReadMemory(xml, (int)n, NULL, "UTF-8",
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					    XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
	/* reject entity declarations: they allow memory exhaustion and reading of files, and
	 * manifests do not need them */
	if (doc && (doc->intSubset || doc->extSubset)) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	*ret_problem = doc ? read_root(&r, xmlDocGetRootElement(doc), url, &error)
			   : "the DASH manifest cannot be read";
	xmlFreeDoc(doc);
	if (error < 0) {
		mpd_free(r.mpd);
		return error;
	}
	*ret = r.mpd;
	return 0;
}

struct mpd *mpd_free(struct mpd *m)
{
	for (unsigned i = 0; m && i < m->track_count; i++)
		for (size_t k = 0; k < m->tracks[i].count; k++)
			segment_done(&m->tracks[i].segments[k]);
	free(m);
	return NULL;
}

int64_t mpd_target_s(const struct mpd_track *t)
{
	int64_t longest_us = SECOND_US;

	for (size_t i = 0; i < t->count; i++)
		longest_us = MAX(longest_us, t->segments[i].duration_us);
	return (longest_us + SECOND_US - 1) / SECOND_US;
}

void mpd_playlist(const struct mpd *m, const struct mpd_track *t, uint64_t sequence,
		  struct buf *out)
{
	const char *init = "";

	buf_printf(out,
		   "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%lld\n"
		   "#EXT-X-MEDIA-SEQUENCE:%llu\n",
		   (long long)mpd_target_s(t), (unsigned long long)sequence);
	for (size_t i = 0; i < t->count; i++) {
		const struct mpd_segment *s = &t->segments[i];
		const char *own = s->init ? s->init : "";

		if (i > 0 && strcmp(own, init) != 0)
			buf_puts(out, "#EXT-X-DISCONTINUITY\n");
		if (s->init && strcmp(own, init) != 0)
			buf_printf(out, "#EXT-X-MAP:URI=\"%s\"\n", own);
		init = own;
		buf_printf(out, "#EXTINF:%lld.%06lld,\n%s\n",
			   (long long)(s->duration_us / SECOND_US),
			   (long long)(s->duration_us % SECOND_US), s->media);
	}
	if (!m->live)
		buf_puts(out, "#EXT-X-ENDLIST\n");
}

void mpd_master(const struct mpd *m, const char *prefix, struct buf *out)
{
	bool sounds = m->track_count > 1 && m->tracks[0].video;
	uint64_t bandwidth = 1;

	buf_puts(out, "#EXTM3U\n#EXT-X-VERSION:7\n");
	for (unsigned i = 0; i < m->track_count; i++) {
		const struct mpd_track *t = &m->tracks[i];

		bandwidth += t->bandwidth;
		if (i == 0)
			continue;
		buf_printf(out,
			   "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"%u\",DEFAULT=%s,URI="
			   "\"%s%u\"",
			   i, i == 1 ? "YES" : "NO", prefix, i);
		buf_printf(out, *t->language ? ",LANGUAGE=\"%s\"\n" : "\n", t->language);
	}
	buf_printf(out, "#EXT-X-STREAM-INF:BANDWIDTH=%llu%s\n%s0\n", (unsigned long long)bandwidth,
		   sounds ? ",AUDIO=\"a\"" : "", prefix);
}
