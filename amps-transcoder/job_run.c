#include "amps-transcoder/job_run.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/command/keeper.h"
#include "amps-transcoder/encode/hardware.h"
#include "amps-transcoder/job/job.h"
#include "amps-transcoder/options/check_graph.h"
#include "amps-transcoder/options/options.h"
#include "amps-transcoder/options/source_options.h"
#include "amps-transcoder/options/url.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/sandbox/guard.h"
#include "amps-transcoder/source/tls.h"
#include "common/log/log.h"
#include "common/msg/log_copy.h"
#include "common/sandbox.h"

#define PROXY_PORT 80 /* libav's, where the address of a proxy names none */

/* The files that a job reads besides its source: certificates and keys from the input options, and
 * files that filters read (pictures, subtitles, fonts). */
struct job_files {
	char **paths; /* owned */
	size_t count;
	bool network; /* a filter reads from a URL */
};

struct collection {
	struct job_files *files;
	int error;
};

/* Takes `path`, which may be NULL: no memory. */
static void add(struct collection *c, char *path)
{
	char **grown =
		path ? reallocarray(c->files->paths, c->files->count + 1, sizeof(*grown)) : NULL;

	if (!grown) {
		free(path);
		c->error = -ENOMEM;
		return;
	}
	c->files->paths = grown;
	grown[c->files->count++] = path;
}

static void on_graph_file(void *owner, const char *filter, const char *path)
{
	struct collection *c = owner;
	char *copy;

	(void)filter;
	if (!url_is_file(path)) {
		c->files->network = true;
		return;
	}
	copy = strdup(url_file_path(path));
	/* "logo%03d.png" names many files of its folder */
	if (copy && strchr(copy, '%')) {
		char *folder = strdup(dirname(copy));

		free(copy);
		copy = folder;
	}
	add(c, copy);
}

/* Collects from the filter graphs in the options of one output, [[key, value], ...]. */
static void add_output(struct collection *c, const json_t *options)
{
	size_t i;
	json_t *pair;

	json_array_foreach (options, i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (key && value && option_is_graph(key, OPTION_OUTPUT))
			graph_files(value, on_graph_file, c);
	}
}

static int files_collect(struct job_files *f, const json_t *spec,
			 const struct source_options *options)
{
	struct collection c = {.files = f};
	const char *source = json_string_value(json_object_get(spec, "source"));
	const AVDictionaryEntry *e = NULL;
	size_t i;
	json_t *output;

	while ((e = av_dict_get(options->libav, "", e, AV_DICT_IGNORE_SUFFIX)))
		if (source_tls_names_file(e->key))
			add(&c, strdup(e->value));
	if (source && strcmp(options->format, "lavfi") == 0)
		graph_files(source, on_graph_file, &c);
	json_array_foreach (json_object_get(spec, "outputs"), i, output)
		add_output(&c, json_object_get(output, "options"));
	return c.error;
}

static void files_done(struct job_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->paths[i]);
	free(f->paths);
	*f = (struct job_files){0};
}

/* Does the job read a ring, and no source? */
static bool reads_ring(const struct job *job)
{
	return job->role == JOB_DERIVE || job->role == JOB_SLATE || job->role == JOB_WATCH;
}

/* The network access that a job of this source and role needs. */
static enum sandbox_network network_of(const struct job *job, const struct source_options *options,
				       bool graph_network, uint16_t *ret_port)
{
	const char *source = job_spec_text(job, "source", "");
	char scheme[16];

	url_scheme(source, scheme, sizeof(scheme));
	if (graph_network)
		return SANDBOX_ANY;
	if (reads_ring(job) || job->keeper >= 0)
		return SANDBOX_OFFLINE;
	/* a local playlist may refer to the network if the operator names the protocols */
	if (!strcmp(scheme, "file"))
		return av_dict_get(options->libav, "protocol_whitelist", NULL, 0) ? SANDBOX_ANY
										  : SANDBOX_OFFLINE;
	if (!strcmp(scheme, "udp") || !strcmp(scheme, "rtp") || !strcmp(scheme, "srt") ||
	    !strcmp(scheme, "rist"))
		return SANDBOX_DATAGRAMS;
	*ret_port = url_port(source);
	return !strcmp(scheme, "tcp") && *ret_port ? SANDBOX_PORT : SANDBOX_ANY;
}

/* limits.memory_mb, or this if it is not set. */
static unsigned memory_mb_of(const struct job *job, unsigned otherwise)
{
	unsigned memory_mb = (unsigned)job_spec_int(job, "memory_mb", 0);

	return memory_mb ? memory_mb : otherwise;
}

static int enter_sandbox(const struct job *job, const struct source_options *options)
{
	const char *source = job_spec_text(job, "source", "");
	const char *dot = strrchr(source, '.');
	struct job_files files = {0};
	struct sandbox s = {.memory_mb = memory_mb_of(job, JOB_MEMORY_DERIVE_MB),
			    .devices = hardware_needed(job)};
	int r = files_collect(&files, job->spec, options);

	if (!reads_ring(job) && job->keeper < 0 && url_is_file(source)) {
		s.file = url_file_path(source);
		s.file_folder = dot && (!strncmp(dot, ".m3u", 4) || !strcmp(dot, ".mpd"));
	}
	s.more = (const char *const *)files.paths;
	s.more_count = files.count;
	s.network = network_of(job, options, files.network, &s.port);
	if (r == 0)
		r = sandbox_enter(&s);
	files_done(&files);
	return r;
}

/* A segment job writes below the folders of its tracks and reads nothing else. */
static int enter_segment_sandbox(const struct job *job)
{
	struct sandbox s = {.memory_mb = memory_mb_of(job, JOB_MEMORY_INGEST_MB),
			    .network = SANDBOX_OFFLINE,
			    .file_bytes = SEGMENT_BYTES_MAX};
	char paths[SEGMENT_TRACKS_MAX][PATH_MAX];
	const char *writable[SEGMENT_TRACKS_MAX];
	size_t i;
	json_t *track;

	json_array_foreach (json_object_get(job->spec, "tracks"), i, track) {
		if (i == SEGMENT_TRACKS_MAX)
			return -E2BIG;
		if ((size_t)snprintf(paths[i], sizeof(paths[i]), "%s/%lld/%lld",
				     job_spec_text(job, "media_root", ""),
				     (long long)job_spec_int(job, "channel", 0),
				     (long long)json_integer_value(track)) >= sizeof(paths[i]))
			return -ENAMETOOLONG;
		writable[i] = paths[i];
	}
	s.writable = writable;
	s.writable_count = i;
	return sandbox_enter(&s);
}

static void set_guard(struct job *job, const struct source_options *options)
{
	/* the interposed functions keep it for the life of the process */
	static char host[256], proxy_host[256];
	/* what a page leads to is as remote as what a playlist leads to */
	const char *page = job_spec_text(job, "page", NULL);
	const char *url = page ? page : job_spec_text(job, "source", "");
	const AVDictionaryEntry *mode = av_dict_get(options->libav, "mode", NULL, 0);
	const AVDictionaryEntry *proxy = av_dict_get(options->libav, "http_proxy", NULL, 0);
	uint16_t proxy_port = 0;

	url_host(url, host, sizeof(host));
	guard_set(host, job_spec_bool(job, "allow_private") ||
				url_listens(url, mode ? mode->value : NULL));
	/* what is in the server's own environment is no setting of this source */
	if (proxy)
		unsetenv("no_proxy");
	if (proxy && strncasecmp(url, "http", 4) == 0)
		url_host(proxy->value, proxy_host, sizeof(proxy_host));
	if (proxy)
		proxy_port = url_port(proxy->value);
	guard_set_proxy(proxy_host, proxy_port ? proxy_port : PROXY_PORT);
	guard_interruptible(job_interrupt, job);
	if (page)
		guard_judge();
}

static int give_up_rights(struct job *job)
{
	struct source_options options = {0};
	int r;

	if (job->role == JOB_SEGMENT)
		return enter_segment_sandbox(job);
	/* the error is reported when the source is opened */
	if (source_options_read(&options, job->spec) < 0)
		log_debug("an input option has no usable value");
	r = enter_sandbox(job, &options);
	set_guard(job, &options);
	source_options_done(&options);
	return r;
}

/* Also of the keeper and its command. */
static void be_nice(const struct job *job)
{
	int nice = (int)job_spec_int(job, "nice", 0);

	if (nice != 0 && setpriority(PRIO_PROCESS, 0, nice) < 0)
		log_warn("the niceness cannot be set, going on without nice=%d", nice);
}

static int run_role(struct job *job)
{
	static int (*const roles[JOB_ROLE_COUNT_])(struct job *) = {
		[JOB_INGEST] = ingest_run,   [JOB_DERIVE] = derive_run, [JOB_BOTH] = both_run,
		[JOB_SEGMENT] = segment_run, [JOB_SLATE] = slate_run,	[JOB_WATCH] = watch_run,
	};
	int r;

	hardware_probe(job, give_up_rights);
	r = give_up_rights(job);
	if (r < 0)
		return job_end_failed(job, 502, "the sandbox could not be entered: %s",
				      strerror(-r));
	return roles[job->role](job);
}

/* The job of a channel with a command, and in a process of its own the command's keeper. */
static int run_with_keeper(struct job *job, struct title *title)
{
	pid_t keeper = keeper_fork(job);

	if (keeper == 0) {
		title_set(title, "amps-transcoder %s command", job->key);
		return keeper_run(job);
	}
	if (keeper < 0)
		return job_end_failed(job, 502, "the command cannot be started: %s",
				      strerror(-keeper));
	return run_role(job);
}

static bool has_command(const struct job *job)
{
	return !reads_ring(job) && json_object_get(job->spec, "command");
}

int job_run(int socket, struct title *title)
{
	struct job job;
	int code = 1;

	if (job_open(&job, socket) == 0 && job_await_orders(&job) == 0 &&
	    job_follow_master(&job) == 0) {
		log_copy_to(job.socket, false);
		title_set(title, "amps-transcoder %s%s", job.key, job_role_name(&job));
		be_nice(&job);
		code = has_command(&job) ? run_with_keeper(&job, title) : run_role(&job);
	}
	log_done(); /* while the master still listens */
	job_close(&job);
	return code;
}

/* What the job has told the master, which is this process: why it failed. */
static json_t *failure(int socket)
{
	struct msg_job_failed failed;
	json_t *answer = NULL;
	struct msg m;

	while (!answer && msg_receive(socket, &m) == 0) {
		if (m.type == MSG_JOB_FAILED && msg_decode_job_failed(m.bytes, m.len, &failed) == 0)
			answer = json_pack("{s:i, s:s}", "status", (int)failed.status, "error",
					   failed.text);
		msg_done(&m);
	}
	return answer;
}

/* The master watches the memory of jobs, but not of this process. */
static int limit_memory(const struct job *job)
{
#ifdef AMPS_SANITIZED
	(void)job; /* the shadow memory alone is more than any limit */
#else
	const rlim_t bytes = (rlim_t)memory_mb_of(job, JOB_MEMORY_INGEST_MB) << 20;

	if (setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}) < 0)
		return -errno;
#endif
	return 0;
}

static int answer_probe(struct job *job, int master)
{
	json_t *answer = NULL;
	int code, r = limit_memory(job);

	if (r == 0)
		r = give_up_rights(job);
	code = r < 0 ? job_end_failed(job, 502, "the sandbox could not be entered: %s",
				      strerror(-r))
		     : probe_run(job, &answer);

	if (code != 0)
		answer = failure(master);
	code = answer && json_dumpf(answer, stdout, JSON_COMPACT) == 0 ? 0 : 1;
	json_decref(answer);
	return code;
}

int job_probe(void)
{
	struct job job = {.keeper = -1, .role = JOB_INGEST};
	int ends[2], code = 1;

	job.spec = json_loadf(stdin, 0, NULL);
	if (!job.spec ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
		json_decref(job.spec);
		return 1;
	}
	job.socket = ends[0];
	job.start_timeout_us =
		1000ull * MIN((uint64_t)job_spec_int(&job, "start_timeout_ms", PROBE_SOURCE_MS),
			      (uint64_t)PROBE_SOURCE_MS);
	av_log_install();
	be_nice(&job);
	code = answer_probe(&job, ends[1]);
	job_close(&job);
	close(ends[1]);
	return code;
}
