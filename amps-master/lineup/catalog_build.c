#include "amps-master/lineup/catalog_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/lineup/cidr.h"
#include "amps-master/util/json.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/text/text.h"

/* Appends to a catalog in the making.  Nothing is checked on the way: buf_ok() and the size are
 * looked at once, at the end. */
struct writer {
	struct buf *out;
	uint64_t hash; /* of what was written since it was last set to HASH_START */
};

/* Appends n bytes of a structure at the next 8-byte place; returns its offset. */
static uint32_t put(struct writer *w, const void *bytes, size_t n)
{
	static const char zeros[8];
	uint32_t at;

	buf_add(w->out, zeros, -w->out->len & 7);
	at = (uint32_t)w->out->len;
	assert(at % 8 == 0 || !buf_ok(w->out));
	buf_add(w->out, bytes, n);
	return at;
}

/* Appends a text with its NUL; 0 for NULL. */
static uint32_t put_text(struct writer *w, const char *text)
{
	uint32_t at = (uint32_t)w->out->len;

	w->hash = hash_text(w->hash, text);
	if (text == NULL)
		return 0;
	buf_add(w->out, text, strlen(text) + 1);
	return at;
}

/* The value of the first of these keys that has one. */
static const char *first_text(const json_t *entry, const char *a, const char *b, char scratch[32])
{
	const char *text = json_read_text(entry, a, scratch);

	return text != NULL ? text : json_read_text(entry, b, scratch);
}

static uint32_t put_key(struct writer *w, const json_t *entry, const char *key)
{
	char scratch[32];

	return put_text(w, json_read_text(entry, key, scratch));
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

static void put_programs(struct writer *w, const json_t *list, struct catalog_channel *ch)
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
	ch->programs_at = put(w, programs, count * sizeof(*programs));
	ch->program_count = (uint32_t)count;
	free(programs);
}

/* Upper-case codes one behind the other; what is no code is left out. */
static uint32_t put_regions(struct writer *w, const json_t *list, uint32_t *ret_count)
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

static uint32_t put_label(struct writer *w, const json_t *variant, const char *name)
{
	char scratch[32], upper[VARIANT_NAME_MAX + 1];
	const char *label = json_read_text(variant, "label", scratch);
	size_t n = strlen(name);

	if (label != NULL)
		return put_text(w, label);
	for (size_t i = 0; i <= n; i++)
		upper[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
	return put_text(w, upper);
}

static uint32_t put_unavailable(struct writer *w, const json_t *entry, const json_t *profile)
{
	char reason[ERROR_TEXT_MAX];
	bool out = channel_unavailable(entry, profile, reason, sizeof(reason));

	return put_text(w, out ? reason : NULL);
}

/* One variant; false when it has no usable name. */
static bool put_variant(struct writer *w, const json_t *settings, const json_t *definition,
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
		.name_at = put_text(w, name),
		.label_at = put_label(w, variant, name),
		.form = (uint8_t)channel_form(entry, profile),
		.own_tuner = channel_variant_own_tuner(variant),
		.unavailable_at = put_unavailable(w, entry, profile),
	};
	w->hash = hash_u64(w->hash, (uint64_t)ret->form << 8 | ret->own_tuner);
	json_decref(entry);
	return true;
}

static void put_variants(struct writer *w, const json_t *settings, const json_t *definition,
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
		ch->variants_at = put(w, variants, ch->variant_count * sizeof(*variants));
}

/* Writes all of a channel but its own structure, which goes to *ret. */
static void put_channel(struct writer *w, const json_t *settings, const struct channel_entry *e,
			struct catalog_channel *ret)
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
	ret->name_at = put_text(w, name);
	tvg_name = json_read_text(d, "tvg_name", scratch);
	ret->tvg_name_at = tvg_name != NULL ? put_text(w, tvg_name) : ret->name_at;
	tvg_id = first_text(d, "epg_id", "tvg_id", scratch);
	ret->tvg_id_at = put_text(w, tvg_id != NULL ? tvg_id : id);
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

static void put_proxies(struct writer *w, const json_t *list, struct catalog_settings *s)
{
	struct catalog_cidr proxies[TRUSTED_PROXIES_MAX];
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item)
		if (s->proxy_count < TRUSTED_PROXIES_MAX && json_is_string(item) &&
		    cidr_parse(json_string_value(item), &proxies[s->proxy_count]))
			s->proxy_count++;
	if (s->proxy_count == 0)
		return;
	w->hash = hash_bytes(w->hash, proxies, s->proxy_count * sizeof(*proxies));
	s->proxies_at = put(w, proxies, s->proxy_count * sizeof(*proxies));
}

static uint32_t settings_flags(const json_t *settings)
{
	const json_t *streaming = json_object_get(settings, "streaming");
	const json_t *trust = json_object_get(json_object_get(settings, "region"), "trust");
	char scratch[32];
	const char *slow = json_read_text(streaming, "slow_viewer", scratch);
	uint32_t flags = 0;

	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "query"))
		flags |= SETTING_REGION_QUERY;
	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "headers"))
		flags |= SETTING_REGION_HEADERS;
	if (slow != NULL && strcmp(slow, "drop") == 0)
		flags |= SETTING_SLOW_DROP;
	return flags;
}

/* What the types of CATALOG_SETTINGS stand for; the check has filled in every key. */
#define READ_u32(section, key)	json_read_u32(json_object_get(settings, section), key, 0)
#define READ_ms(section, key)	json_read_seconds_ms(json_object_get(settings, section), key, 0)
#define READ_bool(section, key) json_read_bool(json_object_get(settings, section), key, false)

static void put_settings(struct writer *w, const json_t *settings, struct catalog_settings *s)
{
	const json_t *server = json_object_get(settings, "server");
	char scratch[32];

	*s = (struct catalog_settings){.flags = settings_flags(settings),
#define S(type, field, section, key) .field = READ_##type(section, key),
				       CATALOG_SETTINGS(S)
#undef S
	};
	w->hash = hash_bytes(w->hash, s, sizeof(*s));
	s->public_url_at = put_text(w, json_read_text(server, "public_url", scratch));
	put_proxies(w, json_object_get(server, "trusted_proxies"), s);
}

/* The fixed front: header, settings, the channels' array; filled in when all offsets are known. */
struct front {
	uint32_t settings_at, channels_at;
};

static struct front put_front(struct buf *out, size_t count)
{
	struct front f = {
		.settings_at = sizeof(struct catalog_header),
		.channels_at = sizeof(struct catalog_header) + sizeof(struct catalog_settings),
	};
	size_t bytes = f.channels_at + count * sizeof(struct catalog_channel);
	char *room = buf_reserve(out, bytes);

	if (room != NULL) {
		memset(room, 0, bytes);
		out->len += bytes;
	}
	return f;
}

static int finish(struct buf *out, struct catalog_header *header, const struct front *f)
{
	/* the reader relies on the last byte being a NUL */
	buf_putc(out, '\0');
	if (!buf_ok(out))
		return -ENOMEM;
	if (out->len > CATALOG_BYTES_MAX)
		return -E2BIG;
	header->magic = CATALOG_MAGIC;
	header->version = CATALOG_VERSION;
	header->header_bytes = sizeof(*header);
	header->total_bytes = out->len;
	header->settings_at = f->settings_at;
	header->channels_at = f->channels_at;
	header->channel_bytes = sizeof(struct catalog_channel);
	header->variant_bytes = sizeof(struct catalog_variant);
	header->program_bytes = sizeof(struct catalog_program);
	memcpy(out->data, header, sizeof(*header));
	return 0;
}

int catalog_build(const json_t *settings, const struct channel_entry *const *entries, size_t count,
		  uint64_t generation, struct buf *out)
{
	struct writer w = {.out = out, .hash = HASH_START};
	struct catalog_header header = {
		.generation = generation,
		.channel_count = (uint32_t)count,
	};
	struct catalog_settings s;
	struct front f;
	uint64_t content;

	if (count > CHANNELS_MAX)
		return -E2BIG;
	f = put_front(out, count);
	put_settings(&w, settings, &s);
	content = w.hash;
	for (size_t i = 0; i < count && buf_ok(out) && out->len <= CATALOG_BYTES_MAX; i++) {
		struct catalog_channel ch;

		/* readers search for an id */
		assert(i == 0 || entries[i - 1]->id < entries[i]->id);
		put_channel(&w, settings, entries[i], &ch);
		content = hash_u64(content, ch.hash);
		if (buf_ok(out))
			memcpy(out->data + f.channels_at + i * sizeof(ch), &ch, sizeof(ch));
	}
	header.content_hash = hash_end(content);
	if (buf_ok(out))
		memcpy(out->data + f.settings_at, &s, sizeof(s));
	return finish(out, &header, &f);
}
