/* load.h - the load client: one thread, one epoll, many requests for live streams, over HTTP, in the
 * frames of a WebSocket, or over RTSP, interleaved or by UDP.
 *
 * A client parses what it receives (ts_judge.h) up to its first random access point; after that the
 * kernel discards the bytes (MSG_TRUNC).  A verified client parses everything and compares it with
 * what the other verified clients received (packet_log.h).  A slow client reads at its own bit
 * rate, on a timer.  A body ends with the connection, with its Content-Length or with the last
 * chunk.  What is discarded counts with the heads of frames and packets (1.2% of RTP).  Every packet
 * of RTP that a client parses must follow the last one.  The result is one line of JSON. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <sys/types.h>

#include "tests/bench/load/adts.h"
#include "tests/bench/load/packet_log.h"
#include "tests/bench/ts_file.h"
#include "tests/judge/ts_judge.h"

#define LOAD_PATHS_MAX	 256
#define LOAD_PIDS_MAX	 16
#define LOAD_GROUPS_MAX	 8
#define LOAD_HEAD_MAX	 8192
#define LOAD_BUFFER	 (256u * 1024)
#define LOAD_TURN_BYTES	 (4u << 20) /* most that one client reads in a turn of the loop */
#define LOAD_SLOW_RCVBUF 65536
#define LOAD_SLOW_NS	 10000000u /* between two reads of the slow clients */
#define LOAD_SLOW_MS	 5
#define LOAD_IDLE_MS	 20

/* Slow clients of one rate.  At rate 0 they read the answer's head and then nothing. */
struct slow_group {
	int count;
	long bits_per_second;
};

enum load_protocol { LOAD_HTTP, LOAD_WS, LOAD_RTSP, LOAD_RTSP_UDP };

struct load_options {
	enum load_protocol protocol;
	const char *host, *label, *header;
	const char *paths[LOAD_PATHS_MAX];
	int path_count;
	int port, cpu;
	int clients, verify, connects_per_second, rcvbuf, timeout_s;
	int zap_every_ms;
	bool zap;     /* clients start one by one and leave at the random access point */
	bool key_end; /* with zap: leave when the first key frame is complete */
	bool values;  /* also print the times of every client */
	bool raw;     /* the body is not a transport stream: only count its bytes */
	bool adts;    /* with raw: it is ADTS, whose frames are counted */
	double seconds, warm_s;
	double resume_s; /* slow clients read at full speed for the last seconds */
	long slow_bps;
	struct slow_group slow[LOAD_GROUPS_MAX];
	int slow_groups;
	pid_t pids[LOAD_PIDS_MAX];
	int pid_count;
};

enum client_state { CLIENT_IDLE, CLIENT_CONNECTING, CLIENT_HEAD, CLIENT_BODY, CLIENT_DONE };
enum body_kind { BODY_CLOSE, BODY_LENGTH, BODY_CHUNKED, BODY_WRAPPED, BODY_DATAGRAMS };
enum chunk_state { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER };

struct client {
	int fd;
	enum client_state state;
	enum body_kind body;
	enum chunk_state chunk;
	int status;
	bool slow, verified, closed_early;
	bool failed;	      /* ended before its body began */
	long bits_per_second; /* of a slow client */
	const char *path;
	uint64_t start_ns, connected_ns, first_ns, last_ns, gap_ns; /* 0 = did not happen */
	uint64_t window_bytes;
	uint64_t left; /* bytes to come of the chunk or the Content-Length */
	struct ts_judge ts;
	struct adts_walk sound;
	struct packet_run run; /* of a verified client */
	struct packet_log *log;
	char *head; /* of the answer, until it is complete */
	size_t head_len;
	/* of WebSocket and RTSP */
	uint8_t wrap[16]; /* the head of a frame or packet, as far as it has come */
	size_t wrap_len;
	bool skip;	   /* what follows that head is not media */
	int control;	   /* RTSP by UDP: its connection, once media come */
	bool set_up;	   /* SETUP was answered */
	bool counted;	   /* a packet of RTP was seen, with the next number */
	uint16_t sequence;
	uint64_t rtp_lost; /* packets */
};

/* CPU time and memory of a tree of processes. */
struct usage {
	double cpu_s; /* as the scheduler counts it */
	long rss_kb, pss_kb, processes;
};

struct load {
	struct load_options o;
	struct packet_log log;
	struct client *clients;
	int total;
	int epoll;
	int reports, reports_port; /* of all RTSP clients by UDP; it is not read */
	uint8_t *buffer;
	int started, alive, in_body, failed;
	bool in_window;
	uint64_t window_ns, window_end_ns; /* 0 = not yet */
	uint64_t slow_ns, next_ns, limit_ns;
	struct usage before, after;
	double own_before_s, own_after_s;
	double window_s;
};

/* client.c: 0, or -errno if the socket cannot be created. */
must_check int client_start(struct load *l, struct client *c);
void client_connected(struct load *l, struct client *c);
void client_read(struct load *l, struct client *c, size_t max);
void client_close(struct load *l, struct client *c, bool early);

/* rtsp.c: begins a dialogue, goes on after an answer (1: its media begin), -1 if it failed. */
must_check int rtsp_begin(struct load *l, struct client *c);
must_check int rtsp_answered(struct load *l, struct client *c);
/* Counts the packets that are missing before this one. */
void rtsp_count(struct client *c, const uint8_t head[12]);

/* body.c: 0, 1 at the end of the body, -1 if the answer is malformed or not a 200. */
must_check int head_feed(struct load *l, struct client *c, const uint8_t *p, size_t n,
			 uint64_t now_ns);
must_check int body_feed(struct load *l, struct client *c, const uint8_t *p, size_t n,
			 uint64_t now_ns);

/* What follows "name:" in a head, or NULL. */
const char *body_field(const char *head, const char *name);

/* Counts n bytes of the body that were received. */
void body_count(struct load *l, struct client *c, size_t n, uint64_t now_ns);

/* True if what this client receives must be parsed. */
static inline bool client_parses(const struct load *l, const struct client *c)
{
	uint64_t seen = l->o.key_end ? c->ts.picture_end_ns : c->ts.access_ns;

	return l->o.adts || (!l->o.raw && (c->verified || !seen));
}

/* usage.c: sums over the processes and their descendants. */
void usage_of_tree(const pid_t *roots, int count, struct usage *ret);
double usage_own_cpu_s(void);

/* report.c: prints the line.  Returns the number of clients that were lost. */
int report_print(struct load *l);

#endif
