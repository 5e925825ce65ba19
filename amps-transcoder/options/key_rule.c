#include "amps-transcoder/options/key_rule.h"

#include <assert.h>
#include <libavutil/parseutils.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define GRID_MIN_S 0.1
#define GRID_MAX_S 60

/* The names that ffmpeg gives to an expression, in the order of the values below. */
static const char *const names[] = {"n", "n_forced", "prev_forced_n", "prev_forced_t", "t", NULL};

static int parse_expression(struct key_rule *k, const char *text)
{
	double seconds;
	int end = 0;

	if (sscanf(text, "gte(t,n_forced*%lf)%n", &seconds, &end) == 1 && end > 0 && !text[end] &&
	    seconds >= GRID_MIN_S && seconds <= GRID_MAX_S) {
		k->grid_90k = (int64_t)(seconds * 90000);
		return 0;
	}
	k->kind = KEY_EXPRESSION;
	return av_expr_parse(&k->expression, text, names, NULL, NULL, NULL, NULL, 0, NULL) < 0
		       ? -EINVAL
		       : 0;
}

/* In any order: ffmpeg sorts them, too. */
static void add_time(struct key_rule *k, int64_t time_90k)
{
	unsigned at = k->time_count++;

	for (; at > 0 && k->times_90k[at - 1] > time_90k; at--)
		k->times_90k[at] = k->times_90k[at - 1];
	k->times_90k[at] = time_90k;
}

static int parse_times(struct key_rule *k, const char *text)
{
	k->kind = KEY_TIMES;
	for (;;) {
		size_t len = strcspn(text, ",");
		char word[32];
		int64_t time_us;

		if (len == 0 || len >= sizeof(word) || k->time_count == KEY_TIMES_MAX)
			return -EINVAL;
		memcpy(word, text, len);
		word[len] = '\0';
		if (av_parse_time(&time_us, word, 1) < 0)
			return -EINVAL;
		add_time(k, time_us * 9 / 100);
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

int key_rule_init(struct key_rule *k, const char *text, int64_t grid_90k)
{
	int r = 0;

	memset(k, 0, sizeof(*k));
	k->grid_90k = MAX(grid_90k, 1);
	k->first_90k = k->last_slot = INT64_MIN;
	k->forced_picture = k->forced_s = NAN;
	if (text && strncmp(text, "expr:", 5) == 0)
		r = parse_expression(k, text + 5);
	else if (text && (strcmp(text, "source") == 0 || strcmp(text, "source_no_drop") == 0))
		k->kind = KEY_SOURCE;
	else if (text)
		r = parse_times(k, text);
	if (r < 0)
		key_rule_done(k);
	return r;
}

void key_rule_done(struct key_rule *k)
{
	av_expr_free(k->expression);
	k->expression = NULL;
}

static bool is_time(struct key_rule *k, int64_t since_90k)
{
	unsigned before = k->time_next;

	while (k->time_next < k->time_count && k->times_90k[k->time_next] <= since_90k)
		k->time_next++;
	return k->time_next > before;
}

static bool is_true(struct key_rule *k, double seconds)
{
	const double values[] = {k->pictures, k->forced, k->forced_picture, k->forced_s, seconds};
	double result = av_expr_eval(k->expression, values, NULL);
	bool key = !isnan(result) && result != 0;

	if (key) {
		k->forced++;
		k->forced_picture = k->pictures;
		k->forced_s = seconds;
	}
	k->pictures++;
	return key;
}

static bool is_key(struct key_rule *k, int64_t pts_90k, bool source_key_begins)
{
	int64_t slot = pts_90k / k->grid_90k, last = k->last_slot;

	k->last_slot = slot;
	switch (k->kind) {
	case KEY_TIMES:
		return is_time(k, pts_90k - k->first_90k);
	case KEY_EXPRESSION:
		return is_true(k, (double)(pts_90k - k->first_90k) / 90000);
	case KEY_SOURCE:
		return source_key_begins;
	default:
		return slot != last;
	}
}

bool key_rule_next(struct key_rule *k, int64_t pts_90k, bool is_source_key, enum key_frames keys)
{
	bool begins = is_source_key && !k->last_was_key, first = k->first_90k == INT64_MIN, key;

	assert(k->grid_90k > 0);
	if (first)
		k->first_90k = pts_90k;
	k->last_was_key = is_source_key;
	key = is_key(k, pts_90k, begins);
	if (keys == KEYS_BOTH && k->kind == KEY_GRID)
		key = pts_90k - k->last_key_90k >= k->grid_90k;
	key = first || (keys != KEYS_SOURCE && key) || (keys != KEYS_RULE && begins);
	if (key)
		k->last_key_90k = pts_90k;
	return key;
}
