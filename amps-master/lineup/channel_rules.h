/* channel_rules.h - what a channel's definition means: its profile, its form, whether this version
 * can play it.  Pure functions over the model's trees (model.h), shared by catalog and line-up. */
#ifndef AMPS_CHANNEL_RULES_H
#define AMPS_CHANNEL_RULES_H

#include <jansson.h>
#include "amps-master/lineup/schedule.h"
#include "common/base.h"
#include "common/limits.h"
#include "common/shm/catalog_layout.h"

/* One channel of the line-up as the database has it. */
struct channel_entry {
	uint32_t id;
	bool scheduled;
	json_t *definition; /* owned by the maker of the entry */
};

/* Puts the built-in profile `copy` beside those of the file, unless one has that name.  0 or
 * -ENOMEM.
 */
must_check int channel_profiles_complete(json_t *settings);

/* The channel as this variant sees it: its definition with the variant's overrides in place.  New
 * reference; NULL without memory. */
json_t *channel_with_variant(const json_t *entry, const json_t *variant);

/* The channel with this item of `sources` as its only source: what the item does not say is as the
 * channel has it.  New reference; NULL without memory. */
json_t *channel_with_source(const json_t *entry, const json_t *item);

/* Does the variant override more than the profile? */
bool channel_variant_own_tuner(const json_t *variant);

/* The form a playlist points to; what the channel says takes precedence over the profile
 * (may be NULL). */
enum form channel_form(const json_t *entry, const json_t *profile);

/* Does the channel play what a command writes? */
bool channel_has_command(const json_t *entry);

/* Is the source libavfilter's generator? */
bool channel_is_lavfi(const json_t *entry);

/* How a variant is cut into segments. */
struct channel_segments {
	uint32_t segment_ms; /* least duration */
	uint32_t dash_ms;    /* listed in a manifest of DASH */
	uint32_t window_ms;  /* listed anywhere */
	uint32_t keep_ms;    /* files stay so long behind the window */
	uint32_t key_ms;     /* access points are never further apart; 0 = they may be anywhere */
	uint16_t part_ms;    /* longest part of a segment of CMAF */
	uint8_t track;	     /* number of the variant as listed, 0 = the channel itself */
	bool independent;    /* each begins with an access point, whatever the source does */
};

/* The profile's keys of segmenters win over the settings. */
struct channel_segments channel_segments(const json_t *settings, const json_t *profile,
					 uint32_t track);

/* The hardware that the pictures are made on, {"type":...,"device":...,"fallback":...}: the
 * channel's, else the profile's.  New reference; NULL: neither says, or no memory. */
json_t *channel_hwaccel(const json_t *entry, const json_t *profile);

/* A channel as itself, or as one of its variants sees it. */
struct channel_view {
	const char *name; /* "" = the channel itself */
	char scratch[32]; /* a name that is written as a number */
	const json_t *variant;
	json_t *entry;	  /* owned: the definition with the variant's overrides in place */
	json_t *encoding; /* owned: the profile of its outputs, `copy` for a plain command */
	/* owned: [{"entry":{...}, "command":{...}}, ...], at least one, in the order in which they
	 * are tried: the definition with one source, and its command if it has one
	 * (command_spec.h). If it is unavailable, there is one without a command. */
	json_t *sources;
	enum form form;
	bool audio_only, own_tuner;
	char unavailable[ERROR_TEXT_MAX]; /* why it cannot play, "" = it can */
};

/* All of them: the channel itself first, then its variants with a usable name, as listed. */
struct channel_views {
	struct channel_view views[1 + VARIANTS_MAX];
	size_t count;
};

/* `id` is the channel's.  Borrows from both trees.  0, or -ENOMEM (then there is nothing to free).
 */
must_check int channel_views_make(const json_t *settings, uint32_t id, json_t *definition,
				  struct channel_views *ret);
void channel_views_done(struct channel_views *v);

/* Why `interface` or `proxy` (the key) has no effect on this source, as a sentence in `text`.
 * Returns false if it has one. */
bool channel_way_wrong(const char *key, const char *source, char *text, size_t cap);

/* The options with which an entry's source is opened, as options_list() makes them: those of its
 * own keys (interface, proxy), then input_options.  The list is the caller's; NULL when there is
 * no memory. */
must_check json_t *channel_input_options(const json_t *entry);

/* The entry's source: text, or {"pair": [text, text], "window_ms": 200}, two RTP legs of one feed;
 * this is its first.  As json_read_text(). */
const char *channel_source(const json_t *entry, char scratch[32]);

/* The second leg of a pair, and how long it is waited for; NULL if the source is no pair. */
const char *channel_source_pair(const json_t *entry, uint32_t *ret_window_ms);

/* Is the source a pair that something else would have to open? */
#define CHANNEL_PAIR_RULE "a pair is received as it is: not by yt-dlp, lavfi or a command"
bool channel_pair_wrong(const json_t *entry);

/* Why a source of this name cannot be played, as a sentence in `text`.  Returns false if it can
 * be. */
bool channel_source_wrong(const char *source, char *text, size_t cap);

/* Does the profile name codecs, and all of them `copy`? */
bool channel_profile_copies(const json_t *profile);

/* Does the profile pass the source on unchanged? */
bool channel_profile_plain(const json_t *profile, bool audio_only);

/* The profile's options for the derive job, [[name, value or null], ...]: without the keys that are
 * Amps' own or its segmenters', with ffmpeg-python's bitrate names translated.  New reference. */
json_t *channel_profile_options(const json_t *profile, bool audio_only);

/* The same for the sound alone: what the profile says of codec, bit rate, channels, sample rate,
 * filters and streams of sound, and nothing else, so that profiles that only differ in the picture
 * make the same sound. */
json_t *channel_sound_options(const json_t *profile);

/* Is that sound MP3?  Else it is AAC. */
bool channel_sound_is_mp3(const json_t *profile);

#endif
