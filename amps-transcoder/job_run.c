/* job_run.c - see job_run.h */
#include "amps-transcoder/job_run.h"

#include <stdio.h>
#include <string.h>

#include "amps-transcoder/av_log.h"
#include "amps-transcoder/derive.h"
#include "amps-transcoder/guard.h"
#include "amps-transcoder/ingest.h"
#include "amps-transcoder/job.h"
#include "amps-transcoder/sandbox.h"
#include "amps-transcoder/source_options.h"
#include "amps-transcoder/source_tls.h"
#include "amps-transcoder/url.h"
#include "common/log.h"

/* Certificates and keys that the input options name; their values live as long as *options. */
static size_t option_files(const AVDictionary *options, const char **dst, size_t cap)
{
	const AVDictionaryEntry *e = NULL;
	size_t n = 0;

	while (n < cap && (e = av_dict_get(options, "", e, AV_DICT_IGNORE_SUFFIX)))
		if (source_tls_names_file(e->key))
			dst[n++] = e->value;
	return n;
}

static int enter_sandbox(const struct job *job, const struct source_options *options)
{
	const char *source = job_spec_text(job, "source", "");
	struct sandbox s = {
		.memory_mb = (unsigned)job_spec_int(job, "memory_mb", 0),
		.nice = (int)job_spec_int(job, "nice", 0),
	};
	const char *dot = strrchr(source, '.');

	if (job->role == JOB_DERIVE)
		return sandbox_enter(&s);
	if (url_is_file(source)) {
		s.file = url_file_path(source);
		s.file_folder = dot && (!strncmp(dot, ".m3u", 4) || !strcmp(dot, ".mpd"));
	}
	s.more_count = option_files(options->libav, s.more, array_size(s.more));
	return sandbox_enter(&s);
}

/* Who waits to be called answers whoever calls; nothing points anywhere. */
static bool source_listens(const char *url, const char *host, const AVDictionary *options)
{
	const AVDictionaryEntry *mode = av_dict_get(options, "mode", NULL, 0);
	char text[16] = "";

	if (!url_is_file(url) && (!*host || !strncmp(url, "rist://@", 8)))
		return true;
	if (!url_query(url, "mode", text, sizeof(text)) && mode)
		snprintf(text, sizeof(text), "%s", mode->value);
	return !strcmp(text, "listener");
}

static void set_guard(struct job *job, const struct source_options *options)
{
	/* the interposed functions keep it for the life of the process */
	static char host[256];
	const char *url = job_spec_text(job, "source", "");

	url_host(url, host, sizeof(host));
	guard_set(host,
		  job_spec_bool(job, "allow_private") || source_listens(url, host, options->libav));
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
