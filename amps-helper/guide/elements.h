/* elements.h - the elements of a programme in XMLTV's DTD: which are kept, with which
 * attributes, and in which order they are written. */
#ifndef AMPS_GUIDE_ELEMENTS_H
#define AMPS_GUIDE_ELEMENTS_H

#include "common/base.h"

enum guide_content { CONTENT_TEXT, CONTENT_TEXT_NEEDED, CONTENT_EMPTY, CONTENT_ELEMENTS };

struct guide_element {
	const char *name;
	const char *parent; /* "programme", or an element of it */
	enum guide_content content;
	bool once;		/* only the first counts */
	bool needed;		/* its parent is nothing without it */
	const char *attributes; /* names, each with a space behind it */
	const char *needs;	/* an attribute without which it is left out, or NULL */
};

#define GUIDE_ELEMENT_TITLE 0u /* numbers of the table, which is in the order of the DTD */
#define GUIDE_ELEMENT_DESC  2u

/* The number of the element, or -1: it is not kept. */
int guide_element_find(const char *name, const char *parent);
const struct guide_element *guide_element_at(int number);

#endif
