/* job_run.c - see job_run.h */
#include "amps-transcoder/job_run.h"

#include <string.h>

#include "amps-transcoder/av_log.h"
#include "amps-transcoder/derive.h"
#include "amps-transcoder/guard.h"
#include "amps-transcoder/ingest.h"
#include "amps-transcoder/job.h"
#include "amps-transcoder/sandbox.h"
#include "amps-transcoder/url.h"
#include "common/log.h"

static int enter_sandbox(const struct job *job)
{
	const char *source = job_spec_text(job, "source", "");
	struct sandbox s = {
		.memory_mb = (unsigned)job_spec_int(job, "memory_mb", 0),
		.nice = (int)job_spec_int(job, "nice", 0),
	};
	const char *dot = strrchr(source, '.');

	if (job->role != JOB_DERIVE && url_is_file(source)) {
		s.file = url_file_path(source);
		s.file_folder = dot && !strncmp(dot, ".m3u", 4);
	}
	return sandbox_enter(&s);
}

static void set_guard(struct job *job)
{
	/* the interposed functions keep it for the life of the process */
	static char host[256];

	url_host(job_spec_text(job, "source", ""), host, sizeof(host));
	guard_set(host, job_spec_bool(job, "allow_private"));
	guard_interruptible(job_interrupt, job);
}

static int run_role(struct job *job)
{
	static int (*const roles[JOB_ROLE_COUNT_])(struct job *) = {
		[JOB_INGEST] = ingest_run,
		[JOB_DERIVE] = derive_run,
		[JOB_BOTH] = both_run,
	};
	int r = enter_sandbox(job);

	if (r < 0)
		return job_end_failed(job, 502, "the sandbox could not be entered: %s",
				      strerror(-r));
	set_guard(job);
	return roles[job->role](job);
}

int job_run(int socket, struct title *title)
{
	struct job job;
	int code = 1;

	av_log_install();
	if (job_open(&job, socket) == 0 && job_await_orders(&job) == 0 &&
	    job_follow_master(&job) == 0) {
		title_set(title, "amps-transcoder %s%s", job.key,
			  job.role == JOB_DERIVE ? " derive" : "");
		code = run_role(&job);
	}
	job_close(&job);
	return code;
}
