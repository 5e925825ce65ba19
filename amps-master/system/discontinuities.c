#include "amps-master/system/discontinuities.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "amps-master/util/state_file.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/text/text.h"

#define HOUR_US	     3600000000ll
#define FIRST_EVER   1735689600000000ll /* 2025-01-01 */
#define STEP	     64u
#define NEAR	     16u
#define MOST_A_START 65536u /* a job that lies must not spoil the numbers forever */

static int read_number(const char *path, uint32_t *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[32];
	uint64_t number;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -EINVAL;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (text_parse_u64(text, SEGMENT_NUMBER_MAX / 2, &number) < 0)
		return -EINVAL;
	*ret = (uint32_t)number;
	return 0;
}

static int raise_to(struct discontinuities *d, uint32_t limit)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%u", limit);
	r = state_file_replace(d->path, text);
	if (r == 0)
		d->limit = limit;
	return r;
}

/* Logs the first of several failures to store the limit. */
static void report_stuck(struct discontinuities *d, int r)
{
	if (r < 0 && !d->stuck)
		log_warn("the number of discontinuities cannot be kept (%s) path=%s", strerror(-r),
			 d->path);
	d->stuck = r < 0;
}

int discontinuities_open(struct discontinuities *d, const char *state_dir, int64_t wall_us,
			 uint64_t now_us)
{
	int64_t hours = (wall_us - FIRST_EVER) / HOUR_US;
	int r;

	*d = (struct discontinuities){.born_us = now_us};
	snprintf(d->path, sizeof(d->path), "%s/media.discontinuity", state_dir);
	r = read_number(d->path, &d->first);
	if (r == -EINVAL)
		log_warn("a file of the state folder is damaged, its number starts again path=%s",
			 d->path);
	else if (r < 0 && r != -ENOENT)
		return r;
	/* a clock that is wrong by years must not end the numbers */
	if (r < 0)
		d->first = (uint32_t)MIN(MAX(hours, 1), (int64_t)SEGMENT_NUMBER_MAX / 4);
	d->limit = d->first;
	r = raise_to(d, d->first + STEP);
	if (r != -ENOSPC)
		return r;
	/* channels are served all the same; the next number tries again */
	report_stuck(d, r);
	return 0;
}

uint32_t discontinuities_first(const struct discontinuities *d, uint64_t now_us)
{
	assert(now_us >= d->born_us);
	return d->first + (uint32_t)MIN((now_us - d->born_us) / HOUR_US, MOST_A_START);
}

void discontinuities_reached(struct discontinuities *d, uint32_t number)
{
	if (number + NEAR < d->limit || d->limit - d->first >= MOST_A_START)
		return;
	report_stuck(d, raise_to(d, d->limit + STEP));
}
