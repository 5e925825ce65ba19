#include "common/shm/segment.h"

#include <string.h>

#define HZ 90000u

static bool time_ok(int64_t t_90k)
{
	return t_90k > -SEGMENT_TIME_MAX && t_90k < SEGMENT_TIME_MAX;
}

int segment_read(const struct ring *r, uint32_t part, struct segment *ret)
{
	uint64_t pos = segment_position(part);
	struct segment s;
	ssize_t n;

	if (pos >= ring_commit(r))
		return -ENOENT;
	n = ring_copy(r, &pos, &s, sizeof(s));
	if (n != (ssize_t)sizeof(s))
		return -ENOENT;
	if (s.part != part || s.first > part || s.number > SEGMENT_NUMBER_MAX ||
	    s.oldest > s.number || s.at > SEGMENT_BYTES_MAX || s.bytes > SEGMENT_BYTES_MAX ||
	    s.discontinuity > SEGMENT_NUMBER_MAX || s.duration_90k == 0 ||
	    s.duration_90k > SEGMENT_SECONDS_MAX * HZ || !time_ok(s.start_90k) ||
	    !time_ok(s.offset_90k) || !time_ok(s.began_90k))
		return -EBADMSG;
	*ret = s;
	return 0;
}

int segment_newest(const struct ring *r, struct segment *ret)
{
	uint64_t count = ring_commit(r) / sizeof(*ret);

	if (count == 0 || count - 1 > UINT32_MAX)
		return -ENOENT;
	return segment_read(r, (uint32_t)(count - 1), ret);
}

static bool codec_ok(const char codec[SEGMENT_CODEC_MAX])
{
	size_t n = strnlen(codec, SEGMENT_CODEC_MAX);

	for (size_t i = 0; i < n; i++)
		if (codec[i] <= ' ' || codec[i] > '~' || codec[i] == '"' || codec[i] == ',')
			return false;
	return n < SEGMENT_CODEC_MAX;
}

bool segment_sound_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n < SEGMENT_SOUND_MAX && name[n] == '\0';
}

static bool sounds_ok(const struct segment_media *m)
{
	bool ok = m->place < SEGMENT_SOUNDS_MAX && memchr(m->name, 0, sizeof(m->name)) &&
		  segment_sound_ok(m->name);

	for (size_t i = 0; i < SEGMENT_SOUNDS_MAX; i++)
		ok = ok && memchr(m->sounds[i], 0, SEGMENT_SOUND_MAX) &&
		     segment_sound_ok(m->sounds[i]);
	return ok;
}

int segment_media_read(const struct ring *r, struct segment_media *ret)
{
	struct ring_intro intro;
	struct segment_media m;
	struct ring_rap rap;

	if (ring_find_rap(r, clock_mono_us(), 0, &rap) < 0)
		return -ENOENT;
	intro = ring_intro(&rap, false);
	if (intro.len != sizeof(m))
		return -EBADMSG;
	memcpy(&m, intro.bytes, sizeof(m));
	if (m.track >= SEGMENT_TRACKS_MAX || m.target_s == 0 || m.target_s > SEGMENT_SECONDS_MAX ||
	    m.captions >= CAPTIONS_COUNT_ || !codec_ok(m.picture) || !codec_ok(m.sound) ||
	    !sounds_ok(&m))
		return -EBADMSG;
	*ret = m;
	return 0;
}
