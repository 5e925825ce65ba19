/* worker.c - see worker.h */
#include "amps-worker/worker.h"

#include <string.h>

#include "amps-worker/http/body_maker.h"
#include "amps-worker/http/conn.h"
#include "amps-worker/live/viewer.h"
#include "amps-worker/live/viewer_record.h"
#include "common/shm/chantab.h"
#include "common/log/log.h"
#include "common/shm/shm.h"

#define HEARTBEAT_US 250000

struct facts worker_facts(const struct worker *w, const struct in6_addr *peer)
{
	return (struct facts){
		.catalog = w->catalog,
		.tokens = w->tokens,
		.chantab = w->chantab,
		.worker_pages = w->pages,
		.worker_count = w->page_count,
		.cache = w->cache,
		.maker = w->maker,
		.wall_us = clock_wall_us(),
		.mono_us = clock_mono_us(),
		.peer = *peer,
		.port = w->listener.port,
		.draining = w->draining,
	};
}

uint64_t worker_viewers_everywhere(const struct worker *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < w->page_count; i++) {
		const struct worker_page *page = w->pages[i];

		if (page)
			n += atomic_load_explicit(&page->viewers_open, memory_order_relaxed);
	}
	return n;
}

void worker_conn_gone(struct worker *w)
{
	if (w->draining && w->conn_count == 0)
		event_base_loopbreak(w->base);
}

/* Maps a page the master made; NULL on failure. */
static void *map_page(int fd, uint64_t bytes, bool own)
{
	void *map;

	if (bytes != WORKER_PAGE_BYTES || shm_verify(fd, bytes, false) < 0)
		return NULL;
	map = own ? shm_map_write(fd, bytes) : shm_map_read(fd, bytes);
	if (map && worker_page_check(map) < 0) {
		shm_unmap(map, bytes);
		return NULL;
	}
	return map;
}

static void know_page(struct worker *w, uint32_t index, const void *map)
{
	if (w->pages[index])
		shm_unmap(w->pages[index], WORKER_PAGE_BYTES);
	w->pages[index] = map;
	w->page_count = MAX(w->page_count, index + 1);
}

static void beat(struct worker *w)
{
	atomic_store_explicit(&w->page->heartbeat_us, clock_mono_us(), memory_order_relaxed);
}

/* Looks for viewers whose peers are gone without a word. */
static void sweep(struct worker *w)
{
	uint64_t now = clock_mono_us();

	if (now < w->sweep_us)
		return;
	w->sweep_us = now + VIEWER_SWEEP_US;
	for (uint32_t i = 0; i < w->record_count; i++) {
		struct viewer *v = w->viewers[i];

		if (v && viewer_sweep(v) == VIEWER_GONE)
			conn_free(v->conn);
	}
	memory_shed_viewers(w);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	beat(w);
	sweep(w);
	access_log_flush(&w->access_log);
	log_tick();
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(w->base);
}

static int on_setup(struct worker *w, const struct msg_worker_setup *m, struct msg *raw)
{
	static const struct timeval every = {0, HEARTBEAT_US};
	void *map;

	if (w->set_up || m->index >= WORKERS_MAX || m->table_bytes != CHANTAB_BYTES)
		return -EBADMSG;
	map = map_page(raw->fds[1], m->page_bytes, true);
	if (!map || shm_verify(raw->fds[2], m->table_bytes, false) < 0)
		return -EINVAL;
	w->page = map;
	w->records = worker_page_records(map);
	know_page(w, m->index, map);
	w->chantab = shm_map_read(raw->fds[2], m->table_bytes);
	if (!w->chantab || chantab_check(w->chantab) < 0)
		return -EINVAL;
	w->index = m->index;
	memory_init(&w->memory, m->worker_count);
	/* above those of a worker that died in this slot, unless it had 1,000 viewers every second
	 */
	w->serials = clock_mono_us() / 1000;
	w->set_up = true;
	beat(w);
	event_add(&w->heartbeat, &every);
	return listener_add(w, m->index, TAKE_FD(raw->fds[0]));
}

static int on_catalog(struct worker *w, const struct msg_catalog *m, int fd)
{
	struct catalog *c;
	int r = catalog_open(fd, m->bytes, &c);

	if (r < 0)
		return r;
	catalog_unref(w->catalog);
	w->catalog = c;
	if (w->page)
		atomic_store_explicit(&w->page->catalog_generation, m->generation,
				      memory_order_relaxed);
	peer_send_catalog_ack(w->master, &(struct msg_catalog_ack){.generation = m->generation},
			      NULL);
	return 0;
}

static int on_tokens(struct worker *w, const struct msg_tokens *m, int fd)
{
	struct tokens *t;
	int r = tokens_open(fd, m->bytes, &t);

	if (r < 0)
		return r;
	tokens_free(w->tokens);
	w->tokens = t;
	return 0;
}

static int on_worker_peer(struct worker *w, const struct msg_worker_peer *m, int fd)
{
	void *map;

	if (m->index >= WORKERS_MAX || m->index == w->index)
		return -EBADMSG;
	map = map_page(fd, m->page_bytes, false);
	if (!map)
		return -EINVAL;
	know_page(w, m->index, map);
	return 0;
}

static int on_worker_peer_gone(struct worker *w, uint32_t index)
{
	if (index >= WORKERS_MAX || index == w->index)
		return -EBADMSG;
	know_page(w, index, NULL);
	return 0;
}

static void on_kick(struct worker *w, uint64_t serial)
{
	struct viewer *v = viewer_record_find(w, serial);

	if (v)
		conn_free(v->conn);
}

static int on_log_level(uint32_t level)
{
	if (level > LOG_ERROR)
		return -EBADMSG;
	log_set_level((enum log_level)level);
	return 0;
}

static void on_shutdown(struct worker *w)
{
	static const struct timeval patience = {WORKER_DRAIN_MS / 1000,
						WORKER_DRAIN_MS % 1000 * 1000};

	w->draining = true;
	listener_stop(w);
	conn_drain_all(w);
	evtimer_add(&w->drain, &patience);
	worker_conn_gone(w);
}

/* With everything there, we give up our rights and serve. */
static int become_ready(struct worker *w)
{
	int r = 0;

	if (w->ready || !w->set_up || !w->catalog || !w->tokens)
		return 0;
	if (w->confine)
		r = w->confine();
	if (r < 0)
		return r;
	w->ready = true;
	listener_start(w);
	peer_send_ready(w->master, &(struct msg_ready){}, NULL);
	log_info("ready to serve index=%u connections_max=%u", w->index,
		 w->listener.connections_max);
	return 0;
}

/* Decodes as `name` and calls; the value is the call's, or the decoder's error. */
#define DECODED(name, call)                                                                        \
	({                                                                                         \
		struct msg_##name m;                                                               \
		int r_ = msg_decode_##name(raw->bytes, raw->len, &m);                              \
		r_ < 0 ? r_ : (call);                                                              \
	})

static int on_message(void *owner, struct peer *p, struct msg *raw)
{
	struct worker *w = owner;
	int r;

	(void)p;
	if (!w->set_up && raw->type != MSG_WORKER_SETUP && raw->type != MSG_CATALOG &&
	    raw->type != MSG_TOKENS && raw->type != MSG_SHUTDOWN)
		return -EBADMSG;
	switch (raw->type) {
	case MSG_WORKER_SETUP:
		r = DECODED(worker_setup, on_setup(w, &m, raw));
		break;
	case MSG_WORKER_PEER:
		r = DECODED(worker_peer, on_worker_peer(w, &m, raw->fds[0]));
		break;
	case MSG_WORKER_PEER_GONE:
		r = DECODED(worker_peer_gone, on_worker_peer_gone(w, m.index));
		break;
	case MSG_LISTEN_ALSO:
		r = DECODED(listen_also, listener_add(w, m.index, TAKE_FD(raw->fds[0])));
		break;
	case MSG_LISTEN_DROP:
		r = DECODED(listen_drop, (listener_drop(w, m.index), 0));
		break;
	case MSG_CATALOG:
		r = DECODED(catalog, on_catalog(w, &m, raw->fds[0]));
		break;
	case MSG_TOKENS:
		r = DECODED(tokens, on_tokens(w, &m, raw->fds[0]));
		break;
	case MSG_OUTPUT_RING:
		r = DECODED(output_ring, output_on_ring(w, &m, raw->fds[0]));
		break;
	case MSG_OUTPUT_OFFER:
		r = DECODED(output_offer, output_on_offer(w, &m, raw->fds[0]));
		break;
	case MSG_OUTPUT_OFFER_END:
		r = DECODED(output_offer_end, (output_on_offer_end(w, m.output), 0));
		break;
	case MSG_OUTPUT_GONE:
		r = DECODED(output_gone, (output_on_gone(w, &m), 0));
		break;
	case MSG_KICK:
		r = DECODED(kick, (on_kick(w, m.serial), 0));
		break;
	case MSG_LOG_LEVEL:
		r = DECODED(log_level, on_log_level(m.level));
		break;
	case MSG_ACCESS_LOG:
		r = DECODED(access_log, (access_log_open(&w->access_log, TAKE_FD(raw->fds[0]),
							 m.framed, w->page),
					 0));
		break;
	case MSG_ACCESS_LOG_OFF:
		r = DECODED(access_log_off, (access_log_close(&w->access_log), 0));
		break;
	case MSG_SHUTDOWN:
		r = DECODED(shutdown, (on_shutdown(w), 0));
		break;
	default:
		r = -EBADMSG;
	}
	return r < 0 ? r : become_ready(w);
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct worker *w = owner;

	(void)p;
	if (error != -EPIPE)
		log_error("the master's socket is broken (%s), ending", strerror(-error));
	w->exit_code = error == -EPIPE ? 0 : 1;
	event_base_loopbreak(w->base);
}

static const struct peer_handler master_handler = {on_message, on_broken};

static bool make_room(void *owner)
{
	return memory_make_room(owner);
}

static int worker_allocate(struct worker *w)
{
	static const struct timeval turn = {0, WORKER_TURN_MS * 1000};
	struct event_config *config = event_config_new();

	if (!config)
		return -ENOMEM;
	/* without libevent's changelist: it would take a dropped listening socket out of the epoll
	 * set after its close(2), too late for one that the master holds open; with the exact
	 * clock: by the coarse one a timer is not due yet when the wait for it ends, up to thrice
	 */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	/* else a crowd of clients is a turn of seconds, and the master thinks the worker hangs */
	event_config_set_max_dispatch_interval(config, &turn, -1, PRIORITY_CLIENTS);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	w->free_records = calloc(WORKER_VIEWERS_MAX, sizeof(*w->free_records));
	w->viewers = calloc(WORKER_VIEWERS_MAX, sizeof(struct viewer *));
	w->cache = body_cache_new(BODY_CACHE_BYTES);
	if (!w->base || !w->free_records || !w->viewers || !w->cache ||
	    event_base_priority_init(w->base, PRIORITY_COUNT_) < 0)
		return -ENOMEM;
	w->maker = body_maker_new(w->base, w->cache,
				  &(struct body_room){&w->memory.bodies, make_room, w});
	return w->maker ? 0 : -ENOMEM;
}

int worker_init(struct worker *w, int master_fd, int (*confine)(void))
{
	int r;

	*w = (struct worker){.index = UINT32_MAX, .confine = confine};
	access_log_init(&w->access_log);
	TAILQ_INIT(&w->conns);
	outputs_init(w);
	r = worker_allocate(w);
	if (r < 0) {
		close(master_fd);
		return r;
	}
	feed_init(w);
	event_assign(&w->heartbeat, w->base, -1, EV_PERSIST, on_heartbeat, w);
	event_priority_set(&w->heartbeat, PRIORITY_HEARTBEAT);
	evtimer_assign(&w->drain, w->base, on_drained, w);
	r = peer_new(w->base, master_fd, &master_handler, w, &w->master);
	if (r < 0)
		return r;
	r = listener_init(w);
	if (r < 0)
		return r;
	peer_send_hello(w->master,
			&(struct msg_hello){.program = "amps-worker",
					    .version = AMPS_VERSION,
					    .pid = (uint32_t)getpid()},
			NULL);
	return 0;
}

int worker_run(struct worker *w)
{
	if (event_base_dispatch(w->base) < 0)
		return 1;
	return w->exit_code;
}

void worker_done(struct worker *w)
{
	struct conn *c;

	if (!w->base)
		return;
	log_done();
	w->draining = false;
	while ((c = TAILQ_FIRST(&w->conns)))
		conn_free(c);
	access_log_close(&w->access_log);
	if (w->master)
		listener_done(w);
	outputs_free(w);
	feed_done(w);
	event_del(&w->heartbeat);
	evtimer_del(&w->drain);
	peer_free(w->master);
	for (unsigned i = 0; i < w->page_count; i++) {
		if (w->pages[i])
			shm_unmap(w->pages[i], WORKER_PAGE_BYTES);
	}
	shm_unmap(w->chantab, CHANTAB_BYTES);
	catalog_unref(w->catalog);
	tokens_free(w->tokens);
	body_maker_free(w->maker);
	body_cache_free(w->cache);
	free(w->free_records);
	free(w->viewers);
	event_base_free(w->base);
	*w = (struct worker){0};
}
