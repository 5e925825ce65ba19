/* guide_now.h - what is on and what is next, for `amps list --now`.
 *
 * Made by a thread, and kept until there is another guide or line-up, or until the first full
 * minute by which a programme has ended or begun. */
#ifndef AMPS_GUIDE_NOW_H
#define AMPS_GUIDE_NOW_H

#include <event2/event.h>
#include "amps-master/guide/guide_files.h"

struct guide_now;

/* Takes nothing; `text` is borrowed for the call, fd -1 = it cannot be made. */
typedef void (*guide_now_fn)(void *owner, uint64_t ticket, const struct guide_text_file *text);

/* 0 or -Exxx. */
must_check int guide_now_new(struct event_base *base, guide_now_fn answer, void *owner,
			     struct guide_now **ret);
struct guide_now *guide_now_free(struct guide_now *n); /* returns NULL; accepts NULL */

/* Copies the descriptors.  From now on the answers are of these; fd -1 = there is none. */
void guide_now_follow_catalog(struct guide_now *n, const struct guide_catalog *c);
void guide_now_follow_guide(struct guide_now *n, const struct published *guide);

/* Answers once, at once or later; never after guide_now_free(). */
void guide_now_ask(struct guide_now *n, uint64_t ticket);

#endif
