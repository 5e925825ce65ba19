/* What a client of RTSP sends, at once and byte by byte: never a crash, the same requests and
 * packets, and transports within their bounds. */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/rtsp/rtp.h"
#include "amps-worker/rtsp/rtsp_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	size_t requests, packets, transports;
	int status; /* 0 = nothing was refused */
};

static void choose(const struct rtsp_request *q, struct outcome *o)
{
	struct in6_addr peer = {.s6_addr = {[10] = 0xff, [11] = 0xff, [15] = 1}};
	struct rtsp_transport t;

	if (rtsp_choose_transport(http_field(&q->http, "Transport"), true, &peer, &t) < 0)
		return;
	o->transports++;
	if (t.udp ? t.ports[0] < 1024 || t.ports[0] == t.ports[1] : t.channels[0] == t.channels[1])
		abort();
}

static void feed(const char *bytes, size_t size, size_t step, struct outcome *o)
{
	static struct rtsp_request q;
	struct rtsp_reader reader = {0};
	size_t at = 0, end = 0;
	const char *reason = NULL;
	uint8_t channel;

	while (o->status == 0) {
		size_t used = 0;
		enum rtsp_item item = rtsp_read(&reader, bytes + at, end - at, &used, &q, &channel,
						&o->status, &reason);

		if (used > end - at)
			abort();
		if (item == RTSP_ITEM_BAD && (o->status < 400 || !reason))
			abort();
		if (item == RTSP_ITEM_REQUEST)
			choose(&q, o);
		at += used;
		o->requests += item == RTSP_ITEM_REQUEST;
		o->packets += item == RTSP_ITEM_PACKET;
		if (item != RTSP_ITEM_NONE)
			continue;
		if (end == size)
			return;
		end = step < size - end ? end + step : size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = {0}, cut = {0};
	uint32_t ssrc[RTCP_REPORTED_MAX];
	char *bytes = malloc(size + 1);

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	feed(bytes, size, size ? size : 1, &whole);
	feed(bytes, size, 1, &cut);
	if (whole.requests != cut.requests || whole.packets != cut.packets ||
	    whole.transports != cut.transports || whole.status != cut.status)
		abort();
	if (rtcp_read_reports(data, size, ssrc) > RTCP_REPORTED_MAX)
		abort();
	free(bytes);
	return 0;
}
