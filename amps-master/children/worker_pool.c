#include "amps-master/children/worker_pool.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "amps-master/children/worker_pool_state.h"
#include "amps-master/system/spawn.h"
#include "common/shm/chantab.h"
#include "common/clock.h"
#include "common/shm/shm.h"
#include "common/shm/tokens.h"
#include "common/shm/worker_page.h"
#include "common/timer.h"

static const char *const state_names[SLOT_STATES_] = {"waiting", "starting", "setup", "ready",
						      "stopping"};

/* The only writer of `state`. */
static void slot_set_state(struct worker_slot *s, enum slot_state state)
{
	static const uint8_t legal[SLOT_STATES_] = {
		[SLOT_WAITING] = 1u << SLOT_STARTING,
		[SLOT_STARTING] = 1u << SLOT_SETUP | 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_SETUP] = 1u << SLOT_READY | 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_READY] = 1u << SLOT_STOPPING | 1u << SLOT_WAITING,
		[SLOT_STOPPING] = 1u << SLOT_WAITING,
	};

	assert(legal[s->state] & 1u << state);
	assert((state == SLOT_WAITING) == (s->pid == 0));
	log_debug("worker %u is %s pid=%d", s->index, state_names[state], (int)s->pid);
	s->state = state;
	s->since_us = clock_mono_us();
}

/* Is there a process that has been set up and reads messages? */
static bool slot_listens(const struct worker_slot *s)
{
	return s->peer && (s->state == SLOT_SETUP || s->state == SLOT_READY);
}

/* SIGKILL; the reaper cleans up after its death.  `why` may be NULL: nothing is logged. */
static void slot_kill(struct worker_slot *s, const char *why)
{
	if (s->state == SLOT_WAITING || s->pid == 0)
		return;
	if (why)
		log_warn("worker %u does not work (%s), killing it pid=%d", s->index, why,
			 (int)s->pid);
	kill(s->pid, SIGKILL);
	s->peer = peer_free(s->peer);
	if (s->state != SLOT_STOPPING)
		slot_set_state(s, SLOT_STOPPING);
}

/* Unmaps the page of a dead process; its byte count is kept in the pool. */
static void drop_page(struct worker_slot *s)
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

	assert(s->page_fd < 0 && !s->page && !s->page_sealed);
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

static void send_snapshot(struct worker_slot *s, enum snapshot_kind kind)
{
	const struct published *p = &s->pool->snapshots[kind];

	if (p->fd >= 0)
		peer_send_snapshot(s->peer,
				   &(struct msg_snapshot){.kind = (uint8_t)kind,
							  .generation = p->generation,
							  .bytes = p->bytes},
				   &p->fd);
}

bool worker_pool_all_serve(const struct worker_pool *pool, const struct served_wait *w)
{
	for (unsigned i = 0; i < pool->env.count; i++) {
		const struct worker_slot *s = &pool->slots[i];

		for (size_t k = 0; slot_listens(s) && k < SNAPSHOT_KIND_COUNT_; k++)
			if (s->acked[k] < w->generations[k])
				return false;
	}
	return true;
}

/* Ends those that are over; `done` may begin another. */
static void end_waits(struct worker_pool *pool)
{
	uint64_t now = clock_mono_us();
	struct served_wait *w;

	/* generations grow: if one wait is not over, no later one is */
	while ((w = TAILQ_FIRST(&pool->waits)) &&
	       (now >= w->end_us || worker_pool_all_serve(pool, w))) {
		TAILQ_REMOVE(&pool->waits, w, link);
		w->done(w->owner);
	}
	assert(!w || now < w->end_us);
	if (w)
		timer_set(pool->wait_timer, w->end_us - now);
	else
		event_del(pool->wait_timer);
}

static void on_wait_over(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_waits(arg);
}

static void send_access_log(struct worker_slot *s)
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

/* Lets a worker serve the RTSP socket of a slot. */
static void send_rtsp(struct worker_slot *to, const struct worker_slot *of)
{
	const int *fds = of->pool->env.rtsp_fds;

	if (fds)
		peer_send_listen_rtsp(to->peer, &(struct msg_listen_rtsp){.index = of->index},
				      &fds[of->index]);
}

static int on_hello(struct worker_slot *s, const struct msg *m)
{
	const struct worker_pool_env *env = &s->pool->env;
	struct msg_worker_setup setup = {.index = s->index,
					 .worker_count = env->count,
					 .page_bytes = WORKER_PAGE_BYTES,
					 .table_bytes = CHANTAB_BYTES,
					 .media_key = env->media_key,
					 .link_key = env->link_key};
	const int fds[] = {env->listen_fds[s->index], s->page_fd, env->chantab_fd, env->media_fd};
	struct msg_hello hello;

	if (s->state != SLOT_STARTING || msg_decode_hello(m->bytes, m->len, &hello) != 0)
		return -EBADMSG;
	if (strcmp(hello.version, AMPS_VERSION) != 0) {
		log_error("worker %u has another version, killing it version=%s wanted=%s",
			  s->index, hello.version, AMPS_VERSION);
		return -EBADMSG;
	}
	slot_set_state(s, SLOT_SETUP);
	peer_send_worker_setup(s->peer, &setup, fds);
	send_rtsp(s, s);
	if (env->rtp_fds)
		peer_send_rtp_sockets(s->peer, &(struct msg_rtp_sockets){},
				      &env->rtp_fds[2 * s->index]);
	send_access_log(s);
	/* before the snapshots, with which it begins to serve */
	tuners_offer(env->tuners, s->index);
	for (enum snapshot_kind kind = 0; kind < SNAPSHOT_KIND_COUNT_; kind++)
		send_snapshot(s, kind);
	for (unsigned i = 0; i < env->count; i++) {
		const struct worker_slot *other = &s->pool->slots[i];

		if (other != s && other->page_sealed)
			send_page(s, other);
	}
	return 0;
}

static void drop_helper(struct worker_slot *s)
{
	if (s->helper && slot_listens(s->helper))
		peer_send_listen_drop(s->helper->peer, &(struct msg_listen_drop){.index = s->index},
				      NULL);
	s->helper = NULL;
}

/* Lets a running worker serve the socket of one that backs off, until that is ready again. */
static void find_helper(struct worker_slot *s)
{
	const struct worker_pool *pool = s->pool;

	assert(s->state != SLOT_READY);
	for (unsigned i = 1; i < pool->env.count && !s->helper; i++) {
		struct worker_slot *other = &pool->slots[(s->index + i) % pool->env.count];

		if (other->state != SLOT_READY)
			continue;
		s->helper = other;
		peer_send_listen_also(other->peer, &(struct msg_listen_also){.index = s->index},
				      &pool->env.listen_fds[s->index]);
		send_rtsp(other, s);
	}
}

static int on_ready(struct worker_slot *s, const struct msg *m)
{
	const struct worker_pool *pool = s->pool;
	struct msg_ready ready;

	if (s->state != SLOT_SETUP || msg_decode_ready(m->bytes, m->len, &ready) != 0)
		return -EBADMSG;
	/* The worker has mapped its page; no other process ever writes it. */
	if (shm_seal_writer(s->page_fd) != 0)
		return -EIO;
	s->page_sealed = true;
	slot_set_state(s, SLOT_READY);
	drop_helper(s);
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *other = &s->pool->slots[i];

		if (other != s && slot_listens(other))
			send_page(other, s);
		/* no worker was ready when it began to wait */
		if (other->state == SLOT_WAITING)
			find_helper(other);
	}
	log_info("worker %u is ready pid=%d", s->index, (int)s->pid);
	pool->env.changed(pool->env.owner);
	return 0;
}

static int on_snapshot_ack(struct worker_slot *s, const struct msg *m)
{
	struct msg_snapshot_ack ack;

	if (!slot_listens(s) || msg_decode_snapshot_ack(m->bytes, m->len, &ack) != 0 ||
	    ack.kind >= SNAPSHOT_KIND_COUNT_)
		return -EBADMSG;
	s->acked[ack.kind] = ack.generation;
	end_waits(s->pool);
	worker_grants_decide(s->pool);
	return 0;
}

static int on_want(struct worker_slot *s, const struct msg *m)
{
	struct msg_want want;

	if (s->state != SLOT_READY || msg_decode_want(m->bytes, m->len, &want) != 0 ||
	    want.form >= OUTPUT_FORM_COUNT_)
		return -EBADMSG;
	tuners_want(s->pool->env.tuners, s->index, &want);
	return 0;
}

static int on_release(struct worker_slot *s, const struct msg *m)
{
	struct msg_release release;

	if (s->state != SLOT_READY || msg_decode_release(m->bytes, m->len, &release) != 0)
		return -EBADMSG;
	tuners_release(s->pool->env.tuners, s->index, release.want);
	return 0;
}

/* A worker cannot end a session that another one has. */
static int on_yield(struct worker_slot *s, const struct msg *m)
{
	struct msg_yield yield;

	if (s->state != SLOT_READY || msg_decode_yield(m->bytes, m->len, &yield) != 0)
		return -EBADMSG;
	worker_pool_kick(s->pool, (unsigned)(yield.serial >> VIEWER_SERIAL_SHIFT), yield.serial);
	/* its place is free for the session that this worker asks for next */
	grants_yield(&s->pool->grants, yield.serial);
	return 0;
}

static int on_api_call(struct worker_slot *s, const struct msg *m)
{
	const struct worker_pool_env *env = &s->pool->env;

	return s->state == SLOT_READY ? env->api_call(env->owner, s->index, m) : -EBADMSG;
}

static int on_log_line(struct worker_slot *s, const struct msg *m)
{
	struct msg_log_line line;
	int r = msg_decode_log_line(m->bytes, m->len, &line);

	return r < 0 ? r : child_log_take(&s->log, "worker", s->pid, &line);
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
	case MSG_SNAPSHOT_ACK:
		return on_snapshot_ack(s, m);
	case MSG_WANT:
		return on_want(s, m);
	case MSG_API_CALL:
		return on_api_call(s, m);
	case MSG_YIELD:
		return on_yield(s, m);
	case MSG_GRANT_ASK:
		return worker_grants_on_ask(s, m);
	case MSG_GRANT_END:
		return worker_grants_on_end(s, m);
	case MSG_RELEASE:
		return on_release(s, m);
	case MSG_LOG_LINE:
		return on_log_line(s, m);
	default:
		return -EBADMSG;
	}
}

static void on_broken(void *owner, struct peer *p, int error)
{
	struct worker_slot *s = owner;

	(void)p;
	s->peer = peer_free(s->peer);
	/* A closed socket usually means that the worker died and is not reaped yet; a worker that
	 * was asked to exit may still be running. */
	if (error == -EPIPE && s->pool->stopping)
		slot_set_state(s, SLOT_STOPPING);
	else
		slot_kill(s, error == -EPIPE ? NULL : "its messages are malformed");
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

	return spawn_peer(argv, env->base, &worker_handler, s, &s->peer, &s->pid);
}

/* A new process on this slot's socket.  0 or -Exxx (the slot is then as it was). */
static int slot_launch(struct worker_slot *s)
{
	int r;

	assert(s->state == SLOT_WAITING && s->pid == 0 && !s->peer && !s->page);
	s->started_us = clock_mono_us();
	memset(s->acked, 0, sizeof(s->acked));
	r = slot_make_page(s);
	if (r == 0)
		r = slot_fork(s);
	if (r < 0)
		drop_page(s);
	else
		slot_set_state(s, SLOT_STARTING);
	return r;
}

/* Kills it if it is late or silent. */
static void slot_check(struct worker_slot *s, uint64_t now)
{
	const struct worker_page *page = s->page;
	uint64_t sign;

	if (s->state == SLOT_STARTING || s->state == SLOT_SETUP) {
		if (now - s->started_us > WORKER_HANDSHAKE_US)
			slot_kill(s, "it did not get ready");
		return;
	}
	if (s->state != SLOT_READY)
		return;
	sign = atomic_load_explicit(&page->heartbeat_us, memory_order_relaxed);
	sign = MAX(sign, s->since_us);
	if (now > sign && now - sign > CHILD_SILENCE_US)
		slot_kill(s, "it is silent");
}

static json_t *slot_report(const struct worker_slot *s)
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

/* ---------- the pool: who is started when ---------- */

static struct worker_slot *slot_at(const struct worker_pool *pool, unsigned index)
{
	return index < pool->env.count ? &pool->slots[index] : NULL;
}

static void slot_start(struct worker_slot *s)
{
	int r = slot_launch(s);

	if (r == 0)
		return;
	log_error("cannot start worker %u (%s), trying again in %d ms", s->index, strerror(-r),
		  RESPAWN_MAX_MS);
	timer_set(s->respawn_timer, RESPAWN_MAX_MS * 1000ull);
	find_helper(s);
}

/* The limit applies to restarts, not to the first start. */
static void slot_restart(struct worker_slot *s)
{
	fork_brake_record(s->pool->env.brake, clock_mono_us());
	slot_start(s);
}

static void on_respawn(int fd, short what, void *arg)
{
	struct worker_slot *s = arg;
	uint64_t wait_us = fork_brake_wait_us(s->pool->env.brake, clock_mono_us());

	(void)fd;
	(void)what;
	if (s->pool->stopping)
		return;
	if (wait_us > 0)
		timer_set(s->respawn_timer, wait_us);
	else
		slot_restart(s);
}

static void slot_respawn(struct worker_slot *s)
{
	bool young = clock_mono_us() - s->started_us < RESPAWN_YOUNG_US;
	uint64_t delay_us = backoff_next_ms(&s->backoff, young) * 1000ull;

	delay_us = MAX(delay_us, fork_brake_wait_us(s->pool->env.brake, clock_mono_us()));
	s->restarts++;
	if (delay_us == 0) {
		slot_restart(s);
		return;
	}
	log_warn("worker %u keeps dying, trying again in %llu ms", s->index,
		 (unsigned long long)delay_us / 1000);
	timer_set(s->respawn_timer, delay_us);
	find_helper(s);
}

/* The other workers stop counting its viewers, and the sockets it served as a helper need another
 * one. */
static void announce_death(struct worker_slot *dead)
{
	struct worker_pool *pool = dead->pool;
	struct msg_worker_peer_gone gone = {.index = dead->index};

	for (unsigned i = 0; i < pool->env.count; i++) {
		if (slot_listens(&pool->slots[i]))
			peer_send_worker_peer_gone(pool->slots[i].peer, &gone, NULL);
		if (pool->slots[i].helper != dead)
			continue;
		pool->slots[i].helper = NULL;
		if (pool->slots[i].state != SLOT_READY)
			find_helper(&pool->slots[i]);
	}
}

static void log_death(const struct worker_slot *s, pid_t pid, int wait_status)
{
	if (s->pool->stopping)
		return;
	if (WIFSIGNALED(wait_status))
		log_warn("worker %u died of signal %d, replacing it pid=%d", s->index,
			 WTERMSIG(wait_status), (int)pid);
	else
		log_warn("worker %u ended with status %d, replacing it pid=%d", s->index,
			 WEXITSTATUS(wait_status), (int)pid);
}

bool worker_pool_child_exited(struct worker_pool *pool, pid_t pid, int wait_status)
{
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *s = &pool->slots[i];

		if (s->pid != pid)
			continue;
		assert(s->state != SLOT_WAITING);
		log_death(s, pid, wait_status);
		s->pid = 0;
		s->peer = peer_free(s->peer);
		drop_page(s);
		slot_set_state(s, SLOT_WAITING);
		end_waits(pool);
		tuners_worker_gone(pool->env.tuners, s->index);
		grants_drop_worker(&pool->grants, s->index);
		worker_grants_decide(pool);
		announce_death(s);
		if (!pool->stopping)
			slot_respawn(s);
		pool->env.changed(pool->env.owner);
		return true;
	}
	return false;
}

int worker_pool_new(const struct worker_pool_env *env, struct worker_pool **ret)
{
	struct worker_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	grants_init(&pool->grants);
	pool->env = *env;
	pool->access_fd = -1;
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		pool->snapshots[i].fd = -1;
	TAILQ_INIT(&pool->waits);
	pool->slots = calloc(env->count, sizeof(*pool->slots));
	if (!pool->slots)
		pool->env.count = 0;
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *s = &pool->slots[i];

		s->pool = pool;
		s->index = i;
		s->page_fd = -1;
		backoff_init(&s->backoff, RESPAWN_MIN_MS, RESPAWN_MAX_MS);
	}
	pool->wait_timer = evtimer_new(env->base, on_wait_over, pool);
	if (!pool->wait_timer) {
		worker_pool_free(pool);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < env->count; i++) {
		struct worker_slot *s = pool->slots ? &pool->slots[i] : NULL;

		if (s)
			s->respawn_timer = evtimer_new(env->base, on_respawn, s);
		if (!s || !s->respawn_timer) {
			worker_pool_free(pool);
			return -ENOMEM;
		}
	}
	*ret = pool;
	return 0;
}

struct worker_pool *worker_pool_free(struct worker_pool *pool)
{
	if (!pool)
		return NULL;
	pool->stopping = true;
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *s = &pool->slots[i];

		slot_kill(s, NULL);
		drop_page(s);
		if (s->respawn_timer)
			event_free(s->respawn_timer);
	}
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		close_fd(&pool->snapshots[i].fd);
	snapshot_unref(pool->tokens);
	if (pool->wait_timer)
		event_free(pool->wait_timer);
	close_fd(&pool->access_fd);
	grants_done(&pool->grants);
	free(pool->slots);
	free(pool);
	return NULL;
}

static const char *const kind_names[SNAPSHOT_KIND_COUNT_] = {
	[SNAPSHOT_CATALOG] = "catalog",
	[SNAPSHOT_TOKENS] = "tokens",
	[SNAPSHOT_GUIDE] = "guide",
	[SNAPSHOT_GEOIP] = "countries",
};

/* The master's own reader of the tokens. */
static void open_tokens(struct worker_pool *pool)
{
	const struct published *p = &pool->snapshots[SNAPSHOT_TOKENS];
	int r;

	pool->tokens = snapshot_unref(pool->tokens);
	r = snapshot_open(&tokens_type, p->fd, p->bytes, &pool->tokens);
	if (r < 0)
		log_error("the tokens cannot be read (%s), answering 503 to the API", strerror(-r));
}

struct snapshot *worker_pool_tokens(const struct worker_pool *pool)
{
	return pool->tokens;
}

void worker_pool_publish_snapshot(struct worker_pool *pool, enum snapshot_kind kind,
				  struct published *new)
{
	struct published *is = &pool->snapshots[kind];

	if (new->fd < 0)
		return;
	assert(new->generation > is->generation);
	close_fd(&is->fd);
	*is = *new;
	new->fd = -1;
	if (kind == SNAPSHOT_TOKENS)
		open_tokens(pool);
	log_debug("publishing the next %s generation=%llu", kind_names[kind],
		  (unsigned long long)is->generation);
	for (unsigned i = 0; i < pool->env.count; i++)
		if (slot_listens(&pool->slots[i]))
			send_snapshot(&pool->slots[i], kind);
}

void worker_pool_publish(struct worker_pool *pool, struct publication *p)
{
	for (enum snapshot_kind kind = 0; kind < SNAPSHOT_KIND_COUNT_; kind++)
		worker_pool_publish_snapshot(pool, kind, &p->snapshots[kind]);
}

void worker_pool_await(struct worker_pool *pool, struct served_wait *w)
{
	assert(w->done);
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		w->generations[i] = pool->snapshots[i].generation;
	w->end_us = clock_mono_us() + SERVED_WAIT_MS * 1000;
	TAILQ_INSERT_TAIL(&pool->waits, w, link);
	end_waits(pool);
}

int worker_pool_shared_token(const struct worker_pool *pool, char *token)
{
	const struct tokens *tokens = tokens_of(pool->tokens);
	const struct token_entry *entry = tokens ? tokens_shared(tokens) : NULL;

	if (!entry)
		return tokens ? -ENOENT : -EIO;
	memcpy(token, entry->token, TOKEN_BYTES_MAX);
	token[TOKEN_BYTES_MAX] = '\0';
	return 0;
}

void worker_pool_start(struct worker_pool *pool)
{
	for (unsigned i = 0; i < pool->env.count; i++)
		slot_start(&pool->slots[i]);
}

void worker_pool_check(struct worker_pool *pool, bool late)
{
	uint64_t now = clock_mono_us();

	if (pool->stopping || late)
		return;
	for (unsigned i = 0; i < pool->env.count; i++)
		slot_check(&pool->slots[i], now);
}

void worker_pool_output_ring(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_ring *m, int fd)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_output_ring(s->peer, m, &fd);
}

void worker_pool_output_offer(struct worker_pool *pool, int worker,
			      const struct msg_output_offer *m, int fd)
{
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *s = &pool->slots[i];

		if (slot_listens(s) && (worker < 0 || s->index == (unsigned)worker))
			peer_send_output_offer(s->peer, m, &fd);
	}
}

void worker_pool_output_offer_end(struct worker_pool *pool, const struct msg_output_offer_end *m)
{
	for (unsigned i = 0; i < pool->env.count; i++)
		if (slot_listens(&pool->slots[i]))
			peer_send_output_offer_end(pool->slots[i].peer, m, NULL);
}

void worker_pool_output_turn(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_turn *m)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_output_turn(s->peer, m, NULL);
}

void worker_pool_output_gone(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_gone *m)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_output_gone(s->peer, m, NULL);
}

void worker_pool_api_answer(struct worker_pool *pool, unsigned worker,
			    const struct msg_api_answer *m, int fd)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_api_answer(s->peer, m, &fd);
}

void worker_pool_kick(struct worker_pool *pool, unsigned worker, uint64_t serial)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_kick(s->peer, &(struct msg_kick){.serial = serial}, NULL);
}

void worker_pool_set_log_level(struct worker_pool *pool, enum log_level level)
{
	const struct msg_log_level m = {.level = level};

	pool->env.log_level = level;
	for (unsigned i = 0; i < pool->env.count; i++) {
		if (slot_listens(&pool->slots[i]))
			peer_send_log_level(pool->slots[i].peer, &m, NULL);
	}
}

void worker_pool_set_access_log(struct worker_pool *pool, int fd, bool framed)
{
	close_fd(&pool->access_fd);
	pool->access_fd = fd;
	pool->access_framed = framed;
	for (unsigned i = 0; i < pool->env.count; i++) {
		if (slot_listens(&pool->slots[i]))
			send_access_log(&pool->slots[i]);
	}
}

bool worker_pool_all_ready(const struct worker_pool *pool)
{
	for (unsigned i = 0; i < pool->env.count; i++) {
		if (pool->slots[i].state != SLOT_READY)
			return false;
	}
	return true;
}

unsigned worker_pool_alive(const struct worker_pool *pool)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < pool->env.count; i++)
		alive += pool->slots[i].pid != 0;
	return alive;
}

uint64_t worker_pool_restarts(const struct worker_pool *pool)
{
	uint64_t restarts = 0;

	for (unsigned i = 0; i < pool->env.count; i++)
		restarts += pool->slots[i].restarts;
	return restarts;
}

const void *worker_pool_page(const struct worker_pool *pool, unsigned worker)
{
	const struct worker_slot *s = slot_at(pool, worker);

	return s ? s->page : NULL;
}

uint64_t worker_pool_past_bytes(const struct worker_pool *pool)
{
	return pool->past_bytes;
}

json_t *worker_pool_report(const struct worker_pool *pool)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < pool->env.count; i++)
		json_array_append_new(list, slot_report(&pool->slots[i]));
	return list;
}

void worker_pool_shutdown(struct worker_pool *pool)
{
	pool->stopping = true;
	for (unsigned i = 0; i < pool->env.count; i++) {
		struct worker_slot *s = &pool->slots[i];

		event_del(s->respawn_timer);
		if (s->state == SLOT_READY)
			peer_send_shutdown(s->peer, &(struct msg_shutdown){}, NULL);
		else
			slot_kill(s, NULL);
	}
}

void worker_pool_kill(struct worker_pool *pool)
{
	for (unsigned i = 0; i < pool->env.count; i++)
		slot_kill(&pool->slots[i], NULL);
}
