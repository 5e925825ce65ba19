/* sessions.c - see sessions.h */
#include "amps-worker/segments/sessions.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "amps-worker/context/context.h"
#include "amps-worker/http/reply.h"
#include "amps-worker/live/admission.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/text/text.h"

#define NUMBER_SHIFT 56 /* number = index of the worker that began it << 56 | random bits */
#define LIFE_TARGETS 3u
#define OWN	     UINT32_MAX

struct session {
	TAILQ_ENTRY(session) link;
	struct sessions *all;
	uint64_t number;
	struct viewer_record *record;
	struct grant grant;
	struct held_list waiting; /* requests, for the grant */
	uint64_t lifetime_us;
	uint64_t bytes, seen_us; /* during a sweep: sums over the pages */
};

/* A session that this worker has answered. */
struct known_session {
	LIST_ENTRY(known_session) in_numbers, in_clients;
	uint64_t number, client;
	struct session *own;  /* NULL: another worker has the record ... */
	uint32_t page, place; /* ... there */
	uint16_t use;	      /* its place in our page's session_uses */
};

int sessions_init(struct sessions *all, struct viewers *viewers)
{
	*all = (struct sessions){.viewers = viewers};
	TAILQ_INIT(&all->list);
	for (unsigned i = 0; i < SESSION_BUCKETS; i++) {
		LIST_INIT(&all->by_number[i]);
		LIST_INIT(&all->by_client[i]);
	}
	all->free = calloc(WORKER_VIEWERS_MAX, sizeof(*all->free));
	return all->free ? 0 : -ENOMEM;
}

static struct context *context_of(const struct sessions *all)
{
	return all->viewers->context;
}

static struct session_uses *our_uses(const struct sessions *all)
{
	return worker_page_uses(context_of(all)->page);
}

static uint64_t load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

uint64_t sessions_number(const struct sessions *all)
{
	uint64_t number;

	/* without random bytes the time makes numbers unique; the signature makes them secret */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		number = clock_mono_us();
	number &= (1ull << NUMBER_SHIFT) - 1;
	return (uint64_t)context_of(all)->index << NUMBER_SHIFT | (number ? number : 1);
}

/* The name of a client in one channel. */
static uint64_t client_hash(const struct session_client *c)
{
	uint64_t h = hash_u64(hash_u64(HASH_START, c->channel), c->protocol);

	h = hash_bytes(h, &c->address, sizeof(c->address));
	if (c->agent.len)
		h = hash_bytes(h, c->agent.at, c->agent.len);
	return hash_end(h);
}

static struct known_list *bucket(struct known_list *table, uint64_t name)
{
	return &table[(name ^ name >> 32) % SESSION_BUCKETS];
}

static struct known_session *find_number(struct sessions *all, uint64_t number)
{
	struct known_session *k;

	LIST_FOREACH (k, bucket(all->by_number, number), in_numbers) {
		if (k->number == number)
			return k;
	}
	return NULL;
}

static bool use_left(const struct sessions *all)
{
	uint32_t used = atomic_load_explicit(&our_uses(all)->used, memory_order_relaxed);

	return all->free_count > 0 || used < WORKER_VIEWERS_MAX;
}

static uint16_t take_use(struct sessions *all, uint64_t number)
{
	struct session_uses *uses = our_uses(all);
	uint32_t used = atomic_load_explicit(&uses->used, memory_order_relaxed);
	uint32_t at = all->free_count ? all->free[--all->free_count] : used;

	assert(at < WORKER_VIEWERS_MAX && load(&uses->of[at].session) == 0);
	if (at == used)
		atomic_store_explicit(&uses->used, used + 1, memory_order_relaxed);
	atomic_store_explicit(&uses->of[at].bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&uses->of[at].seen_us, clock_mono_us(), memory_order_relaxed);
	atomic_store_explicit(&uses->of[at].session, number, memory_order_release);
	return (uint16_t)at;
}

static void give_use(struct sessions *all, uint16_t at)
{
	assert(load(&our_uses(all)->of[at].session) != 0 && all->free_count < WORKER_VIEWERS_MAX);
	atomic_store_explicit(&our_uses(all)->of[at].session, 0, memory_order_relaxed);
	all->free[all->free_count++] = at;
}

static struct known_session *known_new(struct sessions *all, const struct session_request *q)
{
	struct known_session *k = use_left(all) ? calloc(1, sizeof(*k)) : NULL;

	if (!k)
		return NULL;
	k->number = q->number;
	k->client = client_hash(
		&(struct session_client){q->channel, q->protocol, q->address, q->agent});
	k->use = take_use(all, k->number);
	LIST_INSERT_HEAD(bucket(all->by_number, k->number), k, in_numbers);
	LIST_INSERT_HEAD(bucket(all->by_client, k->client), k, in_clients);
	return k;
}

static void known_free(struct sessions *all, struct known_session *k)
{
	LIST_REMOVE(k, in_numbers);
	LIST_REMOVE(k, in_clients);
	give_use(all, k->use);
	free(k);
}

/* Of requests that wait for a grant. */
static const struct held_error ended = {401, SESSION_ENDED_TEXT};
static const struct held_rule wait_rule = {.deadline_ms = API_CALL_MS,
					   .late = {503, "the server did not answer in time"}};

/* Answers the requests that wait.  An answer may end other connections, and the session with one
 * of them. */
static void answer_waiting(struct session *s, const struct held_error *error)
{
	struct held_list ready = TAILQ_HEAD_INITIALIZER(ready);
	struct held *h;

	while ((h = TAILQ_FIRST(&s->waiting)))
		held_move(h, &ready);
	while ((h = TAILQ_FIRST(&ready)))
		held_ready(h, error);
}

/* It is no viewer of this worker any more; what asks for it later is answered by its known_session,
 * if that has another worker's record. */
static void session_free(struct session *s, const struct held_error *error)
{
	records_give(s->all->viewers->records, s->record);
	grant_end(&s->grant);
	TAILQ_REMOVE(&s->all->list, s, link);
	answer_waiting(s, error);
	free(s);
}

/* Ends the session here: gives its record back, and forgets it. */
static void session_drop(struct session *s, const struct held_error *error)
{
	struct known_session *k = find_number(s->all, s->number);

	assert(k && k->own == s);
	known_free(s->all, k);
	session_free(s, error);
}

/* It must not begin again. */
static void session_end_at(struct session *s, uint64_t ended_us, const struct held_error *error)
{
	struct session_uses *uses = our_uses(s->all);
	uint32_t count = atomic_load_explicit(&uses->ended_count, memory_order_relaxed);
	uint32_t at = count % SESSIONS_ENDED;

	atomic_store_explicit(&uses->ended_us[at], ended_us, memory_order_relaxed);
	atomic_store_explicit(&uses->ended[at], s->number, memory_order_release);
	atomic_store_explicit(&uses->ended_count, count + 1, memory_order_relaxed);
	session_drop(s, error);
}

/* The server ends it. */
static void session_end(struct session *s)
{
	session_end_at(s, clock_mono_us(), &ended);
}

static uint64_t page_ended_us(const void *page, uint64_t number)
{
	const struct session_uses *uses = worker_page_uses(page);

	for (unsigned i = 0; i < SESSIONS_ENDED; i++)
		if (atomic_load_explicit(&uses->ended[i], memory_order_acquire) == number)
			return MAX(load(&uses->ended_us[i]), 1u);
	return 0;
}

/* When the server ended the viewer's session; 0: it did not. */
static uint64_t ended_us(const struct sessions *all, uint64_t number)
{
	const struct context *x = context_of(all);
	uint64_t at_us = 0;

	for (unsigned i = 0; i < x->page_count && !at_us; i++)
		at_us = x->pages[i] ? page_ended_us(x->pages[i], number) : 0;
	return at_us;
}

bool sessions_may_return(const struct sessions *all, uint64_t number)
{
	uint64_t at_us = ended_us(all, number);

	return at_us && clock_mono_us() > at_us + SESSION_AWAY_US;
}

static const struct viewer_record *record_at(const struct context *x, uint32_t page, uint32_t place)
{
	assert(page < x->page_count && place < WORKER_VIEWERS_MAX);
	return &worker_page_records((void *)(uintptr_t)x->pages[page])[place];
}

static uint32_t records_used(const struct context *x, uint32_t page)
{
	const struct worker_page *p = x->pages[page];
	uint32_t used = p ? atomic_load_explicit(&p->records_used, memory_order_relaxed) : 0;

	return MIN(used, (uint32_t)WORKER_VIEWERS_MAX);
}

/* Is the record still there? */
static bool lives(const struct sessions *all, const struct known_session *k)
{
	const struct context *x = context_of(all);
	const struct viewer_record *r;

	if (k->own)
		return true;
	if (k->page >= x->page_count || !x->pages[k->page])
		return false;
	r = record_at(x, k->page, k->place);
	return load(&r->session) == k->number && load(&r->serial) != 0;
}

static bool find_in_page(const struct context *x, uint32_t page, uint64_t number,
			 uint32_t *ret_place)
{
	uint32_t used = records_used(x, page);

	for (uint32_t i = 0; i < used; i++) {
		const struct viewer_record *r = record_at(x, page, i);

		if (load(&r->session) == number && load(&r->serial) != 0) {
			*ret_place = i;
			return true;
		}
	}
	return false;
}

/* Looks for the record in the pages of other workers, first where the session began. */
static bool find_elsewhere(const struct sessions *all, uint64_t number, uint32_t *ret_page,
			   uint32_t *ret_place)
{
	const struct context *x = context_of(all);
	uint32_t began = (uint32_t)(number >> NUMBER_SHIFT);

	if (began < x->page_count && began != x->index &&
	    find_in_page(x, began, number, ret_place)) {
		*ret_page = began;
		return true;
	}
	for (uint32_t i = 0; i < x->page_count; i++) {
		if (i != began && i != x->index && find_in_page(x, i, number, ret_place)) {
			*ret_page = i;
			return true;
		}
	}
	return false;
}

bool sessions_live(struct sessions *all, uint64_t number)
{
	const struct known_session *k = find_number(all, number);
	uint32_t page, place;

	return (k && lives(all, k)) || find_elsewhere(all, number, &page, &place);
}

static uint64_t lifetime_us(const struct sessions *all, uint32_t target_s)
{
	uint64_t idle = catalog_settings(context_catalog(context_of(all)))->idle_timeout_ms;

	/* before its first playlist, and where tuners never stop */
	if (idle == 0 || target_s == 0)
		idle = MAX(idle, HLS_SESSION_MIN_S * 1000);
	return MAX(idle * 1000, (uint64_t)target_s * LIFE_TARGETS * 1000000);
}

static struct viewer_record new_record(const struct session_request *q)
{
	struct viewer_record rec = {
		.channel = q->channel,
		.output = UINT32_MAX,
		.since_wall_us = clock_wall_us(),
		.protocol = q->protocol,
		.located = q->located,
		.token = q->token_name,
		.session = q->number,
		.until_wall_us = q->until_wall_us,
	};

	memcpy(rec.address, &q->address, sizeof(rec.address));
	text_copy(rec.variant, sizeof(rec.variant), q->variant);
	text_copy(rec.region, sizeof(rec.region), q->region);
	records_set_agent(&rec, q->agent.at, q->agent.len);
	return rec;
}

/* Does the session have this address and user agent? */
static bool same_client(const struct viewer_record *a, const struct viewer_record *b)
{
	return !memcmp(a->address, b->address, sizeof(a->address)) &&
	       !strncmp(a->user_agent, b->user_agent, sizeof(a->user_agent));
}

/* ... and this token? */
static bool same_viewer(const struct viewer_record *a, const struct viewer_record *b)
{
	return same_client(a, b) && load(&a->token) == load(&b->token);
}

/* Asks the master to end the oldest session of this client that another worker has. */
static bool yield_elsewhere(struct sessions *all, const struct viewer_record *rec)
{
	struct context *x = context_of(all);
	struct viewer_record oldest = {0}, r;

	for (uint32_t page = 0; page < x->page_count; page++) {
		uint32_t used = page == x->index ? 0 : records_used(x, page);

		for (uint32_t i = 0; i < used; i++)
			if (worker_page_get(x->pages[page], i, &r) == 0 && load(&r.session) &&
			    same_viewer(&r, rec) &&
			    (!load(&oldest.serial) || r.since_wall_us < oldest.since_wall_us))
				oldest = r;
	}
	if (!load(&oldest.serial))
		return false;
	peer_send_yield(x->master, &(struct msg_yield){.serial = load(&oldest.serial)}, NULL);
	return true;
}

/* Ends the oldest session of this client, so that the one of this record may begin: a viewer who
 * changes the channel does not count twice. */
static bool yield(struct sessions *all, const struct viewer_record *rec)
{
	struct session *s;

	TAILQ_FOREACH (s, &all->list, link) {
		if (same_viewer(s->record, rec)) {
			session_end_at(s, 0, &ended); /* the viewer may come back at once */
			return true;
		}
	}
	return yield_elsewhere(all, rec);
}

static void on_grant(void *owner, bool given)
{
	struct session *s = owner;
	struct known_session *k = find_number(s->all, s->number);
	uint32_t page, place;

	assert(k && k->own == s);
	/* requests that came together to two workers: one session is enough */
	if (find_elsewhere(s->all, s->number, &page, &place)) {
		k->own = NULL;
		k->page = page;
		k->place = place;
		session_free(s, NULL);
		return;
	}
	if (!given) {
		/* it may come back at once */
		session_end_at(
			s, 0, admission_refused_grant(context_of(s->all), load(&s->record->token)));
		return;
	}
	records_count_token(s->all->viewers->records, s->record);
	atomic_store_explicit(&s->record->session, s->number, memory_order_release);
	answer_waiting(s, NULL);
}

bool sessions_hold(struct sessions *all, uint64_t number, struct reply *r)
{
	struct known_session *k = find_number(all, number);

	if (!k || !k->own || k->own->grant.state != GRANT_ASKED)
		return false;
	if (held_waits(&r->held)) {
		held_move(&r->held, &k->own->waiting);
		r->held.rule = &wait_rule;
	} else {
		held_begin(&r->held, r, &k->own->waiting, &wait_rule);
	}
	return true;
}

static enum session_verdict session_begin(struct sessions *all, const struct session_request *q)
{
	bool room = viewers_have_room(all->viewers) && use_left(all);
	struct viewer_record rec = new_record(q);
	struct known_session *k;
	struct session *s;

	assert(q->number != 0);
	/* no other worker answers it before it has its grant */
	if (q->counted)
		atomic_store_explicit(&rec.session, 0, memory_order_relaxed);
	if ((!room || !q->token_room) && !yield(all, &rec))
		return room ? SESSION_TOKEN_FULL : SESSION_NO_ROOM;
	if (!records_left(all->viewers->records))
		return SESSION_NO_ROOM;
	s = calloc(1, sizeof(*s));
	k = s ? known_new(all, q) : NULL;
	if (!k) {
		free(s);
		return SESSION_NO_MEMORY;
	}
	s->all = all;
	s->number = q->number;
	TAILQ_INIT(&s->waiting);
	s->record = records_take(
		all->viewers->records,
		(struct record_owner){.session = s, .end = session_end, .uncounted = q->counted},
		&rec);
	k->own = s;
	TAILQ_INSERT_TAIL(&all->list, s, link);
	if (q->counted)
		grant_ask(&s->grant, all->viewers->grants, load(&s->record->serial), q->token_name,
			  on_grant, s);
	return SESSION_GOES_ON;
}

/* Finds the session, or begins it; sets *ret if it goes on. */
static enum session_verdict find_or_begin(struct sessions *all, const struct session_request *q,
					  struct known_session **ret)
{
	struct known_session *k = find_number(all, q->number);
	enum session_verdict verdict;
	uint32_t page, place;

	if (k && !lives(all, k)) {
		known_free(all, k);
		k = NULL;
	}
	if (!k && ended_us(all, q->number))
		return SESSION_ENDED;
	if (!k && find_elsewhere(all, q->number, &page, &place)) {
		k = known_new(all, q);
		if (!k)
			return SESSION_NO_MEMORY;
		k->page = page;
		k->place = place;
	}
	if (!k) {
		verdict = session_begin(all, q);
		if (verdict != SESSION_GOES_ON)
			return verdict;
		k = find_number(all, q->number);
		assert(k && k->own);
	}
	*ret = k;
	return SESSION_GOES_ON;
}

enum session_verdict sessions_touch(struct sessions *all, const struct session_request *q)
{
	struct known_session *k;
	enum session_verdict verdict = find_or_begin(all, q, &k);

	if (verdict != SESSION_GOES_ON)
		return verdict;
	atomic_store_explicit(&our_uses(all)->of[k->use].seen_us, clock_mono_us(),
			      memory_order_relaxed);
	if (k->own) {
		k->own->lifetime_us = lifetime_us(all, q->target_s);
		records_set_output(all->viewers->records, k->own->record, q->slot);
	}
	return SESSION_GOES_ON;
}

/* Looks in the pages of other workers for the newest session of this client: its playlists may all
 * have come to another worker. */
static struct known_session *find_client_elsewhere(struct sessions *all,
						   const struct session_request *q)
{
	const struct context *x = context_of(all);
	struct viewer_record wanted = new_record(q), newest = {0}, r;
	struct known_session *k;
	struct session_request found = *q;
	uint32_t at_page = 0, at_place = 0;

	for (uint32_t page = 0; page < x->page_count; page++) {
		uint32_t used = page == x->index ? 0 : records_used(x, page);

		for (uint32_t i = 0; i < used; i++) {
			const struct viewer_record *here = record_at(x, page, i);

			if (load(&here->session) == 0 || here->channel != q->channel ||
			    worker_page_get(x->pages[page], i, &r) < 0 || load(&r.session) == 0 ||
			    r.protocol != q->protocol || !same_client(&r, &wanted) ||
			    (load(&newest.serial) && r.since_wall_us < newest.since_wall_us))
				continue;
			newest = r;
			at_page = page;
			at_place = i;
		}
	}
	if (!load(&newest.serial) || find_number(all, load(&newest.session)))
		return NULL;
	found.number = load(&newest.session);
	k = known_new(all, &found);
	if (k) {
		k->page = at_page;
		k->place = at_place;
	}
	return k;
}

_Atomic uint64_t *sessions_of_client(struct sessions *all, const struct session_client *client)
{
	struct session_request q = {.channel = client->channel,
				    .variant = "",
				    .protocol = client->protocol,
				    .address = client->address,
				    .agent = client->agent};
	uint64_t name = client_hash(client);
	struct known_session *k;

	LIST_FOREACH (k, bucket(all->by_client, name), in_clients) {
		if (k->client == name)
			break;
	}
	if (!k)
		k = find_client_elsewhere(all, &q);
	if (!k)
		return NULL;
	atomic_store_explicit(&our_uses(all)->of[k->use].seen_us, clock_mono_us(),
			      memory_order_relaxed);
	return &our_uses(all)->of[k->use].bytes;
}

/* Adds what one worker has sent to the sums of the sessions that have their record here. */
static void add_page(struct sessions *all, const void *page)
{
	const struct session_uses *uses = worker_page_uses(page);
	uint32_t used = atomic_load_explicit(&uses->used, memory_order_relaxed);

	for (uint32_t i = 0; i < MIN(used, (uint32_t)WORKER_VIEWERS_MAX); i++) {
		uint64_t number = load(&uses->of[i].session);
		struct known_session *k = number ? find_number(all, number) : NULL;

		if (!k || !k->own)
			continue;
		k->own->bytes += load(&uses->of[i].bytes);
		k->own->seen_us = MAX(k->own->seen_us, load(&uses->of[i].seen_us));
	}
}

/* Forgets sessions whose record is gone; those that only asked here once stay until then, because
 * their bytes count. */
static void forget(struct sessions *all)
{
	struct known_session *k, *next;

	for (unsigned i = 0; i < SESSION_BUCKETS; i++) {
		for (k = LIST_FIRST(&all->by_number[i]); k; k = next) {
			next = LIST_NEXT(k, in_numbers);
			if (!lives(all, k))
				known_free(all, k);
		}
	}
}

void sessions_sweep(struct sessions *all, uint64_t now_us)
{
	struct context *x = context_of(all);
	struct session *s, *next;

	if (now_us < all->sweep_us)
		return;
	all->sweep_us = now_us + SESSION_SWEEP_US;
	TAILQ_FOREACH (s, &all->list, link)
		s->bytes = s->seen_us = 0;
	for (unsigned i = 0; i < x->page_count; i++)
		if (x->pages[i])
			add_page(all, x->pages[i]);
	for (s = TAILQ_FIRST(&all->list); s; s = next) {
		next = TAILQ_NEXT(s, link);
		/* bytes of a worker that died are lost from the sum, not from the record */
		if (s->bytes > load(&s->record->bytes))
			atomic_store_explicit(&s->record->bytes, s->bytes, memory_order_relaxed);
		if (now_us > s->seen_us + s->lifetime_us)
			session_drop(s, &wait_rule.late);
	}
	forget(all);
}

void sessions_done(struct sessions *all)
{
	struct known_session *k;

	while (!TAILQ_EMPTY(&all->list))
		session_drop(TAILQ_FIRST(&all->list), &wait_rule.late);
	for (unsigned i = 0; all->viewers && i < SESSION_BUCKETS; i++)
		while ((k = LIST_FIRST(&all->by_number[i])))
			known_free(all, k);
	free(all->free);
}
