/* master_state.h - what the master owns.  For master*.c only; the parts know each other through
 * their own headers and through callbacks. */
#ifndef AMPS_MASTER_STATE_H
#define AMPS_MASTER_STATE_H

#include "amps-master/system/account.h"
#include "amps-master/system/listen.h"
#include "amps-master/system/media_root.h"
#include "amps-master/system/runtime_dir.h"
#include "amps-master/system/service.h"
#include "amps-master/config/serve_options.h"
#include "amps-master/config/settings.h"
#include "amps-master/children/viewers.h"

/* STARTING -> RUNNING -> STOPPING (children were asked to exit) -> KILLING (SIGKILL) */
enum master_phase { MASTER_STARTING, MASTER_RUNNING, MASTER_STOPPING, MASTER_KILLING };

#define MASTER_SIGNALS 4

struct master {
	const struct serve_options *options;
	struct settings settings;
	struct account account;
	struct runtime_dir runtime;
	struct media_root media;
	char media_key[TOKEN_BYTES_MAX + 1], link_key[TOKEN_BYTES_MAX + 1];
	struct event_base *base;
	struct event *signals[MASTER_SIGNALS];
	struct event *tick;	  /* every TICK_MS */
	struct event *stop_timer; /* the end of a phase of stopping */
	struct wall_timer *schedule;
	enum master_phase phase;
	bool interrupted; /* SIGTERM or SIGINT came while STARTING */

	struct store *store;
	struct publication *first; /* until the workers exist */
	int health;		   /* of the database, as last logged: 0 or -Exxx */
	bool republishing;
	uint64_t generation;
	uint64_t tick_us;	   /* of the last tick */
	uint64_t patient_until_us; /* this loop was late: until then a silent child is not hung */

	uint64_t epoch_mono_us;
	int chantab_fd;
	struct chantab_header *chantab; /* mapped for writing */

	struct service service; /* the service manager */
	struct listeners listeners;
	struct listeners rtsp; /* none: RTSP is off */
	struct listen_pairs rtp;
	struct fork_brake brake;
	struct nursery *nursery;
	struct worker_pool *pool;
	struct tuners *tuners;
	struct viewers viewers;
	struct helpers *helpers;
	struct reload *reload;
	struct api *api;
	struct guide_importer *guide;
	struct geoip_import *geoip;
	struct hooks *hooks;
	struct control *control;
	bool control_missing; /* the socket's file is gone, and that was logged */
	bool announced;	      /* the banner was printed */
	bool reload_refused;  /* the last reload; `text` has the reason */

	char master_program[PATH_MAX], worker_program[PATH_MAX], transcoder_program[PATH_MAX];
	const char *loader_argv[SERVE_ARGV_MAX];
	char text[ERROR_TEXT_MAX]; /* why the start failed, or the last reload was refused */
};

/* master_start.c: everything before the loop.  0 or -Exxx (then `text` was printed). */
must_check int master_start(struct master *m);

/* master_reports.c: answers the control socket's requests; its owner is the master. */
extern const struct control_backend master_backend;
/* Prints the banner, once all workers are ready. */
void master_announce(struct master *m);
/* Tells the service manager how the server is. */
void master_report_service(struct master *m);

/* master.c */
must_check int master_make_events(struct master *m); /* the loop, its signals and timers */
void master_stop(void *m, unsigned timeout_ms);	     /* a second call ends the phase at once */
void master_apply(void *m, struct publication *p);   /* also a callback of reload.h */
void master_open_access_log(struct master *m);	     /* reopens it, at its current path */
void master_changed(void *m); /* readiness may have changed; also a callback of the pool */

#endif
