#include <stdio.h>
#include "amps-master/lineup/catalog_writer.h"
#include "amps-master/util/json.h"
#include "common/limits.h"
#include "common/text/text.h"

/* The value of the first of these keys that has one. */
static const char *first_text(const json_t *entry, const char *a, const char *b, char scratch[32])
{
	const char *text = json_read_text(entry, a, scratch);

	return text != NULL ? text : json_read_text(entry, b, scratch);
}

static uint32_t put_key(struct catalog_writer *w, const json_t *entry, const char *key)
{
	char scratch[32];

	return catalog_put_text(w, json_read_text(entry, key, scratch));
}

static int64_t program_time(const json_t *program, const char *key)
{
	const json_t *value = json_object_get(program, key);
	int64_t wall_us;

	if (!json_is_string(value) ||
	    time_parse_iso8601(json_string_value(value), &wall_us, NULL) < 0)
		return TIME_NONE;
	return wall_us;
}

static void put_programs(struct catalog_writer *w, const json_t *list, struct catalog_channel *ch)
{
	size_t count = MIN(json_array_size(list), (size_t)PROGRAMS_MAX);
	struct catalog_program *programs;

	if (count == 0)
		return;
	programs = calloc(count, sizeof(*programs));
	if (programs == NULL) {
		w->out->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *p = json_array_get(list, i);

		programs[i] = (struct catalog_program){
			.title_at = put_key(w, p, "title"),
			.start_at = put_key(w, p, "start"),
			.end_at = put_key(w, p, "end"),
			.description_at = put_key(w, p, "description"),
			.start_wall_us = program_time(p, "start"),
			.end_wall_us = program_time(p, "end"),
		};
	}
	ch->programs_at = catalog_put(w, programs, count * sizeof(*programs));
	ch->program_count = (uint32_t)count;
	free(programs);
}

/* Upper-case codes one behind the other; what is no code is left out. */
static uint32_t put_regions(struct catalog_writer *w, const json_t *list, uint32_t *ret_count)
{
	char codes[2 * REGIONS_MAX];
	uint32_t count = 0, at;
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item) {
		char code[3];

		if (count == REGIONS_MAX || !json_is_string(item) ||
		    !text_region(json_string_value(item), json_string_length(item), code))
			continue;
		memcpy(codes + 2 * (size_t)count++, code, 2);
	}
	w->hash = hash_bytes(hash_u64(w->hash, count), codes, 2 * (size_t)count);
	*ret_count = count;
	if (count == 0)
		return 0;
	at = (uint32_t)w->out->len;
	buf_add(w->out, codes, 2 * (size_t)count);
	return at;
}

static uint32_t put_label(struct catalog_writer *w, const json_t *variant, const char *name)
{
	char scratch[32], upper[VARIANT_NAME_MAX + 1];
	const char *label = json_read_text(variant, "label", scratch);
	size_t n = strlen(name);

	if (label != NULL)
		return catalog_put_text(w, label);
	for (size_t i = 0; i <= n; i++)
		upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
	return catalog_put_text(w, upper);
}

static uint32_t put_unavailable(struct catalog_writer *w, const json_t *entry,
				const json_t *profile)
{
	char reason[ERROR_TEXT_MAX];
	bool out = channel_unavailable(entry, profile, reason, sizeof(reason));

	return catalog_put_text(w, out ? reason : NULL);
}

/* One variant; false when it has no usable name. */
static bool put_variant(struct catalog_writer *w, const json_t *settings, const json_t *definition,
			const json_t *variant, struct catalog_variant *ret)
{
	char scratch[32];
	const char *name = json_read_text(variant, "name", scratch);
	const json_t *profile;
	json_t *entry;

	if (name == NULL || strlen(name) > VARIANT_NAME_MAX)
		return false;
	entry = channel_with_variant(definition, variant);
	if (entry == NULL) {
		w->out->failed = true;
		return false;
	}
	profile = channel_profile(settings, entry);
	*ret = (struct catalog_variant){
		.name_at = catalog_put_text(w, name),
		.label_at = put_label(w, variant, name),
		.form = (uint8_t)channel_form(entry, profile),
		.own_tuner = channel_variant_own_tuner(variant),
		.unavailable_at = put_unavailable(w, entry, profile),
	};
	w->hash = hash_u64(w->hash, (uint64_t)ret->form << 8 | ret->own_tuner);
	json_decref(entry);
	return true;
}

static void put_variants(struct catalog_writer *w, const json_t *settings, const json_t *definition,
			 struct catalog_channel *ch)
{
	struct catalog_variant variants[VARIANTS_MAX] = {0};
	size_t i;
	json_t *variant;

	json_array_foreach (json_object_get(definition, "adaptive_bitrates"), i, variant) {
		if (ch->variant_count == VARIANTS_MAX)
			break;
		if (put_variant(w, settings, definition, variant, &variants[ch->variant_count]))
			ch->variant_count++;
	}
	if (ch->variant_count > 0)
		ch->variants_at = catalog_put(w, variants, ch->variant_count * sizeof(*variants));
}

void catalog_put_channel(struct catalog_writer *w, const json_t *settings,
			 const struct channel_entry *e, struct catalog_channel *ret)
{
	const json_t *d = e->definition, *profile = channel_profile(settings, d);
	char scratch[32], id[16];
	const char *name = json_read_text(d, "name", scratch);
	const char *tvg_id, *tvg_name;

	snprintf(id, sizeof(id), "%u", e->id);
	if (name == NULL)
		name = id;
	*ret = (struct catalog_channel){
		.id = e->id,
		.flags = (channel_audio_only(d, profile) ? CHANNEL_AUDIO_ONLY : 0) |
			 (e->scheduled ? CHANNEL_SCHEDULED : 0),
		.form = (uint8_t)channel_form(d, profile),
		.start_wall_us = e->window.start_wall_us,
		.end_wall_us = e->window.end_wall_us,
	};
	w->hash = hash_u64(HASH_START, e->id);
	w->hash = hash_u64(w->hash, (uint64_t)ret->flags << 8 | ret->form);
	w->hash = hash_u64(w->hash, (uint64_t)ret->start_wall_us);
	w->hash = hash_u64(w->hash, (uint64_t)ret->end_wall_us);
	ret->name_at = catalog_put_text(w, name);
	tvg_name = json_read_text(d, "tvg_name", scratch);
	ret->tvg_name_at = tvg_name != NULL ? catalog_put_text(w, tvg_name) : ret->name_at;
	tvg_id = first_text(d, "epg_id", "tvg_id", scratch);
	ret->tvg_id_at = catalog_put_text(w, tvg_id != NULL ? tvg_id : id);
	ret->logo_at = put_key(w, d, "logo");
	ret->group_at = put_key(w, d, "group");
	ret->number_at = put_key(w, d, "channel_number");
	ret->description_at = put_key(w, d, "description");
	ret->program_feed_at = put_key(w, d, "program_feed");
	ret->unavailable_at = put_unavailable(w, d, profile);
	put_programs(w, json_object_get(d, "next_programs"), ret);
	ret->regions_allowed_at =
		put_regions(w, json_object_get(d, "regions_allowed"), &ret->regions_allowed_count);
	ret->regions_blocked_at =
		put_regions(w, json_object_get(d, "regions_blocked"), &ret->regions_blocked_count);
	put_variants(w, settings, d, ret);
	ret->hash = hash_end(w->hash);
}
