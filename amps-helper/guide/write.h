/* write.h - writes what an import has kept as a file of guide_layout.h. */
#ifndef AMPS_GUIDE_WRITE_H
#define AMPS_GUIDE_WRITE_H

#include "amps-helper/guide/match.h"
#include "amps-helper/guide/spool.h"

/* `match` is resolved, `spool` finished.  `report` gets the members "programmes" and "matches" and
 * is written, too.  Reads from and writes to `fd`, an empty file.  0 or -Exxx. */
must_check int guide_write(const struct guide_match *match, const struct guide_spool *spool,
			   json_t *report, int fd);

#endif
