/* judge.h - does a channel show something?  Judged from the sizes of its pictures and of its frames
 * of sound; only where these say that it may not, from single key frames and frames of sound that
 * are decoded.
 *
 *	black	the pictures are black, and there is no sound, or they do not change
 *	frozen	the pictures do not change; with an encoder that is restless, only without sound
 *	silent	the sound was audible, and is digital silence now
 *
 * each for CONTENT_FAULT_90K.  A dark, quiet or still scene has noise: of a camera in its pictures,
 * of a room in its sound.  Times are those of the media.  Pure: no allocation, no clock, no libav.
 */
#ifndef AMPS_CONTENT_JUDGE_H
#define AMPS_CONTENT_JUDGE_H

#include "common/base.h"
#include "common/msg/msg.h"

#define CONTENT_HZ	  90000
#define CONTENT_FAULT_90K (7 * CONTENT_HZ)     /* a fault is one after so long */
#define CONTENT_LOOK_90K  (3 * CONTENT_HZ / 2) /* a key frame is looked at so often at most */

/* How a key frame differs from an earlier one. */
enum content_likeness { CONTENT_SAME, CONTENT_ALIKE, CONTENT_OTHER };

/* The differences of luma in levels of 8 bits: in all, and of the block that differs most. */
must_check enum content_likeness content_likeness(double mean, double block);

struct content_judge {
	int64_t now_90k;    /* the newest time; TIME_NONE = nothing has come */
	int64_t looked_90k; /* of the last key frame that was not passed over; TIME_NONE */
	/* since when that holds, TIME_NONE: it does not */
	int64_t same_90k, alike_90k, dark_90k, quiet_90k;
	int64_t sound_90k;	   /* of the last frame of sound; TIME_NONE */
	unsigned pictures, little; /* between key frames since the last look; without news */
	/* frames of sound in the present second, by bytes */
	int64_t second_90k;
	uint32_t least, most;
	int64_t small_90k; /* where the second before began, if all of its frames may be silence */
	bool varied;	   /* in the second before: it is audible */
	bool heard;
};

void content_judge_init(struct content_judge *j);

/* A picture between key frames, its bytes without stuffing, of a picture of so many macroblocks. */
void content_judge_picture(struct content_judge *j, int64_t time_90k, uint64_t bytes,
			   uint64_t macroblocks, bool coarse);

/* What to do with a key frame of this time. */
enum content_look {
	CONTENT_PASS,  /* it is too close to the last one */
	CONTENT_KEEP,  /* the pictures and the sound before it have news: it need not be decoded
			  unless the next one is, which may show that a fault began here */
	CONTENT_DECODE /* first the one that was kept */
};
must_check enum content_look content_judge_look(const struct content_judge *j, int64_t time_90k);
void content_judge_kept(struct content_judge *j, int64_t time_90k);
/* The one that was kept is decoded now: with it begins what later ones are compared with. */
void content_judge_kept_key(struct content_judge *j, int64_t time_90k, bool dark);
/* A decoded key frame.  `same`: as the first of those that were the same; `alike`: like the first
 * of those that were alike; the caller keeps both.  `dark`: it is black. */
void content_judge_key(struct content_judge *j, int64_t time_90k, bool same, bool alike, bool dark);

/* A frame of sound.  True: its size says nothing, it is to be decoded. */
must_check bool content_judge_sound(struct content_judge *j, int64_t time_90k, uint32_t bytes);
/* The loudest sample of a decoded frame, 1.0 = full scale. */
void content_judge_peak(struct content_judge *j, int64_t time_90k, double peak);

must_check enum content_fault content_judge_verdict(const struct content_judge *j);

#endif
