/* source_tls.h - TLS connections of a source check the other side's certificate.
 *
 * libav checks none unless told to.  Ours are checked against the system's authorities;
 * `tls_verify: 0` in input_options turns that off, `ca_file` names other authorities. */
#ifndef AMPS_SOURCE_TLS_H
#define AMPS_SOURCE_TLS_H

#include <libavutil/dict.h>
#include "common/base.h"

/* Adds the operator's TLS options to *d and what they left open.  Options in *d stay. */
void source_tls_options(AVDictionary **d, const AVDictionary *operators);

/* True for the names of options whose value is a file to be read (a job's sandbox must know). */
bool source_tls_names_file(const char *option);

#endif
