#include "amps-master/children/worker_slot.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include "amps-master/system/spawn.h"
#include "common/shm/chantab.h"
#include "common/clock.h"
#include "common/shm/shm.h"
#include "common/shm/worker_page.h"

static const char *const state_names[SLOT_STATES_] = {"waiting", "starting", "setup", "ready",
						      "stopping"};

void worker_slot_set_state(struct worker_slot *s, enum slot_state state)
{
	static const uint8_t legal[SLOT_STATES_] = {
		[SLOT_WAITING] = 1u << SLOT_STARTING,
		[SLOT_STARTING] = 1u << SLOT_SETUP | 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_SETUP] = 1u << SLOT_READY | 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_READY] = 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_STOPPING] = 1u << SLOT_WAITING,
	};
	bool allowed = legal[s->state] & 1u << state;

	assert(allowed);
	(void)allowed;
	log_debug("worker %u is %s pid=%d", s->index, state_names[state], (int)s->pid);
	s->state = state;
	s->since_us = clock_mono_us();
}

bool worker_slot_listens(const struct worker_slot *s)
{
	return s->peer && (s->state == SLOT_SETUP || s->state == SLOT_READY);
}

void worker_slot_kill(struct worker_slot *s, const char *why)
{
	if (s->state == SLOT_WAITING || s->pid == 0)
		return;
	if (why)
		log_warn("worker %u is of no use (%s), killing it pid=%d", s->index, why,
			 (int)s->pid);
	kill(s->pid, SIGKILL);
	s->peer = peer_free(s->peer);
	if (s->state != SLOT_STOPPING)
		worker_slot_set_state(s, SLOT_STOPPING);
}

void worker_slot_drop_page(struct worker_slot *s)
{
	if (s->page) {
		const struct worker_page *page = s->page;

		s->pool->past_bytes +=
			atomic_load_explicit(&page->bytes_sent, memory_order_relaxed);
		shm_unmap(s->page, WORKER_PAGE_BYTES);
	}
	s->page = NULL;
	s->page_sealed = false;
	close_fd(&s->page_fd);
}

static int slot_make_page(struct worker_slot *s)
{
	void *map;

	s->page_fd = shm_create("amps-worker-page", WORKER_PAGE_BYTES);
	if (s->page_fd < 0)
		return s->page_fd;
	map = shm_map_write(s->page_fd, WORKER_PAGE_BYTES);
	if (!map)
		return -errno;
	worker_page_init(map);
	shm_unmap(map, WORKER_PAGE_BYTES);
	s->page = shm_map_read(s->page_fd, WORKER_PAGE_BYTES);
	return s->page ? 0 : -errno;
}

void worker_slot_send_snapshots(struct worker_slot *s)
{
	const struct worker_pool *pool = s->pool;

	peer_send_tokens(s->peer,
			 &(struct msg_tokens){.generation = pool->tokens.generation,
					      .bytes = pool->tokens.bytes},
			 &pool->tokens.fd);
	peer_send_catalog(s->peer,
			  &(struct msg_catalog){.generation = pool->catalog.generation,
						.bytes = pool->catalog.bytes},
			  &pool->catalog.fd);
}

void worker_slot_send_access_log(struct worker_slot *s)
{
	const struct worker_pool *pool = s->pool;

	if (pool->access_fd >= 0)
		peer_send_access_log(s->peer,
				     &(struct msg_access_log){.framed = pool->access_framed},
				     &pool->access_fd);
	else
		peer_send_access_log_off(s->peer, &(struct msg_access_log_off){}, NULL);
}

static void send_page(struct worker_slot *to, const struct worker_slot *of)
{
	peer_send_worker_peer(
		to->peer,
		&(struct msg_worker_peer){.index = of->index, .page_bytes = WORKER_PAGE_BYTES},
		&of->page_fd);
}

static int on_hello(struct worker_slot *s, const struct msg *m)
{
	const struct worker_pool_env *env = &s->pool->env;
	struct msg_worker_setup setup = {.index = s->index,
					 .worker_count = env->count,
					 .page_bytes = WORKER_PAGE_BYTES,
					 .table_bytes = CHANTAB_BYTES,
					 .epoch_wall_us = env->epoch_wall_us,
					 .epoch_mono_us = env->epoch_mono_us};
	const int fds[3] = {env->listen_fds[s->index], s->page_fd, env->chantab_fd};
	struct msg_hello hello;

	if (s->state != SLOT_STARTING || msg_decode_hello(m->bytes, m->len, &hello) != 0)
		return -EBADMSG;
	if (strcmp(hello.version, AMPS_VERSION) != 0) {
		log_error("worker %u is of another version, killing it version=%s wanted=%s",
			  s->index, hello.version, AMPS_VERSION);
		return -EBADMSG;
	}
	worker_slot_set_state(s, SLOT_SETUP);
	peer_send_worker_setup(s->peer, &setup, fds);
	worker_slot_send_access_log(s);
	worker_slot_send_snapshots(s);
	for (unsigned i = 0; i < env->count; i++) {
		const struct worker_slot *other = &s->pool->slots[i];

		if (other != s && other->page_sealed)
			send_page(s, other);
	}
	return 0;
}

static void drop_helper(struct worker_slot *s)
{
	if (s->helper && worker_slot_listens(s->helper))
		peer_send_listen_drop(s->helper->peer, &(struct msg_listen_drop){.index = s->index},
				      NULL);
	s->helper = NULL;
}

void worker_slot_find_helper(struct worker_slot *s)
{
	const struct worker_pool *pool = s->pool;

	for (unsigned i = 1; i < pool->env.count && !s->helper; i++) {
		struct worker_slot *other = &pool->slots[(s->index + i) % pool->env.count];

		if (other->state != SLOT_READY)
			continue;
		s->helper = other;
		peer_send_listen_also(other->peer, &(struct msg_listen_also){.index = s->index},
				      &pool->env.listen_fds[s->index]);
	}
}

static int on_ready(struct worker_slot *s, const struct msg *m)
{
	const struct worker_pool *pool = s->pool;
	struct msg_ready ready;

	if (s->state != SLOT_SETUP || msg_decode_ready(m->bytes, m->len, &ready) != 0)
		return -EBADMSG;
	/* The worker has mapped its page by now; nobody else ever writes it. */
	if (shm_seal_writer(s->page_fd) != 0)
		return -EIO;
	s->page_sealed = true;
	worker_slot_set_state(s, SLOT_READY);
	drop_helper(s);
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *other = &s->pool->slots[i];

		if (other != s && worker_slot_listens(other))
			send_page(other, s);
		/* nobody was there when it began to wait */
		if (other->state == SLOT_WAITING)
			worker_slot_find_helper(other);
	}
	log_info("worker %u is ready pid=%d", s->index, (int)s->pid);
	pool->env.ready(pool->env.owner, s->index);
	pool->env.changed(pool->env.owner);
	return 0;
}

static int on_catalog_ack(struct worker_slot *s, const struct msg *m)
{
	struct msg_catalog_ack ack;

	if (!worker_slot_listens(s) || msg_decode_catalog_ack(m->bytes, m->len, &ack) != 0)
		return -EBADMSG;
	s->acked = ack.generation;
	s->pool->env.changed(s->pool->env.owner);
	return 0;
}

static int on_want(struct worker_slot *s, const struct msg *m)
{
	struct msg_want want;

	if (s->state != SLOT_READY || msg_decode_want(m->bytes, m->len, &want) != 0 ||
	    want.form >= FORM_COUNT_)
		return -EBADMSG;
	s->pool->env.want(s->pool->env.owner, s->index, &want);
	return 0;
}

static int on_release(struct worker_slot *s, const struct msg *m)
{
	struct msg_release release;

	if (s->state != SLOT_READY || msg_decode_release(m->bytes, m->len, &release) != 0)
		return -EBADMSG;
	s->pool->env.release(s->pool->env.owner, s->index, release.want);
	return 0;
}

static int on_message(void *owner, struct peer *p, struct msg *m)
{
	struct worker_slot *s = owner;

	(void)p;
	switch (m->type) {
	case MSG_HELLO:
		return on_hello(s, m);
	case MSG_READY:
		return on_ready(s, m);
	case MSG_CATALOG_ACK:
		return on_catalog_ack(s, m);
	case MSG_WANT:
		return on_want(s, m);
	case MSG_RELEASE:
		return on_release(s, m);
	default:
		return -EBADMSG;
	}
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct worker_slot *s = owner;

	(void)p;
	s->peer = peer_free(s->peer);
	/* A closed socket is usually death itself, seen before the reaper; one that was told to end
	 * may take its time over it. */
	if (error == -EPIPE && s->pool->stopping)
		worker_slot_set_state(s, SLOT_STOPPING);
	else
		worker_slot_kill(s, error == -EPIPE ? NULL : "its messages are malformed");
}

static const struct peer_handler worker_handler = {.on_message = on_message,
						   .on_broken = on_broken};

static int slot_fork(struct worker_slot *s)
{
	const struct worker_pool_env *env = &s->pool->env;
	const char *const argv[] = {env->program,
				    "--log-level",
				    log_level_name(env->log_level),
				    "--log-format",
				    env->log_json ? "json" : "text",
				    NULL};
	int fds[2], r;

	r = msg_socketpair(fds);
	if (r < 0)
		return r;
	r = peer_new(env->base, fds[0], &worker_handler, s, &s->peer);
	if (r == 0) {
		r = spawn_child(argv, fds[1], &s->pid);
		if (r < 0)
			s->peer = peer_free(s->peer);
	}
	close_fd(&fds[1]);
	return r;
}

int worker_slot_start(struct worker_slot *s)
{
	int r;

	s->started_us = clock_mono_us();
	s->acked = 0;
	r = slot_make_page(s);
	if (r == 0)
		r = slot_fork(s);
	if (r < 0)
		worker_slot_drop_page(s);
	else
		worker_slot_set_state(s, SLOT_STARTING);
	return r;
}

void worker_slot_check(struct worker_slot *s, uint64_t now)
{
	const struct worker_page *page = s->page;
	uint64_t sign;

	if (s->state == SLOT_STARTING || s->state == SLOT_SETUP) {
		if (now - s->started_us > WORKER_HANDSHAKE_US)
			worker_slot_kill(s, "it did not get ready");
		return;
	}
	if (s->state != SLOT_READY)
		return;
	sign = atomic_load_explicit(&page->heartbeat_us, memory_order_relaxed);
	sign = MAX(sign, s->since_us);
	if (now > sign && now - sign > CHILD_SILENCE_US)
		worker_slot_kill(s, "it is silent");
}

json_t *worker_slot_report(const struct worker_slot *s)
{
	const struct worker_page *page = s->page;
	uint64_t viewers = 0;

	if (page)
		viewers = atomic_load_explicit(&page->viewers_open, memory_order_relaxed);
	return json_pack("{s:i, s:o, s:s, s:I, s:I}", "index", (int)s->index, "pid",
			 s->pid ? json_integer(s->pid) : json_null(), "state",
			 state_names[s->state], "viewers", (json_int_t)viewers, "restarts",
			 (json_int_t)s->restarts);
}
