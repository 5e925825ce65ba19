/* format.h - formats values of the server's JSON for display.  Each function writes into the
 * caller's buffer of FORMAT_MAX bytes and returns it; a missing or null value gives "". */
#ifndef AMPS_CLI_FORMAT_H
#define AMPS_CLI_FORMAT_H

#include <jansson.h>
#include "common/base.h"

#define FORMAT_MAX 512

const char *format_text(const json_t *value, char *dst);     /* strings, numbers, lists "a,b" */
const char *format_bytes(const json_t *value, char *dst);    /* "12.3 MB" */
const char *format_bitrate(const json_t *value, char *dst);  /* bit/s: "8.0 Mbit/s" */
const char *format_duration(const json_t *value, char *dst); /* seconds: "3d 04:05:06" */
const char *format_seconds(const json_t *value, char *dst);  /* CPU seconds: "12.3 s" */
const char *format_time(const json_t *value, char *dst);     /* epoch seconds or text: local time */

#endif
