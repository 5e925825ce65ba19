/* job_run.c - see job_run.h */
#include "amps-transcoder/job_run.h"

#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/job/job.h"
#include "amps-transcoder/job_files.h"
#include "amps-transcoder/options/source_options.h"
#include "amps-transcoder/options/url.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/sandbox/guard.h"
#include "amps-transcoder/sandbox/sandbox.h"
#include "common/log/log.h"

/* Where a job of this source and role has to connect to. */
static enum sandbox_network network_of(const struct job *job, const struct source_options *options,
				       bool graph_network, uint16_t *ret_port)
{
	const char *source = job_spec_text(job, "source", "");
	char scheme[16];

	url_scheme(source, scheme, sizeof(scheme));
	if (graph_network)
		return SANDBOX_ANY;
	if (job->role == JOB_DERIVE)
		return SANDBOX_OFFLINE;
	/* a local playlist may lead outside if the operator names the protocols */
	if (!strcmp(scheme, "file"))
		return av_dict_get(options->libav, "protocol_whitelist", NULL, 0) ? SANDBOX_ANY
										  : SANDBOX_OFFLINE;
	if (!strcmp(scheme, "udp") || !strcmp(scheme, "rtp") || !strcmp(scheme, "srt") ||
	    !strcmp(scheme, "rist"))
		return SANDBOX_DATAGRAMS;
	*ret_port = url_port(source);
	return !strcmp(scheme, "tcp") && *ret_port ? SANDBOX_PORT : SANDBOX_ANY;
}

static int enter_sandbox(const struct job *job, const struct source_options *options)
{
	const char *source = job_spec_text(job, "source", "");
	const char *dot = strrchr(source, '.');
	struct job_files files = {0};
	unsigned memory_mb = (unsigned)job_spec_int(job, "memory_mb", 0);
	struct sandbox s = {.memory_mb = memory_mb ? memory_mb : JOB_MEMORY_DERIVE_MB,
			    .nice = (int)job_spec_int(job, "nice", 0)};
	int r = job_files_collect(&files, job->spec, options);

	if (job->role != JOB_DERIVE && url_is_file(source)) {
		s.file = url_file_path(source);
		s.file_folder = dot && (!strncmp(dot, ".m3u", 4) || !strcmp(dot, ".mpd"));
	}
	s.more = (const char *const *)files.paths;
	s.more_count = files.count;
	s.network = network_of(job, options, files.network, &s.port);
	if (r == 0)
		r = sandbox_enter(&s);
	job_files_done(&files);
	return r;
}

static void set_guard(struct job *job, const struct source_options *options)
{
	/* the interposed functions keep it for the life of the process */
	static char host[256];
	const char *url = job_spec_text(job, "source", "");
	const AVDictionaryEntry *mode = av_dict_get(options->libav, "mode", NULL, 0);

	url_host(url, host, sizeof(host));
	guard_set(host, job_spec_bool(job, "allow_private") ||
				url_listens(url, mode ? mode->value : NULL));
	guard_interruptible(job_interrupt, job);
}

static int give_up_rights(struct job *job)
{
	struct source_options options = {0};
	int r;

	/* what is wrong with them is told when the source is opened */
	if (source_options_read(&options, job->spec) < 0)
		log_debug("an input option has no usable value");
	r = enter_sandbox(job, &options);
	set_guard(job, &options);
	source_options_done(&options);
	return r;
}

static int run_role(struct job *job)
{
	static int (*const roles[JOB_ROLE_COUNT_])(struct job *) = {
		[JOB_INGEST] = ingest_run,
		[JOB_DERIVE] = derive_run,
		[JOB_BOTH] = both_run,
	};
	int r = give_up_rights(job);

	if (r < 0)
		return job_end_failed(job, 502, "the sandbox could not be entered: %s",
				      strerror(-r));
	return roles[job->role](job);
}

int job_run(int socket, struct title *title)
{
	struct job job;
	int code = 1;

	av_log_install();
	av_log_take_stderr();
	if (job_open(&job, socket) == 0 && job_await_orders(&job) == 0 &&
	    job_follow_master(&job) == 0) {
		title_set(title, "amps-transcoder %s%s", job.key,
			  job.role == JOB_DERIVE ? " derive" : "");
		code = run_role(&job);
	}
	job_close(&job);
	log_done();
	return code;
}
