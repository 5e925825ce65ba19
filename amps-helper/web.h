/* web.h - gets one document over HTTP. */
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

#endif
