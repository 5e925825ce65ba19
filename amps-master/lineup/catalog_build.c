#include "amps-master/lineup/catalog_build.h"

#include "amps-master/lineup/catalog_writer.h"
#include "amps-master/lineup/cidr.h"
#include "amps-master/util/json.h"
#include "common/limits.h"

static void put_proxies(struct catalog_writer *w, const json_t *list, struct catalog_settings *s)
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
	s->proxies_at = catalog_put(w, proxies, s->proxy_count * sizeof(*proxies));
}

static uint32_t settings_flags(const json_t *settings)
{
	const json_t *streaming = json_object_get(settings, "streaming");
	const json_t *trust = json_object_get(json_object_get(settings, "region"), "trust");
	char scratch[32];
	const char *slow = json_read_text(streaming, "slow_viewer", scratch);
	uint32_t flags = 0;

	if (json_read_bool(json_object_get(settings, "auth"), "enabled", true))
		flags |= SETTING_AUTH_ENABLED;
	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "query"))
		flags |= SETTING_REGION_QUERY;
	if (trust == NULL || json_is_null(trust) || json_read_lists(trust, "headers"))
		flags |= SETTING_REGION_HEADERS;
	if (slow != NULL && strcmp(slow, "drop") == 0)
		flags |= SETTING_SLOW_DROP;
	return flags;
}

static void put_settings(struct catalog_writer *w, const json_t *settings,
			 struct catalog_settings *s)
{
	const json_t *server = json_object_get(settings, "server");
	const json_t *streaming = json_object_get(settings, "streaming");
	char scratch[32];

	*s = (struct catalog_settings){
		.flags = settings_flags(settings),
		.max_viewers = json_read_u32(server, "max_viewers", 0),
		.start_timeout_ms = json_read_seconds_ms(streaming, "start_timeout", 15000),
		.idle_timeout_ms = json_read_seconds_ms(streaming, "idle_timeout", 30000),
		.join_ms = json_read_u32(streaming, "join_ms", 500),
		.rtsp_port = (uint16_t)json_read_u32(server, "rtsp_port", 8554),
	};
	w->hash = hash_bytes(w->hash, s, sizeof(*s));
	s->public_url_at = catalog_put_text(w, json_read_text(server, "public_url", scratch));
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
		  uint64_t generation, int64_t made_wall_us, struct buf *out)
{
	struct catalog_writer w = {.out = out, .hash = HASH_START};
	struct catalog_header header = {
		.generation = generation,
		.made_wall_us = made_wall_us,
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

		catalog_put_channel(&w, settings, entries[i], &ch);
		content = hash_u64(content, ch.hash);
		if (buf_ok(out))
			memcpy(out->data + f.channels_at + i * sizeof(ch), &ch, sizeof(ch));
	}
	header.content_hash = hash_end(content);
	if (buf_ok(out))
		memcpy(out->data + f.settings_at, &s, sizeof(s));
	return finish(out, &header, &f);
}
