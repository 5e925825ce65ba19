/* demux.h - the loop of a source that libav demuxes: opens the demuxer, reads packets at the pace
 * of the source, repeats rounds, applies -ss and -t, and decides what an end means. */
#ifndef AMPS_DEMUX_H
#define AMPS_DEMUX_H

#include "amps-transcoder/roles/intake.h"

/* What a role does with the packets.  Functions that return an int return 0 or a libav error. */
struct demux_user {
	/* The demuxer is open.  At INTAKE_END *ret_code is the exit code. */
	enum intake_step (*opened)(void *owner, AVFormatContext *demuxer, int *ret_code);
	/* The next packet is the source's first, or that of another round, which may have another
	 * demuxer with the same streams. */
	int (*begin)(void *owner, AVFormatContext *demuxer, bool again);
	/* The time of the packet on the source's clock (TIME_NONE: unknown).  False: drop the
	 * packet. */
	bool (*place)(void *owner, AVPacket *packet, int64_t *ret_90k);
	/* Takes the packet, which may be changed. */
	int (*take)(void *owner, AVPacket *packet);
	/* A round is over; `last`: no other follows. */
	void (*drain)(void *owner, bool last);
	/* The demuxer is about to be closed. */
	void (*closing)(void *owner);
};

/* Runs an opened source that is not a transport stream to its end; returns the exit code. */
int demux_run(struct intake *in, const struct demux_user *user, void *owner);

#endif
