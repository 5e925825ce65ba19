#include "amps-master/api/events.h"

#include "common/text/text.h"

#define NAME_MAX_SHOWN 160 /* bytes of a name or a message */

/* Takes `event`, NULL = there was no memory. */
static void put_left(void *chantab, enum event_kind kind, uint32_t channel, const char *old_group,
		     json_t *event)
{
	_cleanup_(freep) char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

	if (text)
		chantab_put_event(chantab, kind, channel, old_group, text);
	json_decref(event);
}

static void put(void *chantab, enum event_kind kind, uint32_t channel, json_t *event)
{
	put_left(chantab, kind, channel, NULL, event);
}

static void put_channels(void *chantab, const json_t *report, const char *action)
{
	const json_t *channel;
	size_t i;

	json_array_foreach (json_object_get(report, action), i, channel) {
		const char *name = json_string_value(json_object_get(channel, "name"));
		json_int_t id = json_integer_value(json_object_get(channel, "id"));
		char shown[NAME_MAX_SHOWN];

		text_copy_foreign(shown, sizeof(shown), name ? name : "");
		put_left(chantab, EVENT_CHANNEL, (uint32_t)id,
			 json_string_value(json_object_get(channel, "old_group")),
			 json_pack("{s:s, s:I, s:s}", "action", action, "id", id, "name", shown));
	}
}

void events_of_report(void *chantab, const json_t *report, bool first)
{
	const json_t *warning;
	size_t i;

	if (!first) {
		put_channels(chantab, report, "added");
		put_channels(chantab, report, "changed");
		put_channels(chantab, report, "removed");
	}
	json_array_foreach (json_object_get(report, "warnings"), i, warning)
		event_of_warning(chantab, json_string_value(warning));
}

void event_of_tuner(void *chantab, uint32_t channel, const char *key, enum tuner_state state,
		    const char *error)
{
	char shown[NAME_MAX_SHOWN];

	text_copy_foreign(shown, sizeof(shown), error);
	put(chantab, EVENT_TUNER, channel,
	    json_pack("{s:s, s:I, s:s, s:s?}", "key", key, "stream_id", (json_int_t)channel,
		      "state", tuner_state_name(state), "error", shown[0] ? shown : NULL));
}

void event_of_viewer(void *chantab, bool started, uint64_t id, uint32_t channel)
{
	put(chantab, EVENT_VIEWER, channel,
	    json_pack("{s:s, s:I, s:I}", "action", started ? "started" : "ended", "id",
		      (json_int_t)id, "stream_id", (json_int_t)channel));
}

void event_of_warning(void *chantab, const char *message)
{
	char shown[NAME_MAX_SHOWN];

	text_copy_foreign(shown, sizeof(shown), message ? message : "");
	put(chantab, EVENT_WARNING, EVENT_NO_CHANNEL, json_pack("{s:s}", "message", shown));
}
