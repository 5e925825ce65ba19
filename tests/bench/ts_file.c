/* ts_file.c - see ts_file.h */
#include "tests/bench/ts_file.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

int ts_file_open(struct ts_file *f, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	memset(f, 0, sizeof(*f));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	f->len = (size_t)st.st_size / TS_BYTES * TS_BYTES;
	if (f->len == 0)
		return -EINVAL;
	map = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	f->bytes = map;
	return 0;
}

void ts_file_next(struct ts_file *f, uint8_t *dst)
{
	uint8_t *cc;

	memcpy(dst, f->bytes + f->at, TS_BYTES);
	f->at = f->at + TS_BYTES < f->len ? f->at + TS_BYTES : 0;
	cc = &f->counters[ts_pid(dst)];
	if (ts_has_payload(dst))
		++*cc;
	dst[3] = (uint8_t)((dst[3] & 0xf0) | (*cc & 0x0f));
}

uint64_t pace_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pace_until(uint64_t start_ns, uint64_t bytes, double bits_per_second)
{
	uint64_t due = start_ns + (uint64_t)((double)bytes * 8e9 / bits_per_second);
	struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}
