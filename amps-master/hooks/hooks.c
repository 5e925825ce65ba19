#include "amps-master/hooks/hooks.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-master/lineup/command_words.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log/log.h"
#include "common/programs.h"
#include "common/timer.h"

#define HOOK_HELPER_MS ((HOOK_BATCH_SECONDS + HOOK_SECONDS + HELPER_GRACE_S + 1) * 1000u)

struct hook {
	struct hooks *owner;
	enum hook_kind kind;
	char *target;		       /* a URL or a command; NULL = none; owned */
	json_t *words;		       /* of the command; NULL: it is a URL; owned */
	char *events[HOOK_EVENTS_MAX]; /* from `first` on, around; owned */
	size_t first, count;
	size_t sent_to;	 /* how many the running process has */
	unsigned tries;	 /* of the first event that have failed */
	uint64_t number; /* of the last event, dropped ones included */
	bool full;	 /* and that was logged */
	bool down;	 /* it has given an event up, which was logged, and none arrived since */
	struct helper *helper;
	struct event *pause;
};

struct hooks {
	struct hooks_env env;
	struct hook hooks[HOOK_KIND_COUNT_];
};

static const char *const names[HOOK_KIND_COUNT_] = {
	[HOOK_CHANNEL_STARTED] = "channel_started",	[HOOK_CHANNEL_FAILED] = "channel_failed",
	[HOOK_CHANNEL_RECOVERED] = "channel_recovered", [HOOK_VIEWER_STARTED] = "viewer_started",
	[HOOK_VIEWER_ENDED] = "viewer_ended",
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static const char *event_at(const struct hook *k, size_t index)
{
	assert(index < k->count);
	return k->events[(k->first + index) % HOOK_EVENTS_MAX];
}

/* Drops the first `n`. */
static void shift(struct hook *k, size_t n)
{
	assert(n <= k->count);
	for (; n > 0; n--) {
		free(TAKE_PTR(k->events[k->first]));
		k->first = (k->first + 1) % HOOK_EVENTS_MAX;
		k->count--;
		k->tries = 0;
	}
	if (k->count < HOOK_EVENTS_MAX / 2)
		k->full = false;
}

static void run(struct hook *k);

/* The first event could not be sent.  A receiver that is down is logged once. */
static void fail(struct hook *k, const char *reason)
{
	bool again = k->tries + 1 < HOOK_TRIES;

	assert(k->count > 0);
	if (again && !k->down)
		log_info("an event cannot be sent (%s), trying again in %d ms hook=%s", reason,
			 HOOK_PAUSE_MS, names[k->kind]);
	else if (!k->down)
		log_warn("an event cannot be sent (%s), giving it up hook=%s", reason,
			 names[k->kind]);
	k->tries++;
	if (!again) {
		k->down = true;
		count(&k->owner->env.chantab->hooks_failed, 1);
		shift(k, 1);
	}
	timer_set(k->pause, HOOK_PAUSE_MS * 1000ull);
}

/* How many events arrived: the helper writes a byte for each. */
static size_t arrived(const struct hook *k, const struct helper_result *r)
{
	struct stat st;

	if (k->words)
		return r->error == 0 ? 1 : 0;
	return fstat(r->output_fd, &st) == 0 ? MIN((size_t)st.st_size, k->sent_to) : 0;
}

static void on_done(void *owner, struct helper_result *r)
{
	struct hook *k = owner;
	size_t n = arrived(k, r);

	k->helper = NULL;
	assert(n <= k->count);
	shift(k, n);
	count(&k->owner->env.chantab->hooks_sent, n);
	if (n > 0 && k->down) {
		log_info("a hook's receiver takes events again hook=%s", names[k->kind]);
		k->down = false;
	}
	/* many events start one process after the other, and leave the loop time for other work */
	if (k->count > 0 && (r->error < 0 || n == 0))
		fail(k, r->reason);
	else
		timer_set(k->pause, HOOK_APART_MS * 1000ull);
}

/* The events that one process sends: the helper several, a command one. */
static char *make_input(struct hook *k)
{
	json_auto_t *list = json_array(), *task = NULL;
	size_t bytes = 0;

	k->sent_to = 0;
	if (k->words) {
		char *line;

		k->sent_to = 1;
		return asprintf(&line, "%s\n", event_at(k, 0)) < 0 ? NULL : line;
	}
	while (k->sent_to < MIN(k->count, (size_t)HOOK_BATCH_MAX)) {
		const char *event = event_at(k, k->sent_to);

		bytes += strlen(event);
		if (json_array_append_new(list, json_string(event)) < 0)
			return NULL;
		k->sent_to++;
	}
	assert(bytes <= (size_t)HOOK_BATCH_MAX * HOOK_EVENT_BYTES);
	task = json_pack("{s:s, s:O}", "url", k->target, "events", list);
	return task ? json_dumps(task, JSON_COMPACT) : NULL;
}

/* The environment of a command: the server's own may have secrets for the configuration. */
struct command_env {
	char texts[3][PATH_MAX];
	const char *list[4];
};

static void make_env(struct command_env *e)
{
	static const char *const kept[] = {"PATH", "HOME", "LANG"};
	size_t n = 0;

	static_assert(array_size(kept) == array_size(e->texts), "a text for each");
	for (size_t i = 0; i < array_size(kept); i++) {
		const char *value = getenv(kept[i]);

		if (value && snprintf(e->texts[n], PATH_MAX, "%s=%s", kept[i], value) < PATH_MAX) {
			e->list[n] = e->texts[n];
			n++;
		}
	}
	e->list[n] = NULL;
}

static int start(struct hook *k)
{
	char program[PATH_MAX];
	struct command_env env;
	const char *argv[HOOK_WORDS_MAX + 1] = {program, "hook"};
	_cleanup_(freep) char *input = make_input(k);
	struct helper_spec spec = {.argv = argv,
				   .input = input,
				   .timeout_ms = HOOK_HELPER_MS,
				   .output_bytes = HOOK_TASK_MAX,
				   .unprivileged = true};
	int r = input ? 0 : -ENOMEM;

	if (r == 0 && k->words)
		r = programs_on_path(json_string_value(json_array_get(k->words, 0)), program,
				     sizeof(program));
	else if (r == 0)
		r = programs_find("amps-helper", program, sizeof(program));
	if (r < 0)
		return r;
	spec.input_bytes = strlen(input);
	if (k->words) {
		make_env(&env);
		spec.env = env.list;
		spec.output_bytes = 0; /* it would be the limit of every file that it writes */
		spec.quiet = true;
		spec.timeout_ms = HOOK_SECONDS * 1000;
		assert(json_array_size(k->words) <= HOOK_WORDS_MAX);
		for (size_t i = 1; i <= json_array_size(k->words); i++)
			argv[i] = json_string_value(json_array_get(k->words, i));
	}
	return helper_start(k->owner->env.helpers, &spec, on_done, k, &k->helper);
}

static void run(struct hook *k)
{
	int r;

	if (k->helper || !k->target || k->count == 0 || evtimer_pending(k->pause, NULL))
		return;
	r = start(k);
	if (r < 0)
		fail(k, strerror(-r));
}

static void on_pause_over(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg);
}

bool hooks_wants(struct hooks *h, enum hook_kind kind)
{
	struct hook *k = &h->hooks[kind];

	if (!k->target)
		return false;
	k->number++;
	if (k->count < HOOK_EVENTS_MAX)
		return true;
	count(&h->env.chantab->hooks_dropped, 1);
	if (!k->full)
		log_warn("a hook's receiver is too slow, dropping events hook=%s", names[kind]);
	k->full = true;
	return false;
}

void hooks_put(struct hooks *h, enum hook_kind kind, json_t *what)
{
	struct hook *k = &h->hooks[kind];
	json_auto_t *event = what;
	char now[32], *text = NULL;

	assert(k->target && k->count < HOOK_EVENTS_MAX);
	time_format_iso8601(clock_wall_us(), now);
	if (event && json_object_set_new(event, "event", json_string(names[kind])) == 0 &&
	    json_object_set_new(event, "number", json_integer((json_int_t)k->number)) == 0 &&
	    json_object_set_new(event, "time", json_string(now)) == 0)
		text = json_dumps(event, JSON_COMPACT);
	if (!text || strlen(text) > HOOK_EVENT_BYTES) {
		free(text);
		count(&h->env.chantab->hooks_dropped, 1);
		return;
	}
	k->events[(k->first + k->count++) % HOOK_EVENTS_MAX] = text;
	run(k);
}

void hooks_put_channel(struct hooks *h, enum hook_kind kind, uint32_t channel, const char *key,
		       enum tuner_state state, const char *error)
{
	if (hooks_wants(h, kind))
		hooks_put(h, kind,
			  json_pack("{s:I, s:s, s:s, s:s*}", "stream_id", (json_int_t)channel,
				    "key", key, "state", tuner_state_name(state), "error",
				    error[0] ? error : NULL));
}

/* ---------- the settings ---------- */

static bool is_url(const char *target)
{
	return strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0;
}

static void forget(struct hook *k)
{
	k->helper = helper_cancel(k->helper);
	event_del(k->pause);
	count(&k->owner->env.chantab->hooks_dropped, k->count);
	shift(k, k->count);
	k->down = false;
	k->words = (json_decref(k->words), NULL);
	free(TAKE_PTR(k->target));
}

/* Events that wait go to the new receiver. */
static void follow(struct hook *k, const char *target)
{
	json_t *words = NULL;

	if (k->target && target && strcmp(k->target, target) == 0)
		return;
	if (!target) {
		forget(k);
		return;
	}
	if (!is_url(target) && command_words_split(target, &words) < 0) {
		log_error("a hook cannot be used, keeping the last one hook=%s", names[k->kind]);
		return;
	}
	k->helper = helper_cancel(k->helper);
	json_decref(k->words);
	free(k->target);
	k->words = words;
	k->target = strdup(target);
	k->tries = 0;
	k->down = false;
	if (!k->target)
		forget(k);
	run(k);
}

void hooks_follow(struct hooks *h, const struct publication *p)
{
	const json_t *section = json_object_get(p->settings, "hooks");

	for (size_t i = 0; p->settings && i < HOOK_KIND_COUNT_; i++)
		follow(&h->hooks[i], json_string_value(json_object_get(section, names[i])));
}

int hooks_new(const struct hooks_env *env, struct hooks **ret)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->env = *env;
	for (size_t i = 0; i < HOOK_KIND_COUNT_; i++) {
		struct hook *k = &h->hooks[i];

		k->owner = h;
		k->kind = (enum hook_kind)i;
		k->pause = evtimer_new(env->base, on_pause_over, k);
		if (!k->pause) {
			hooks_free(h);
			return -ENOMEM;
		}
	}
	*ret = h;
	return 0;
}

struct hooks *hooks_free(struct hooks *h)
{
	for (size_t i = 0; h && i < HOOK_KIND_COUNT_ && h->hooks[i].pause; i++) {
		forget(&h->hooks[i]);
		event_free(h->hooks[i].pause);
	}
	free(h);
	return NULL;
}
