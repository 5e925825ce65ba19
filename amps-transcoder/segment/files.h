/* files.h - the files of one track: <folder>/<number>.ts, appended to, complete when they are
 * listed, removed some time after they have left the playlist.
 *
 * Those of CMAF are v<number>.m4s (pictures) or a<number>.m4s (sound; b, c and so on for further
 * sounds) in the same folder; while one grows it is v<number>.tmp, so that a whole segment has its
 * name once it is complete. v<number>.mp4 is the init segment of those from this number on, until
 * the last of them is removed.
 *
 * A descriptor that was opened before stays good after the file is removed, so readers lose
 * nothing. */
#ifndef AMPS_SEGMENT_FILES_H
#define AMPS_SEGMENT_FILES_H

#include "common/base.h"
#include "common/shm/segment.h"

/* A file that exists. */
struct segment_file {
	uint32_t number;
	uint32_t init; /* number of its init segment; 0 = none */
	uint32_t bytes;
	uint32_t duration_90k;
	uint64_t left_us; /* clock_mono_us() when it left the playlist; 0: it is listed */
};

struct segment_files {
	const char *prefix;    /* "", "v", or "a" and the letters behind it */
	const char *extension; /* "ts" or "m4s" */
	const char *growing;   /* the same while it grows, "ts" or "tmp" */
	int folder;	       /* -1: none */
	int fd;		       /* being written; -1: none */
	uint32_t fd_number;
	uint64_t bytes;		 /* of all of them, the growing one too */
	uint64_t fd_bytes;	 /* of the growing one */
	struct segment_file *at; /* those that are complete, oldest first; grows */
	size_t first, count, cap;
	uint32_t inits[SEGMENT_INITS_MAX]; /* that exist, oldest first */
	unsigned init_count;
};

#define SEGMENT_FILES_INIT ((struct segment_files){.folder = -1, .fd = -1})

/* Opens the folder and removes every file of the track whose number is not in [first, end), those
 * that grow but for the last one of these, and the init segments before `init`.  0 or -Exxx. */
must_check int segment_files_open(struct segment_files *f, const char *path, uint32_t first,
				  uint32_t end, uint32_t init);

/* The file that an earlier job had begun and of which so many bytes are listed is complete with
 * these: what that job wrote behind them, before it could list it, is cut off.  One that has fewer
 * goes.  For forms whose files have another name while they grow. */
void segment_files_finish(const struct segment_files *f, uint32_t number, uint64_t bytes);

/* Takes a file of an earlier job, oldest first.  0 or -Exxx. */
must_check int segment_files_adopt(struct segment_files *f, const struct segment *s);

/* Writes the init segment of the files from this number on.  0 or -Exxx. */
must_check int segment_files_init(struct segment_files *f, uint32_t number, const void *bytes,
				  size_t n);

/* Begins a new file; an existing one of its name is removed first.  0 or -Exxx. */
must_check int segment_files_begin(struct segment_files *f, uint32_t number);
must_check int segment_files_append(struct segment_files *f, const void *bytes, size_t n);
/* Completes it; *ret_written_s is when it was last written, as its readers see it.  0 or -Exxx. */
must_check int segment_files_end(struct segment_files *f, uint32_t duration_90k, uint32_t init,
				 int64_t *ret_written_s);
/* When the growing file was last written.  0 or -Exxx. */
must_check int segment_files_written(const struct segment_files *f, int64_t *ret_s);
/* Removes the growing file. */
void segment_files_drop(struct segment_files *f);

/* Keeps the newest in the playlist that together last `window_90k`, and at least `least` of them;
 * removes those that left it keep_us ago.  Returns the number of the playlist's first one. */
uint32_t segment_files_slide(struct segment_files *f, int64_t window_90k, unsigned least,
			     uint64_t keep_us, uint64_t now_us);

/* Those before this number leave the playlist. */
void segment_files_forget(struct segment_files *f, uint32_t number, uint64_t now_us);

/* `remove`: all files go. */
void segment_files_close(struct segment_files *f, bool remove);

#endif
