#include "amps-master/lineup/lineup.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/lineup/catalog_build.h"
#include "amps-master/lineup/options_list.h"
#include "amps-master/lineup/picture_guess.h"
#include "amps-master/lineup/yt_dlp.h"
#include "amps-master/util/json.h"
#include "common/defaults.h"
#include "common/shm/catalog.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/search.h"
#include "common/text/buf.h"
#include "common/text/text.h"

#define SPEC_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)

/* Of one channel, before it becomes one block.  A text is noted as its offset in `texts` plus one,
 * in the place of its pointer; texts_move() makes it a pointer. */
struct maker {
	const json_t *settings;
	uint32_t id;
	struct buf texts, fragment;
	struct lineup_tuner tuners[1 + VARIANTS_MAX];
	struct buf sources; /* struct lineup_source, tuner by tuner */
	struct lineup_output outputs[(1 + VARIANTS_MAX) * OUTPUT_FORM_COUNT_]; /* tuner by tuner */
	struct channel_segments segments[1 + VARIANTS_MAX]; /* of those outputs, in their order */
	size_t tuner_count, output_count, segments_count;
	uint32_t key_ms; /* of all pictures of the channel alike; UINT32_MAX = not known */
};

static const char *put_text(struct maker *m, const char *text)
{
	uintptr_t at = m->texts.len + 1;

	buf_add(&m->texts, text, strlen(text) + 1);
	return (const char *)at;
}

static struct lineup_settings settings_read(const json_t *settings)
{
	const json_t *streaming = json_object_get(settings, "streaming");

	return (struct lineup_settings){
		.idle_timeout_ms = json_read_seconds_ms(streaming, "idle_timeout",
							1000 * DEFAULT_IDLE_TIMEOUT_S),
		.start_timeout_ms = json_read_seconds_ms(streaming, "start_timeout",
							 1000 * DEFAULT_START_TIMEOUT_S),
		.stall_timeout_ms = json_read_seconds_ms(streaming, "stall_timeout",
							 1000 * DEFAULT_STALL_TIMEOUT_S),
		.return_after_ms = json_read_seconds_ms(streaming, "return_after",
							1000 * DEFAULT_RETURN_AFTER_S),
		.max_overlap = json_read_u32(streaming, "max_overlap", DEFAULT_MAX_OVERLAP),
		.ring_seconds = json_read_u32(streaming, "ring_seconds", DEFAULT_RING_SECONDS),
		.memory_mb = json_read_u32(json_object_get(settings, "limits"), "memory_mb", 0),
		.nice = json_read_u32(json_object_get(settings, "limits"), "nice", 0),
	};
}

/* {"options":[...],"hwaccel":{...}} of this list and this hardware (NULL = none), which it takes.
 * The caller's; NULL without memory. */
static char *output_spec(json_t *options, json_t *hwaccel)
{
	json_auto_t *spec = json_pack("{so so*}", "options", options, "hwaccel", hwaccel);

	return spec != NULL ? json_dumps(spec, SPEC_FLAGS) : NULL;
}

/* How many places before this output the same tuner has one that is made in the same way; 0:
 * none. */
static uint8_t sharing_of(const struct lineup_output *output, size_t count)
{
	static_assert((1 + VARIANTS_MAX) * OUTPUT_FORM_COUNT_ <= UINT8_MAX, "outputs of a tuner");
	for (size_t n = count; output->form != OUTPUT_TS && n > 0; n--)
		if (output[-(ptrdiff_t)n].form == output->form &&
		    output[-(ptrdiff_t)n].hash == output->hash)
			return (uint8_t)n;
	return 0;
}

/* What a derive job needs to make the output; the caller's.  NULL without memory. */
static char *derived_spec(const struct channel_view *v, const struct lineup_output *o)
{
	if (o->form == OUTPUT_ADTS)
		return output_spec(channel_sound_options(v->encoding), NULL);
	return o->plain ? strdup("")
			: output_spec(channel_profile_options(v->encoding, v->audio_only),
				      channel_hwaccel(v->entry, v->encoding));
}

static int derived_add(struct maker *m, const struct channel_view *v, struct lineup_output *output)
{
	_cleanup_(freep) char *spec = derived_spec(v, output);
	uint64_t h = hash_u64(HASH_START, (uint64_t)output->form << 1 | output->plain);

	if (spec == NULL)
		return -ENOMEM;
	output->spec = put_text(m, spec);
	output->hash = (uint32_t)hash_end(hash_text(h, spec));
	return 0;
}

/* Segments of pictures begin with key frames if these come well before the longest segment ends. */
static struct channel_segments segments_make(const struct maker *m, const struct channel_view *v,
					     uint32_t track)
{
	struct channel_segments s = channel_segments(m->settings, v->encoding, track);
	bool sound = picture_guess(v->encoding, v->audio_only).key_ms == 0;
	uint32_t longest_ms = MIN(s.segment_ms, (s.segment_ms + 500) / 1000 * 1000);

	s.independent =
		sound || (m->key_ms != UINT32_MAX && m->key_ms + SEGMENT_GOP_MIN_MS <= longest_ms);
	s.key_ms = s.independent && !sound ? m->key_ms : 0;
	return s;
}

/* Each variant has a folder of segments of its own; the folder's number is not part of the hash.
 * All forms of a variant share one struct channel_segments. */
static void segments_add(struct maker *m, const struct channel_view *v, uint32_t track,
			 struct lineup_output *output)
{
	struct channel_segments s = segments_make(m, v, track);
	uint64_t h = hash_text(hash_u64(HASH_START, output->form), v->name);

	if (output->form == OUTPUT_HLS_TS) {
		assert(m->segments_count < array_size(m->segments));
		m->segments[m->segments_count++] = s;
	} else {
		h = hash_u64(h, s.part_ms);
	}
	h = hash_u64(hash_u64(hash_u64(h, s.segment_ms), s.window_ms), s.keep_ms);
	output->hash = (uint32_t)hash_end(hash_u64(hash_u64(h, s.independent), s.key_ms));
}

/* Fragments are made of the transport stream of the variant alone. */
static void fragments_add(struct maker *m, const struct channel_view *v,
			  struct lineup_output *output)
{
	output->spec = put_text(m, "");
	output->hash = (uint32_t)hash_end(hash_text(hash_u64(HASH_START, output->form), v->name));
}

/* `track` is the number of the variant. */
static int output_add(struct maker *m, const struct channel_view *v, const char *variant,
		      uint32_t track, enum output_form form)
{
	struct lineup_tuner *t = &m->tuners[m->tuner_count - 1];
	struct lineup_output *output = &m->outputs[m->output_count];
	int r = 0;

	assert(m->output_count < array_size(m->outputs));
	*output = (struct lineup_output){
		.form = (uint8_t)form,
		.plain = form == OUTPUT_TS && channel_profile_plain(v->encoding, v->audio_only),
		.variant = variant,
	};
	if (form_is_segments(form))
		segments_add(m, v, track, output);
	else if (form_reads_ts(form))
		fragments_add(m, v, output);
	else
		r = derived_add(m, v, output);
	if (r < 0)
		return r;
	output->sharing = sharing_of(output, t->output_count);
	m->output_count++;
	t->output_count++;
	return 0;
}

/* Adds what the view makes of the last tuner's source, in each form. */
static int outputs_add(struct maker *m, const struct channel_view *v, uint32_t track)
{
	const char *variant = put_text(m, v->name);
	int r = 0;

	for (enum output_form form = 0; r == 0 && form < OUTPUT_FORM_COUNT_; form++)
		r = output_add(m, v, variant, track, form);
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

/* The member that holds what the operator calls the source. */
static const char *source_member(const json_t *entry)
{
	return yt_dlp_wanted(entry) ? "page" : "source";
}

static json_t *spec_object(const json_t *settings, uint32_t channel, const json_t *entry)
{
	const struct lineup_settings s = settings_read(settings);
	const json_t *streaming = json_object_get(settings, "streaming");
	char scratch[32];
	const char *source = channel_source(entry, scratch);
	uint32_t window_ms = 0;
	const char *pair = channel_source_pair(entry, &window_ms);
	/* the command opens the source, so options of the source do not apply */
	bool opens = !channel_has_command(entry);
	json_int_t starts_ms = (json_int_t)s.start_timeout_ms;
	json_int_t cushion_ms = json_read_seconds_ms(entry, "cushion", 0);

	return json_pack(
		"{sI ss so so sI so* sI so* so* so* so* ss* so*}", "channel", (json_int_t)channel,
		source_member(entry), source != NULL ? source : "", "input_options",
		opens ? channel_input_options(entry) : json_array(), "input_args",
		args_list(opens ? json_object_get(entry, "input_args") : NULL), "stall_timeout_ms",
		(json_int_t)s.stall_timeout_ms, "start_timeout_ms",
		starts_ms != JOB_START_TIMEOUT_MS ? json_integer(starts_ms) : NULL, "ring_seconds",
		(json_int_t)json_read_u32(streaming, "ring_seconds", DEFAULT_RING_SECONDS),
		/* what a job assumes anyway is left out: each channel keeps this text */
		"allow_private",
		json_read_bool(streaming, "allow_private", false) ? json_true() : NULL, "nice",
		s.nice ? json_integer(s.nice) : NULL, "memory_mb",
		s.memory_mb ? json_integer(s.memory_mb) : NULL, "cushion_ms",
		cushion_ms ? json_integer(cushion_ms) : NULL, "pair", pair, "window_ms",
		pair != NULL ? json_integer(window_ms) : NULL);
}

/* The JSON of a value; "null" for none.  NULL without memory. */
static char *json_text(const json_t *value)
{
	return value != NULL ? json_dumps(value, SPEC_FLAGS) : strdup("null");
}

/* The spec without the name, and the look-up, decide the hash: a new name restarts nothing, not
 * even a command that has it among its words.  The command counts as it was written. */
static int source_spec(struct maker *m, struct lineup_source *to, const json_t *source,
		       const char *lookup)
{
	char scratch[32];
	const json_t *entry = json_object_get(source, "entry");
	const json_t *job_command = json_object_get(source, "command");
	const char *name = json_read_text(entry, "name", scratch);
	json_auto_t *spec = spec_object(m->settings, m->id, entry);
	json_auto_t *name_value = json_string(name != NULL ? name : "");
	_cleanup_(freep) char *text = spec != NULL ? json_text(spec) : NULL;
	_cleanup_(freep) char *quoted = json_text(name_value);
	_cleanup_(freep) char *written = json_text(json_object_get(entry, "custom_ffmpeg"));
	_cleanup_(freep) char *command = json_text(job_command);
	uintptr_t at = m->texts.len + 1;

	if (text == NULL || quoted == NULL || written == NULL || command == NULL)
		return -ENOMEM;
	to->hash = hash_end(hash_text(
		hash_text(
			hash_text(hash_u64(HASH_START, m->tuners[m->tuner_count - 1].both), lookup),
			text),
		written));
	buf_printf(&m->texts, "%.*s,\"name\":%s", (int)strlen(text) - 1, text, quoted);
	if (job_command != NULL)
		buf_printf(&m->texts, ",\"command\":%s", command);
	buf_putc(&m->texts, '}');
	buf_putc(&m->texts, '\0');
	to->spec = (const char *)at;
	return 0;
}

/* The source for tables, with both legs of a pair (else NULL).  NULL without memory. */
static char *source_shown(const char *address, const char *pair)
{
	size_t cap = 2 * (strlen(address) + (pair != NULL ? strlen(pair) : 0)) + 16, n;
	char *shown = malloc(cap);

	if (shown == NULL)
		return NULL;
	text_redact_url(address, shown, cap);
	n = strlen(shown);
	if (pair != NULL && (size_t)snprintf(shown + n, cap - n, " + ") < cap - n)
		text_redact_url(pair, shown + strlen(shown), cap - strlen(shown));
	return shown;
}

static int source_add(struct maker *m, const json_t *source)
{
	const json_t *entry = json_object_get(source, "entry");
	char scratch[32];
	const char *said = channel_source(entry, scratch), *address = said != NULL ? said : "";
	uint32_t window_ms;
	const char *pair = channel_source_pair(entry, &window_ms);
	_cleanup_(freep) char *shown = source_shown(address, pair);
	bool page = yt_dlp_wanted(entry);
	_cleanup_(freep) char *lookup = page ? yt_dlp_config(entry, address) : NULL;
	struct lineup_source to = {0};
	int r;

	if (shown == NULL || (page && lookup == NULL))
		return -ENOMEM;
	to.address = hash_end(hash_text(hash_text(HASH_START, address), pair));
	to.text = put_text(m, shown);
	to.lookup = page ? put_text(m, lookup) : NULL;
	r = source_spec(m, &to, source, lookup);
	if (r == 0)
		buf_add(&m->sources, &to, sizeof(to));
	return r;
}

/* The text of a slate, "" for that of Amps' own; NULL: it is switched off. */
static const char *slate_text(const json_t *entry, char scratch[32])
{
	if (!json_read_bool(entry, "slate", true))
		return NULL;
	return json_is_string(json_object_get(entry, "slate"))
		       ? json_read_text(entry, "slate", scratch)
		       : "";
}

/* The slate of the last tuner, whose sources are known.  A source is tried while the slate plays:
 * that is not done with pages, nor where one job does both. */
static void slate_add(struct maker *m, const struct channel_view *v)
{
	struct lineup_tuner *t = &m->tuners[m->tuner_count - 1];
	char scratch[32];
	const char *text = slate_text(v->entry, scratch);
	size_t i;
	json_t *source;

	json_array_foreach (v->sources, i, source)
		if (yt_dlp_wanted(json_object_get(source, "entry")))
			return;
	if (text != NULL && !t->both)
		t->slate = put_text(m, text);
}

/* The sources of the last tuner. */
static int sources_add(struct maker *m, const struct channel_view *v)
{
	struct lineup_tuner *t = &m->tuners[m->tuner_count - 1];
	size_t i;
	json_t *source;
	int r = 0;

	json_array_foreach (v->sources, i, source)
		t->both = t->both || channel_is_lavfi(json_object_get(source, "entry"));
	json_array_foreach (v->sources, i, source) {
		if (r < 0 || t->source_count == CHANNEL_SOURCES_MAX)
			break;
		r = source_add(m, source);
		t->source_count++;
	}
	assert(t->source_count > 0);
	return r;
}

/* A new tuner with its first variant's outputs. */
static int tuner_add(struct maker *m, const struct channel_view *v, uint32_t track)
{
	struct lineup_tuner *t = &m->tuners[m->tuner_count];
	char key[TUNER_KEY_MAX], scratch[32];
	const char *watch;
	int r;

	assert(m->tuner_count < array_size(m->tuners));
	m->tuner_count++;
	snprintf(key, sizeof(key), v->name[0] != '\0' ? "%u/%s" : "%u%s", m->id, v->name);
	*t = (struct lineup_tuner){
		.channel = m->id,
		.key = put_text(m, key),
		.unavailable = v->unavailable[0] != '\0' ? put_text(m, v->unavailable) : NULL,
	};
	r = sources_add(m, v);
	slate_add(m, v);
	t->cushion_ms = json_read_seconds_ms(v->entry, "cushion", 0);
	watch = json_read_text(v->entry, "watch", scratch);
	t->watch_content = watch && strcmp(watch, "content") == 0;
	return r < 0 ? r : outputs_add(m, v, track);
}

/* The distance of key frames that all pictures of the channel have: variants are cut at the same
 * times. */
static uint32_t common_key_ms(const struct channel_views *v)
{
	uint32_t common = 0;

	for (size_t i = 0; i < v->count; i++) {
		uint32_t ms = picture_guess(v->views[i].encoding, v->views[i].audio_only).key_ms;

		if (common && ms && ms != common)
			return UINT32_MAX;
		common = MAX(common, ms);
	}
	return common;
}

/* Profile-only variants are outputs of the channel's tuner, the others tuners. */
static int tuners_add(struct maker *m, const struct channel_views *v)
{
	int r;

	m->key_ms = common_key_ms(v);
	r = tuner_add(m, &v->views[0], 0);

	for (size_t i = 1; i < v->count && r == 0; i++)
		if (!v->views[i].own_tuner)
			r = outputs_add(m, &v->views[i], (uint32_t)i);
	for (size_t i = 1; i < v->count && r == 0; i++)
		if (v->views[i].own_tuner)
			r = tuner_add(m, &v->views[i], (uint32_t)i);
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

/* One line of `amps list`; NULL without memory. */
static char *summary_make(uint32_t id, const struct channel_view *v)
{
	const json_t *d = v->entry;
	char number[32], name[32], group[32], profile[32];
	const char *profile_name = channel_has_command(d)
					   ? "custom_ffmpeg"
					   : json_read_text(d, "ffmpeg_profile", profile);
	json_auto_t *line = json_pack("{sI ss? ss? ss? ss? ss so}", "id", (json_int_t)id, "number",
				      json_read_text(d, "channel_number", number), "name",
				      json_read_text(d, "name", name), "group",
				      json_read_text(d, "group", group), "profile", profile_name,
				      "output", form_name(v->form), "variants", variant_names(d));

	return line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
}

static void texts_move(const char **at, const char *texts)
{
	if (*at != NULL)
		*at = texts + ((uintptr_t)*at - 1);
}

/* Everything in one block: the channel, its tuners, their sources and outputs, the segments of
 * those, the fragment, the texts. */
static struct lineup_channel *channel_pack(const struct maker *m, const char *summary)
{
	size_t tuners = m->tuner_count * sizeof(m->tuners[0]);
	size_t sources = m->sources.len;
	size_t outputs = m->output_count * sizeof(m->outputs[0]);
	/* rounded up: what follows is aligned */
	size_t segments = (m->segments_count * sizeof(m->segments[0]) + 7) / 8 * 8;
	struct lineup_channel *c = malloc(sizeof(*c) + tuners + sources + outputs + segments +
					  m->fragment.len + m->texts.len);
	struct lineup_source *source;
	struct lineup_output *output;
	struct channel_segments *cut;
	unsigned char *fragment;
	char *texts;

	if (c == NULL)
		return NULL;
	*c = (struct lineup_channel){
		.refs = 1,
		.id = m->id,
		.tuner_count = (uint16_t)m->tuner_count,
		.fragment_bytes = (uint32_t)m->fragment.len,
	};
	c->tuners = memcpy(c + 1, m->tuners, tuners);
	source = memcpy((char *)c->tuners + tuners, m->sources.data, sources);
	output = memcpy((char *)source + sources, m->outputs, outputs);
	cut = (struct channel_segments *)(void *)((char *)output + outputs);
	memcpy(cut, m->segments, m->segments_count * sizeof(*cut));
	fragment = memcpy((char *)cut + segments, m->fragment.data, m->fragment.len);
	texts = memcpy(fragment + m->fragment.len, m->texts.data, m->texts.len);
	c->fragment = fragment;
	c->summary = summary;
	texts_move(&c->summary, texts);
	for (size_t i = 0; i < m->output_count; i++) {
		texts_move(&output[i].variant, texts);
		texts_move(&output[i].spec, texts);
		if (output[i].form == OUTPUT_HLS_TS)
			cut++;
		if (form_is_segments(output[i].form))
			output[i].segments = cut - 1;
	}
	for (size_t i = 0; i < m->tuner_count; i++) {
		struct lineup_tuner *t = &c->tuners[i];

		texts_move(&t->key, texts);
		texts_move(&t->unavailable, texts);
		texts_move(&t->slate, texts);
		t->sources = source;
		for (size_t n = 0; n < t->source_count; n++, source++) {
			texts_move(&source->spec, texts);
			texts_move(&source->text, texts);
			texts_move(&source->lookup, texts);
		}
		t->outputs = output;
		output += t->output_count;
	}
	assert((const char *)output + segments == (const char *)fragment);
	return c;
}

/* The hash of everything that a viewer or a tuner sees of the channel. */
static uint64_t channel_hash(const struct lineup_channel *c)
{
	uint64_t h = hash_u64(HASH_START, catalog_fragment_head(c)->hash);

	for (size_t i = 0; i < c->tuner_count; i++) {
		const struct lineup_tuner *t = &c->tuners[i];

		h = hash_text(h, t->key);
		for (size_t n = 0; n < t->source_count; n++)
			h = hash_u64(h, t->sources[n].hash);
		h = hash_text(hash_text(h, t->unavailable), t->slate);
		h = hash_u64(h, t->watch_content);
		for (size_t o = 0; o < t->output_count; o++)
			h = hash_u64(hash_text(h, t->outputs[o].variant), t->outputs[o].hash);
	}
	return hash_end(h);
}

static int channel_make(struct maker *m, const struct channel_entry *e,
			const struct schedule_window *window, struct channel_views *views,
			struct lineup_channel **ret)
{
	_cleanup_(freep) char *summary = summary_make(e->id, &views->views[0]);
	const char *summary_at;
	int r = summary != NULL ? tuners_add(m, views) : -ENOMEM;

	if (r == 0)
		r = catalog_fragment(m->settings, e, window, views, &m->fragment);
	if (r < 0)
		return r;
	summary_at = put_text(m, summary);
	*ret = buf_ok(&m->texts) && buf_ok(&m->sources) ? channel_pack(m, summary_at) : NULL;
	return *ret != NULL ? 0 : -ENOMEM;
}

int lineup_channel_new(const json_t *settings, const struct channel_entry *e, uint64_t source_hash,
		       struct lineup_channel **ret)
{
	struct maker m = {.settings = settings, .id = e->id};
	struct schedule_window window = SCHEDULE_ALWAYS;
	bool readable = !e->scheduled || schedule_parse(e->definition, &window) == 0;
	struct channel_views views;
	struct lineup_channel *c = NULL;
	int r = channel_views_make(settings, e->id, e->definition, &views);

	if (r < 0)
		return r;
	r = channel_make(&m, e, &window, &views, &c);
	channel_views_done(&views);
	buf_done(&m.sources);
	buf_done(&m.texts);
	buf_done(&m.fragment);
	if (r < 0)
		return r;
	c->scheduled = e->scheduled;
	c->on_air_ever = readable;
	c->window = window;
	c->source_hash = source_hash;
	c->name = (const char *)c->fragment + catalog_fragment_head(c)->name_at;
	c->hash = channel_hash(c);
	*ret = c;
	return 0;
}

struct lineup_channel *lineup_channel_ref(struct lineup_channel *c)
{
	unsigned before = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);

	assert(before > 0);
	return c;
}

/* Release: what this thread read is read before another thread frees it. */
void lineup_channel_unref(struct lineup_channel *c)
{
	if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		free(c);
}

int channel_list_init(size_t cap, struct channel_list *ret)
{
	*ret = (struct channel_list){.at = calloc(cap + 1, sizeof(*ret->at))};
	return ret->at != NULL ? 0 : -ENOMEM;
}

void channel_list_done(struct channel_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		lineup_channel_unref(list->at[i]);
	free(list->at);
	*list = CHANNEL_LIST_INIT;
}

void channel_list_share(struct channel_list *list, const struct channel_list *from, size_t first,
			size_t end)
{
	assert(first <= end && end <= from->count);
	for (size_t i = first; i < end; i++)
		list->at[list->count++] = lineup_channel_ref(from->at[i]);
}

static int compare_id(const void *key, const void *element)
{
	const uint32_t *id = key;
	const struct lineup_channel *const *c = element;

	return (*id > (*c)->id) - (*id < (*c)->id);
}

size_t channel_list_find(const struct channel_list *list, uint32_t id)
{
	return search_first(&id, list->at, list->count, sizeof(list->at[0]), compare_id);
}

struct lineup *lineup_ref(struct lineup *l)
{
	unsigned before = atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);

	assert(before > 0);
	return l;
}

struct lineup *lineup_unref(struct lineup *l)
{
	if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	channel_list_done(&l->channels);
	json_decref(l->schedule);
	free(l->lookup_program);
	free(l);
	return NULL;
}

int lineup_new(const json_t *settings, struct channel_list *on_air, struct lineup **ret)
{
	struct lineup *l = calloc(1, sizeof(*l));
	json_t *schedule = json_array();
	char scratch[32];
	const char *program = json_read_text(settings, "yt_dlp_path", scratch);
	char *lookup_program = program ? strdup(program) : NULL;

	if (l == NULL || schedule == NULL || (program && !lookup_program)) {
		channel_list_done(on_air);
		json_decref(schedule);
		free(lookup_program);
		free(l);
		return -ENOMEM;
	}
	l->refs = 1;
	l->settings = settings_read(settings);
	l->channels = *on_air;
	l->schedule = schedule;
	l->lookup_program = lookup_program;
	*on_air = CHANNEL_LIST_INIT;
	*ret = l;
	return 0;
}

int lineup_build(const json_t *settings, const struct channel_entry *const *entries, size_t count,
		 struct lineup **ret)
{
	struct channel_list list;
	int r = channel_list_init(count, &list);

	for (size_t i = 0; i < count && r == 0; i++) {
		r = lineup_channel_new(settings, entries[i], 0, &list.at[i]);
		list.count += r == 0;
	}
	if (r == 0)
		return lineup_new(settings, &list, ret);
	channel_list_done(&list);
	return r;
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

int lineup_schedule_add(json_t *list, uint32_t id, const char *name,
			const struct schedule_window *w, int64_t wall_us)
{
	json_t *line = json_pack("{sI ss ss so so}", "id", (json_int_t)id, "name", name, "state",
				 state_name(w, wall_us), "start", time_text(w->start_wall_us),
				 "end", time_text(w->end_wall_us));

	return line == NULL || json_array_append_new(list, line) < 0 ? -ENOMEM : 0;
}

int lineup_add_schedule(struct lineup *l, const struct channel_list *all, int64_t wall_us)
{
	int r = 0;

	for (size_t i = 0; i < all->count && r == 0; i++) {
		const struct lineup_channel *c = all->at[i];

		if (c->scheduled && c->on_air_ever)
			r = lineup_schedule_add(l->schedule, c->id, c->name, &c->window, wall_us);
	}
	return r;
}

static const struct lineup_channel *channel_of(const struct lineup *l, uint32_t id)
{
	size_t at = channel_list_find(&l->channels, id);

	return at < l->channels.count && l->channels.at[at]->id == id ? l->channels.at[at] : NULL;
}

const struct lineup_tuner *lineup_find_key(const struct lineup *l, const char *key)
{
	char *end;
	unsigned long long id = strtoull(key, &end, 10);
	const struct lineup_channel *c;

	if (key[0] < '0' || key[0] > '9' || id > CHANNEL_ID_MAX)
		return NULL;
	c = channel_of(l, (uint32_t)id);
	for (size_t i = 0; c != NULL && i < c->tuner_count; i++)
		if (strcmp(c->tuners[i].key, key) == 0)
			return &c->tuners[i];
	return NULL;
}

int lineup_find_source(const struct lineup_tuner *t, uint64_t hash)
{
	assert(t->source_count > 0);
	for (size_t i = 0; i < t->source_count; i++)
		if (t->sources[i].hash == hash)
			return (int)i;
	return -1;
}

bool lineup_same_sources(const struct lineup_tuner *a, const struct lineup_tuner *b)
{
	if (a == NULL || a->source_count != b->source_count)
		return false;
	for (size_t i = 0; i < a->source_count; i++)
		if (a->sources[i].hash != b->sources[i].hash)
			return false;
	return true;
}

int lineup_resolve(const struct lineup *l, const struct output_id *id,
		   const struct lineup_tuner **ret_tuner, const struct lineup_output **ret_output)
{
	const struct lineup_channel *c = channel_of(l, id->channel);

	for (size_t i = 0; c != NULL && i < c->tuner_count; i++) {
		const struct lineup_tuner *t = &c->tuners[i];

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

const struct lineup_output *lineup_reads(const struct lineup_tuner *t,
					 const struct lineup_output *o)
{
	if (!form_reads_ts(o->form))
		return o;
	for (size_t i = 0; i < t->output_count; i++)
		if (t->outputs[i].form == OUTPUT_TS &&
		    strcmp(t->outputs[i].variant, o->variant) == 0)
			return &t->outputs[i];
	return o;
}

json_t *lineup_channels(const struct lineup *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->channels.count; i++)
		if (json_array_append_new(list, json_loads(l->channels.at[i]->summary, 0, NULL)) <
		    0) {
			json_decref(list);
			return NULL;
		}
	return list;
}
