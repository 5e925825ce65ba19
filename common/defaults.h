/* defaults.h - defaults of settings that several parts need: the check of a configuration fills
 * them in, the line-up reads settings that an older version stored without them, and a job assumes
 * them if its spec does not say. */
#ifndef AMPS_DEFAULTS_H
#define AMPS_DEFAULTS_H

#define DEFAULT_IDLE_TIMEOUT_S	30
#define DEFAULT_START_TIMEOUT_S 15
#define DEFAULT_STALL_TIMEOUT_S 2
#define DEFAULT_RETURN_AFTER_S	10
#define DEFAULT_RING_SECONDS	10
#define DEFAULT_MAX_OVERLAP	64
#define DEFAULT_SEGMENT_S	4
#define DEFAULT_PART_MS		250
#define DEFAULT_PLAYLIST_S	60
#define DEFAULT_DASH_WINDOW_S	60

#define JOB_START_TIMEOUT_MS (1000 * DEFAULT_START_TIMEOUT_S)
#define JOB_STALL_TIMEOUT_MS (1000 * DEFAULT_STALL_TIMEOUT_S)

/* One of them as JSON. */
#define DEFAULT_TEXT_(number) #number
#define DEFAULT_TEXT(number)  DEFAULT_TEXT_(number)

#endif
