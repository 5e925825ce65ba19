/* web.h - gets one document over HTTP, or sends some. */
#ifndef AMPS_WEB_H
#define AMPS_WEB_H

#include "common/base.h"

#define WEB_TAG_MAX 256

struct web {
	const char *url; /* borrowed, as the other texts */
	uint64_t limit;	 /* bytes of the document, decoded */
	int seconds;
	const char *etag, *modified; /* of what we have; NULL = nothing */
	bool allow_private; /* a redirect may lead inside (common/address.h) from outside, too */
	/* Takes the document, piece by piece.  0, or -Exxx, with the reason in `reason`, "" = that
	 * of the number. */
	int (*take)(void *owner, const char *bytes, size_t n, char *reason, size_t cap);
	void *owner;

	/* the result */
	bool unchanged; /* it is what we have: nothing was taken */
	char got_etag[WEB_TAG_MAX], got_modified[WEB_TAG_MAX]; /* "" = none */
};

/* 0, or -Exxx and the reason: one line without secrets. */
must_check int web_get(struct web *w, char *reason, size_t cap);

struct web_post;

/* A receiver of JSON: http or https, no redirects, certificates are checked.  `url` is borrowed.  0
 * or -ENOMEM. */
must_check int web_post_new(const char *url, int seconds, struct web_post **ret);
void web_post_free(struct web_post *p);

/* Sends one text; the connection is kept for the next.  0 (the answer is 2xx), or -Exxx and the
 * reason: one line without secrets. */
must_check int web_post(struct web_post *p, const char *json, char *reason, size_t cap);

#endif
