/* ll_players.c - many players of HLS with low latency, in one thread.
 *
 * ll_players -p PORT [-c PLAYERS] [-d SECONDS] [-w WARM_SECONDS] [--cpu N]
 *            (--folder FOLDER PLAYLIST... | --every MS PLAYLIST PART...)
 *
 * Each player has one connection for each of the media playlists.  On it, it asks for the playlist
 * that has the next part, gets that part, and so on.  FOLDER has the files that the server lists:
 * how late an answer is, is measured from the time at which the file got the part.
 * With --every, the playlist and the part are files of a server that knows nothing of parts: both
 * are requested anew each MS milliseconds, by all players at once.
 *
 * Prints "begin" when the players are warm, and at the end one line of JSON. */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/bench/ts_file.h"

#define TRACKS_MAX    4u
#define URL_MAX	      512u
#define ANSWER_MAX    (128u << 10) /* head and playlist */
#define KNOWN_PARTS   32u	   /* newest ones, of a track */
#define DELAYS_MAX    (4u << 20)
#define EVENTS	      512
#define NS_PER_S      1000000000ull
#define NS_PER_MS     1000000ull
#define READS_IN_TURN 4

/* A part whose time is known. */
struct made {
	uint64_t number; /* part_number() */
	int64_t at_ns;	 /* real time */
};

struct track {
	const char *playlist, *part; /* `part` only with --every */
	struct made made[KNOWN_PARTS];
	uint64_t newest; /* part_number() */
};

enum follower_state { FOLLOWER_IDLE, FOLLOWER_PLAYLIST, FOLLOWER_PART };

/* One connection. */
struct follower {
	int fd;
	enum follower_state state;
	struct track *track;
	uint32_t msn, part; /* asked for next; 0, 0: the whole playlist */
	bool blocks;	    /* the request that is open is answered when the part exists */
	char path[URL_MAX]; /* of the request that is open */
	char part_path[URL_MAX];
	char *answer; /* NUL behind it */
	size_t have;
	size_t left; /* of the body, once `in_body` */
	bool in_body;
};

struct players {
	const char *folder;
	int port, count, every_ms, cpu;
	double seconds, warm_s;
	struct track tracks[TRACKS_MAX];
	unsigned track_count;
	struct follower *followers;
	unsigned follower_count;
	int epoll;
	bool counts; /* warm, and not at the end */
	uint64_t requests, bytes, late, unknown;
	float *delays_ms;
	size_t delay_count;
};

static int64_t real_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
}

static uint64_t part_number(uint32_t msn, uint32_t part)
{
	return (uint64_t)msn << 32 | part;
}

/* When the newest file of this kind ('v' or 'a') was written to; 0 = there is none. */
static int64_t written_ns(const char *folder, char kind)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int64_t newest = 0;
	struct stat st;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] == kind &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			newest = MAX(newest, (int64_t)st.st_mtim.tv_sec * (int64_t)NS_PER_S +
						     st.st_mtim.tv_nsec);
	closedir(dir);
	return newest;
}

/* The first answer with a part finds out when the part was made. */
static void note_delay(struct players *p, struct follower *f, uint64_t number)
{
	struct made *m = &f->track->made[number % KNOWN_PARTS];
	const char *name = strrchr(f->part_path, '/');
	int64_t now = real_ns();

	if (number > f->track->newest) {
		f->track->newest = number;
		*m = (struct made){number, written_ns(p->folder, name ? name[1] : 0)};
	}
	if (!p->counts || !f->blocks)
		return;
	if (m->number != number || !m->at_ns)
		p->unknown++;
	else if (p->delay_count < DELAYS_MAX)
		p->delays_ms[p->delay_count++] = (float)(now - m->at_ns) / (float)NS_PER_MS;
}

/* -- requests */

static void fail(const char *what, const char *where)
{
	fprintf(stderr, "ll_players: %s: %s\n", where, what);
	exit(2);
}

static void ask(struct players *p, struct follower *f, enum follower_state state)
{
	char request[URL_MAX + 128];
	int n = snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ll_players\r\n\r\n",
			 f->path);

	if (n >= (int)sizeof(request) || send(f->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		fail("a request cannot be sent", f->path);
	f->state = state;
	f->have = 0;
	f->in_body = false;
	p->requests += p->counts;
}

static void ask_part(struct players *p, struct follower *f, const char *path)
{
	snprintf(f->path, sizeof(f->path), "%s", path);
	ask(p, f, FOLLOWER_PART);
}

static void ask_playlist(struct players *p, struct follower *f)
{
	const char *base = f->track->playlist;

	f->blocks = f->msn > 0 && !p->every_ms;
	if (f->blocks)
		snprintf(f->path, sizeof(f->path), "%s%c_HLS_msn=%u&_HLS_part=%u&_HLS_skip=YES",
			 base, strchr(base, '?') ? '&' : '?', f->msn, f->part);
	else
		snprintf(f->path, sizeof(f->path), "%s", base);
	ask(p, f, FOLLOWER_PLAYLIST);
}

/* Copies the value of URI, as seen from the playlist, to f->part_path. */
static void set_part_path(struct follower *f, const char *line)
{
	const char *uri = strstr(line, "URI=\""), *base = f->track->playlist;
	size_t folder = strcspn(base, "?");

	while (folder > 0 && base[folder - 1] != '/')
		folder--;
	if (uri)
		snprintf(f->part_path, sizeof(f->part_path), "%.*s%.*s", (int)folder, base,
			 (int)strcspn(uri + 5, "\""), uri + 5);
}

static unsigned number_behind(const char *line, const char *tag)
{
	size_t n = strlen(tag);

	return strncmp(line, tag, n) == 0 ? (unsigned)strtoul(line + n, NULL, 10) : 0;
}

/* Finds the newest part and the one that comes next. */
static void read_playlist(struct players *p, struct follower *f, char *text)
{
	uint32_t msn = 0, part = 0;
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		msn += number_behind(line, "#EXT-X-MEDIA-SEQUENCE:");
		msn += number_behind(line, "#EXT-X-SKIP:SKIPPED-SEGMENTS=");
		if (!strncmp(line, "#EXTINF:", 8)) {
			msn++;
			part = 0;
		} else if (!strncmp(line, "#EXT-X-PART:", 12)) {
			part++;
			set_part_path(f, line);
		}
	}
	if (!msn || !f->part_path[0])
		fail("a playlist without parts", f->path);
	f->msn = msn;
	f->part = part;
	note_delay(p, f, part_number(msn, part));
}

static void answered(struct players *p, struct follower *f)
{
	if (f->state == FOLLOWER_PART) {
		f->state = FOLLOWER_IDLE;
		if (!p->every_ms)
			ask_playlist(p, f);
	} else if (p->every_ms) {
		ask_part(p, f, f->track->part);
	} else {
		read_playlist(p, f, strstr(f->answer, "\r\n\r\n") + 4);
		ask_part(p, f, f->part_path);
	}
}

/* -- answers */

/* The head is complete: how much of the body is to come. */
static void read_head(struct follower *f)
{
	char *end = strstr(f->answer, "\r\n\r\n"), *length;
	size_t in_buffer;

	if (!end)
		return;
	length = strcasestr(f->answer, "\r\ncontent-length: ");
	if (strncmp(f->answer, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		fail(f->answer, f->path);
	in_buffer = f->have - (size_t)(end + 4 - f->answer);
	f->left = strtoul(length + 18, NULL, 10) - in_buffer;
	f->in_body = true;
}

/* What a part is made of is of no interest. */
static ssize_t receive(struct follower *f)
{
	size_t room = ANSWER_MAX - 1 - f->have;
	ssize_t n;

	if (f->in_body && f->state == FOLLOWER_PART)
		return recv(f->fd, NULL, f->left, MSG_DONTWAIT | MSG_TRUNC);
	n = recv(f->fd, f->answer + f->have, room, MSG_DONTWAIT);
	if (n > 0) {
		f->have += (size_t)n;
		f->answer[f->have] = '\0';
	}
	return n;
}

static void on_readable(struct players *p, struct follower *f)
{
	for (int i = 0; i < READS_IN_TURN && f->state != FOLLOWER_IDLE; i++) {
		bool had_head = f->in_body;
		ssize_t n = receive(f);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			fail("the connection ended", f->path);
		p->bytes += p->counts ? (uint64_t)n : 0;
		if (had_head)
			f->left -= (size_t)n;
		else
			read_head(f);
		if (f->in_body && f->left == 0)
			answered(p, f);
	}
}

/* -- the run */

static void tick(struct players *p)
{
	for (unsigned i = 0; i < p->follower_count; i++) {
		if (p->followers[i].state == FOLLOWER_IDLE)
			ask_playlist(p, &p->followers[i]);
		else
			p->late++;
	}
}

static int connected(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail(strerror(errno), "connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

static void connect_all(struct players *p)
{
	p->follower_count = (unsigned)p->count * p->track_count;
	p->followers = calloc(p->follower_count, sizeof(*p->followers));
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < p->follower_count; i++) {
		struct follower *f = &p->followers[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = f};

		f->track = &p->tracks[i % p->track_count];
		f->answer = malloc(ANSWER_MAX);
		f->fd = connected(p->port);
		if (!f->answer || epoll_ctl(p->epoll, EPOLL_CTL_ADD, f->fd, &ev) < 0)
			fail(strerror(errno), "memory");
		ask_playlist(p, f);
	}
}

static void run(struct players *p)
{
	uint64_t start = pace_now_ns(), begin = start + (uint64_t)(p->warm_s * NS_PER_S);
	uint64_t end = begin + (uint64_t)(p->seconds * NS_PER_S), next = start;
	struct epoll_event events[EVENTS];

	for (uint64_t now = start; now < end; now = pace_now_ns()) {
		int n = epoll_wait(p->epoll, events, EVENTS, 1);

		for (int i = 0; i < n; i++)
			on_readable(p, events[i].data.ptr);
		if (p->every_ms && now >= next) {
			tick(p);
			next += (uint64_t)p->every_ms * NS_PER_MS;
		}
		if (!p->counts && now >= begin) {
			p->counts = true;
			puts("begin");
			fflush(stdout);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double quantile(const struct players *p, double part)
{
	return p->delay_count ? (double)p->delays_ms[(size_t)(part * (double)(p->delay_count - 1))]
			      : 0;
}

static void report(struct players *p)
{
	qsort(p->delays_ms, p->delay_count, sizeof(*p->delays_ms), compare);
	printf("{\"requests\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"late\": %" PRIu64
	       ", \"unknown\": %" PRIu64 ", \"answers\": %zu, \"p50_ms\": %.1f, \"p99_ms\": %.1f"
	       ", \"max_ms\": %.1f}\n",
	       p->requests, p->bytes, p->late, p->unknown, p->delay_count, quantile(p, .5),
	       quantile(p, .99), quantile(p, 1));
}

static bool read_options(struct players *p, int argc, char **argv)
{
	static const struct option longer[] = {{"cpu", required_argument, NULL, 'C'},
					       {"folder", required_argument, NULL, 'f'},
					       {"every", required_argument, NULL, 'e'},
					       {0}};

	for (int c; (c = getopt_long(argc, argv, "p:c:d:w:", longer, NULL)) != -1;) {
		switch (c) {
		case 'p':
			p->port = atoi(optarg);
			break;
		case 'c':
			p->count = atoi(optarg);
			break;
		case 'd':
			p->seconds = strtod(optarg, NULL);
			break;
		case 'w':
			p->warm_s = strtod(optarg, NULL);
			break;
		case 'C':
			p->cpu = atoi(optarg);
			break;
		case 'f':
			p->folder = optarg;
			break;
		case 'e':
			p->every_ms = atoi(optarg);
			break;
		default:
			return false;
		}
	}
	while (optind < argc && p->track_count < TRACKS_MAX) {
		struct track *t = &p->tracks[p->track_count++];

		t->playlist = argv[optind++];
		if (p->every_ms && optind < argc)
			t->part = argv[optind++];
	}
	return p->port > 0 && p->track_count > 0 && optind == argc && !p->folder != !p->every_ms &&
	       (!p->every_ms || p->tracks[p->track_count - 1].part);
}

int main(int argc, char **argv)
{
	static struct players p = {.count = 1, .seconds = 5, .warm_s = 2, .cpu = -1};

	if (!read_options(&p, argc, argv)) {
		fputs("usage: ll_players -p PORT [-c PLAYERS] [-d SECONDS] [-w WARM_SECONDS] [--cpu N] "
		      "(--folder FOLDER PLAYLIST... | --every MS PLAYLIST PART...)\n",
		      stderr);
		return 2;
	}
	pin_to_cpu(p.cpu);
	p.delays_ms = malloc(DELAYS_MAX * sizeof(*p.delays_ms));
	if (!p.delays_ms)
		fail(strerror(errno), "memory");
	connect_all(&p);
	run(&p);
	report(&p);
	return 0;
}
