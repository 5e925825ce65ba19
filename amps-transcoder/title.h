/* title.h - the name that ps shows for this process. */
#ifndef AMPS_TITLE_H
#define AMPS_TITLE_H

#include "common/base.h"

/* The argv area, to be overwritten with a title. */
struct title {
	char *area;
	size_t bytes;
};

/* From main's arguments, before anything keeps pointers into them; moves environ away. */
void title_init(struct title *t, int argc, char **argv);
void title_set(struct title *t, const char *format, ...) printf_like(2, 3);

#endif
