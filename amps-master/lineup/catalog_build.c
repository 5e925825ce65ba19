#include "amps-master/lineup/catalog_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "amps-master/lineup/cidr.h"
#include "amps-master/lineup/picture_guess.h"
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

/* Writes the codes in upper case, without separators; leaves out what is not a code. */
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

static uint32_t put_unavailable(struct writer *w, const struct channel_view *v)
{
	return put_text(w, v->unavailable[0] != '\0' ? v->unavailable : NULL);
}

/* What a manifest of DASH lists, rounded up. */
static uint32_t dash_seconds(const json_t *settings, const struct channel_views *views)
{
	uint32_t ms = channel_segments(settings, views->views[0].encoding, 0).dash_ms;

	return MIN(ms / 1000 + (ms % 1000 != 0), CATALOG_DASH_S_MAX);
}

static void put_codec(struct writer *w, const char *codec, char to[CATALOG_CODEC_MAX])
{
	bool fits = text_copy(to, CATALOG_CODEC_MAX, codec);

	assert(fits);
	w->hash = hash_text(w->hash, to);
}

static void put_variants(struct writer *w, const struct channel_views *views,
			 struct catalog_channel *ch)
{
	struct catalog_variant variants[VARIANTS_MAX] = {0};

	for (size_t i = 1; i < views->count; i++) {
		const struct channel_view *v = &views->views[i];
		struct picture_guess guess = picture_guess(v->encoding, v->audio_only);

		variants[ch->variant_count++] = (struct catalog_variant){
			.name_at = put_text(w, v->name),
			.label_at = put_label(w, v->variant, v->name),
			.form = (uint8_t)v->form,
			.own_tuner = v->own_tuner,
			.mp3 = channel_sound_is_mp3(v->encoding),
			.unavailable_at = put_unavailable(w, v),
			.bps = guess.bps,
			.rate_milli = guess.rate_milli,
			.width = guess.width,
			.height = guess.height,
		};
		put_codec(w, guess.picture, variants[ch->variant_count - 1].picture);
		put_codec(w, guess.sound, variants[ch->variant_count - 1].sound);
		w->hash = hash_u64(w->hash, (uint64_t)v->form << 8 | v->own_tuner << 1 |
						    variants[ch->variant_count - 1].mp3);
		w->hash = hash_u64(w->hash, (uint64_t)guess.bps << 32 | guess.rate_milli);
		w->hash = hash_u64(w->hash, (uint64_t)guess.width << 16 | guess.height);
	}
	if (ch->variant_count > 0)
		ch->variants_at = put(w, variants, ch->variant_count * sizeof(*variants));
}

int catalog_fragment(const json_t *settings, const struct channel_entry *e,
		     const struct schedule_window *window, const struct channel_views *views,
		     struct buf *out)
{
	const json_t *d = e->definition;
	struct writer writer = {.out = out}, *w = &writer;
	struct catalog_channel channel = {0}, *ret = &channel;
	char scratch[32], id[16];
	const char *name = json_read_text(d, "name", scratch);
	const char *tvg_id, *tvg_name;

	assert(out->len == 0);
	put(w, ret, sizeof(*ret)); /* its place */
	snprintf(id, sizeof(id), "%u", e->id);
	if (name == NULL)
		name = id;
	*ret = (struct catalog_channel){
		.id = e->id,
		.flags = (views->views[0].audio_only ? CHANNEL_AUDIO_ONLY : 0) |
			 (e->scheduled ? CHANNEL_SCHEDULED : 0) |
			 (channel_sound_is_mp3(views->views[0].encoding) ? CHANNEL_SOUND_MP3 : 0),
		.form = (uint8_t)views->views[0].form,
		.dash_s = dash_seconds(settings, views),
		.start_wall_us = window->start_wall_us,
		.end_wall_us = window->end_wall_us,
	};
	w->hash = hash_u64(HASH_START, e->id);
	w->hash = hash_u64(w->hash, (uint64_t)ret->flags << 8 | ret->form);
	w->hash = hash_u64(w->hash, ret->dash_s);
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
	ret->unavailable_at = put_unavailable(w, &views->views[0]);
	put_programs(w, json_object_get(d, "next_programs"), ret);
	ret->regions_allowed_at =
		put_regions(w, json_object_get(d, "regions_allowed"), &ret->regions_allowed_count);
	ret->regions_blocked_at =
		put_regions(w, json_object_get(d, "regions_blocked"), &ret->regions_blocked_count);
	put_variants(w, views, ret);
	ret->hash = hash_end(w->hash);
	if (!buf_ok(out))
		return -ENOMEM;
	assert(ret->variant_count < views->count && out->len > sizeof(*ret));
	memcpy(out->data, ret, sizeof(*ret));
	return 0;
}

/* An offset within a fragment -> within the catalog; 0 stays "absent". */
static void move(uint32_t *at, uint32_t base)
{
	assert(*at <= UINT32_MAX - base);
	if (*at != 0)
		*at += base;
}

static void move_programs(unsigned char *fragment, const struct catalog_channel *ch, uint32_t base)
{
	struct catalog_program *p = (void *)(fragment + ch->programs_at);

	for (uint32_t i = 0; i < ch->program_count; i++) {
		move(&p[i].title_at, base);
		move(&p[i].start_at, base);
		move(&p[i].end_at, base);
		move(&p[i].description_at, base);
	}
}

static void move_variants(unsigned char *fragment, const struct catalog_channel *ch, uint32_t base)
{
	struct catalog_variant *v = (void *)(fragment + ch->variants_at);

	for (uint32_t i = 0; i < ch->variant_count; i++) {
		move(&v[i].name_at, base);
		move(&v[i].label_at, base);
		move(&v[i].unavailable_at, base);
	}
}

/* Appends the fragment without its structure, which goes to *ret with the offsets moved. */
static void put_fragment(struct writer *w, const struct lineup_channel *c,
			 struct catalog_channel *ret)
{
	uint32_t at = put(w, c->fragment + sizeof(*ret), c->fragment_bytes - sizeof(*ret));
	uint32_t base = at - (uint32_t)sizeof(*ret);
	unsigned char *fragment = (unsigned char *)w->out->data + base;

	assert(c->fragment_bytes > sizeof(*ret));
	memcpy(ret, c->fragment, sizeof(*ret));
	if (!buf_ok(w->out))
		return;
	move_programs(fragment, ret, base);
	move_variants(fragment, ret, base);
	move(&ret->name_at, base);
	move(&ret->tvg_id_at, base);
	move(&ret->tvg_name_at, base);
	move(&ret->logo_at, base);
	move(&ret->group_at, base);
	move(&ret->number_at, base);
	move(&ret->description_at, base);
	move(&ret->program_feed_at, base);
	move(&ret->programs_at, base);
	move(&ret->variants_at, base);
	move(&ret->regions_allowed_at, base);
	move(&ret->regions_blocked_at, base);
	move(&ret->unavailable_at, base);
}

/* Each text of a list and a newline; 0: there is none. */
static uint32_t put_lines(struct writer *w, const json_t *list)
{
	_cleanup_(buf_done) struct buf lines = BUF_INIT;
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item)
		buf_printf(&lines, "%s\n", json_is_string(item) ? json_string_value(item) : "");
	w->out->failed |= !buf_ok(&lines);
	return buf_ok(&lines) && lines.len > 0 ? put_text(w, lines.data) : 0;
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

/* Is the value of the key this word? */
static bool key_is(const json_t *section, const char *key, const char *word)
{
	char scratch[32];
	const char *text = json_read_text(section, key, scratch);

	return text != NULL && strcmp(text, word) == 0;
}

static uint32_t settings_flags(const json_t *settings)
{
	const json_t *hls = json_object_get(settings, "hls");
	const json_t *trust = json_object_get(json_object_get(settings, "region"), "trust");
	uint32_t flags = 0;

	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "query"))
		flags |= SETTING_REGION_QUERY;
	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "headers"))
		flags |= SETTING_REGION_HEADERS;
	if (key_is(json_object_get(settings, "streaming"), "slow_viewer", "drop"))
		flags |= SETTING_SLOW_DROP;
	if (key_is(hls, "segment_type", "ts"))
		flags |= SETTING_HLS_TS;
	if (key_is(hls, "segment_type", "cmaf"))
		flags |= SETTING_HLS_CMAF;
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
	s->allowed_hosts_at = put_lines(w, json_object_get(server, "allowed_hosts"));
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
	assert(f->channels_at >= f->settings_at + sizeof(struct catalog_settings));
	header->snapshot.total_bytes = out->len;
	header->settings_at = f->settings_at;
	header->channels_at = f->channels_at;
	header->channel_bytes = sizeof(struct catalog_channel);
	header->variant_bytes = sizeof(struct catalog_variant);
	header->program_bytes = sizeof(struct catalog_program);
	memcpy(out->data, header, sizeof(*header));
	return 0;
}

int catalog_build(const json_t *settings, const struct channel_list *channels, uint64_t generation,
		  struct buf *out)
{
	struct writer w = {.out = out, .hash = HASH_START};
	struct catalog_header header = {
		.snapshot = {.magic = CATALOG_MAGIC,
			     .version = CATALOG_VERSION,
			     .header_bytes = sizeof(header),
			     .generation = generation},
		.channel_count = (uint32_t)channels->count,
	};
	struct catalog_settings s;
	struct front f;
	uint64_t content;
	size_t count = channels->count, bytes = 0;

	if (count > CHANNELS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		bytes += channels->at[i]->fragment_bytes + 8;
	if (bytes > CATALOG_BYTES_MAX)
		return -E2BIG;
	f = put_front(out, count);
	buf_reserve(out, bytes); /* once; a failure shows in buf_ok() */
	put_settings(&w, settings, &s);
	content = w.hash;
	for (size_t i = 0; i < count && buf_ok(out) && out->len <= CATALOG_BYTES_MAX; i++) {
		struct catalog_channel ch;

		/* readers search for an id */
		assert(i == 0 || channels->at[i - 1]->id < channels->at[i]->id);
		put_fragment(&w, channels->at[i], &ch);
		content = hash_u64(content, ch.hash);
		if (buf_ok(out))
			memcpy(out->data + f.channels_at + i * sizeof(ch), &ch, sizeof(ch));
	}
	header.content_hash = hash_end(content);
	if (buf_ok(out))
		memcpy(out->data + f.settings_at, &s, sizeof(s));
	return finish(out, &header, &f);
}
