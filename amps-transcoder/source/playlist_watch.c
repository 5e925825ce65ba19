#include "amps-transcoder/source/playlist_watch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"

void playlist_watch_add(struct playlist_watch *w, AVIOContext *pb)
{
	assert(w->count <= PLAYLIST_WATCHED_MAX);
	if (w->count == PLAYLIST_WATCHED_MAX)
		return;
	/* count what is buffered already */
	w->list[w->count++] =
		(struct watched){.pb = pb, .seen = pb->pos - (pb->buf_end - pb->buffer)};
}

void playlist_watch_remove(struct playlist_watch *w, const AVIOContext *pb)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->list[i].pb == pb)
			w->list[i--] = w->list[--w->count];
}

static unsigned count_text(const uint8_t *at, size_t n, const char *text)
{
	unsigned count = 0;
	const uint8_t *end = at + n;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
		at += strlen(text);
		count++;
	}
	return count;
}

/* The number behind the tag; 0 without one. */
static unsigned target_of(const uint8_t *at, size_t n)
{
	static const char tag[] = "#EXT-X-TARGETDURATION:";
	const uint8_t *end = at + n;
	unsigned seconds = 0;

	at = memmem(at, n, tag, sizeof(tag) - 1);
	if (!at)
		return 0;
	for (at += sizeof(tag) - 1; at < end && *at >= '0' && *at <= '9'; at++)
		seconds = MIN(10 * seconds + (*at - '0'), PLAYLIST_TARGET_MAX_S);
	return seconds;
}

static bool begins_playlist(const uint8_t *at, size_t n)
{
	static const char m3u[] = "#EXTM3U", bom[] = "\xef\xbb\xbf";

	if (n >= 3 && !memcmp(at, bom, 3)) {
		at += 3;
		n -= 3;
	}
	return n > 0 && (*at == '<' || !memcmp(at, m3u, MIN(n, sizeof(m3u) - 1)));
}

static void judge(struct playlist_watch *w)
{
	if (w->bytes > PLAYLIST_BYTES_MAX)
		snprintf(w->problem, sizeof(w->problem),
			 "the source's playlist is longer than %u MB", PLAYLIST_BYTES_MAX >> 20);
	else if (w->variants > PLAYLIST_VARIANTS_MAX)
		snprintf(w->problem, sizeof(w->problem),
			 "the source's playlist has more than %u variants", PLAYLIST_VARIANTS_MAX);
}

/* False: it is not a playlist and need not be watched any longer. */
static bool look_at(struct playlist_watch *w, struct watched *one)
{
	const AVIOContext *pb = one->pb;
	int64_t fresh = pb->pos - one->seen;
	size_t n = (size_t)MAX(MIN(fresh, (int64_t)(pb->buf_end - pb->buffer)), 0);
	const uint8_t *at = pb->buf_end - n;

	if (fresh > 0 && !one->playlist) {
		if (!begins_playlist(at, n))
			return false;
		one->playlist = true;
	}
	assert(n <= (size_t)(pb->buf_end - pb->buffer));
	one->seen = pb->pos;
	if (fresh > 0) {
		w->bytes += (uint64_t)fresh;
		w->variants += count_text(at, n, "#EXT-X-STREAM-INF:") +
			       count_text(at, n, "#EXT-X-MEDIA:");
		w->target_s = MAX(w->target_s, target_of(at, n));
	}
	return true;
}

bool playlist_watch_look(struct playlist_watch *w)
{
	if (*w->problem)
		return true;
	for (unsigned i = 0; i < w->count; i++)
		if (!look_at(w, &w->list[i]))
			w->list[i--] = w->list[--w->count];
	judge(w);
	return *w->problem;
}

void playlist_watch_media(struct playlist_watch *w)
{
	w->bytes = 0;
	w->variants = 0;
}
