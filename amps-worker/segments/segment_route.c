/* segment_route.c - see segment_route.h */
#include "amps-worker/segments/segment_route.h"

#include <assert.h>
#include <string.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/access.h"
#include "amps-worker/segments/dash_answer.h"
#include "amps-worker/segments/hls_answer.h"
#include "amps-worker/segments/media_file.h"

#define WINDOWS_MAX 512 /* signature periods that a listed segment may be old: three days */

bool segment_route_number(struct span text, uint64_t max, uint32_t *ret)
{
	uint64_t n = 0;

	if (!text.len || text.len > 10 || (text.at[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = (uint32_t)n;
	return n <= max;
}

/* "123.ts", "v123.m4s", "a123.mp4", or "vp123.m4s", which is a part.  False: another name. */
static bool read_name(struct span text, struct media_name *name, bool *ret_part)
{
	static const struct {
		const char *before, *behind;
		bool cmaf, init, part;
	} shapes[] = {{"", ".ts", false, false, false},
		      {"p", ".m4s", true, false, true},
		      {"", ".m4s", true, false, false},
		      {"", ".mp4", true, true, false}};
	char kind = text.len > 0 && segment_letter_ok(text.at[0]) ? text.at[0] : '\0';
	struct span rest = {text.at + (kind != 0), text.len - (kind != 0)};

	for (size_t i = 0; i < array_size(shapes); i++) {
		size_t before = strlen(shapes[i].before), behind = strlen(shapes[i].behind);
		struct span digits = {rest.at + before, rest.len - before - behind};

		if (shapes[i].cmaf != (kind != 0) || rest.len <= before + behind ||
		    memcmp(rest.at, shapes[i].before, before) != 0 ||
		    memcmp(rest.at + rest.len - behind, shapes[i].behind, behind) != 0 ||
		    !segment_route_number(digits, UINT32_MAX - 1, &name->number))
			continue;
		name->kind = kind;
		name->init = shapes[i].init;
		*ret_part = shapes[i].part;
		return true;
	}
	return false;
}

static void count_bytes(const struct request *q, enum viewer_protocol protocol, uint32_t channel,
			struct reply *r)
{
	struct session_client client = {.channel = channel,
					.protocol = protocol,
					.address = access_client(q->http, q->facts),
					.agent = http_field(q->http, "User-Agent")};

	r->sent = sessions_of_client(&q->facts->segments->sessions, &client);
}

/* What the address names; 404. */
static bool read_address(const struct request *q, struct media_name *name, bool *ret_part,
			 struct reply *r)
{
	if (segment_route_number(q->segment[0], CHANNEL_ID_MAX, &name->channel) &&
	    segment_route_number(q->segment[2], VARIANTS_MAX, &name->track) &&
	    read_name(q->segment[3], name, ret_part))
		return true;
	reply_error(r, 404, 0, "there is no such segment");
	return false;
}

static void refuse_file(int e, struct reply *r)
{
	if (e == -ENOENT)
		reply_error(r, 404, 0, "there is no such segment");
	else
		reply_error(r, 503, RETRY_AFTER_S, "the segment cannot be opened");
}

static const char *type_of(const struct media_name *name)
{
	return !name->kind ? "video/mp2t" : name->kind == 'v' ? "video/mp4" : "audio/mp4";
}

/* A whole file, which does not change any more. */
static void answer_file(const struct request *q, const struct media_name *name,
			enum viewer_protocol protocol, struct reply *r)
{
	r->kind = REPLY_FILE;
	r->type = type_of(name);
	count_bytes(q, protocol, name->channel, r);
	reply_field(r, "Cache-Control", "public, max-age=%d, immutable", SEGMENT_AGE_S);
}

static void refuse_signature(struct reply *r)
{
	reply_error(r, 403, 0, "the signature is not that of this segment");
}

/* What has the files of CMAF with this name. */
static struct rendition_track track_of(const struct media_name *name)
{
	bool picture = name->kind == 'v';

	assert(name->kind);
	return (struct rendition_track){.channel = name->channel,
					.number = name->track,
					.form = picture ? OUTPUT_CMAF_PICTURE : OUTPUT_CMAF_SOUND,
					.place = picture ? 0 : (unsigned)(name->kind - 'a')};
}

/* A part is found in the index, which says in which file it is; the next one may be waited for. */
static void answer_part(const struct request *q, const struct media_name *name, struct reply *r)
{
	struct segments *s = q->facts->segments;
	struct rendition_track track = track_of(name);
	struct hls_asked asked = {.wait = {&hls_calls},
				  .what = HLS_PART,
				  .channel = name->channel,
				  .form = track.form,
				  .part = name->number};
	struct rendition *rendition;
	struct segment newest;

	if (!signature_matches(s->context->media_key, name->channel, signature_part_s(name->number),
			       q->segment[1])) {
		refuse_signature(r);
		return;
	}
	rendition = rendition_of_track(&s->renditions, &track);
	/* what will never be, or cannot be known here */
	if (!rendition || !rendition_newest(rendition, &newest) || asked.part > newest.part + 1) {
		reply_error(r, 404, 0, "there is no such part");
		return;
	}
	count_bytes(q, VIEWER_HLS, name->channel, r);
	hls_answer_or_hold(s, rendition, &asked, r);
}

/* The signature of a file that grew over the change of the signature may be the earlier one. */
static bool is_signed(const struct segments *s, const struct media_name *name, int64_t written_s,
		      struct span signature)
{
	const uint8_t *key = s->context->media_key;

	if (name->init)
		written_s = SIGNATURE_INIT_S;
	return signature_matches(key, name->channel, written_s, signature) ||
	       (name->kind && !name->init &&
		signature_matches(key, name->channel, written_s - (int64_t)SEGMENT_SECONDS_MAX,
				  signature));
}

void segment_route_hls(const struct request *q, struct reply *r)
{
	const struct segments *s = q->facts->segments;
	struct media_name name = {0};
	int64_t written_s;
	bool part = false;
	int e;

	if (!read_address(q, &name, &part, r))
		return;
	if (part) {
		answer_part(q, &name, r);
		return;
	}
	e = media_file_open(s->context->media_fd, &name, &r->file, &written_s);
	if (e < 0)
		refuse_file(e, r);
	else if (!is_signed(s, &name, written_s, q->segment[1]))
		refuse_signature(r);
	else
		answer_file(q, &name, VIEWER_HLS, r);
}

/* All segments of a manifest have the signature of the time at which it was made: that of the file,
 * or a later one.  The newest ones come first, as players ask with a fresh manifest. */
static bool is_signed_since(const struct segments *s, const struct media_name *name,
			    int64_t written_s, int64_t now_s, struct span signature)
{
	int64_t first_s = written_s - (int64_t)SEGMENT_SECONDS_MAX;
	int64_t windows = now_s / SIGNATURE_SECONDS - first_s / SIGNATURE_SECONDS;

	/* the clock may have been set in either direction since */
	if (signature_matches(s->context->media_key, name->channel, written_s, signature))
		return true;
	windows = MIN(windows, WINDOWS_MAX);
	for (int64_t i = 0; i <= windows; i++)
		if (signature_matches(s->context->media_key, name->channel,
				      now_s - i * SIGNATURE_SECONDS, signature))
			return true;
	return false;
}

/* A segment that has no name yet: it grows, or a manifest has announced it. */
static void answer_growing(const struct request *q, const struct media_name *name, struct reply *r)
{
	struct segments *s = q->facts->segments;
	int64_t now_s = q->facts->wall_us / 1000000;
	struct dash_asked asked = {.wait = {&dash_calls},
				   .what = DASH_SEGMENT,
				   .channel = name->channel,
				   .track = track_of(name),
				   .number = name->number,
				   /* without chunks the end of an answer that was broken off looks
				    * like that of a complete one */
				   .whole = q->http->minor == 0};
	struct rendition *rendition;

	/* without a valid signature nothing is started or revealed */
	if (!is_signed_since(s, name, now_s, now_s, q->segment[1])) {
		refuse_signature(r);
		return;
	}
	rendition = dash_segment_rendition(s, &asked);
	if (!rendition) {
		reply_error(r, 404, 0, "there is no such segment");
	} else if (q->http->method == HTTP_HEAD) {
		r->type = type_of(name);
		r->unsized = true;
	} else {
		count_bytes(q, VIEWER_DASH, name->channel, r);
		dash_answer_or_hold(s, rendition, &asked, r);
	}
}

void segment_route_dash(const struct request *q, struct reply *r)
{
	const struct segments *s = q->facts->segments;
	int64_t now_s = q->facts->wall_us / 1000000, written_s;
	struct media_name name = {0};
	bool part = false;
	int e;

	if (!read_address(q, &name, &part, r))
		return;
	e = part || !name.kind ? -ENOENT
			       : media_file_open(s->context->media_fd, &name, &r->file, &written_s);
	if (e == -ENOENT && !part && name.kind && !name.init)
		answer_growing(q, &name, r);
	else if (e < 0)
		refuse_file(e, r);
	else if (name.init ? !is_signed(s, &name, written_s, q->segment[1])
			   : !is_signed_since(s, &name, written_s, now_s, q->segment[1]))
		refuse_signature(r);
	else
		answer_file(q, &name, VIEWER_DASH, r);
}
