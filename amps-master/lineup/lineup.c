#include "amps-master/lineup/lineup.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/lineup/defaults.h"
#include "amps-master/lineup/options_list.h"
#include "amps-master/util/json.h"
#include "common/shm/catalog.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/text/text.h"

#define SPEC_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

struct lineup *lineup_free(struct lineup *l)
{
	if (l == NULL)
		return NULL;
	free(l->tuners);
	pool_done(&l->pool);
	buf_done(&l->channels);
	json_decref(l->schedule);
	free(l);
	return NULL;
}

/* {"options":[...]} of this list, which it takes.  The caller's; NULL without memory. */
static char *output_spec(json_t *options)
{
	json_t *spec = options != NULL ? json_pack("{so}", "options", options) : NULL;
	char *text = spec != NULL ? json_dumps(spec, SPEC_FLAGS) : NULL;

	json_decref(spec);
	return text;
}

/* The output of this tuner that is made in the same way, or itself. */
static const char *made_as(const struct lineup_tuner *t, const struct lineup_output *output)
{
	for (size_t i = 0; output->form != OUTPUT_TS && i < t->output_count; i++)
		if (t->outputs[i].form == output->form && t->outputs[i].hash == output->hash)
			return t->outputs[i].variant;
	return output->variant;
}

static int output_add(struct lineup *l, struct lineup_tuner *t, const char *variant,
		      enum output_form form, const json_t *profile, bool audio_only)
{
	struct lineup_output output = {
		.form = form,
		.plain = form == OUTPUT_TS && channel_profile_plain(profile, audio_only),
		.variant = variant,
	};
	_cleanup_(freep) char *spec =
		output.plain	      ? strdup("")
		: form == OUTPUT_ADTS ? output_spec(channel_sound_options(profile))
				      : output_spec(channel_profile_options(profile, audio_only));

	output.spec = spec != NULL ? pool_text(&l->pool, spec) : NULL;
	if (output.spec == NULL)
		return -ENOMEM;
	output.hash = hash_end(
		hash_text(hash_u64(HASH_START, (uint64_t)form << 1 | output.plain), output.spec));
	output.made_as = made_as(t, &output);
	((struct lineup_output *)(uintptr_t)t->outputs)[t->output_count++] = output;
	return 0;
}

/* Adds what `entry` (a channel as the variant sees it) makes of the tuner's source, in each form;
 * the tuner has room for it. */
static int outputs_add(struct lineup *l, struct lineup_tuner *t, const char *name,
		       const json_t *settings, const json_t *entry)
{
	const json_t *profile = channel_profile(settings, entry);
	bool audio_only = channel_audio_only(entry, profile);
	const char *variant = pool_text(&l->pool, name);
	int r = variant != NULL ? 0 : -ENOMEM;

	for (enum output_form form = 0; r == 0 && form < OUTPUT_FORM_COUNT_; form++)
		r = output_add(l, t, variant, form, profile, audio_only);
	return r;
}

/* input_args as a list of texts. */
static json_t *args_list(const json_t *args)
{
	json_t *list = json_array();
	size_t i;
	json_t *item;

	json_array_foreach (args, i, item) {
		json_t *text = options_list_value(item);

		if (text != NULL && json_array_append_new(list, text) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *spec_object(const struct lineup_settings *s, const json_t *settings,
			   uint32_t channel, const json_t *entry)
{
	const json_t *streaming = json_object_get(settings, "streaming");
	const json_t *limits = json_object_get(settings, "limits");
	char scratch[32];
	const char *source = json_read_text(entry, "source", scratch);

	return json_pack("{sI ss so so sI sI sI sb sI sI}", "channel", (json_int_t)channel,
			 "source", source != NULL ? source : "", "input_options",
			 options_list(json_object_get(entry, "input_options")), "input_args",
			 args_list(json_object_get(entry, "input_args")), "stall_timeout_ms",
			 (json_int_t)s->stall_timeout_ms, "start_timeout_ms",
			 (json_int_t)s->start_timeout_ms, "ring_seconds",
			 (json_int_t)json_read_u32(streaming, "ring_seconds", DEFAULT_RING_SECONDS),
			 "allow_private", json_read_bool(streaming, "allow_private", false), "nice",
			 json_integer_value(json_object_get(limits, "nice")), "memory_mb",
			 (json_int_t)s->memory_mb);
}

/* The spec without the name decides the hash: a new name restarts nothing. */
static int tuner_spec(struct lineup *l, struct lineup_tuner *t, const json_t *settings,
		      const json_t *entry)
{
	char scratch[32];
	const char *name = json_read_text(entry, "name", scratch);
	json_t *spec = spec_object(&l->settings, settings, t->channel, entry);
	json_t *name_value = json_string(name != NULL ? name : "");
	_cleanup_(freep) char *text = spec != NULL ? json_dumps(spec, SPEC_FLAGS) : NULL;
	_cleanup_(freep) char *quoted = json_dumps(name_value, SPEC_FLAGS);
	_cleanup_(buf_done) struct buf named = BUF_INIT;

	json_decref(spec);
	json_decref(name_value);
	if (text == NULL || quoted == NULL)
		return -ENOMEM;
	t->hash = hash_end(hash_text(hash_u64(HASH_START, t->both), text));
	buf_printf(&named, "%.*s,\"name\":%s}", (int)strlen(text) - 1, text, quoted);
	t->spec = buf_ok(&named) ? pool_text(&l->pool, named.data) : NULL;
	return t->spec != NULL ? 0 : -ENOMEM;
}

static int tuner_fill(struct lineup *l, struct lineup_tuner *t, const json_t *settings,
		      const json_t *entry)
{
	char scratch[32], reason[ERROR_TEXT_MAX];
	const char *source = json_read_text(entry, "source", scratch);
	size_t cap = source != NULL ? 2 * strlen(source) + 8 : 1;
	_cleanup_(freep) char *shown = malloc(cap);

	t->both = channel_is_lavfi(entry);
	if (shown == NULL)
		return -ENOMEM;
	text_redact_url(source != NULL ? source : "", shown, cap);
	t->source_text = pool_text(&l->pool, shown);
	if (t->source_text == NULL)
		return -ENOMEM;
	if (channel_unavailable(entry, channel_profile(settings, entry), reason, sizeof(reason))) {
		t->unavailable = pool_text(&l->pool, reason);
		if (t->unavailable == NULL)
			return -ENOMEM;
	}
	return tuner_spec(l, t, settings, entry);
}

/* A new tuner with its first variant's outputs and room for other variants'; *ret_tuner is good
 * until the next one is added. */
static int tuner_add(struct lineup *l, const json_t *settings, const struct channel_entry *e,
		     const char *variant, const json_t *entry, size_t variants_max,
		     struct lineup_tuner **ret_tuner)
{
	struct lineup_tuner *t;
	char key[TUNER_KEY_MAX];
	int r;

	/* channel_first() searches for it */
	assert(l->tuner_count == 0 || l->tuners[l->tuner_count - 1].channel <= e->id);
	if (l->tuner_count == l->tuner_cap) {
		size_t cap = l->tuner_cap == 0 ? 64 : 2 * l->tuner_cap;
		struct lineup_tuner *grown = reallocarray(l->tuners, cap, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		l->tuners = grown;
		l->tuner_cap = cap;
	}
	t = &l->tuners[l->tuner_count++];
	*t = (struct lineup_tuner){.channel = e->id};
	snprintf(key, sizeof(key), variant[0] != '\0' ? "%u/%s" : "%u%s", e->id, variant);
	t->key = pool_text(&l->pool, key);
	t->outputs = pool_take(&l->pool, variants_max * OUTPUT_FORM_COUNT_ * sizeof(*t->outputs));
	if (t->key == NULL || t->outputs == NULL)
		return -ENOMEM;
	r = tuner_fill(l, t, settings, entry);
	if (r == 0)
		r = outputs_add(l, t, variant, settings, entry);
	*ret_tuner = t;
	return r;
}

/* Profile-only variants are outputs of the channel's tuner (`own` false), the others tuners. */
static int variants_add(struct lineup *l, const json_t *settings, const struct channel_entry *e,
			bool own, struct lineup_tuner *t)
{
	size_t i;
	json_t *variant;
	int r = 0;

	json_array_foreach (json_object_get(e->definition, "adaptive_bitrates"), i, variant) {
		char scratch[32];
		const char *name = json_read_text(variant, "name", scratch);
		json_t *entry;

		if (i >= VARIANTS_MAX || r < 0)
			break;
		if (name == NULL || strlen(name) > VARIANT_NAME_MAX ||
		    channel_variant_own_tuner(variant) != own)
			continue;
		entry = channel_with_variant(e->definition, variant);
		if (entry == NULL)
			r = -ENOMEM;
		else
			r = own ? tuner_add(l, settings, e, name, entry, 1, &t)
				: outputs_add(l, t, name, settings, entry);
		json_decref(entry);
	}
	return r;
}

static json_t *variant_names(const json_t *definition)
{
	json_t *names = json_array();
	size_t i;
	json_t *variant;

	json_array_foreach (json_object_get(definition, "adaptive_bitrates"), i, variant) {
		json_t *name = json_object_get(variant, "name");

		if (json_is_string(name) && json_array_append(names, name) < 0)
			break;
	}
	return names;
}

/* One line of `amps list`. */
static int summary_add(struct lineup *l, const json_t *settings, const struct channel_entry *e)
{
	const json_t *d = e->definition;
	char number[32], name[32], group[32], profile[32];
	const char *profile_name = json_read_has(d, "custom_ffmpeg")
					   ? "custom_ffmpeg"
					   : json_read_text(d, "ffmpeg_profile", profile);
	json_t *line = json_pack("{sI ss? ss? ss? ss? ss so}", "id", (json_int_t)e->id, "number",
				 json_read_text(d, "channel_number", number), "name",
				 json_read_text(d, "name", name), "group",
				 json_read_text(d, "group", group), "profile", profile_name,
				 "output", form_name(channel_form(d, channel_profile(settings, d))),
				 "variants", variant_names(d));

	_cleanup_(freep) char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;

	json_decref(line);
	if (text == NULL)
		return -ENOMEM;
	buf_putc(&l->channels, l->channel_count++ > 0 ? ',' : '[');
	buf_puts(&l->channels, text);
	return 0;
}

static int channel_add(struct lineup *l, const json_t *settings, const struct channel_entry *e)
{
	size_t variants = json_array_size(json_object_get(e->definition, "adaptive_bitrates"));
	struct lineup_tuner *t = NULL;
	int r = tuner_add(l, settings, e, "", e->definition, 1 + MIN(variants, VARIANTS_MAX), &t);

	if (r == 0)
		r = variants_add(l, settings, e, false, t);
	if (r == 0)
		r = variants_add(l, settings, e, true, t);
	if (r == 0)
		r = summary_add(l, settings, e);
	return r;
}

int lineup_build(const json_t *settings, const struct channel_entry *const *entries, size_t count,
		 struct lineup **ret)
{
	const json_t *streaming = json_object_get(settings, "streaming");
	struct lineup *l = calloc(1, sizeof(*l));
	int r = 0;

	if (l == NULL)
		return -ENOMEM;
	l->settings = (struct lineup_settings){
		.idle_timeout_ms = json_read_seconds_ms(streaming, "idle_timeout",
							1000 * DEFAULT_IDLE_TIMEOUT_S),
		.start_timeout_ms = json_read_seconds_ms(streaming, "start_timeout",
							 1000 * DEFAULT_START_TIMEOUT_S),
		.stall_timeout_ms = json_read_seconds_ms(streaming, "stall_timeout",
							 1000 * DEFAULT_STALL_TIMEOUT_S),
		.max_overlap = json_read_u32(streaming, "max_overlap", DEFAULT_MAX_OVERLAP),
		.memory_mb = json_read_u32(json_object_get(settings, "limits"), "memory_mb", 0),
	};
	l->schedule = json_array();
	if (l->schedule == NULL)
		r = -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = channel_add(l, settings, entries[i]);
	buf_puts(&l->channels, count > 0 ? "]" : "[]");
	if (!buf_ok(&l->channels))
		r = -ENOMEM;
	if (r < 0) {
		lineup_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static const char *state_name(const struct schedule_window *w, int64_t wall_us)
{
	if (schedule_on_air(w, wall_us))
		return "on air";
	return schedule_next_change(w, wall_us) != TIME_NONE ? "waiting" : "ended";
}

static json_t *time_text(int64_t wall_us)
{
	char text[32];

	if (wall_us == TIME_NONE)
		return json_null();
	time_format_iso8601(wall_us, text);
	return json_string(text);
}

int lineup_schedule_add(json_t *list, const struct channel_entry *entry, int64_t wall_us)
{
	struct schedule_window w;
	char name[32];
	json_t *line;

	if (!entry->scheduled || schedule_parse(entry->definition, &w) < 0)
		return 0;
	line = json_pack("{sI ss? ss so so}", "id", (json_int_t)entry->id, "name",
			 json_read_text(entry->definition, "name", name), "state",
			 state_name(&w, wall_us), "start", time_text(w.start_wall_us), "end",
			 time_text(w.end_wall_us));
	return line == NULL || json_array_append_new(list, line) < 0 ? -ENOMEM : 0;
}

int lineup_add_schedule(struct lineup *l, const struct channel_entry *entries, size_t count,
			int64_t wall_us)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = lineup_schedule_add(l->schedule, &entries[i], wall_us);
	return r;
}

/* Index of the channel's first tuner, or of where it would be. */
static size_t channel_first(const struct lineup *l, uint32_t channel)
{
	size_t low = 0, high = l->tuner_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->tuners[middle].channel < channel)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_of(const struct lineup *l, size_t index, uint32_t channel)
{
	return index < l->tuner_count && l->tuners[index].channel == channel;
}

const struct lineup_tuner *lineup_find_key(const struct lineup *l, const char *key)
{
	char *end;
	unsigned long long channel = strtoull(key, &end, 10);

	if (key[0] < '0' || key[0] > '9' || channel > CHANNEL_ID_MAX)
		return NULL;
	for (size_t i = channel_first(l, (uint32_t)channel); is_of(l, i, (uint32_t)channel); i++)
		if (strcmp(l->tuners[i].key, key) == 0)
			return &l->tuners[i];
	return NULL;
}

int lineup_resolve(const struct lineup *l, const struct output_id *id,
		   const struct lineup_tuner **ret_tuner, const struct lineup_output **ret_output)
{
	for (size_t i = channel_first(l, id->channel); is_of(l, i, id->channel); i++) {
		const struct lineup_tuner *t = &l->tuners[i];

		for (size_t o = 0; o < t->output_count; o++) {
			if (t->outputs[o].form != id->form ||
			    strcmp(t->outputs[o].variant, id->variant) != 0)
				continue;
			*ret_tuner = t;
			*ret_output = &t->outputs[o];
			return 0;
		}
	}
	return -ENOENT;
}

json_t *lineup_channels(const struct lineup *l)
{
	return json_loadb(l->channels.data, l->channels.len, 0, NULL);
}

uint64_t lineup_channel_hash(const struct lineup *l, uint32_t channel)
{
	uint64_t h = HASH_START;

	for (size_t i = channel_first(l, channel); is_of(l, i, channel); i++) {
		const struct lineup_tuner *t = &l->tuners[i];

		h = hash_u64(hash_text(h, t->key), t->hash);
		h = hash_text(h, t->unavailable);
		for (size_t o = 0; o < t->output_count; o++)
			h = hash_u64(hash_text(h, t->outputs[o].variant), t->outputs[o].hash);
	}
	return hash_end(h);
}
