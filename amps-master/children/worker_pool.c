#include "amps-master/children/worker_pool.h"

#include <string.h>
#include <sys/wait.h>
#include "amps-master/children/worker_slot.h"
#include "common/clock.h"
#include "common/shm/tokens.h"

static struct worker_slot *slot_at(const struct worker_pool *pool, unsigned index)
{
	return index < pool->env.count ? &pool->slots[index] : NULL;
}

static void slot_wait(struct worker_slot *s, uint64_t delay_us)
{
	struct timeval tv = {.tv_sec = (time_t)(delay_us / 1000000),
			     .tv_usec = (suseconds_t)(delay_us % 1000000)};

	event_add(s->respawn_timer, &tv);
}

static void slot_start(struct worker_slot *s)
{
	int r = worker_slot_start(s);

	if (r == 0)
		return;
	log_error("cannot start worker %u (%s), trying again in %d ms", s->index, strerror(-r),
		  RESPAWN_MAX_MS);
	slot_wait(s, RESPAWN_MAX_MS * 1000ull);
	worker_slot_find_helper(s);
}

/* The brake is for restarts; the first start of all takes no notice of it. */
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
		slot_wait(s, wait_us);
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
	slot_wait(s, delay_us);
	worker_slot_find_helper(s);
}

/* The others count its viewers no more, and those it served beside its own need another helper. */
static void tell_death(struct worker_slot *dead)
{
	struct worker_pool *pool = dead->pool;
	struct msg_worker_peer_gone gone = {.index = dead->index};

	for (unsigned i = 0; i < pool->env.count; i++) {
		if (worker_slot_listens(&pool->slots[i]))
			peer_send_worker_peer_gone(pool->slots[i].peer, &gone, NULL);
		if (pool->slots[i].helper != dead)
			continue;
		pool->slots[i].helper = NULL;
		if (pool->slots[i].state != SLOT_READY)
			worker_slot_find_helper(&pool->slots[i]);
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
		log_death(s, pid, wait_status);
		s->pid = 0;
		s->peer = peer_free(s->peer);
		worker_slot_drop_page(s);
		worker_slot_set_state(s, SLOT_WAITING);
		pool->env.gone(pool->env.owner, s->index);
		tell_death(s);
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
	pool->env = *env;
	pool->catalog.fd = pool->tokens.fd = pool->access_fd = -1;
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

		worker_slot_kill(s, NULL);
		worker_slot_drop_page(s);
		if (s->respawn_timer)
			event_free(s->respawn_timer);
	}
	close_fd(&pool->catalog.fd);
	close_fd(&pool->tokens.fd);
	close_fd(&pool->access_fd);
	free(pool->slots);
	free(pool);
	return NULL;
}

static void take_snapshot(struct snapshot *s, int *fd, uint64_t bytes, uint64_t generation)
{
	close_fd(&s->fd);
	*s = (struct snapshot){.fd = TAKE_FD(*fd), .bytes = bytes, .generation = generation};
}

void worker_pool_publish(struct worker_pool *pool, struct publication *p)
{
	take_snapshot(&pool->catalog, &p->catalog_fd, p->catalog_bytes, p->generation);
	take_snapshot(&pool->tokens, &p->tokens_fd, p->tokens_bytes, p->tokens_generation);
	for (unsigned i = 0; i < pool->env.count; i++) {
		if (worker_slot_listens(&pool->slots[i]))
			worker_slot_send_snapshots(&pool->slots[i]);
	}
}

int worker_pool_shared_token(const struct worker_pool *pool, char *token)
{
	const struct token_entry *entry;
	struct tokens *tokens;
	int r;

	if (pool->tokens.fd < 0)
		return -ENOENT;
	r = tokens_open(pool->tokens.fd, pool->tokens.bytes, &tokens);
	if (r < 0)
		return r;
	entry = tokens_shared(tokens);
	if (entry) {
		memcpy(token, entry->token, TOKEN_BYTES_MAX);
		token[TOKEN_BYTES_MAX] = '\0';
	}
	tokens_free(tokens);
	return entry ? 0 : -ENOENT;
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
		worker_slot_check(&pool->slots[i], now);
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

		if (s->state == SLOT_READY && (worker < 0 || s->index == (unsigned)worker))
			peer_send_output_offer(s->peer, m, &fd);
	}
}

void worker_pool_output_offer_end(struct worker_pool *pool, const struct msg_output_offer_end *m)
{
	for (unsigned i = 0; i < pool->env.count; i++)
		if (pool->slots[i].state == SLOT_READY)
			peer_send_output_offer_end(pool->slots[i].peer, m, NULL);
}

void worker_pool_output_gone(struct worker_pool *pool, unsigned worker,
			     const struct msg_output_gone *m)
{
	struct worker_slot *s = slot_at(pool, worker);

	if (s && s->state == SLOT_READY)
		peer_send_output_gone(s->peer, m, NULL);
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
		if (worker_slot_listens(&pool->slots[i]))
			peer_send_log_level(pool->slots[i].peer, &m, NULL);
	}
}

void worker_pool_set_access_log(struct worker_pool *pool, int fd, bool framed)
{
	close_fd(&pool->access_fd);
	pool->access_fd = fd;
	pool->access_framed = framed;
	for (unsigned i = 0; i < pool->env.count; i++) {
		if (worker_slot_listens(&pool->slots[i]))
			worker_slot_send_access_log(&pool->slots[i]);
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

bool worker_pool_all_acked(const struct worker_pool *pool)
{
	for (unsigned i = 0; i < pool->env.count; i++) {
		const struct worker_slot *s = &pool->slots[i];

		if (s->state == SLOT_READY && s->acked < pool->catalog.generation)
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
		json_array_append_new(list, worker_slot_report(&pool->slots[i]));
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
			worker_slot_kill(s, NULL);
	}
}

void worker_pool_kill(struct worker_pool *pool)
{
	for (unsigned i = 0; i < pool->env.count; i++)
		worker_slot_kill(&pool->slots[i], NULL);
}
