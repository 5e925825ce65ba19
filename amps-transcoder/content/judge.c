#include "amps-transcoder/content/judge.h"

#include <assert.h>

#include "common/clock.h"

#define JUMP_90K (5 * CONTENT_HZ) /* what is further apart does not belong together */
#define BACK_90K (2 * CONTENT_HZ) /* pictures and sound are interleaved, and reordered */
/* A picture that repeats the one before: bytes beyond which it has news, for a macroblock and in
 * all.  MPEG-2 codes more of them. */
#define LITTLE_BYTES	0.2
#define LITTLE_COARSE	1.5
#define LITTLE_HEADER	40
#define HOLDS_90K	CONTENT_HZ /* a look at a key frame holds for so long */
#define SAME_MEAN	2.0	   /* levels */
#define SAME_BLOCK	4.0
#define ALIKE_MEAN	3.0
#define ALIKE_BLOCK	6.0
#define SILENT_PEAK	1e-4 /* -80 dBFS */
#define SILENT_BYTES	40   /* a smaller frame of sound may be silence, however sizes vary */
#define VARIED_FRACTION 8    /* sizes that differ by this part are those of audible sound */

enum content_likeness content_likeness(double mean, double block)
{
	assert(mean >= 0 && block >= 0);
	if (mean <= SAME_MEAN && block <= SAME_BLOCK)
		return CONTENT_SAME;
	return mean <= ALIKE_MEAN && block <= ALIKE_BLOCK ? CONTENT_ALIKE : CONTENT_OTHER;
}

void content_judge_init(struct content_judge *j)
{
	*j = (struct content_judge){.now_90k = TIME_NONE,
				    .looked_90k = TIME_NONE,
				    .same_90k = TIME_NONE,
				    .alike_90k = TIME_NONE,
				    .dark_90k = TIME_NONE,
				    .quiet_90k = TIME_NONE,
				    .small_90k = TIME_NONE,
				    .sound_90k = TIME_NONE,
				    .second_90k = TIME_NONE};
}

/* Time goes on; where it leaps, what was before says nothing. */
static void advance(struct content_judge *j, int64_t time_90k)
{
	if (j->now_90k != TIME_NONE &&
	    (time_90k < j->now_90k - BACK_90K || time_90k > j->now_90k + JUMP_90K))
		content_judge_init(j);
	if (j->now_90k == TIME_NONE || time_90k > j->now_90k)
		j->now_90k = time_90k;
}

void content_judge_picture(struct content_judge *j, int64_t time_90k, uint64_t bytes,
			   uint64_t macroblocks, bool coarse)
{
	double limit = (double)macroblocks * (coarse ? LITTLE_COARSE : LITTLE_BYTES);

	advance(j, time_90k);
	j->pictures++;
	j->little += (double)bytes <= limit + LITTLE_HEADER;
	assert(j->little <= j->pictures);
}

/* Most pictures since the last look had no news. */
static bool is_still(const struct content_judge *j)
{
	return j->looked_90k != TIME_NONE && j->little * 2 >= j->pictures;
}

static bool is_audible(const struct content_judge *j, int64_t time_90k)
{
	return j->sound_90k != TIME_NONE && time_90k - j->sound_90k < CONTENT_HZ &&
	       j->quiet_90k == TIME_NONE;
}

enum content_look content_judge_look(const struct content_judge *j, int64_t time_90k)
{
	if (j->looked_90k == TIME_NONE || time_90k < j->looked_90k - BACK_90K)
		return CONTENT_DECODE;
	if (time_90k < j->looked_90k + CONTENT_LOOK_90K)
		return CONTENT_PASS;
	return is_still(j) || !is_audible(j, time_90k) ? CONTENT_DECODE : CONTENT_KEEP;
}

static void note_look(struct content_judge *j, int64_t time_90k)
{
	j->looked_90k = time_90k;
	j->pictures = j->little = 0;
}

void content_judge_kept(struct content_judge *j, int64_t time_90k)
{
	advance(j, time_90k);
	j->same_90k = j->alike_90k = time_90k;
	j->dark_90k = TIME_NONE;
	note_look(j, time_90k);
}

void content_judge_kept_key(struct content_judge *j, int64_t time_90k, bool dark)
{
	if (dark && j->dark_90k == TIME_NONE)
		j->dark_90k = time_90k;
}

void content_judge_key(struct content_judge *j, int64_t time_90k, bool same, bool alike, bool dark)
{
	/* an encoder refines a still picture behind each key frame, and has no news then */
	bool still;

	advance(j, time_90k);
	still = is_still(j);
	if (!still || !same || j->same_90k == TIME_NONE)
		j->same_90k = time_90k;
	if (!still || !alike || j->alike_90k == TIME_NONE)
		j->alike_90k = time_90k;
	if (!dark)
		j->dark_90k = TIME_NONE;
	else if (j->dark_90k == TIME_NONE)
		j->dark_90k = time_90k;
	note_look(j, time_90k);
}

static void begin_second(struct content_judge *j, int64_t time_90k)
{
	j->varied = j->second_90k != TIME_NONE && j->most > SILENT_BYTES &&
		    (j->most - j->least) * VARIED_FRACTION > j->most;
	j->small_90k = j->most <= SILENT_BYTES ? j->second_90k : TIME_NONE;
	j->second_90k = time_90k;
	j->least = UINT32_MAX;
	j->most = 0;
	if (!j->varied)
		return;
	j->heard = true;
	j->quiet_90k = TIME_NONE;
}

bool content_judge_sound(struct content_judge *j, int64_t time_90k, uint32_t bytes)
{
	advance(j, time_90k);
	j->sound_90k = time_90k;
	if (j->second_90k == TIME_NONE || time_90k >= j->second_90k + CONTENT_HZ ||
	    time_90k < j->second_90k)
		begin_second(j, time_90k);
	j->least = MIN(j->least, bytes);
	j->most = MAX(j->most, bytes);
	assert(j->least <= j->most);
	return !j->varied;
}

void content_judge_peak(struct content_judge *j, int64_t time_90k, double peak)
{
	if (peak > SILENT_PEAK) {
		j->heard = true;
		j->quiet_90k = TIME_NONE;
	} else if (j->quiet_90k == TIME_NONE) {
		j->quiet_90k = j->small_90k != TIME_NONE ? j->small_90k : time_90k;
	}
}

static bool lasts(int64_t since_90k, int64_t until_90k)
{
	return since_90k != TIME_NONE && until_90k != TIME_NONE &&
	       until_90k - since_90k >= CONTENT_FAULT_90K;
}

/* Until when it is known what the pictures show. */
static int64_t shown_until(const struct content_judge *j)
{
	if (j->looked_90k == TIME_NONE)
		return TIME_NONE;
	assert(j->now_90k >= j->looked_90k);
	return MIN(j->now_90k, j->looked_90k + HOLDS_90K);
}

enum content_fault content_judge_verdict(const struct content_judge *j)
{
	bool silent = lasts(j->quiet_90k, j->sound_90k);
	bool mute = silent || j->sound_90k == TIME_NONE || lasts(j->sound_90k, j->now_90k);
	int64_t shown_90k = shown_until(j);
	bool same = lasts(j->same_90k, shown_90k);

	if (lasts(j->dark_90k, shown_90k) && (mute || same))
		return CONTENT_BLACK;
	if (same || (mute && lasts(j->alike_90k, shown_90k)))
		return CONTENT_FROZEN;
	return silent && j->heard ? CONTENT_SILENT : CONTENT_GOOD;
}
