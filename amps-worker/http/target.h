/* target.h - the request target and the host of a request head (RFC 9112 section 3.2,
 * RFC 3986).  Part of the head parser; pure, spans of the caller's bytes. */
#ifndef AMPS_HTTP_TARGET_H
#define AMPS_HTTP_TARGET_H

#include "amps-worker/http/parse.h"

/* Splits an origin-form or absolute-form target into ret->path, ret->query and, for the absolute
 * form, ret->host; "*" is a path where ret->method is OPTIONS.  NULL, or a static sentence that
 * says what is wrong. */
const char *http_target_parse(struct span target, struct http_request *ret);

/* A host with an optional port, as it may stand in a Host field and in links made from it: a name
 * of letters, digits, '-', '.' and '_', or an IPv6 address in brackets. */
bool http_host_valid(struct span host);

#endif
