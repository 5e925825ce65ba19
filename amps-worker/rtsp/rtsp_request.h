/* rtsp_request.h - what a client of RTSP sends (RFC 2326): requests, and interleaved packets
 * between them; and the values of their fields.
 *
 * Pure: no allocation, no logging.  The heads are HTTP's (http/parse.h), which no library parses
 * without a socket or a loop of its own; live555 and GStreamer's server bring both. */
#ifndef AMPS_RTSP_REQUEST_H
#define AMPS_RTSP_REQUEST_H

#include <netinet/in.h>
#include "amps-worker/http/parse.h"

enum rtsp_method {
	RTSP_OPTIONS,
	RTSP_DESCRIBE,
	RTSP_SETUP,
	RTSP_PLAY,
	RTSP_PAUSE,
	RTSP_GET_PARAMETER,
	RTSP_SET_PARAMETER,
	RTSP_TEARDOWN,
	RTSP_METHODS_SERVED,
	RTSP_ANNOUNCE = RTSP_METHODS_SERVED, /* known, but never possible here */
	RTSP_RECORD,
	RTSP_REDIRECT,
	RTSP_UNKNOWN
};

struct rtsp_request {
	struct http_request http;
	enum rtsp_method method;
	uint32_t cseq;
};

const char *rtsp_method_name(enum rtsp_method method); /* not of RTSP_UNKNOWN */

/* How far the bytes of a connection are read.  Zeroed at first. */
struct rtsp_reader {
	size_t scanned; /* of a head that is not complete */
	size_t skip;	/* bytes to come that are not looked at: a body, or a packet */
};

enum rtsp_item {
	RTSP_ITEM_NONE,	   /* more bytes are needed */
	RTSP_ITEM_REQUEST, /* *ret is set */
	RTSP_ITEM_PACKET,  /* *ret_channel: an interleaved packet begins */
	RTSP_ITEM_BAD	   /* answer *ret_status and close */
};

/* Reads the next item of `bytes`; *ret_used of them are done with then, also where none is
 * complete. Spans of *ret point into `bytes`.  ret_status: those of http_parse_head(); 400 without
 * a CSeq. */
enum rtsp_item rtsp_read(struct rtsp_reader *r, const char *bytes, size_t len, size_t *ret_used,
			 struct rtsp_request *ret, uint8_t *ret_channel, int *ret_status,
			 const char **ret_reason);

/* How media go to a client. */
struct rtsp_transport {
	bool udp;
	struct span profile; /* as the client wrote it: "RTP/AVP/TCP" */
	uint8_t channels[2]; /* interleaved: of RTP and RTCP */
	uint16_t ports[2];   /* UDP: the client's */
};

/* Chooses the first way of a Transport field that the server supports: RTP over this connection,
 * or, if `udp`, by unicast to the peer's own address.  0, or -ENOENT: there is none. */
must_check int rtsp_choose_transport(struct span field, bool udp, const struct in6_addr *peer,
				     struct rtsp_transport *ret);

/* The identifier in a Session field, without parameters. */
struct span rtsp_session_of(const struct rtsp_request *q);

/* The identifier of a channel in the path: "/5", "/5/" or "/5/stream=0".  False: it is no such
 * path. */
bool rtsp_path_channel(struct span path, struct span *ret);

#define RTSP_TRACK "stream=0" /* a channel is one track, its transport stream */

#endif
