#include "amps-worker/worker.h"

#include <string.h>

#include "amps-worker/routes.h"
#include "amps-worker/rtsp/rtsp_dialogue.h"
#include "amps-worker/http/body_cache.h"
#include "common/clock.h"
#include "common/log/log.h"
#include "common/timer.h"

#define HEARTBEAT_US 250000

static void beat(struct worker *w)
{
	atomic_store_explicit(&w->context.page->heartbeat_us, clock_mono_us(),
			      memory_order_relaxed);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	beat(w);
	holds_tick(&w->http.conns.holds, clock_mono_us());
	rights_tick(&w->live.rights, &w->live.records, clock_wall_us());
	live_tick(&w->live);
	rtsp_sessions_tick(&w->rtsp);
	segments_tick(&w->segments);
	events_tick(&w->api.events, clock_mono_us());
	access_log_flush(&w->http.access_log);
	log_tick();
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

static int on_setup(struct worker *w, const struct msg_worker_setup *m, struct msg *raw)
{
	int r = context_on_setup(&w->context, m, raw->fds[1], raw->fds[2], &raw->fds[3]);

	if (r < 0)
		return r;
	beat(w);
	timer_set(&w->heartbeat, HEARTBEAT_US);
	return listener_add(&w->http.listener, m->index, TAKE_FD(raw->fds[0]), CONN_HTTP);
}

static int on_rtp_sockets(struct worker *w, struct msg *raw)
{
	if (w->rtsp.rtp.fd >= 0)
		return -EBADMSG;
	rtsp_sessions_open_udp(&w->rtsp, TAKE_FD(raw->fds[0]), TAKE_FD(raw->fds[1]));
	return 0;
}

static int on_snapshot(struct worker *w, const struct msg_snapshot *m, int fd)
{
	int r = context_on_snapshot(&w->context, m, fd);

	/* bodies refer to the guide that they are made of, and would keep it in memory */
	if (r == 0 && m->kind == SNAPSHOT_GUIDE)
		body_cache_drop_unused(w->http.cache);
	return r;
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
	w->context.draining = true;
	listener_stop(&w->http.listener);
	timer_set(&w->drain, WORKER_DRAIN_MS * 1000);
	rtsp_sessions_drain(&w->rtsp);
	conn_drain_all(&w->http.conns);
}

/* Once everything is there, gives up rights and begins to serve. */
static int become_ready(struct worker *w)
{
	const struct context *x = &w->context;
	int r = 0;

	if (w->ready || !x->page || !context_complete(x))
		return 0;
	if (w->confine)
		r = w->confine(x->media_fd);
	if (r < 0)
		return r;
	w->ready = true;
	listener_start(&w->http.listener);
	peer_send_ready(x->master, &(struct msg_ready){}, NULL);
	log_info("ready to serve index=%u connections_max=%u", x->index, w->http.conns.max);
	return 0;
}

/* Decodes a message as `m`; `call` is what to do with it, 0 or -Exxx. */
#define ON(TYPE, name, call)                                                                       \
	case MSG_##TYPE: {                                                                         \
		struct msg_##name m;                                                               \
		r = msg_decode_##name(raw->bytes, raw->len, &m);                                   \
		if (r == 0)                                                                        \
			r = (call);                                                                \
		break;                                                                             \
	}

static int on_message(void *owner, struct peer *p, struct msg *raw)
{
	struct worker *w = owner;
	struct context *x = &w->context;
	struct listener *l = &w->http.listener;
	struct access_log *log = &w->http.access_log;
	int r;

	(void)p;
	if (!x->page && raw->type != MSG_WORKER_SETUP && raw->type != MSG_SNAPSHOT &&
	    raw->type != MSG_SHUTDOWN)
		return -EBADMSG;
	switch (raw->type) {
		ON(WORKER_SETUP, worker_setup, on_setup(w, &m, raw))
		ON(WORKER_PEER, worker_peer, context_on_worker_peer(x, &m, raw->fds[0]))
		ON(WORKER_PEER_GONE, worker_peer_gone, context_on_worker_peer_gone(x, m.index))
		ON(LISTEN_ALSO, listen_also,
		   listener_add(l, m.index, TAKE_FD(raw->fds[0]), CONN_HTTP))
		ON(LISTEN_RTSP, listen_rtsp,
		   listener_add(l, m.index, TAKE_FD(raw->fds[0]), CONN_RTSP))
		ON(RTP_SOCKETS, rtp_sockets, on_rtp_sockets(w, raw))
		ON(LISTEN_DROP, listen_drop, (listener_drop(l, m.index), 0))
		ON(SNAPSHOT, snapshot, on_snapshot(w, &m, raw->fds[0]))
		ON(OUTPUT_RING, output_ring, (live_on_output_ring(&w->live, &m, raw->fds[0]), 0))
		ON(OUTPUT_OFFER, output_offer, outputs_on_offer(&w->live.outputs, &m, raw->fds[0]))
		ON(OUTPUT_OFFER_END, output_offer_end,
		   (outputs_on_offer_end(&w->live.outputs, m.output), 0))
		ON(OUTPUT_TURN, output_turn, (outputs_on_turn(&w->live.outputs, &m), 0))
		ON(OUTPUT_GONE, output_gone, (live_on_output_gone(&w->live, &m), 0))
		ON(API_ANSWER, api_answer, api_on_answer(&w->api, &m, &raw->fds[0]))
		ON(GRANT, grant, (grants_on_answer(&w->live.grants, &m), 0))
		ON(KICK, kick, (live_on_kick(&w->live, m.serial), 0))
		ON(LOG_LEVEL, log_level, on_log_level(m.level))
		ON(ACCESS_LOG, access_log,
		   (access_log_open(log, TAKE_FD(raw->fds[0]), m.framed, x->page), 0))
		ON(ACCESS_LOG_OFF, access_log_off, (access_log_close(log), 0))
		ON(SHUTDOWN, shutdown, (on_shutdown(w), 0))
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
	event_base_loopbreak(w->context.base);
}

static const struct peer_handler master_handler = {on_message, on_broken};

static int make_loop(struct worker *w)
{
	static const struct timeval turn = {0, WORKER_TURN_MS * 1000};
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return -ENOMEM;
	/* No changelist: libevent would take a dropped listening socket out of the epoll set after
	 * its close(), too late for one that the master keeps open.  A precise timer: by the coarse
	 * clock a timer is often not due yet when the wait for it ends. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	/* bounds a turn: many clients would take seconds, and the master would kill a hung worker
	 */
	event_config_set_max_dispatch_interval(config, &turn, -1, PRIORITY_CLIENTS);
	base = w->context.base = event_base_new_with_config(config);
	event_config_free(config);
	if (!base || event_base_priority_init(base, PRIORITY_COUNT_) < 0)
		return -ENOMEM;
	event_assign(&w->heartbeat, base, -1, EV_PERSIST, on_heartbeat, w);
	event_priority_set(&w->heartbeat, PRIORITY_HEARTBEAT);
	evtimer_assign(&w->drain, base, on_drained, base);
	return 0;
}

int worker_init(struct worker *w, int master_fd, int (*confine)(int media_fd))
{
	struct context *x = &w->context;
	struct conn_hooks hooks = live_hooks(&w->live);
	int r;

	*w = (struct worker){.context = {.index = UINT32_MAX, .media_fd = -1}, .confine = confine};
	r = make_loop(w);
	if (r < 0) {
		close(master_fd);
		return r;
	}
	r = peer_new(x->base, master_fd, &master_handler, w, &x->master);
	if (r == 0)
		r = live_init(&w->live, x);
	if (r == 0)
		r = http_init(&w->http, x, worker_routes, &hooks);
	if (r == 0)
		r = segments_init(&w->segments, &w->live, w->http.cache);
	if (r < 0)
		return r;
	w->http.conns.segments = &w->segments;
	rtsp_sessions_init(&w->rtsp, &w->http.conns, &w->live.viewers);
	w->http.conns.dialogues = rtsp_dialogues(&w->rtsp);
	api_init(&w->api, x);
	w->http.conns.api = &w->api;
	peer_send_hello(x->master,
			&(struct msg_hello){.program = "amps-worker",
					    .version = AMPS_VERSION,
					    .pid = (uint32_t)getpid()},
			NULL);
	return 0;
}

int worker_run(struct worker *w)
{
	if (event_base_dispatch(w->context.base) < 0)
		return 1;
	return w->exit_code;
}

void worker_done(struct worker *w)
{
	if (!w->context.base)
		return;
	log_done();
	/* sessions end with the connections that control them, while the access log is open */
	rtsp_sessions_drain(&w->rtsp);
	http_done(&w->http);
	rtsp_sessions_done(&w->rtsp);
	segments_done(&w->segments);
	live_done(&w->live);
	event_del(&w->heartbeat);
	evtimer_del(&w->drain);
	context_done(&w->context);
	event_base_free(w->context.base);
	*w = (struct worker){0};
}
