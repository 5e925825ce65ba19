/* Any bytes as a DASH manifest; what it lists as playlists. */
#include "amps-transcoder/source/mpd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT;
	const char *problem;
	struct mpd *m;

	if (mpd_parse((const char *)data, size, "http://host/a/b.mpd", 1700000000000000ll, &m,
		      &problem) < 0)
		return 0;
	mpd_master(m, "x:", &text);
	for (unsigned i = 0; i < m->track_count; i++)
		mpd_playlist(m, &m->tracks[i], 7, &text);
	buf_done(&text);
	mpd_free(m);
	return 0;
}
