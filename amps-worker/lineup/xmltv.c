#include "amps-worker/lineup/xmltv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/text/xml.h"

void xmltv_put_head(struct buf *b)
{
	buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n"
		    "<tv generator-info-name=\"Amps " AMPS_VERSION "\">\n");
}

static void put_attribute(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, " %s=\"", name);
	xml_put(b, value, strlen(value));
	buf_putc(b, '"');
}

void xmltv_put_channel(struct buf *b, const struct catalog *c, const struct catalog_channel *ch,
		       const char *url)
{
	const char *logo = catalog_text(c, ch->logo_at), *name = catalog_text(c, ch->name_at);
	const char *tvg_name = catalog_text(c, ch->tvg_name_at);

	buf_puts(b, "<channel");
	put_attribute(b, "id", catalog_text(c, ch->tvg_id_at));
	buf_putc(b, '>');
	xml_element(b, "display-name", name ? name : tvg_name);
	if (name && tvg_name && strcmp(tvg_name, name) != 0)
		xml_element(b, "display-name", tvg_name);
	xml_element(b, "display-name", catalog_text(c, ch->number_at));
	if (logo) {
		buf_puts(b, "<icon");
		put_attribute(b, "src", logo);
		buf_puts(b, "/>");
	}
	xml_element(b, "url", url);
	buf_puts(b, "</channel>\n");
}

static void put_time(struct buf *b, const char *name, int64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	char text[40];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y%m%d%H%M%S +0000", &tm))
		put_attribute(b, name, text);
}

void xmltv_put_programme(struct buf *b, const char *id, const struct programme *p)
{
	buf_puts(b, "<programme");
	put_time(b, "start", p->start_us);
	put_time(b, "stop", p->end_us);
	put_attribute(b, "channel", id);
	buf_putc(b, '>');
	xml_element(b, "title", p->title ? p->title : id);
	xml_element(b, "desc", p->description);
	buf_puts(b, "</programme>\n");
}
