/* derive_harness.h - the master's side of a derive job or a job in both roles, for tests: a child
 * process runs the role itself, rings are made and filled here, outputs are read back with
 * libavformat. */
#ifndef DERIVE_HARNESS_H
#define DERIVE_HARNESS_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "media_file.h"

#include "amps-transcoder/av/log.h"
#include "amps-transcoder/roles/roles.h"
#include "amps-transcoder/ts/parse.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/shm/ring.h"
#include "common/shm/ring_writer.h"
#include "common/shm/shm.h"

#define RIG_OUTPUTS_MAX 4
#define RIG_PATIENCE_US 120000000u /* a condition that is not true by then never will be */

/* One output as the master sees it. */
struct rig_output {
	int fd;
	uint64_t bytes, generation, asked_us, running_us;
	struct ring ring;
	bool mapped, running;
};

struct rig {
	int socket;
	pid_t pid;
	struct rig_output outputs[RIG_OUTPUTS_MAX];
	bool ended, failed, output_failed, told;
	bool slow; /* it has reported that it skips */
	uint32_t status;
	char text[ERROR_TEXT_MAX];
	/* the source ring */
	int source_fd;
	struct ring_writer source;
	struct ts_parse parse;
	uint64_t source_generation;
};

static inline void rig_start(struct rig *rig, int (*role)(struct job *), const char *spec)
{
	int pair[2];

	memset(rig, 0, sizeof(*rig));
	rig->source_fd = -1;
	cr_assert_eq(msg_socketpair(pair), 0);
	rig->socket = pair[0];
	rig->pid = fork();
	if (rig->pid == 0) {
		static struct job job;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		log_init("job", getenv("TEST_DEBUG") ? LOG_DEBUG : LOG_ERROR, false);
		av_log_install();
		job.socket = pair[1];
		job.keeper = -1;
		job.continue_90k = TIME_NONE;
		job.spec = json_loads(spec, 0, NULL);
		snprintf(job.key, sizeof(job.key), "5");
		exit(role(&job));
	}
	close(pair[1]);
}

static inline void rig_hear(struct rig *rig, struct msg *m)
{
	struct msg_job_mapped mapped;
	struct msg_job_running running;
	struct msg_job_output_failed output;
	struct msg_job_slow slow;
	struct msg_job_failed failed;

	if (m->type == MSG_JOB_MAPPED && msg_decode_job_mapped(m->bytes, m->len, &mapped) == 0) {
		struct rig_output *o = &rig->outputs[mapped.output];

		if (mapped.generation == o->generation && !o->mapped) {
			cr_assert_eq(shm_seal_writer(o->fd), 0);
			cr_assert_eq(ring_open(&o->ring, o->fd, o->bytes, TS_PACKET), 0);
			o->mapped = true;
		}
	}
	if (m->type == MSG_JOB_RUNNING && msg_decode_job_running(m->bytes, m->len, &running) == 0 &&
	    rig->outputs[running.output].generation == running.generation) {
		rig->outputs[running.output].running = true;
		rig->outputs[running.output].running_us = clock_mono_us();
	}
	rig->told |= m->type == MSG_JOB_SOURCE;
	rig->ended |= m->type == MSG_JOB_ENDED;
	if (m->type == MSG_JOB_SLOW && msg_decode_job_slow(m->bytes, m->len, &slow) == 0)
		rig->slow |= slow.slow != 0;
	if (m->type == MSG_JOB_OUTPUT_FAILED &&
	    msg_decode_job_output_failed(m->bytes, m->len, &output) == 0) {
		rig->output_failed = true;
		rig->status = output.status;
		snprintf(rig->text, sizeof(rig->text), "%s", output.text);
	}
	if (m->type == MSG_JOB_FAILED && msg_decode_job_failed(m->bytes, m->len, &failed) == 0) {
		rig->failed = true;
		rig->status = failed.status;
		snprintf(rig->text, sizeof(rig->text), "%s", failed.text);
	}
}

/* Listens until *what is true, the job has exited, or the time is over. */
static inline bool rig_await_until(struct rig *rig, const bool *what, uint64_t end_us)
{
	static struct msg m;

	while (!*what && clock_mono_us() < end_us) {
		struct pollfd p = {.fd = rig->socket, .events = POLLIN};
		int left = (int)((end_us - clock_mono_us()) / 1000) + 1;

		if (poll(&p, 1, left) <= 0 || msg_receive(rig->socket, &m) < 0)
			break;
		rig_hear(rig, &m);
		msg_done(&m);
	}
	return *what;
}

static inline bool rig_await(struct rig *rig, const bool *what)
{
	return rig_await_until(rig, what, clock_mono_us() + RIG_PATIENCE_US);
}

static inline void rig_listen(struct rig *rig, unsigned ms)
{
	bool never = false;

	rig_await_until(rig, &never, clock_mono_us() + ms * 1000ull);
}

static inline void rig_output_on(struct rig *rig, uint32_t id, const char *options, uint64_t bytes,
				 int64_t continue_90k)
{
	struct rig_output *o = &rig->outputs[id];
	uint64_t generation = o->generation + 1;
	char spec[2048];
	struct msg_job_output m = {.output = id,
				   .generation = generation,
				   .data_bytes = bytes,
				   .continue_90k = continue_90k,
				   .spec = spec};

	ring_close(&o->ring);
	*o = (struct rig_output){.fd = ring_create("out", bytes, generation),
				 .bytes = bytes,
				 .generation = generation,
				 .asked_us = clock_mono_us()};
	cr_assert_geq(o->fd, 0);
	snprintf(spec, sizeof(spec), "{\"options\":[%s]}", options);
	cr_assert_eq(msg_send_job_output(rig->socket, &m, &o->fd), 0);
}

static inline void rig_output_off(struct rig *rig, uint32_t id)
{
	struct msg_job_output_off m = {.output = id};

	cr_assert_eq(msg_send_job_output_off(rig->socket, &m, NULL), 0);
}

/* A new source ring, empty, handed to the job. */
static inline void rig_source(struct rig *rig, uint64_t bytes, bool same_job)
{
	struct msg_job_source_ring m = {.generation = ++rig->source_generation,
					.data_bytes = bytes,
					.unit_bytes = TS_PACKET,
					.same_job = same_job};

	ring_writer_close(&rig->source);
	close_fd(&rig->source_fd);
	rig->source_fd = ring_create("source", bytes, rig->source_generation);
	cr_assert_geq(rig->source_fd, 0);
	cr_assert_eq(ring_writer_open(&rig->source, rig->source_fd, bytes), 0);
	cr_assert_eq(shm_seal_writer(rig->source_fd), 0);
	if (!same_job)
		ts_parse_init(&rig->parse);
	cr_assert_eq(msg_send_job_source_ring(rig->socket, &m, &rig->source_fd), 0);
}

/* Puts packets into the source ring. */
static inline void rig_feed(struct rig *rig, const uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at + TS_PACKET <= n; at += TS_PACKET) {
		uint64_t pos = rig->source.commit;
		struct ts_rap rap;
		struct ring_rap slot;
		unsigned saw;

		ring_writer_append(&rig->source, bytes + at, TS_PACKET);
		saw = ts_parse_packet(&rig->parse, bytes + at, pos, &rap);
		if (saw & TS_SAW_RAP) {
			ts_rap_pack(&rap, &slot);
			ring_writer_add_rap(&rig->source, &slot);
		}
	}
	ring_writer_heartbeat(&rig->source, clock_mono_us());
}

static inline int rig_stop(struct rig *rig)
{
	int status = 0, r;

	r = msg_send_shutdown(rig->socket, &(struct msg_shutdown){}, NULL);
	cr_assert(r == 0 || r == -EPIPE);
	waitpid(rig->pid, &status, 0);
	close(rig->socket);
	for (size_t i = 0; i < RIG_OUTPUTS_MAX; i++)
		ring_close(&rig->outputs[i].ring);
	ring_writer_close(&rig->source);
	close_fd(&rig->source_fd);
	return status;
}

/* Waits until an output's frontier has come to `ticks` beyond its first access point. */
static inline bool rig_await_media(struct rig *rig, uint32_t id, int64_t ticks)
{
	struct rig_output *o = &rig->outputs[id];
	uint64_t end_us = clock_mono_us() + RIG_PATIENCE_US;

	while (clock_mono_us() < end_us && !rig->failed) {
		struct ring_rap rap;

		if (o->mapped && ring_oldest_rap(&o->ring, 0, &rap) == 0 &&
		    ring_frontier_90k(&o->ring) >= rap.pts_90k + ticks)
			return true;
		rig_listen(rig, 10);
	}
	return false;
}

/* What a player would find in an output's ring. */
struct seen {
	unsigned frames, packets[2], cc_errors, backward, keys;
	int64_t key_pts[512], first_pts[2], last_pts[2];
	int width, height, sample_rate;
	AVRational rate;
	uint64_t bytes;
};

static inline unsigned count_cc_errors(const uint8_t *bytes, size_t n)
{
	static uint8_t last[8192];
	unsigned errors = 0;

	memset(last, 0xff, sizeof(last));
	for (size_t at = 0; at + TS_PACKET <= n; at += TS_PACKET) {
		const uint8_t *p = bytes + at;
		unsigned pid = ts_pid(p), cc = p[3] & 15u;

		cr_assert_eq(p[0], 0x47);
		if (!ts_has_payload(p) || pid == 0x1fff)
			continue;
		if (last[pid] != 0xff && cc != ((last[pid] + 1u) & 15u) &&
		    !(ts_adaptation_flags(p) & TS_FLAG_DISCONTINUITY))
			errors++;
		last[pid] = (uint8_t)cc;
	}
	return errors;
}

struct bytes {
	const uint8_t *at;
	size_t left;
};

static inline int read_bytes(void *opaque, uint8_t *dst, int cap)
{
	struct bytes *b = opaque;
	size_t n = MIN((size_t)cap, b->left);

	if (n == 0)
		return AVERROR_EOF;
	memcpy(dst, b->at, n);
	b->at += n;
	b->left -= n;
	return (int)n;
}

static inline void see_packet(struct seen *s, const AVStream *stream, const AVPacket *p,
			      int64_t *last_dts)
{
	int kind = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? 0 : 1;

	if (s->packets[kind]++ == 0)
		s->first_pts[kind] = p->pts;
	s->last_pts[kind] = MAX(s->last_pts[kind], p->pts);
	if (last_dts[p->stream_index] != AV_NOPTS_VALUE && p->dts <= last_dts[p->stream_index])
		s->backward++;
	last_dts[p->stream_index] = p->dts;
	if (kind == 0 && (p->flags & AV_PKT_FLAG_KEY) && s->keys < array_size(s->key_pts))
		s->key_pts[s->keys++] = p->pts;
}

/* Demuxes and decodes all that an output's ring holds from its oldest access point on.  While its
 * job still writes, the last picture may be cut off; no other may be damaged. */
static inline void rig_see(struct rig *rig, uint32_t id, struct seen *s)
{
	const struct ring *ring = &rig->outputs[id].ring;
	AVFormatContext *demuxer = avformat_alloc_context();
	AVCodecContext *decoder = NULL;
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	int64_t last_dts[16];
	static uint8_t all[64 << 20];
	struct ring_rap rap;
	struct bytes bytes = {.at = all};
	bool ended = ring_ended(ring), damaged = false;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < array_size(last_dts); i++)
		last_dts[i] = AV_NOPTS_VALUE;
	cr_assert_eq(ring_oldest_rap(ring, 0, &rap), 0);
	bytes.left = ring_intro(&rap, false).len;
	memcpy(all, ring_intro(&rap, false).bytes, bytes.left);
	s->bytes = ring_commit(ring) - rap.pos;
	memcpy(all + bytes.left, ring_at(ring, rap.pos), s->bytes);
	s->cc_errors = count_cc_errors(all, bytes.left + s->bytes);
	bytes.left += s->bytes;
	demuxer->pb =
		avio_alloc_context(av_malloc(32768), 32768, 0, &bytes, read_bytes, NULL, NULL);
	cr_assert_eq(avformat_open_input(&demuxer, NULL, av_find_input_format("mpegts"), NULL), 0);
	cr_assert_geq(avformat_find_stream_info(demuxer, NULL), 0);
	for (unsigned i = 0; i < demuxer->nb_streams; i++) {
		const AVCodecParameters *p = demuxer->streams[i]->codecpar;

		if (p->codec_type == AVMEDIA_TYPE_AUDIO)
			s->sample_rate = p->sample_rate;
		if (p->codec_type != AVMEDIA_TYPE_VIDEO)
			continue;
		s->width = p->width;
		s->height = p->height;
		s->rate = demuxer->streams[i]->avg_frame_rate;
		decoder = avcodec_alloc_context3(avcodec_find_decoder(p->codec_id));
		decoder->err_recognition = AV_EF_EXPLODE;
		cr_assert_eq(avcodec_parameters_to_context(decoder, p), 0);
		cr_assert_eq(avcodec_open2(decoder, NULL, NULL), 0);
	}
	while (av_read_frame(demuxer, packet) >= 0) {
		const AVStream *stream = demuxer->streams[packet->stream_index];

		see_packet(s, stream, packet, last_dts);
		if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
			cr_assert_not(damaged, "a picture that cannot be decoded");
			damaged = avcodec_send_packet(decoder, packet) < 0;
			while (avcodec_receive_frame(decoder, frame) == 0)
				s->frames++;
		}
		av_packet_unref(packet);
	}
	cr_assert_not(damaged && ended, "the last picture cannot be decoded");
	if (decoder && avcodec_send_packet(decoder, NULL) == 0)
		while (avcodec_receive_frame(decoder, frame) == 0)
			s->frames++;
	avcodec_free_context(&decoder);
	av_packet_free(&packet);
	av_frame_free(&frame);
	av_freep(&demuxer->pb->buffer);
	avio_context_free(&demuxer->pb);
	avformat_close_input(&demuxer);
}

/* A transport stream made by the ffmpeg command, whole in memory; the caller's. */
static inline uint8_t *rig_media(const char *name, const char *arguments, size_t *ret_len)
{
	FILE *file = fopen(media_file(name, arguments), "rb");
	uint8_t *bytes;
	off_t len;

	cr_assert_not_null(file);
	fseeko(file, 0, SEEK_END);
	len = ftello(file);
	rewind(file);
	bytes = malloc((size_t)len);
	cr_assert_eq(fread(bytes, 1, (size_t)len, file), (size_t)len);
	fclose(file);
	*ret_len = (size_t)len;
	return bytes;
}

/* Every key frame of `a` within b's span must be one of b's too, but for the one it opens with: an
 * output opens with a key frame wherever the job was when it was asked for. */
static inline void expect_aligned(const struct seen *a, const struct seen *b)
{
	for (unsigned i = 1; i < a->keys; i++) {
		bool found = a->key_pts[i] < b->key_pts[0] || a->key_pts[i] > b->last_pts[0];

		for (unsigned j = 0; j < b->keys; j++)
			found |= a->key_pts[i] == b->key_pts[j];
		cr_expect(found, "no key frame at %lld", (long long)a->key_pts[i]);
	}
}

#endif
