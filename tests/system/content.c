/* content.c - `content FILE...`: what the watch of `watch: content` finds in these files, faster
 * than real time.  Prints a line for each change of its verdict (the file, the second, the
 * verdict), and one at the end of each file: its length, and "end", or "unseen" if no picture was
 * decoded. */
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>

#include "amps-transcoder/content/content.h"
#include "common/clock.h"

static const char *name_of(enum content_fault fault)
{
	switch (fault) {
	case CONTENT_BLACK:
		return "black";
	case CONTENT_FROZEN:
		return "frozen";
	case CONTENT_SILENT:
		return "silent";
	default:
		return "good";
	}
}

/* False: it cannot be read. */
static bool judge_file(const char *path, AVPacket *packet)
{
	enum content_fault last = CONTENT_GOOD, now;
	AVFormatContext *ic = NULL;
	int64_t first = AV_NOPTS_VALUE;
	struct content c;
	double at = 0;

	if (content_init(&c) < 0)
		return false;
	if (avformat_open_input(&ic, path, NULL, NULL) < 0) {
		content_done(&c);
		return false;
	}
	while (av_read_frame(ic, packet) >= 0) {
		content_packet(&c, ic, packet);
		if (packet->dts != AV_NOPTS_VALUE) {
			first = first == AV_NOPTS_VALUE ? packet->dts : first;
			at = (double)(packet->dts - first) / CONTENT_HZ;
		}
		av_packet_unref(packet);
		now = content_judge_verdict(&c.judge);
		if (now != last)
			printf("%s %.2f %s\n", path, at, name_of(now));
		last = now;
	}
	printf("%s %.2f %s\n", path, at, c.judge.looked_90k == TIME_NONE ? "unseen" : "end");
	avformat_close_input(&ic);
	content_done(&c);
	return true;
}

int main(int argc, char **argv)
{
	AVPacket *packet = av_packet_alloc();
	bool good = packet && argc > 1;

	for (int i = 1; good && i < argc; i++)
		good = judge_file(argv[i], packet);
	av_packet_free(&packet);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
