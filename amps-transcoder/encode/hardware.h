/* hardware.h - the devices on which the outputs of a job decode, scale and encode (`hwaccel`).
 *
 * Drivers crash and hang, so each device and encoder is tried first in a process of its own, which
 * has the rights that the job will have.  hardware_probe() leaves the verdicts in job->hardware;
 * hardware_settle() applies them to an output when it begins.
 *
 * A device is shared by all outputs that name it.  One thread. */
#ifndef AMPS_HARDWARE_H
#define AMPS_HARDWARE_H

#include <libavutil/hwcontext.h>
#include "amps-transcoder/job/job.h"

#define HARDWARE_MAX 4 /* different devices of one job */

struct hardware {
	enum AVHWDeviceType type;
	enum AVPixelFormat format; /* of pictures in its memory; NONE = it has no such */
	char device[128];	   /* as `hwaccel` has it; "" = the first */
	AVBufferRef *ref;	   /* libav's device context */
};

struct hardware_set {
	struct hardware list[HARDWARE_MAX];
	unsigned count;
};

/* Tries the hardware of all outputs in the job's spec, for HARDWARE_PROBE_MS at most.  To be called
 * before the job has threads or a sandbox; `enter` takes the job's rights from a trial.  Without
 * hardware to try it does nothing. */
void hardware_probe(struct job *job, int (*enter)(struct job *job));

/* True if the sandbox must leave devices open: in a trial, and in a job with a usable device. */
bool hardware_needed(const struct job *job);

/* Before an output begins: opens its device, or changes its spec to software if that is its
 * fallback, with a notice.  *ret_hardware is NULL where it needs none, else it is valid as long as
 * the set.  0, or -EINVAL with a sentence in `problem`. */
must_check int hardware_settle(struct hardware_set *set, struct job *job, json_t *spec,
			       const struct hardware **ret_hardware, char *problem, size_t cap);
void hardware_set_done(struct hardware_set *set); /* accepts a zeroed struct */

#endif
