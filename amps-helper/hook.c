/* hook.c - events of the server to a receiver of the operator. */
#include <curl/curl.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "amps-helper/tasks.h"
#include "amps-helper/web.h"
#include "common/clock.h"
#include "common/limits.h"

/* One after the other over one connection, until one fails or the time is over. */
static int send_all(struct web_post *post, const json_t *events, char *reason, size_t cap)
{
	uint64_t end_us = clock_mono_us() + HOOK_BATCH_SECONDS * 1000000ull;
	const json_t *event;
	size_t i;
	int r;

	json_array_foreach (events, i, event) {
		if (i > 0 && clock_mono_us() > end_us)
			break;
		r = web_post(post, json_string_value(event), reason, cap);
		if (r == 0)
			r = write_all(STDOUT_FILENO, ".", 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int hook_run(const json_t *task, char *reason, size_t cap)
{
	const char *url = json_string_value(json_object_get(task, "url"));
	const json_t *events = json_object_get(task, "events");
	struct web_post *post;
	const json_t *event;
	size_t i;
	int r;

	if (url == NULL || json_array_size(events) == 0)
		return -EINVAL;
	json_array_foreach (events, i, event)
		if (!json_is_string(event))
			return -EINVAL;
	r = web_post_new(url, HOOK_SECONDS, &post);
	if (r < 0)
		return r;
	r = send_all(post, events, reason, cap);
	web_post_free(post);
	return r;
}
