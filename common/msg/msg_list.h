/* msg_list.h - the list of messages and their fields, from which msg.h makes types and functions.
 *
 * Increase MSG_PROTOCOL whenever a line below changes. */
#ifndef AMPS_MSG_LIST_H
#define AMPS_MSG_LIST_H

#define MSG_PROTOCOL 21u

/* M(NAME, name, descriptors, fields, "direction: meaning") */
#define MESSAGES(M)                                                                                \
	/* every child, first thing, and when it is ready to work */                               \
	M(HELLO, hello, 0, MSG_HELLO_FIELDS, "child>master: program, version, pid")                \
	M(READY, ready, 0, MSG_NO_FIELDS, "child>master: set up and ready for work")               \
	M(LOG_LINE, log_line, 0, MSG_LOG_LINE_FIELDS, "child>parent: a line that it has logged")   \
	M(SHUTDOWN, shutdown, 0, MSG_NO_FIELDS, "parent>child: finish and exit")                   \
	/* master > worker */                                                                      \
	M(WORKER_SETUP, worker_setup, 4, MSG_WORKER_SETUP_FIELDS,                                  \
	  "master>worker: [listen socket, own page, channel table, media folder]")                 \
	M(WORKER_PEER, worker_peer, 1, MSG_WORKER_PEER_FIELDS,                                     \
	  "master>worker: [page] of another worker, for /metrics")                                 \
	M(WORKER_PEER_GONE, worker_peer_gone, 0, MSG_INDEX_FIELDS,                                 \
	  "master>worker: that worker died; its page no longer counts")                            \
	M(LISTEN_ALSO, listen_also, 1, MSG_INDEX_FIELDS,                                           \
	  "master>worker: [listen socket] of a slot that backs off; serve it too")                 \
	M(LISTEN_RTSP, listen_rtsp, 1, MSG_INDEX_FIELDS,                                           \
	  "master>worker: [listen socket] of RTSP, its own or that of a slot that backs off")      \
	M(RTP_SOCKETS, rtp_sockets, 2, MSG_NO_FIELDS,                                              \
	  "master>worker: [RTP socket, RTCP socket] for media over UDP")                           \
	M(LISTEN_DROP, listen_drop, 0, MSG_INDEX_FIELDS,                                           \
	  "master>worker: that slot has its own worker again")                                     \
	M(SNAPSHOT, snapshot, 1, MSG_SNAPSHOT_FIELDS,                                              \
	  "master>worker: [snapshot] a new generation of this kind")                               \
	M(OUTPUT_RING, output_ring, 1, MSG_OUTPUT_RING_FIELDS,                                     \
	  "master>worker: [ring] of a wanted output; also each later generation of it")            \
	M(OUTPUT_OFFER, output_offer, 1, MSG_OUTPUT_OFFER_FIELDS,                                  \
	  "master>worker: [ring] of a variant that is watched; viewers may start from it before "  \
	  "their WANT is answered")                                                                \
	M(OUTPUT_OFFER_END, output_offer_end, 0, MSG_OUTPUT_OFF_FIELDS,                            \
	  "master>worker: nothing starts from this output's ring any more")                        \
	M(OUTPUT_TURN, output_turn, 0, MSG_OUTPUT_TURN_FIELDS,                                     \
	  "master>worker: the start of a wanted output waits behind others, or begins now")        \
	M(OUTPUT_GONE, output_gone, 0, MSG_OUTPUT_GONE_FIELDS,                                     \
	  "master>worker: a wanted output ended or failed; the want is void")                      \
	M(KICK, kick, 0, MSG_KICK_FIELDS, "master>worker: end this viewer")                        \
	M(LOG_LEVEL, log_level, 0, MSG_LOG_LEVEL_FIELDS, "master>worker: log from this level up")  \
	M(ACCESS_LOG, access_log, 1, MSG_ACCESS_LOG_FIELDS,                                        \
	  "master>worker: [file] write a line for each request there")                             \
	M(ACCESS_LOG_OFF, access_log_off, 0, MSG_NO_FIELDS, "master>worker: write none")           \
	M(API_ANSWER, api_answer, 1, MSG_API_ANSWER_FIELDS,                                        \
	  "master>worker: [JSON] the answer to an API_CALL")                                       \
	M(GRANT, grant, 0, MSG_GRANT_FIELDS, "master>worker: may a viewer begin that asked")       \
	/* worker > master */                                                                      \
	M(SNAPSHOT_ACK, snapshot_ack, 0, MSG_SNAPSHOT_ACK_FIELDS,                                  \
	  "worker>master: this generation is served now")                                          \
	M(WANT, want, 0, MSG_WANT_FIELDS, "worker>master: the output has its first viewer")        \
	M(RELEASE, release, 0, MSG_RELEASE_FIELDS, "worker>master: its last viewer has left")      \
	M(YIELD, yield, 0, MSG_KICK_FIELDS,                                                        \
	  "worker>master: a newer session of its client takes this viewer's place; end it")        \
	M(GRANT_ASK, grant_ask, 0, MSG_GRANT_ASK_FIELDS,                                           \
	  "worker>master: a viewer wants to begin with a token that limits how many may")          \
	M(GRANT_END, grant_end, 0, MSG_KICK_FIELDS, "worker>master: that viewer has ended")        \
	M(API_CALL, api_call, 1, MSG_API_CALL_FIELDS,                                              \
	  "worker>master: [body] a request to the API, answered once by an API_ANSWER")            \
	/* master > nursery */                                                                     \
	M(FORK_JOB, fork_job, 1, MSG_NO_FIELDS,                                                    \
	  "master>nursery: [job socket] start a job on it; the JOB message waits in it")           \
	/* master > job */                                                                         \
	M(JOB, job, 0, MSG_JOB_FIELDS, "master>job: what to do; rings follow")                     \
	M(JOB_OUTPUT, job_output, 1, MSG_JOB_OUTPUT_FIELDS,                                        \
	  "master>job: [ring] switch an output on, or move it to this new (larger) ring")          \
	M(JOB_OUTPUT_OFF, job_output_off, 0, MSG_OUTPUT_OFF_FIELDS, "master>job: switch it off")   \
	M(JOB_SOURCE_RING, job_source_ring, 1, MSG_JOB_SOURCE_RING_FIELDS,                         \
	  "master>job: [ring] what a derive or segment job reads; also each later generation")     \
	M(JOB_WINDOW, job_window, 0, MSG_JOB_WINDOW_FIELDS,                                        \
	  "master>job: how much of its windows a segment job may keep")                            \
	/* job > master */                                                                         \
	M(JOB_MAPPED, job_mapped, 0, MSG_OUTPUT_FIELDS,                                            \
	  "job>master: this output's ring is mapped; seal it")                                     \
	M(JOB_RUNNING, job_running, 0, MSG_OUTPUT_FIELDS,                                          \
	  "job>master: its first random access point is in the ring")                              \
	M(JOB_RING_SMALL, job_ring_small, 0, MSG_RING_SMALL_FIELDS,                                \
	  "job>master: this ring is too small; bytes of the one that is needed")                   \
	M(JOB_SOURCE, job_source, 0, MSG_JOB_SOURCE_FIELDS,                                        \
	  "job>master: the source is open; what it is")                                            \
	M(JOB_STALLED, job_stalled, 0, MSG_NO_FIELDS, "job>master: no data for stall_timeout")     \
	M(JOB_GOP, job_gop, 0, MSG_JOB_GOP_FIELDS,                                                 \
	  "job>master: the longest distance of two access points so far")                          \
	M(JOB_CONTENT, job_content, 0, MSG_JOB_CONTENT_FIELDS,                                     \
	  "job>master: what a watch job has found: when that changes, and every two seconds")      \
	M(JOB_SLOW, job_slow, 0, MSG_JOB_SLOW_FIELDS,                                              \
	  "job>master: the job is too slow for the source and skips, or it keeps up again")        \
	M(JOB_EFFORT, job_effort, 0, MSG_JOB_EFFORT_FIELDS,                                        \
	  "job>master: how fast a derive job could go, and what it has left out")                  \
	M(JOB_RATE, job_rate, 0, MSG_JOB_RATE_FIELDS,                                              \
	  "job>master: the source has delivered less than real time for some seconds")             \
	M(JOB_ENDED, job_ended, 0, MSG_NO_FIELDS, "job>master: a finite source ended cleanly")     \
	M(JOB_OUTPUT_FAILED, job_output_failed, 0, MSG_OUTPUT_FAILED_FIELDS,                       \
	  "job>master: this output cannot be made; the others go on")                              \
	M(JOB_NOTICE, job_notice, 0, MSG_JOB_NOTICE_FIELDS,                                        \
	  "job>master: something is not served as asked; the job goes on")                         \
	M(JOB_FAILED, job_failed, 0, MSG_JOB_FAILED_FIELDS, "job>master: it ends with this error") \
	/* between a job and the keeper of its command */                                          \
	M(COMMAND_RUN, command_run, 0, MSG_NO_FIELDS, "job>keeper: start the command")             \
	M(COMMAND_OUTPUT, command_output, 1, MSG_NO_FIELDS,                                        \
	  "keeper>job: [pipe] the command runs; its standard output")                              \
	M(COMMAND_ENDED, command_ended, 0, MSG_COMMAND_ENDED_FIELDS,                               \
	  "keeper>job: the command has ended, or could not be started")

/* Fields: F(type, name); types: u8 u32 u64 i64 str */
#define MSG_NO_FIELDS(F)
#define MSG_HELLO_FIELDS(F)                                                                        \
	F(str, program) /* "amps-worker", "nursery", "job" */                                      \
	F(str, version) /* AMPS_VERSION */                                                         \
	F(u32, pid)
#define MSG_LOG_LINE_FIELDS(F)                                                                     \
	F(i64, wall_us)                                                                            \
	F(u8, level)   /* enum log_level */                                                        \
	F(u8, command) /* 1: from the keeper of a command, passed on by its job */                 \
	F(u32, pid)                                                                                \
	F(str, tail) /* what follows time, level, program and pid, without a newline */
#define MSG_WORKER_SETUP_FIELDS(F)                                                                 \
	F(u32, index)                                                                              \
	F(u32, worker_count)                                                                       \
	F(u64, page_bytes)                                                                         \
	F(u64, table_bytes)                                                                        \
	F(str, media_key) /* signs the URLs of segments and sessions: hexadecimal */               \
	F(str, link_key)  /* signs links (common/text/link.h) */
#define MSG_WORKER_PEER_FIELDS(F)                                                                  \
	F(u32, index)                                                                              \
	F(u64, page_bytes)
#define MSG_INDEX_FIELDS(F) F(u32, index)
#define MSG_SNAPSHOT_ACK_FIELDS(F)                                                                 \
	F(u8, kind) /* enum snapshot_kind */                                                       \
	F(u64, generation)
#define MSG_SNAPSHOT_FIELDS(F)                                                                     \
	F(u8, kind)                                                                                \
	F(u64, generation)                                                                         \
	F(u64, bytes)
#define MSG_OUTPUT_RING_FIELDS(F)                                                                  \
	F(u32, want)	   /* as named by the worker */                                            \
	F(u32, output)	   /* slot of the channel table */                                         \
	F(u64, generation) /* from 1; a viewer of an older one drains it and moves over */         \
	F(u64, data_bytes) /* of the ring */                                                       \
	F(u32, unit_bytes) /* readers take whole units */                                          \
	F(u8, same_job)	   /* 1: the same job moved to a larger ring: continue without a mark */   \
	F(u8, live)	   /* 0: the source is a file or the like: start with a lead */
#define MSG_OUTPUT_OFFER_FIELDS(F)                                                                 \
	F(u32, channel)                                                                            \
	F(u8, form)	   /* enum output_form */                                                  \
	F(u32, output)	   /* slot of the channel table */                                         \
	F(u64, generation) /* as in OUTPUT_RING */                                                 \
	F(u64, data_bytes)                                                                         \
	F(u32, unit_bytes)                                                                         \
	F(u8, live)                                                                                \
	F(str, variant) /* as a WANT names it */                                                   \
	F(str, track)
#define MSG_OUTPUT_TURN_FIELDS(F)                                                                  \
	F(u32, want)                                                                               \
	F(u8, waits) /* 1: start_timeout does not count yet; 0: it counts from now on */
enum gone_reason { GONE_ENDED, GONE_FAILED, GONE_STOPPED, GONE_REMOVED, GONE_REASON_COUNT_ };
#define MSG_OUTPUT_GONE_FIELDS(F)                                                                  \
	F(u32, want)                                                                               \
	F(u8, reason)  /* enum gone_reason; ENDED: drain, then end the answers */                  \
	F(u32, status) /* HTTP status for those who still wait: 404, 502, 503, 504 */              \
	F(str, text)   /* why, fit for an error body */
#define MSG_KICK_FIELDS(F) F(u64, serial) /* of the viewer record */
#define MSG_GRANT_ASK_FIELDS(F)                                                                    \
	F(u64, serial) /* of the viewer record */                                                  \
	F(u64, token)  /* tokens_name() */
#define MSG_GRANT_FIELDS(F)                                                                        \
	F(u64, serial)                                                                             \
	F(u8, given)
#define MSG_LOG_LEVEL_FIELDS(F) F(u32, level) /* enum log_level */
#define MSG_ACCESS_LOG_FIELDS(F)                                                                   \
	F(u8, framed) /* 1: it is the ordinary log, so lines begin like its own */
#define MSG_WANT_FIELDS(F)                                                                         \
	F(u32, want) /* chosen by the worker, unique while it lives */                             \
	F(u32, channel)                                                                            \
	F(u8, form)	/* enum output_form */                                                     \
	F(u8, own)	/* 1: from a tuner of its own, which ends with this want */                \
	F(u64, address) /* of an own one: the client's, 0 = unknown */                             \
	F(u64, token)	/* of an own one: the entry of auth.tokens, 0 = none */                    \
	F(str, variant) /* "" = the channel's own profile */                                       \
	F(str, track)	/* "" = the form's first */
#define MSG_RELEASE_FIELDS(F) F(u32, want)
enum api_operation {
	API_STREAMS,
	API_STREAM,
	API_STREAM_ADD,
	API_STREAM_CHANGE,
	API_STREAM_DELETE,
	API_PROGRAMS,
	API_PROGRAMS_CHANGE,
	API_PROFILES,
	API_PLUGINS,
	API_STATUS,
	API_TUNERS,
	API_TUNER_STOP,
	API_VIEWERS,
	API_VIEWER_KICK,
	API_RELOAD,
	API_IMPORT,
	API_LOG,
	API_GUIDE_MATCHES,
	API_PROBE,
	API_WHY,
	API_TOKENS,
	API_TOKEN_ADD,
	API_TOKEN_REVOKE,
	API_LINK,
	API_OPERATION_COUNT_
};
#define MSG_API_CALL_FIELDS(F)                                                                     \
	F(u64, call)	 /* chosen by the worker, never used again, also by later workers */       \
	F(u8, operation) /* enum api_operation */                                                  \
	F(u64, id)	 /* of a channel or a viewer */                                            \
	F(u64, bytes)	 /* of the body */                                                         \
	F(str, key)	 /* of a tuner, a token; of the log: the least level, "" = all */          \
	F(str, match)	 /* If-Match; "" = none; of a link: its beginning */                       \
	F(str, token)	 /* that the request carries; the master judges it */                      \
	F(str, region)	 /* that the request carries; "" = none */                                 \
	F(str, group)	 /* filters of a list, as in a query; "" = none */                         \
	F(str, ids)                                                                                \
	F(str, search)                                                                             \
	F(u32, offset)                                                                             \
	F(u32, limit)                                                                              \
	F(u8, no_variants) /* 1: leave adaptive_bitrates out */                                    \
	F(u8, dry_run)	   /* 1: of an import: check, and change nothing */
#define MSG_API_ANSWER_FIELDS(F)                                                                   \
	F(u64, call)                                                                               \
	F(u32, status) /* of HTTP */                                                               \
	F(u64, bytes)  /* of the JSON */                                                           \
	F(str, etag)   /* without quotes; "" = none */                                             \
	F(i64, total)  /* of a list without limit and offset; -1: it is no list */
enum job_role {
	JOB_INGEST,
	JOB_DERIVE,
	JOB_BOTH,
	JOB_SEGMENT,
	JOB_SLATE,
	JOB_WATCH,
	JOB_ROLE_COUNT_
};
#define MSG_JOB_FIELDS(F)                                                                          \
	F(u8, role)		 /* enum job_role */                                               \
	F(u32, master_pid)	 /* to check the parent before trusting PDEATHSIG */               \
	F(str, key)		 /* "5", "5/sd": for ps and the log */                             \
	F(str, spec)		 /* JSON, docs/messages.md; a job's source and options */          \
	F(i64, continue_90k)	 /* go on from this pts (frontier of the last job), TIME_NONE */   \
	F(u64, continue_mono_us) /* clock_mono_us() at which that frontier was read */             \
	F(i64, epoch_mono_us)	 /* the server's time base */                                      \
	F(u32, restart_ms)	 /* most for a source that has run before to answer; 0 = spec's */ \
	F(u32, log_level)                                                                          \
	F(u8, log_json)
#define MSG_OUTPUT_OFF_FIELDS(F) F(u32, output)
#define MSG_OUTPUT_FIELDS(F)                                                                       \
	F(u32, output)                                                                             \
	F(u64, generation)
#define MSG_JOB_OUTPUT_FIELDS(F)                                                                   \
	F(u32, output)                                                                             \
	F(u64, generation)                                                                         \
	F(u64, data_bytes)                                                                         \
	F(u8, form)		   /* enum output_form */                                          \
	F(i64, continue_90k)	   /* as in JOB, for this output */                                \
	F(i64, continue_clock_90k) /* the last PCR before it; TIME_NONE */                         \
	F(u64, continue_mono_us)                                                                   \
	F(str, track)                                                                              \
	F(str, spec) /* JSON: the output's profile; "" for the plain ring of an ingest */
#define MSG_JOB_SOURCE_RING_FIELDS(F)                                                              \
	F(u32, output) /* of a segment job: which of its outputs reads it */                       \
	F(u64, generation)                                                                         \
	F(u64, data_bytes)                                                                         \
	F(u32, unit_bytes)                                                                         \
	F(u8, same_job)				 /* 1: moved, the clock and continuity go on */
#define MSG_JOB_WINDOW_FIELDS(F) F(u32, percent) /* 100: all of them */
#define MSG_JOB_GOP_FIELDS(F)	 F(u32, longest_ms)
#define MSG_RING_SMALL_FIELDS(F)                                                                   \
	F(u32, output)                                                                             \
	F(u64, wanted_bytes)
/* What a channel shows. */
enum content_fault {
	CONTENT_GOOD,
	CONTENT_BLACK,
	CONTENT_FROZEN,
	CONTENT_SILENT,
	CONTENT_NO_PICTURE, /* there was one, and sound goes on */
	CONTENT_NO_SOUND,
	CONTENT_FAULT_COUNT_
};
#define MSG_JOB_CONTENT_FIELDS(F) F(u8, fault)	 /* enum content_fault */
#define MSG_JOB_SLOW_FIELDS(F)	  F(u8, slow)	 /* 0: it keeps up again */
#define MSG_JOB_RATE_FIELDS(F)	  F(u32, permil) /* of real time */
#define MSG_JOB_EFFORT_FIELDS(F)                                                                   \
	F(u32, permil)	/* of real time, while it does not wait */                                 \
	F(u64, dropped) /* pictures since the last message */
enum source_kind { SOURCE_TS, SOURCE_REMUX, SOURCE_RAW, SOURCE_KIND_COUNT_ };
#define MSG_JOB_SOURCE_FIELDS(F)                                                                   \
	F(u8, kind) /* enum source_kind; RAW: TS cannot carry it, one job has both roles */        \
	F(u8, live)                                                                                \
	F(u8, pictures) /* it has some */
#define MSG_OUTPUT_FAILED_FIELDS(F)                                                                \
	F(u32, output)                                                                             \
	F(u64, generation) /* of the ring it filled: its slot may be another output's by now */    \
	F(u32, status)	   /* HTTP status that fits: 502, 503 or 504 */                            \
	F(str, text)
#define MSG_JOB_NOTICE_FIELDS(F)    F(str, text) /* what is not served, and what is done instead */
#define MSG_COMMAND_ENDED_FIELDS(F) F(str, text) /* how, with its last words */
#define MSG_JOB_FAILED_FIELDS(F)                                                                   \
	F(u32, status) /* HTTP status that fits: 502 or 504 */                                     \
	F(str, text)

#endif
