/* source_ops.c - the ways to reach a source, a row a way.  The rest (what the first bytes are,
 * options, libav's demuxer on top of the connection, why it ended) is the same for all, source.c.
 */
#include "amps-transcoder/source/source.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "amps-transcoder/options/url.h"
#include "amps-transcoder/ts/align.h"

/* ---------- files, pipes and devices ---------- */

static int file_open(struct source *s)
{
	struct stat st;
	ssize_t n = 0;

	s->fd = open(url_file_path(s->url), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	s->live = !S_ISREG(st.st_mode);
	if (s->live)
		return source_fill_head(s);
	s->size = st.st_size;
	n = pread(s->fd, s->head, sizeof(s->head), 0);
	if (n < 0)
		return -errno;
	s->is_ts = ts_align_probe(s->head, (size_t)n);
	return 0;
}

static int file_read(struct source *s, uint8_t *dst, size_t cap)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	ssize_t n;

	if (s->live && poll(&p, 1, job_read_ms(s->job)) <= 0)
		return AVERROR(EAGAIN);
	n = read(s->fd, dst, cap);
	/* a DVB device reports an overflow once and continues */
	if (n < 0 && errno == EOVERFLOW)
		return AVERROR(EAGAIN);
	return n < 0 ? AVERROR(errno) : (int)n;
}

static int file_rewind(struct source *s)
{
	return lseek(s->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/* A pipe cannot be opened twice. */
static AVIOContext *file_avio(struct source *s)
{
	return s->live ? source_own_avio(s) : NULL;
}

static void file_close(struct source *s)
{
	close_fd(&s->fd);
}

static const struct source_ops file_ops = {.gives = SOURCE_BYTES,
					   .local = true,
					   .open = file_open,
					   .read = file_read,
					   .rewind = file_rewind,
					   .avio = file_avio,
					   .close = file_close};

/* ---------- UDP and RTP ---------- */

/* The socket is open, `left` are the options that it did not take. */
static int datagrams_opened(struct source *s, AVDictionary *left)
{
	av_dict_free(&s->left);
	s->left = left;
	s->live = true;
	s->is_ts = true;
	return 0;
}

static int udp_source_open(struct source *s)
{
	AVDictionary *left = NULL;
	int r = udp_open(&s->udp, s->url, s->options.libav, &left);

	return r < 0 ? r : datagrams_opened(s, left);
}

static int udp_source_read(struct source *s, uint8_t *dst, size_t cap)
{
	ssize_t n = udp_read(&s->udp, dst, cap, job_read_ms(s->job));

	return n ? (int)n : AVERROR(EAGAIN);
}

static void udp_source_close(struct source *s)
{
	udp_close(&s->udp);
}

static const struct source_ops udp_ops = {.gives = SOURCE_BYTES,
					  .datagrams = true,
					  .protocol = true,
					  .open = udp_source_open,
					  .read = udp_source_read,
					  .avio = source_own_avio,
					  .close = udp_source_close};

static int pair_source_open(struct source *s)
{
	const char *const urls[RTP_LEGS] = {s->url, s->pair};
	uint64_t window_ms = (uint64_t)job_spec_int(s->job, "window_ms", PAIR_WINDOW_MS);
	AVDictionary *left = NULL;
	int r = udp_pair_open(urls, window_ms * 1000, s->options.libav, &left, &s->legs);

	return r < 0 ? r : datagrams_opened(s, left);
}

static int pair_source_read(struct source *s, uint8_t *dst, size_t cap)
{
	ssize_t n = udp_pair_read(s->legs, dst, cap, job_read_ms(s->job));

	return n ? (int)n : AVERROR(EAGAIN);
}

static void pair_source_close(struct source *s)
{
	s->legs = udp_pair_close(s->legs);
}

static const struct source_ops pair_ops = {.gives = SOURCE_BYTES,
					   .datagrams = true,
					   .protocol = true,
					   .open = pair_source_open,
					   .read = pair_source_read,
					   .avio = source_own_avio,
					   .close = pair_source_close};

/* ---------- a command ---------- */

static int command_source_open(struct source *s)
{
	int r = command_open(&s->command, s->job);

	if (r < 0)
		return r;
	s->live = true;
	return source_fill_head(s);
}

static int command_source_read(struct source *s, uint8_t *dst, size_t cap)
{
	return command_read(&s->command, dst, cap, job_read_ms(s->job));
}

static void command_source_close(struct source *s)
{
	command_close(&s->command);
}

static const struct source_ops command_ops = {.gives = SOURCE_BYTES,
					      .open = command_source_open,
					      .read = command_source_read,
					      .avio = source_own_avio,
					      .close = command_source_close};

/* ---------- libav's protocols ---------- */

static int avio_source_open(struct source *s)
{
	AVDictionary *d = source_libav_options(s);
	AVIOInterruptCB interrupt = source_interrupt(s);
	int r = avio_open2(&s->avio, s->url, AVIO_FLAG_READ, &interrupt, &d);

	av_dict_free(&s->left);
	s->left = d;
	if (r < 0)
		return source_why_ended(s, r);
	s->size = avio_size(s->avio);
	s->live = s->size <= 0;
	return source_fill_head(s);
}

static int avio_source_read(struct source *s, uint8_t *dst, size_t cap)
{
	int n = avio_read_partial(s->avio, dst, (int)cap);

	if (n == AVERROR_EOF || (n == 0 && avio_feof(s->avio)))
		return 0;
	return n ? n : AVERROR(EAGAIN);
}

static void avio_source_close(struct source *s)
{
	playlist_watch_remove(&s->playlists, s->avio);
	avio_closep(&s->avio);
}

static int avio_source_rewind(struct source *s)
{
	s->head_at = s->head_len = 0;
	if (avio_seek(s->avio, 0, SEEK_SET) == 0)
		return 0;
	avio_source_close(s);
	return avio_source_open(s);
}

static AVIOContext *avio_source_avio(struct source *s)
{
	if (avio_seek(s->avio, 0, SEEK_SET) == 0)
		return s->avio;
	avio_source_close(s);
	av_dict_free(&s->left);
	return NULL;
}

static const struct source_ops avio_ops = {.gives = SOURCE_BYTES,
					   .protocol = true,
					   .open = avio_source_open,
					   .read = avio_source_read,
					   .rewind = avio_source_rewind,
					   .avio = avio_source_avio,
					   .close = avio_source_close};

/* ---------- what gives no bytes ---------- */

static const struct source_ops demuxer_ops = {.gives = SOURCE_PACKETS};
static const struct source_ops lavfi_ops = {.gives = SOURCE_FRAMES};

const struct source_ops *source_ops_of(const struct source *s)
{
	static const struct {
		const char *scheme;
		const struct source_ops *ops;
	} rows[] = {
		{"file", &file_ops},	{"udp", &udp_ops},	 {"rtp", &udp_ops},
		{"rtsp", &demuxer_ops}, {"rtsps", &demuxer_ops}, {"sdp", &demuxer_ops},
	};

	if (s->job->keeper >= 0)
		return &command_ops;
	if (s->pair)
		return &pair_ops;
	if (!strcmp(s->options.format, "lavfi"))
		return &lavfi_ops;
	for (size_t i = 0; i < array_size(rows); i++)
		if (!strcmp(s->scheme, rows[i].scheme))
			return rows[i].ops;
	return &avio_ops;
}
