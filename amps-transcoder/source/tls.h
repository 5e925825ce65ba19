/* tls.h - TLS connections of a source check the other side's certificate.
 *
 * libav checks certificates only if an option says so, and some demuxers (DASH) open URLs of a
 * manifest without our options.  So we change the defaults of the TLS protocol: our
 * av_opt_set_defaults() in the executable overrides that of libavutil.  Certificates are checked
 * against the system's authorities; `tls_verify: 0` in input_options turns that off, `ca_file`
 * names other authorities. */
#ifndef AMPS_SOURCE_TLS_H
#define AMPS_SOURCE_TLS_H

#include <libavutil/dict.h>
#include "common/base.h"

/* From now on every TLS connection of libav starts with the operator's TLS options, and with ours
 * for the rest.  Global to the process, like guard_set(). */
void source_tls_set(const AVDictionary *operators);
void source_tls_clear(void);

/* True for the names of options whose value is a file to be read (a job's sandbox must know). */
bool source_tls_names_file(const char *option);

#endif
