/* A held request between its holder and its connection. */
#include "amps-worker/http/held.h"
#include "amps-worker/http/reply.h"
#include "unit.h"

#define MANY 5000u

static const struct held_rule rule = {.deadline_ms = 100, .late = {504, "nothing came in time"}};
static const struct held_error gone = {502, "the source is gone"};
static const struct held_rule patient = {.deadline_ms = 10000,
					 .late = {503, "nothing came in a long time"}};

/* A connection with one request. */
struct asker {
	struct reply reply;
	unsigned answers;
	struct asker *hurts;	 /* its request is cancelled when this one is answered */
	struct held_list *again; /* where the next request is held */
	struct holds *holds;
};

static void on_answer(void *owner, const struct held_error *error)
{
	struct asker *a = owner;

	a->answers++;
	cr_assert(!held_waits(&a->reply.held));
	if (error)
		reply_error(&a->reply, error->status, 1, "%s", error->text);
	if (a->hurts)
		reply_done(&a->hurts->reply);
	if (a->again) {
		struct held_list *list = a->again;

		a->again = NULL;
		held_begin(&a->reply.held, &a->reply, list, &rule);
		holds_add(a->holds, &a->reply.held, 0, on_answer, a);
	}
}

static void ask(struct asker *a, struct holds *holds, struct held_list *holder, uint64_t now_us,
		const struct held_rule *with)
{
	*a = (struct asker){.holds = holds};
	reply_init(&a->reply);
	held_begin(&a->reply.held, &a->reply, holder, with);
	holds_add(holds, &a->reply.held, now_us, on_answer, a);
}

static void done(struct asker *a)
{
	reply_done(&a->reply);
}

/* Completes all that wait, as a holder does. */
static void answer_all(struct held_list *holder)
{
	struct held_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct held *h;

	TAILQ_FOREACH (h, holder, in_holder)
		h->holder = &waiting;
	TAILQ_CONCAT(&waiting, holder, in_holder);
	while ((h = TAILQ_FIRST(&waiting))) {
		buf_puts(&h->reply->body, "here it is");
		held_ready(h, NULL);
	}
}

Test(held, is_answered_once_when_its_holder_is_ready)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct holds holds;
	struct asker a;

	holds_init(&holds);
	ask(&a, &holds, &holder, 0, &rule);
	cr_assert(held_waits(&a.reply.held));
	holds_tick(&holds, 99999);
	cr_assert_eq(a.answers, 0);
	answer_all(&holder);
	cr_assert_eq(a.answers, 1);
	cr_assert_eq(a.reply.status, 200);
	cr_assert_str_eq(a.reply.body.data, "here it is");
	holds_tick(&holds, 100000);
	cr_assert_eq(a.answers, 1, "its deadline is over");
	done(&a);
}

static uint64_t until_a_second(const struct held *h, uint64_t now_us)
{
	(void)h;
	return now_us < 1000000 ? 1000000 : 0;
}

Test(held, waits_longer_if_its_rule_says_so)
{
	static const struct held_rule queued = {.deadline_ms = 100,
						.late = {504, "nothing came in time"},
						.waits_until = until_a_second};
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct holds holds;
	struct asker a;

	holds_init(&holds);
	ask(&a, &holds, &holder, 0, &queued);
	holds_tick(&holds, 100000);
	holds_tick(&holds, 999999);
	cr_assert_eq(a.answers, 0);
	holds_tick(&holds, 1000000);
	cr_assert_eq(a.answers, 1);
	cr_assert_eq(a.reply.status, 504);
	done(&a);
}

Test(held, leaves_its_holder_when_the_client_closes)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct holds holds;
	struct asker a, b;

	holds_init(&holds);
	ask(&a, &holds, &holder, 0, &rule);
	ask(&b, &holds, &holder, 0, &rule);
	done(&a);
	cr_assert_eq(TAILQ_FIRST(&holder), &b.reply.held);
	held_cancel(&a.reply.held); /* does nothing */
	answer_all(&holder);
	cr_assert_eq(a.answers, 0);
	cr_assert_eq(b.answers, 1);
	done(&b);
	cr_assert(TAILQ_EMPTY(&holds.list));
}

Test(held, an_error_of_the_handler_ends_it)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct reply r;

	reply_init(&r);
	held_begin(&r.held, &r, &holder, &rule);
	reply_error(&r, 400, 0, "no");
	cr_assert(!held_waits(&r.held));
	cr_assert(TAILQ_EMPTY(&holder));
	reply_done(&r);
}

Test(held, is_answered_with_an_error_at_its_deadline)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct asker late, other, closing;
	struct holds holds;

	holds_init(&holds);
	ask(&other, &holds, &holder, 0, &patient);
	ask(&late, &holds, &holder, 5000, &rule);
	ask(&closing, &holds, &holder, 5000, &patient);
	held_shorten(&holds, &closing.reply.held, 50000);
	held_shorten(&holds, &closing.reply.held, 60000);
	holds_tick(&holds, 49999);
	cr_assert_eq(closing.answers, 0);
	holds_tick(&holds, 50000);
	cr_assert_eq(closing.answers, 1);
	holds_tick(&holds, 104999);
	cr_assert_eq(late.answers, 0);
	holds_tick(&holds, 105000);
	cr_assert_eq(late.answers, 1);
	cr_assert_eq(late.reply.status, 504);
	cr_assert_str_eq(late.reply.body.data, "{\"error\": \"nothing came in time\"}\n");
	cr_assert_eq(other.answers, 0);
	holds_tick(&holds, 10000000);
	cr_assert_eq(other.reply.status, 503);
	cr_assert(strstr(other.reply.fields.data, "Retry-After: "));
	cr_assert(TAILQ_EMPTY(&holder) && TAILQ_EMPTY(&holds.list));
	done(&late);
	done(&other);
	done(&closing);
}

Test(held, an_answer_may_end_other_connections)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct asker a[4];
	struct holds holds;

	holds_init(&holds);
	for (size_t i = 0; i < array_size(a); i++)
		ask(&a[i], &holds, &holder, 0, &rule);
	a[0].hurts = &a[1]; /* at the deadline */
	a[2].hurts = &a[3];
	holds_tick(&holds, 1000000);
	cr_assert_eq(a[0].answers + a[2].answers, 2);
	cr_assert_eq(a[1].answers + a[3].answers, 0);
	done(&a[0]);
	done(&a[2]);
	for (size_t i = 0; i < array_size(a); i++)
		ask(&a[i], &holds, &holder, 0, &rule);
	a[0].hurts = &a[1]; /* when the holder is ready */
	a[2].hurts = &a[3];
	answer_all(&holder);
	cr_assert_eq(a[0].answers + a[2].answers, 2);
	cr_assert_eq(a[1].answers + a[3].answers, 0);
	done(&a[0]);
	done(&a[2]);
}

Test(held, the_next_request_may_be_held_from_within_an_answer)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct asker a, b;
	struct holds holds;

	holds_init(&holds);
	ask(&a, &holds, &holder, 0, &rule);
	ask(&b, &holds, &holder, 0, &rule);
	a.again = &holder;
	answer_all(&holder);
	cr_assert_eq(a.answers, 1);
	cr_assert_eq(b.answers, 1);
	cr_assert(held_waits(&a.reply.held), "the next one waits");
	a.again = &holder;
	holds_tick(&holds, 100000);
	cr_assert_eq(a.answers, 2);
	cr_assert(held_waits(&a.reply.held));
	held_ready(&a.reply.held, &gone);
	cr_assert_eq(a.reply.status, 502);
	cr_assert_eq(a.answers, 3);
	done(&a);
	done(&b);
}

Test(held, many_are_held_answered_and_cancelled_at_once)
{
	struct held_list holder = TAILQ_HEAD_INITIALIZER(holder);
	struct asker *a = calloc(MANY, sizeof(*a));
	struct holds holds;

	holds_init(&holds);
	for (unsigned i = 0; i < MANY; i++)
		ask(&a[i], &holds, &holder, 0, i % 3 ? &patient : &rule);
	for (unsigned i = 0; i < MANY; i += 2)
		held_cancel(&a[i].reply.held);
	holds_tick(&holds, 100000);
	answer_all(&holder);
	for (unsigned i = 0; i < MANY; i++) {
		cr_assert_eq(a[i].answers, i % 2);
		cr_assert_eq(a[i].reply.status, i % 2 && i % 3 == 0 ? 504 : 200);
		done(&a[i]);
	}
	cr_assert(TAILQ_EMPTY(&holds.list));
	free(a);
}
