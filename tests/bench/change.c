/* change CHANNELS CHANGES WORKERS WORKER_PROGRAM - what one edited channel costs.
 *
 * A store, a worker pool with its workers and the tuners of a master, without the rest of it.
 * Edits one channel of CHANNELS, one after the other, CHANGES times, and prints a JSON array of
 * [ms from store_submit() to the last worker's acknowledgement, of these the ms in the database
 * thread and its queue, ms of processor time of the loop]. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "amps-master/children/worker_pool.h"
#include "amps-master/store/store.h"
#include "amps-master/store/store_work.h"
#include "amps-master/system/listen.h"
#include "amps-master/system/media_root.h"
#include "common/clock.h"
#include "common/shm/chantab.h"
#include "common/shm/shm.h"
#include "common/text/buf.h"

struct bench {
	struct event_base *base;
	struct store *store;
	struct worker_pool *pool;
	struct tuners *tuners;
	struct listeners listeners;
	struct served_wait served;
	unsigned channels, changes, done;
	unsigned changed; /* the channel, and what it becomes */
	json_t *entry;
	uint64_t begun_us, stored_us;
	uint64_t loop_us; /* of the thread's processor time, when the change was submitted */
};

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "change: %s: %s\n", what, why);
	exit(1);
}

static uint64_t thread_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void put_channel(struct buf *b, unsigned id, unsigned edition)
{
	buf_printf(b,
		   "{\"id\":%u,\"name\":\"Channel %u %u\",\"ffmpeg_profile\":\"%s\","
		   "\"source\":\"http://origin%u.example.net/live/%u.ts\","
		   "\"group\":\"Group %u\",\"logo\":\"http://logos.example.net/%u.png\","
		   "\"epg_id\":\"channel%u.example\",\"channel_number\":%u,"
		   "\"input_options\":{\"re\":null}}",
		   id, id, edition, id % 10 ? "copy" : "small", id % 7, id, id % 8, id, id, id);
}

/* What the loader would have written. */
static int loaded(unsigned channels)
{
	struct buf b = BUF_INIT;
	int fd = memfd_create("loaded", MFD_CLOEXEC);

	buf_printf(&b, "{\"problems\":[],\"model\":{\"auth\":{\"enabled\":false},\"profiles\":{"
		       "\"small\":{\"vcodec\":\"libx264\",\"b:v\":\"800k\",\"acodec\":\"aac\"}},"
		       "\"scheduled_streams\":[],\"streams\":[");
	for (unsigned i = 1; i <= channels; i++) {
		put_channel(&b, i, 0);
		buf_putc(&b, i < channels ? ',' : ' ');
	}
	buf_printf(&b, "]}}");
	if (fd < 0 || !buf_ok(&b) || write(fd, b.data, b.len) != (ssize_t)b.len)
		fail("the line-up", strerror(errno));
	buf_done(&b);
	return fd;
}

static void apply(struct bench *b, struct store_answer *a)
{
	if (a->error < 0)
		fail("the store", a->text);
	worker_pool_publish(b->pool, a->publication);
	store_dispose(b->store, tuners_set_lineup(b->tuners, TAKE_PTR(a->publication->lineup)));
}

static void on_loaded(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct bench *b = owner;

	(void)cookie;
	apply(b, a);
	worker_pool_start(b->pool);
}

/* In the database thread. */
static void put_changed(struct store_work *w, void *arg, int64_t wall_us, struct store_answer *ret)
{
	struct bench *b = arg;

	(void)wall_us;
	store_work_change(w, &(struct store_change){b->changed, b->entry}, 1, NULL, ret);
}

static void on_changed(void *owner, uint64_t cookie, struct store_answer *a)
{
	struct bench *b = owner;

	(void)cookie;
	b->stored_us = clock_mono_us();
	json_decref(b->entry);
	apply(b, a);
	worker_pool_await(b->pool, &b->served);
}

static void change(struct bench *b)
{
	unsigned id = 1 + b->done * 7919 % b->channels;
	struct buf text = BUF_INIT;
	const struct store_operation op = {.kind = STORE_CHANGE, .call = put_changed, .arg = b};

	put_channel(&text, id, b->done + 1);
	b->changed = id;
	b->entry = json_loadb(text.data, text.len, 0, NULL);
	buf_done(&text);
	b->loop_us = thread_us();
	b->begun_us = clock_mono_us();
	store_submit(b->store, &op, on_changed, b, 0);
}

static void on_pause_over(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	change(arg);
}

static void on_served(void *owner)
{
	struct bench *b = owner;
	uint64_t now = clock_mono_us();

	printf("%s[%.3f, %.3f, %.3f]", b->done ? ", " : "[", (double)(now - b->begun_us) / 1e3,
	       (double)(b->stored_us - b->begun_us) / 1e3,
	       (double)(thread_us() - b->loop_us) / 1e3);
	if (++b->done < b->changes)
		/* what the store tidies up after an answer is not the next change's */
		event_base_once(b->base, -1, EV_TIMEOUT, on_pause_over, b,
				&(struct timeval){.tv_usec = 100000});
	else
		event_base_loopbreak(b->base);
}

static void on_pool_changed(void *owner)
{
	struct bench *b = owner;

	if (b->done == 0 && b->begun_us == 0 && worker_pool_all_ready(b->pool))
		change(b);
}

static void on_child(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail("a worker", "it has ended");
}

static void no_ring(void *owner, unsigned worker, const struct msg_output_ring *m, int fd)
{
	(void)owner;
	(void)worker;
	(void)m;
	(void)fd;
}

int main(int argc, char **argv)
{
	struct bench b = {.served = {.done = on_served, .owner = &b}};
	struct fork_brake brake = {0};
	char state[] = "/tmp/amps-change-XXXXXX", text[ERROR_TEXT_MAX] = "", path[64];
	struct media_root media = MEDIA_ROOT_INIT;
	char key[2 * MEDIA_KEY_BYTES + 1] = "";
	struct event *child;
	int table_fd = shm_create("table", CHANTAB_BYTES);
	void *table = table_fd < 0 ? NULL : shm_map_write(table_fd, CHANTAB_BYTES);
	DIR *folder;
	const struct dirent *entry;

	if (argc != 5 || !table || !mkdtemp(state))
		fail("usage", "change CHANNELS CHANGES WORKERS WORKER_PROGRAM");
	b.channels = (unsigned)atoi(argv[1]);
	b.changes = (unsigned)atoi(argv[2]);
	b.base = event_base_new();
	child = evsignal_new(b.base, SIGCHLD, on_child, NULL);
	event_add(child, NULL);
	memset(key, '0', sizeof(key) - 1);
	chantab_init(table);
	if (shm_seal_writer(table_fd) < 0 ||
	    listen_open(&b.listeners, "127.0.0.1", 0, (unsigned)atoi(argv[3]), text, sizeof(text)) <
		    0)
		fail("the sockets", text);
	media.fd = open(state, O_RDONLY | O_DIRECTORY);
	media.limit = 1u << 30;
	const struct tuners_env tuners = {
		.base = b.base, .chantab = table, .media = &media, .output_ring = no_ring};

	if (tuners_new(&tuners, &b.tuners) < 0)
		fail("the tuners", "no memory");
	const struct worker_pool_env pool = {.base = b.base,
					     .program = argv[4],
					     .listen_fds = b.listeners.fds,
					     .count = b.listeners.count,
					     .chantab_fd = table_fd,
					     .media_fd = media.fd,
					     .media_key = key,
					     .link_key = key,
					     .log_level = LOG_ERROR,
					     .brake = &brake,
					     .tuners = b.tuners,
					     .owner = &b,
					     .changed = on_pool_changed};

	if (worker_pool_new(&pool, &b.pool) < 0 ||
	    store_open(b.base, state, &b.store, text, sizeof(text)) < 0)
		fail("the store", text);
	store_submit(b.store,
		     &(struct store_operation){.kind = STORE_LOAD, .fd = loaded(b.channels)},
		     on_loaded, &b, 0);
	event_base_dispatch(b.base);
	printf("]\n");
	event_free(child);
	close(media.fd);
	worker_pool_free(b.pool);
	b.store = store_close(b.store);
	tuners_free(b.tuners);
	listen_close(&b.listeners);
	event_base_free(b.base);
	folder = opendir(state);
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", state, entry->d_name) > 0)
			unlink(path);
	closedir(folder);
	return rmdir(state) < 0;
}
