/* limits.h - every maximum of the system, with its unit.  Nothing here is a preference: what an
 * operator may change is in the configuration. */
#ifndef AMPS_LIMITS_H
#define AMPS_LIMITS_H

/* Line-up */
#define CHANNELS_MAX	    65536      /* channels in one line-up */
#define CHANNEL_ID_MAX	    2147483647 /* largest channel id; the smallest is 0 */
#define VARIANTS_MAX	    16	       /* variants of one channel */
#define CHANNEL_SOURCES_MAX 64	       /* sources of one channel */
#define VARIANT_NAME_MAX    64	       /* bytes of a variant's name */
#define TRACK_NAME_MAX	    15	       /* bytes of a track's name */
#define PROGRAMS_MAX	    4096       /* next_programs of one channel */
#define CATALOG_BYTES_MAX   (512u << 20)
#define TOKEN_BYTES_MAX	    256	  /* bytes of one token */
#define TOKEN_HASH_BYTES    64	  /* bytes of a SHA-256 in hexadecimal */
#define TOKENS_MAX	    16384 /* of auth.tokens and of the API */
#define TOKEN_HIDDEN_MIN    4	  /* bytes; shorter tokens are not hidden in log lines */
#define TOKEN_HIDE_MAX	    16384 /* bytes of a text in which tokens are hidden */
#define WRONG_TOKENS_MAX    20	  /* of one client within WRONG_TOKENS_S; IPv6: of one /64 */
#define WRONG_TOKENS_S	    60
#define WRONG_TOKEN_SETS    256 /* a worker remembers clients in so many sets ... */
#define WRONG_TOKEN_WAYS    8	/* ... of so many each */
#define REGIONS_MAX	    300 /* codes in one allow or block list */
#define TRUSTED_PROXIES_MAX 64
#define ALLOWED_HOSTS_MAX   64
#define HOST_NAME_BYTES	    253 /* of a name in DNS */

/* Configuration file */
#define CONFIG_BYTES_MAX    (64u << 20)
#define CONFIG_NODES_MAX    4000000 /* nodes after aliases are expanded */
#define CONFIG_DEPTH_MAX    64
#define CONFIG_TEXT_MAX	    65536 /* bytes of one text, where nothing smaller is said */
#define CONFIG_LIST_MAX	    4096  /* entries of one list, where nothing else is said */
#define CONFIG_PROBLEMS_MAX 1000  /* errors, and warnings, printed; the rest is counted */

/* Playlists to import */
#define M3U_LINE_MAX  65536  /* bytes of a line, as UTF-8; no text of a configuration is longer */
#define M3U_PAIRS_MAX 64     /* attributes and options of one entry */
#define M3U_ENTRY_MAX 262144 /* bytes of them together */

/* What yt-dlp answers */
#define LOOKUPS_MAX	   4	 /* at one time; each is a Python process */
#define LOOKUP_MS	   20000 /* for it to answer */
#define LOOKUP_BYTES_MAX   65536 /* of its answer */
#define LOOKUP_MEMORY_MB   1024	 /* of its memory */
#define LOOKUP_URL_MAX	   8192	 /* bytes of an address */
#define LOOKUP_HEADERS_MAX 32	 /* headers of requests */
#define LOOKUP_HEADER_MAX  4096	 /* bytes of a header's value */
#define LOOKUP_KEEP_MS	   10000 /* an answer this young is used again */
#define LOOKUP_LEAD_MS	   60000 /* before an address expires the next is looked up */
#define LOOKUP_PERIOD_MS   5000	 /* but a running source is never replaced sooner than that */
#define LOOKUP_AGAIN_MS	   30000 /* after a look-up for a running source has failed */

/* Helper processes, and the tasks of amps-helper */
#define HELPER_SAID_BYTES     4096  /* of a helper's stderr that are kept, from its end */
#define HELPER_TERM_MS	      2000  /* from SIGTERM to SIGKILL */
#define HELPER_TASK_MAX	      65536 /* bytes of a task's description */
#define HELPER_MEMORY_MB      64
#define HELPER_GRACE_S	      5		  /* beyond a task's own time limit, then it is killed */
#define FETCH_BYTES_MAX	      (16u << 20) /* of a document, decoded */
#define FETCH_SECONDS_MAX     30
#define FETCH_CONNECT_SECONDS 10
#define FETCH_REDIRECTS_MAX   5

/* Guides to import (XMLTV) */
#define GUIDE_BYTES_MAX	     (1ull << 30) /* of what is kept of all guides */
#define GUIDE_SOURCE_MAX     (4ull << 30) /* of one guide, decoded */
#define GUIDE_RATIO_FREE     (64u << 20)  /* so much may any guide decode to ... */
#define GUIDE_RATIO_MAX	     500	  /* ... and then so many times its size */
#define GUIDE_XZ_BYTES	     (24u << 20)  /* of memory that xz may need */
#define GUIDE_SECONDS_MAX    300	  /* for an import */
#define GUIDE_DEPTH_MAX	     32		  /* elements in each other */
#define GUIDE_TOKEN_MAX	     (1u << 20)	  /* bytes of one tag, comment or declaration */
#define GUIDE_TEXT_MAX	     8192	  /* bytes of one text; the rest of it is dropped */
#define GUIDE_PROGRAMME_MAX  49152	  /* bytes of a programme's elements */
#define GUIDE_PROGRAMMES_MAX 1000000	  /* programmes that are kept of one guide */
#define GUIDE_CHANNELS_MAX   131072	  /* channels of one guide */
#define GUIDE_NAMES_MAX	     8		  /* display-names of a channel that are compared */
#define GUIDE_NAME_MAX	     256	  /* bytes of an id or a name */
#define GUIDE_SOURCES_MAX    64
#define GUIDE_TASK_MAX	     (24u << 20) /* bytes of an import's description */
#define GUIDE_REPORT_MAX     (64u << 20)
#define GUIDE_DAY_S	     86400ll
#define GUIDE_LAST_S	     3600 /* of a last programme whose end is not known */
#define GUIDE_RETRY_MIN_S    5	  /* after a failed import; doubled each time */
#define GUIDE_RETRY_MAX_S    3600

/* Countries of addresses (region.geoip) */
#define GEOIP_RANGES_MAX  (2u << 20)
#define GEOIP_NODES_MAX	  (1u << 25) /* of the file's tree */
#define GEOIP_SECONDS_MAX 30

/* Hooks (one queue for each kind of event) */
#define HOOK_EVENTS_MAX	   1000 /* that wait */
#define HOOK_EVENT_BYTES   2048
#define HOOK_TRIES	   3		/* then an event is given up */
#define HOOK_PAUSE_MS	   1000		/* after a failed try */
#define HOOK_APART_MS	   50		/* from the end of a hook's process to its next one */
#define HOOK_SECONDS	   5		/* for one event: a request, or the run of a command */
#define HOOK_BATCH_MAX	   50		/* events that one helper sends ... */
#define HOOK_BATCH_SECONDS 20		/* ... and how long it begins to send another */
#define HOOK_TASK_MAX	   (256u << 10) /* bytes of its description */
#define HOOK_TARGET_MAX	   2000		/* bytes of a URL or a command */
#define HOOK_WORDS_MAX	   64		/* of a command */

/* Processes and messages */
#define WORKERS_MAX	     256
#define TUNERS_MAX	     1024 /* slots of the channel table */
#define OUTPUTS_MAX	     4096 /* slots of the channel table */
#define TUNER_OUTPUTS_MAX    116  /* each variant in several forms, and further sounds */
#define OVERLAP_MAX	     768  /* of streaming.max_overlap: the other slots are shared tuners' */
#define OVERLAP_ADDRESS_MAX  8	  /* overlap tuners of one client address (IPv6: of one /64) */
#define OVERLAP_TOKEN_MAX    4	  /* overlap tuners of one entry of auth.tokens */
#define MESSAGE_BYTES_MAX    65536 /* one datagram; larger payloads go as a memfd */
#define MESSAGE_FDS_MAX	     4
#define ERROR_TEXT_MAX	     512	 /* bytes of a reason that travels, with its NUL */
#define TUNER_KEY_MAX	     96		 /* "5", "5/sd" with its NUL */
#define CHILD_SILENCE_US     2000000	 /* a child without a heartbeat for so long is killed */
#define CHECK_BYTES_MAX	     (64u << 20) /* what a check of options answers */
#define RESPAWN_MIN_MS	     20
#define RESPAWN_MAX_MS	     5000
#define RESPAWN_YOUNG_US     3000000  /* a child that died younger makes its slot back off */
#define FORKS_PER_SECOND_MAX 10	      /* restarts of workers and nursery together */
#define ACCEPT_PAUSE_MS	     100      /* without accepting, when no descriptor is left */
#define WORKER_HANDSHAKE_US  10000000 /* from fork to READY */
#define NURSERY_HANDSHAKE_US 30000000
#define STORE_BATCH_MS	     20 /* changes that come within it may share a publication */
#define SERVED_WAIT_MS	     50 /* a change is answered after so long even without all acks */
#define LOADER_TIMEOUT_MS    60000
#define SHUTDOWN_MS	     5000
#define PAIR_WINDOW_MS	     200  /* of a pair of RTP legs, unless the source says */
#define PAIR_WINDOW_MIN_MS   10	  /* what a source may say ... */
#define PAIR_WINDOW_MAX_MS   1000 /* ... at most */
#define CUSHION_MAX_S	     30	  /* of a source that is held back */
#define JOB_UNBORN_MAX	     10	  /* starts in a row of which no process came */
#define JOB_SPEC_MAX	     (MESSAGE_BYTES_MAX - 4096) /* bytes of a job's spec */
#define HARDWARE_PROBE_MS    5000 /* for a device and its encoder to prove that they work */
#define JOB_FILES_MAX	     512  /* descriptors of a job, four for each output of segments */
#define JOB_MEMORY_MIN_MB    32	  /* least that limits.memory_mb may allow */
#define JOB_MEMORY_INGEST_MB 512  /* of a job that only reads, unless limits.memory_mb says */
#define JOB_MEMORY_DERIVE_MB 4096 /* of one that decodes and encodes */
#define JOB_ADDRESS_SPACE_MB 4096 /* a job may map beyond that: code, stacks, arenas, rings */
#define JOB_BACKOFF_MIN_MS   500
#define JOB_BACKOFF_MAX_MS   30000
#define SOURCE_DOUBT_MS	     300000  /* a source that was slow or did not start is second choice */
#define CONTENT_RETRY_MS     300000  /* a source that showed nothing is left for so long */
#define CONTENT_RETRY_MAX_MS 3600000 /* ... the more often it did */
#define RETURN_FIRST_MS	     1000    /* after a switch, before an earlier source is tried */

/* Commands of channels (custom_ffmpeg) */
#define COMMAND_BYTES_MAX     32768 /* of a command with its values, as JSON */
#define COMMAND_PROCESSES_MAX 1024  /* of one command; one with more is ended */

/* Playlists of a source */
#define PLAYLIST_BYTES_MAX    (8u << 20) /* read without media between them */
#define PLAYLIST_VARIANTS_MAX 1024	 /* variants and renditions */

/* Log */
#define LOG_LINE_MAX	4096 /* bytes of a line: PIPE_BUF, so that lines of processes never mix */
#define LOG_MESSAGE_MAX 1536 /* of its sentence, escaped */
#define LOG_FIELDS_MAX	2048 /* of its fields, escaped */
#define LOG_VALUE_MAX	768  /* of one value, before it is escaped */
#define LOG_WINDOW_US	10000000
#define LOG_LINES	10  /* of one place and channel in a window; more are held back */
#define LOG_DEBUG_LINES 200 /* the same at level debug */
#define LOG_SLOTS	1024
#define LOG_KEPT	1000	 /* lines of the server, for /api/log */
#define LOG_COPIES	100	 /* of one child in a window that are kept */
#define LOG_LATE_US	10000000 /* the most that the line of a child is late */

/* Access log */
#define ACCESS_LOG_BYTES   (64u << 10) /* lines of a worker that wait to be written */
#define ACCESS_LOG_FLUSH   (16u << 10) /* so many are written at once */
#define ACCESS_LOST_LOG_US 10000000    /* lost lines are reported so often */
#define ACCESS_TARGET_MAX  1024	       /* bytes of a target in a line, escaped */
#define ACCESS_TEXT_MAX	   256	       /* of a method, user agent, name */
#define FORWARDED_HOPS_MAX 32	       /* proxies in a row that are trusted */

/* Rings */
#define RING_BYTES_LEAST    (64u << 10) /* of an index of segments */
#define RING_BYTES_MIN	    (1u << 20)	/* of media */
#define RING_BYTES_FIRST    (4u << 20)	/* of a source never seen before */
#define RING_BYTES_MAX	    (64u << 20)
#define RING_WRITE_MAX	    (256u << 10) /* most a writer may announce beyond commit */
#define RING_UNIT_MAX	    188u	 /* a longer one must be a multiple of every other */
#define RING_RAPS	    128		 /* slots of the random access index */
#define RING_INTRO_MAX	    4064u	 /* bytes of a slot that a reader sends before the data */
#define RING_RAP_SPACING_US 100000	 /* two slots are at least so far apart */

/* Segments */
#define SEGMENT_MS_MIN	      500u /* least duration that a profile may ask for */
#define PLAYLIST_SEGMENTS_MIN 3u
#define PLAYLIST_SEGMENTS_MAX 3600u
#define SEGMENT_MEAN_MIN_MS   250u		 /* segments are longer than that on average */
#define SEGMENT_SECONDS_MAX   120u		 /* of one segment */
#define SEGMENT_NUMBER_MAX    0x7fffffffu	 /* of a media sequence and of discontinuities */
#define SEGMENT_BYTES_MAX     (1u << 30)	 /* of one segment's file */
#define SEGMENT_CODEC_MAX     48u		 /* bytes of a codec in CODECS, with its NUL */
#define SEGMENT_TRACKS_MAX    (VARIANTS_MAX + 1) /* folders of a segment job */
#define SEGMENT_SOUNDS_MAX    8u		 /* sounds of a source that CMAF has */
#define SEGMENT_SOUND_MAX     12u		 /* bytes of a sound's name, with its NUL */
/* each variant in four forms, and further sounds of two of them */
#define SEGMENT_OUTPUTS_MAX  (4 * SEGMENT_TRACKS_MAX + 2 * (SEGMENT_SOUNDS_MAX - 1))
#define SEGMENTS_STAY_MS     60000 /* after the end of a film */
#define SEGMENT_INITS_MAX    1024u /* init segments of a track at one time */
#define SEGMENT_GOP_MIN_MS   500u  /* none is shorter, but at a gap or a late access point */
#define SEGMENT_FIRST_GOPS   3u	   /* of a cold start are segments of one GOP each */
#define SEGMENT_HELD_MAX_S   10u   /* a cold start waits so long for a whole GOP */
#define SEGMENT_KEEP_TARGETS 3u	   /* target durations that a file stays at the limit */
#define MEDIA_KEY_BYTES	     32u
#define HLS_SESSION_MIN_S    30u /* a session without requests lives so long at least */

#define SEGMENT_TIME_MAX (1ll << 50) /* of media in an index, in ticks of 90 kHz */
#define DASH_PERIODS_MAX 32u	     /* of a manifest, the newest ones */

/* Network edge (a worker) */
#define WORKER_VIEWERS_MAX	16384
#define SESSIONS_ENDED		256  /* sessions ended by the server that a worker remembers */
#define VIEWER_FRONTS		256  /* viewers of a worker that have bytes in front of the ring */
#define VIEWER_FRONT_MAX	5120 /* of a viewer: an answer's head, a cut unit, an intro */
#define WORKER_CONNECTIONS_MAX	32768
#define RESERVED_FDS		32
#define HTTP_LINE_MAX		8192  /* bytes of a request line */
#define HTTP_HEAD_MAX		16384 /* bytes of a request head */
#define HTTP_FIELDS_MAX		64
#define HTTP_PARAMETERS_MAX	32	    /* of a query that are kept in a table */
#define HTTP_BODY_MAX		262144	    /* bytes; only where a route takes a body */
#define HTTP_BODY_LIST_MAX	(16u << 20) /* the same of a list of channels */
#define HTTP_BODIES_MAX		(64u << 20) /* of all bodies that a worker is receiving */
#define HTTP_BODIES_SMALL	(16u << 20) /* of it, kept for bodies of up to HTTP_BODY_MAX */
#define HTTP_CHUNK_LINE_MAX	1024   /* bytes of a chunk's size and extensions, of a trailer */
#define HTTP_CHUNK_EXTRA_MAX	65536  /* bytes of all extensions and trailers of one body */
#define HTTP_HEAD_DEADLINE_MS	5000   /* absolute, from the head's first byte or the accept */
#define HTTP_IDLE_MS		15000  /* between requests of a kept-alive connection */
#define HTTP_PIPELINE_MAX	64     /* requests answered before the loop gets its turn */
#define HTTP_MAKE_MS		30000  /* for the body of an answer to be made */
#define HTTP_HELD_CLOSED_MS	2000   /* a held request whose client shut its side */
#define HTTP_HELD_BYTES		832    /* of a connection with a held request, without its texts */
#define HLS_HELD_BYTES		192    /* what a held request for HLS keeps beside */
#define HTTP_SEND_MS		30000  /* for an answer, plus its length at HTTP_SEND_RATE */
#define HTTP_SEND_RATE		65536  /* bytes a second */
#define HTTP_LINGER_MS		2000   /* after our last byte, for the client to close */
#define HTTP_LINGER_BYTES	262144 /* thrown away meanwhile */
#define RETRY_AFTER_S		5      /* Retry-After of an answer for lack of room */
#define HTTP_TURN_BYTES		(256u << 10) /* sent to one connection before the loop's turn */
#define CONNECTION_SNDBUF	(512u << 10) /* in the kernel, for one that takes nothing */
#define ANSWER_SNDBUF		(64u << 10)  /* of a connection with an answer larger than that */
#define ACCEPT_TURN		64	    /* connections accepted before the loop gets its turn */
#define WORKER_TURN_MS		2	    /* until a worker's loop looks for more urgent events */
#define WORKER_DRAIN_MS		1000	    /* for answers under way when a worker shuts down */
#define VIEWER_STOPPED_MS	120000	    /* a TCP peer silent for so long is gone */
#define VIEWER_HALF_CLOSED_MS	5000	    /* a viewer that shut its side and gets nothing */
#define ADDRESS_CONNECTIONS_MAX 8192	    /* connections from one address to one worker */
#define JOIN_MS_MAX		600000	    /* of ?join_ms= */
#define WEBSOCKET_MESSAGE_MAX	4096	    /* bytes that a client may send as one */
#define BODY_CACHE_BYTES	(64u << 20) /* rendered bodies a worker keeps */
#define BODIES_MAX		(128u << 20) /* bytes of all its living bodies, see memory.h */
#define BODY_ROOM_MS		100	     /* until a body that found no room tries again */
#define ANSWER_SHED_MS		1000 /* an answer younger than that is never ended for room */
#define SNDBUF_MIN		(64u << 10) /* of a connection beside however many others */
#define BODY_CACHE_ENTRIES	256
#define BODY_MAKINGS_MAX	1024	    /* bodies of a worker that wait to be made */
#define GUIDE_JSON_MAX		(16u << 20) /* bytes of the guide as JSON */
#define FILTER_IDS_MAX		4096	    /* numbers in ?ids= */
#define BASE_URL_MAX		1024	    /* bytes of a link's beginning, with its NUL */

/* RTSP (a worker) */
#define RTSP_PORT_DEFAULT 8554
#define RTSP_BODY_MAX	  4096	       /* bytes of a request's body; it is not read */
#define RTSP_ANSWERS_MAX  16384	       /* bytes of answers that a client has not taken */
#define RTSP_ALONE_MAX	  64	       /* sessions without a connection, of one client address */
#define RTSP_TIMEOUT_S	  60	       /* of a session, as it is announced */
#define RTSP_EXPIRE_MS	  120000       /* the same as it is kept: players are late */
#define RTCP_INTERVAL_MS  5000	       /* between two sender reports */
#define DATAGRAM_FIRST	  (16u << 10)  /* bytes sent to a client at first ... */
#define DATAGRAM_BURST	  (96u << 10)  /* ... and at once later */
#define DATAGRAM_RATE_MIN (256u << 10) /* bytes a second to a client, if the ring has fewer */

/* API */
#define API_CALLS_MAX	   256	       /* of a worker that wait for the master */
#define API_BYTES_MAX	   (64u << 20) /* bodies of a worker's calls that the master holds */
#define API_HELPERS_MAX	   4	       /* calls that have a helper each */
#define API_CALL_MS	   30000       /* for the master to answer one */
#define API_SPARE_MS	   5000	       /* of it, for a change to be made and served */
#define API_JUDGE_MS	   20000       /* for libav to judge the options of a request */
#define API_PROBES_MAX	   4	       /* sources that are being probed */
#define API_PROBE_MS	   15000       /* for a process to probe one ... */
#define PROBE_SOURCE_MS	   10000       /* ... of it, for the source to be opened */
#define API_PROBE_BYTES	   (1u << 20)  /* of what it finds */
#define IMPORT_BYTES_MAX   (64 << 20)  /* of the channels of `amps import --apply` */
#define EVENTS_KEPT	   1000	       /* the last ones, for clients that come back */
#define EVENT_GROUP_BYTES  64	       /* of one with its NUL, as of a token's groups */
#define EVENT_TEXT_MAX	   492	       /* bytes of one, with its NUL */
#define EVENTS_CLIENTS_MAX 256	       /* of a worker that follow the events */
#define EVENTS_PART_BYTES  65536       /* about so much is sent to a client at once */
#define EVENTS_IDLE_MS	   10000       /* then a client gets an empty comment */
#define API_ENTRIES_MAX	   10000       /* channels in one request */
#define API_DISTINCT_MAX   4096 /* verdicts on options that are remembered beside the file's */
#define API_LISTS_MAX	   4	/* long lists of channels that are kept for other requests */
#define API_ANSWERS_MAX	   1024 /* answers of a worker that clients are taking ... */
#define API_ANSWERS_BYTES  (256u << 20) /* ... and their bytes; some share theirs */
#define API_ANSWER_BYTES   65536 /* of an answer that is copied; a longer one is sent as a file */

/* Control socket */
#define CONTROL_LINE_MAX	65536
#define CONTROL_ANSWER_MAX	(64u << 20) /* bytes of an answer that the command reads */
#define CONTROL_CLIENTS_MAX	64
#define CONTROL_CLIENTS_PER_UID 32
#define CONTROL_DEADLINE_MS	2000  /* for a started line to be completed */
#define CONTROL_STALL_MS	10000 /* a client that takes nothing of its answer for so long */
#define CONTROL_ANSWER_MS	60000 /* for an answer to the command */
#define CONTROL_RELOAD_MS	(2 * LOADER_TIMEOUT_MS + 10000) /* the same: two loaders in a row */

#endif
