#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "amps-worker/rtsp/rtsp_request.h"
#include "unit.h"

/* One item of these bytes. */
struct read {
	enum rtsp_item item;
	size_t used;
	struct rtsp_request q;
	uint8_t channel;
	int status;
	const char *reason;
	struct rtsp_reader reader;
};

static struct read *read_bytes(const char *bytes, size_t n)
{
	static struct read r;

	r = (struct read){.reason = ""};
	r.item = rtsp_read(&r.reader, bytes, n, &r.used, &r.q, &r.channel, &r.status, &r.reason);
	return &r;
}

static struct read *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

#define HEAD(first, more) first " RTSP/1.0\r\nCSeq: 7\r\n" more "\r\n"

Test(rtsp_request, a_request_has_a_url_a_method_and_a_number)
{
	struct read *r =
		read_text(HEAD("DESCRIBE rtsp://tv:8554/5?token=a%20b", "Accept: x/y\r\n"));

	cr_assert_eq(r->item, RTSP_ITEM_REQUEST, "%s", r->reason);
	cr_assert_eq(r->q.method, RTSP_DESCRIBE);
	cr_assert_eq(r->q.cseq, 7u);
	cr_assert(span_is(r->q.http.path, "/5"));
	cr_assert(span_is(r->q.http.host, "tv:8554"));
	cr_assert(span_is(http_field(&r->q.http, "accept"), "x/y"));
	r = read_text(HEAD("OPTIONS *", ""));
	cr_assert(r->item == RTSP_ITEM_REQUEST && span_is(r->q.http.path, "*"));
	r = read_text(HEAD("GET_PARAMETER *", ""));
	cr_assert(r->item == RTSP_ITEM_REQUEST && r->q.method == RTSP_GET_PARAMETER);
	r = read_text(HEAD("TEARDOWN /5/", "Session: 12ab;timeout=60\r\n"));
	cr_assert(r->item == RTSP_ITEM_REQUEST && span_is(rtsp_session_of(&r->q), "12ab"));
	r = read_text(HEAD("BREW rtsp://tv/", ""));
	cr_assert(r->item == RTSP_ITEM_REQUEST && r->q.method == RTSP_UNKNOWN);
	cr_assert_null(rtsp_session_of(&r->q).at);
}

Test(rtsp_request, what_is_no_request_is_refused)
{
	static const struct {
		const char *text;
		int status;
	} bad[] = {
		{"GET / HTTP/1.1\r\nHost: tv\r\n\r\n", 400},
		{"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505},
		{"OPTIONS *\r\nCSeq: 1\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\r\nCSeq: 4294967296\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\r\nCSeq:\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nCSeq: 1\r\n\r\n", 400},
		{"OPTIONS * RTSP/1.0\nCSeq: 1\n\n", 400},
		{HEAD("DESCRIBE http://tv/5", ""), 400},
		{HEAD("DESCRIBE rtsp:///5", ""), 400},
		{HEAD("DESCRIBE rtsp://user:word@tv/5", ""), 400},
		{HEAD("DESCRIBE rtsp://tv/../5", ""), 400},
		{HEAD("SET_PARAMETER /5", "Content-Length: 4097\r\n"), 413},
		{HEAD("SET_PARAMETER /5", "Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
		{HEAD("SET_PARAMETER /5", "Transfer-Encoding: chunked\r\n"), 400},
		{"\x80\x21\x12\x34garbage\r\n\r\n", 400},
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		struct read *r = read_text(bad[i].text);

		cr_expect(r->item == RTSP_ITEM_BAD && r->status == bad[i].status, "%s: %d %d",
			  bad[i].text, r->item, r->status);
	}
}

Test(rtsp_request, bodies_and_packets_are_skipped_however_they_are_cut)
{
	static const char bytes[] = "$\1\0\5abcde$\0\0\0" HEAD(
		"SET_PARAMETER /5", "Content-Length: 3\r\n") "$x\n" HEAD("PLAY /5", "");
	const size_t size = sizeof(bytes) - 1;

	for (size_t step = 1; step <= size; step++) {
		struct rtsp_reader reader = {0};
		struct rtsp_request q;
		size_t at = 0, end = 0, used, packets = 0, requests = 0;
		const char *reason;
		uint8_t channel;
		int status;

		while (at < size) {
			enum rtsp_item item = rtsp_read(&reader, bytes + at, end - at, &used, &q,
							&channel, &status, &reason);

			at += used;
			cr_assert_neq(item, RTSP_ITEM_BAD);
			if (item == RTSP_ITEM_NONE)
				end = MIN(end + step, size);
			packets += item == RTSP_ITEM_PACKET;
			requests += item == RTSP_ITEM_REQUEST;
		}
		cr_assert(packets == 2 && requests == 2, "%zu: %zu %zu", step, packets, requests);
		cr_assert_eq(q.method, RTSP_PLAY);
	}
}

Test(rtsp_request, an_empty_packet_is_complete_with_its_head)
{
	struct read *r = read_text("$");

	cr_assert_eq(r->item, RTSP_ITEM_NONE);
	cr_assert_eq(rtsp_read(&r->reader, "$\2\0\0", 4, &r->used, &r->q, &r->channel, &r->status,
			       &r->reason),
		     RTSP_ITEM_PACKET);
	cr_assert(r->used == 4 && r->channel == 2);
}

static int choose(const char *field, bool udp, struct rtsp_transport *t)
{
	struct in6_addr peer;

	inet_pton(AF_INET6, "::ffff:192.0.2.7", &peer);
	return rtsp_choose_transport((struct span){field, strlen(field)}, udp, &peer, t);
}

Test(rtsp_request, the_first_transport_that_is_possible_is_chosen)
{
	struct rtsp_transport t;

	cr_assert_eq(choose("RTP/AVP/TCP;unicast;interleaved=2-3", true, &t), 0);
	cr_assert(!t.udp && t.channels[0] == 2 && t.channels[1] == 3);
	cr_assert_eq(choose("RTP/AVP/TCP;interleaved=254-255", true, &t), 0);
	cr_assert(t.channels[0] == 254 && t.channels[1] == 255);
	cr_assert_eq(choose("RTP/AVP/TCP", true, &t), 0);
	cr_assert(!t.udp && t.channels[0] == 0 && t.channels[1] == 1);
	cr_assert_eq(choose("RTP/SAVP;unicast;client_port=5000-5001, MP2T/UDP;unicast, "
			    "rtp/avp;unicast;client_port=5000-5001,RTP/AVP/TCP",
			    true, &t),
		     0);
	cr_assert(t.udp && t.ports[0] == 5000 && t.ports[1] == 5001);
	cr_assert(span_is(t.profile, "rtp/avp"));
	cr_assert_eq(choose("RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP", false, &t), 0);
	cr_assert(!t.udp);
	cr_assert_eq(choose("MP2T/RTP/TCP;unicast;interleaved=0-1", true, &t), 0);
	cr_assert_eq(choose("MP2T/RTP/UDP;unicast;client_port=6000", true, &t), 0);
	cr_assert(t.udp && t.ports[1] == 6001);
	cr_assert_eq(choose("RTP/AVP/UDP; unicast ; client_port = 5000-5001 ;mode=\"PLAY\";x=y",
			    true, &t),
		     0);
	cr_assert_eq(
		choose("RTP/AVP;unicast;destination=192.0.2.7;client_port=5000-5001", true, &t), 0);
}

Test(rtsp_request, other_transports_are_not)
{
	static const char *const none[] = {
		"",
		"RTP/AVP",
		"RTP/AVP;multicast;client_port=5000-5001",
		"RTP/AVP;unicast",
		"RTP/AVP;unicast;client_port=80-81",
		"RTP/AVP;unicast;client_port=65535",
		"RTP/AVP;unicast;client_port=5000-70000",
		"RTP/AVP;unicast;client_port=5000-5000",
		"RTP/AVP;unicast;client_port=",
		"RTP/AVP;unicast;client_port=5000-5001;destination=192.0.2.8",
		"RTP/AVP;unicast;client_port=5000-5001;destination=::1",
		"RTP/AVP;unicast;client_port=5000-5001;destination=name",
		"RTP/AVP;unicast;client_port=5000-5001;mode=record",
		"RTP/AVP/TCP;interleaved=255",
		"RTP/AVP/TCP;interleaved=1-1",
		"RTP/AVP/TCP;interleaved=256-257",
		"RTP/AVP/TCP;interleaved=a-b",
		"MP2T/TCP;unicast",
		"MP2T/H2221/UDP;unicast;client_port=5000-5001",
		"RAW/RAW/UDP;unicast;client_port=5000-5001",
		";;;,,,",
	};
	struct rtsp_transport t;

	for (size_t i = 0; i < array_size(none); i++)
		cr_expect_eq(choose(none[i], true, &t), -ENOENT, "%s", none[i]);
}

static bool path(const char *text, const char *id)
{
	struct span found = {0};
	bool ok = rtsp_path_channel((struct span){text, strlen(text)}, &found);

	return id ? ok && span_is(found, id) : !ok;
}

Test(rtsp_request, paths)
{
	cr_assert(path("/5", "5") && path("/5/", "5") && path("/12/stream=0", "12"));
	cr_assert(path("/", NULL) && path("*", NULL) && path("//", NULL) && path("/5//", NULL));
	cr_assert(path("/5/stream=1", NULL) && path("/5/stream=0/", NULL));
}
