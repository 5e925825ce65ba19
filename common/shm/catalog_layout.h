/* catalog_layout.h - the map of a catalog: the snapshot (snapshot.h) of the line-up and of the
 * settings that a worker needs.
 *
 *	offset 0              struct catalog_header
 *	header.settings       struct catalog_settings
 *	header.channels       struct catalog_channel[channel_count], sorted by id
 *	...                   struct catalog_variant[], struct catalog_program[], regions, strings
 *
 * No pointers: every `..._at` is a byte offset from the start, 8-byte aligned for structs; a string
 * is a NUL-ended UTF-8 run at its offset, and offset 0 means "absent".  Nothing in here is secret:
 * no source, no command, no token.  W: master, before sealing.  Readers: workers. */
#ifndef AMPS_CATALOG_LAYOUT_H
#define AMPS_CATALOG_LAYOUT_H

#include <assert.h>
#include "common/shm/snapshot.h"

#define CATALOG_MAGIC	0x474f4c4154414341ull /* "ACATALOG" */
#define CATALOG_VERSION 8u

/* The form that a channel's playlist entry points to (output_format); also the form in a WANT. */
enum form {
	FORM_TS = 0,
	FORM_HLS,
	FORM_LL_HLS,
	FORM_DASH,
	FORM_RTSP,
	FORM_AUDIO,
	FORM_MSE,
	FORM_COUNT_
};

struct catalog_header {
	struct snapshot_header snapshot;
	uint32_t settings_at;
	uint32_t channels_at;
	uint32_t channel_count;
	uint32_t channel_bytes; /* sizeof(struct catalog_channel) */
	uint32_t variant_bytes;
	uint32_t program_bytes;
	uint64_t content_hash; /* of everything a playlist depends on; for ETags */
};

#define SETTING_REGION_QUERY   1u /* region.trust contains query */
#define SETTING_REGION_HEADERS 2u
#define SETTING_SLOW_DROP      4u  /* streaming.slow_viewer: drop (else skip) */
#define SETTING_HLS_TS	       8u  /* hls.segment_type: ts ... */
#define SETTING_HLS_CMAF       16u /* ... cmaf; neither: as the channel's form says */

/* The settings that workers use, each from one key of the configuration.
 * S(type, field, section, key); u32: a whole number, ms: seconds as milliseconds, bool: 0 or 1. */
#define CATALOG_SETTINGS(S)                                                                        \
	S(bool, auth_enabled, "auth", "enabled")                                                   \
	S(u32, max_viewers, "server", "max_viewers") /* 0 = no limit */                            \
	S(ms, start_timeout_ms, "streaming", "start_timeout")                                      \
	S(ms, idle_timeout_ms, "streaming", "idle_timeout") /* 0 = never */                        \
	S(u32, join_ms, "streaming", "join_ms")

struct catalog_settings {
	_Alignas(8) uint32_t flags;
#define S(type, field, section, key) uint32_t field;
	CATALOG_SETTINGS(S)
#undef S
	uint32_t proxy_count;
	uint32_t proxies_at; /* struct catalog_cidr[proxy_count] */
	uint32_t public_url_at;
	uint32_t allowed_hosts_at; /* text: each name and a newline; 0 = none */
};

struct catalog_cidr {
	uint8_t address[16];  /* IPv4 as ::ffff:a.b.c.d */
	uint32_t prefix_bits; /* of the 128 */
	uint32_t pad;
};

#define CHANNEL_AUDIO_ONLY 1u
#define CHANNEL_SCHEDULED  2u
#define CHANNEL_SOUND_MP3  4u /* /audio is MP3, else AAC */

#define CATALOG_DASH_S_MAX 0xffffffu

struct catalog_channel {
	uint32_t id;
	uint32_t flags;
	uint32_t form : 8;    /* enum form */
	uint32_t dash_s : 24; /* what a manifest of DASH lists */
	uint32_t name_at;
	uint32_t tvg_id_at;   /* epg_id, else tvg_id, else the id as text: never 0 */
	uint32_t tvg_name_at; /* else the name: never 0 */
	uint32_t logo_at;
	uint32_t group_at;
	uint32_t number_at; /* channel_number as written, a text */
	uint32_t description_at;
	uint32_t program_feed_at;
	uint32_t programs_at; /* struct catalog_program[program_count], as listed */
	uint32_t program_count;
	uint32_t variants_at; /* struct catalog_variant[variant_count], as listed */
	uint32_t variant_count;
	uint32_t regions_allowed_at; /* char[2] upper case each, no NUL; 0 = no list */
	uint32_t regions_allowed_count;
	uint32_t regions_blocked_at;
	uint32_t regions_blocked_count;
	uint32_t unavailable_at; /* why it cannot play ("custom_ffmpeg ..."), 0 = it can */
	int64_t start_wall_us;	 /* schedule window; TIME_NONE = open */
	int64_t end_wall_us;
	uint64_t hash; /* of this entry's content; changes when anything here does */
};

#define CATALOG_CODEC_MAX 24u

struct catalog_variant {
	uint32_t name_at;
	uint32_t label_at; /* label, else the name in upper case */
	uint8_t form;
	uint8_t own_tuner; /* overrides more than the profile */
	uint8_t mp3;	   /* as CHANNEL_SOUND_MP3 */
	uint8_t pad;
	uint32_t unavailable_at;
	/* from its profile, for as long as it has not run; 0 = the profile does not say */
	uint32_t bps; /* picture and sound */
	uint32_t rate_milli;
	uint16_t width, height;
	/* as in CODECS, with a NUL; "" = as in its source, "-" = none, "?" = not known */
	char picture[CATALOG_CODEC_MAX], sound[CATALOG_CODEC_MAX];
};

struct catalog_program {
	uint32_t title_at;
	uint32_t start_at; /* as written, 0 = absent */
	uint32_t end_at;
	uint32_t description_at;
	int64_t start_wall_us; /* TIME_NONE when absent or unreadable */
	int64_t end_wall_us;
};

static_assert(sizeof(struct catalog_header) == 64, "layout of struct catalog_header");
static_assert(sizeof(struct catalog_settings) % 8 == 0, "the channels follow the settings");
static_assert(sizeof(struct catalog_channel) == 104, "layout of struct catalog_channel");
static_assert(sizeof(struct catalog_variant) == 76, "layout of struct catalog_variant");
static_assert(sizeof(struct catalog_program) == 32, "layout of struct catalog_program");

#endif
