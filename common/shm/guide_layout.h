/* guide_layout.h - the map of the guide: the snapshot (snapshot.h) of imported programmes, and the
 * files in the state folder that hold those of one source.
 *
 *	offset 0             struct guide_header
 *	...                  XMLTV: of each channel its <programme> elements, by time
 *	...                  the same, packed: of each channel raw deflate blocks (RFC 1951) that
 *	                     end at a byte and refer to nothing before them
 *	...                  struct guide_programme[] of each channel, in the order of its elements
 *	header.channels_at   struct guide_channel[channel_count], sorted by id_hash
 *	header.report_at     JSON: where it is from and what matched; in files only
 *
 * A channel here is a guide id of the line-up (a catalog_channel's tvg_id).  No pointers: every
 * `..._at` is a byte offset from the start, those of structs 8-byte aligned.
 * W: amps-helper, then the master (several sources become one), before sealing.  Readers: master,
 * workers. */
#ifndef AMPS_GUIDE_LAYOUT_H
#define AMPS_GUIDE_LAYOUT_H

#include <assert.h>
#include "common/shm/snapshot.h"

#define GUIDE_MAGIC   0x4544495547534121ull
#define GUIDE_VERSION 1u

struct guide_header {
	struct snapshot_header snapshot;
	uint64_t channels_at;
	uint32_t channel_count;
	uint32_t programme_count;
	uint64_t report_at;
	uint64_t report_bytes; /* 0: there is none */
	uint64_t pad[2];
};

struct guide_channel {
	uint64_t id_hash; /* guide_id_hash() */
	uint64_t xml_at;
	uint64_t xml_bytes;
	uint64_t packed_at;
	uint64_t programmes_at;
	uint32_t packed_bytes;
	uint32_t crc; /* of the XML, as in gzip */
	uint32_t programme_count;
	uint32_t pad;
};

/* Texts are as they are in the XML, escaped; offsets are from the channel's xml_at, and from the
 * programme's own beginning. */
struct guide_programme {
	uint32_t start_s; /* since 1970 */
	uint32_t end_s;	  /* behind the start, and not behind the next one's */
	uint32_t xml_at;
	uint16_t title_at, title_bytes;
	uint16_t desc_at, desc_bytes; /* 0, 0: there is none */
};

static_assert(sizeof(struct guide_header) == 80, "layout of struct guide_header");
static_assert(sizeof(struct guide_channel) == 56, "layout of struct guide_channel");
static_assert(sizeof(struct guide_programme) == 20, "layout of struct guide_programme");

#endif
