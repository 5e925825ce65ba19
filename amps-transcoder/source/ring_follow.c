#include "amps-transcoder/source/ring_follow.h"

#include <assert.h>

void ring_follow_init(struct ring_follow *f, uint64_t age_us)
{
	*f = (struct ring_follow){.age_us = age_us, .fd = -1, .larger_fd = -1};
}

static void drop_larger(struct ring_follow *f)
{
	assert(f->has_ring || !f->has_larger);
	if (f->has_larger)
		ring_close(&f->larger);
	close_fd(&f->larger_fd);
	f->has_larger = false;
}

void ring_follow_done(struct ring_follow *f)
{
	drop_larger(f);
	if (f->has_ring)
		ring_close(&f->ring);
	close_fd(&f->fd);
	ring_follow_init(f, 0);
}

int ring_follow_take(struct ring_follow *f, struct job_event *event, bool *ret_again)
{
	struct ring ring;
	int error = ring_open(&ring, event->fd, event->data_bytes, event->unit_bytes);

	if (error < 0)
		return error;
	drop_larger(f);
	f->has_larger = f->has_ring && event->same_job;
	*ret_again = !f->has_larger;
	if (f->has_larger) {
		f->larger = ring;
		f->larger_fd = TAKE_FD(event->fd);
		return 0;
	}
	if (f->has_ring)
		ring_close(&f->ring);
	close_fd(&f->fd);
	f->ring = ring;
	f->fd = TAKE_FD(event->fd);
	f->has_ring = true;
	f->started = false;
	f->from_pos = 0;
	return 0;
}

static bool find_start(const struct ring_follow *f, struct ring_rap *rap)
{
	return f->has_ring && ring_find_rap(&f->ring, clock_mono_us(), f->age_us, rap) == 0 &&
	       rap->pos >= f->from_pos;
}

static void use_larger(struct ring_follow *f)
{
	assert(f->has_ring && f->has_larger);
	ring_close(&f->ring);
	close_fd(&f->fd);
	f->ring = f->larger;
	f->fd = TAKE_FD(f->larger_fd);
	f->has_larger = false;
	f->from_pos = 0;
}

bool ring_follow_ready(struct ring_follow *f)
{
	struct ring_rap rap;

	if (find_start(f, &rap))
		return true;
	/* the job may have left the ring before writing an access point behind from_pos */
	if (!f->from_pos || !f->has_larger || ring_oldest_rap(&f->larger, 0, &rap) < 0)
		return false;
	use_larger(f);
	return find_start(f, &rap);
}

bool ring_follow_over(const struct ring_follow *f)
{
	struct ring_rap rap;

	/* check in this order, so that bytes written before the end are seen */
	return f->has_ring && !f->has_larger && f->from_pos && ring_ended(&f->ring) &&
	       !find_start(f, &rap);
}

bool ring_follow_start(struct ring_follow *f, struct ring_rap *ret_rap)
{
	if (!find_start(f, ret_rap))
		return false;
	assert(f->has_ring && ret_rap->pos >= f->from_pos);
	f->pos = ret_rap->pos;
	f->started = true;
	return true;
}

void ring_follow_stop(struct ring_follow *f)
{
	f->started = false;
}

/* The larger ring of the same job begins where the old one stopped. */
static bool move(struct ring_follow *f)
{
	struct ring_rap rap;

	if (!f->has_larger || ring_oldest_rap(&f->larger, 0, &rap) < 0)
		return false;
	use_larger(f);
	f->pos = rap.pos;
	return true;
}

ssize_t ring_follow_copy(struct ring_follow *f, void *dst, size_t cap)
{
	bool complete;
	ssize_t n;

	assert(f->started);
	do {
		/* check this before looking for the last bytes */
		complete = ring_ended(&f->ring);
		n = ring_read(&f->ring, f->fd, &f->pos, dst, cap);
	} while (n == -EAGAIN && move(f));
	if (n == -EAGAIN)
		return complete ? -ENODATA : 0;
	return n;
}
