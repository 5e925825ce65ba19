/* config_check_parts.h - declarations that the files of the checker share.  Private to them. */
#ifndef AMPS_CONFIG_CHECK_PARTS_H
#define AMPS_CONFIG_CHECK_PARTS_H

#include "amps-master/config/value.h"

/* config_check_server.c: the sections about the server itself. */
extern const struct section config_check_server, config_check_auth, config_check_streaming,
	config_check_hls, config_check_dash, config_check_epg, config_check_limits,
	config_check_region, config_check_hooks;
extern const struct field config_check_new_token;
json_t *config_check_plugins(struct check *c, const struct field *f, const struct spot *at);

/* config_check_profile.c */
extern const char *const config_check_forms[]; /* choices of output_format */
extern const struct section config_check_profiles;
extern const struct section config_check_hwaccel;
const char *config_check_type(const char *text); /* section.alone: the key "type" */

/* Reports the name at `at`[ffmpeg_profile] if it is unknown. */
void config_check_profile_name(struct check *c, const struct spot *at,
			       enum problem_severity severity);

/* config_check_command.c */
json_t *config_check_command(struct check *c, const struct field *f, const struct spot *at);

/* config_check_input.c: a source and how it is opened. */
extern const struct section config_check_inputs;    /* the base of what has a source */
extern const struct field config_check_source_item; /* of `sources` */

/* Checks input_options and input_args of the mapping `at`, already read into `out`, for `source`
 * ("" = unknown). */
void config_check_input(struct check *c, const struct spot *at, const json_t *out,
			const char *source);

/* config_check_guide.c: regions and programmes. */
json_t *config_check_regions(struct check *c, const struct field *f, const struct spot *at);
extern const struct field config_check_programme;

/* False if the schedule of an entry is invalid and the entry must be left out; reports why. */
bool config_check_window(struct check *c, const struct spot *at, const json_t *out);
extern const struct section config_check_schedule;

/* config_check_stream.c: one entry of `streams` and of `scheduled_streams`. */
extern const struct field config_check_stream, config_check_scheduled;

#endif
