/* websocket.h - WebSocket (RFC 6455), the server's side: the handshake, and a packer whose units
 * are binary frames.
 *
 * What clients send is parsed by libwslay: pings are answered, data is dropped.  Our own frames
 * need nothing but a head of 2 or 4 bytes, which the library could only send in calls of their own.
 *
 *	close codes: 1000 the source is over, 1001 the server shuts down, 1002 a frame that breaks
 *	the protocol (also one without a mask), 1007 text that is not UTF-8, 1008 ended by an
 *	operator, 1009 a message larger than WEBSOCKET_MESSAGE_MAX, 1011 the channel failed, 1013
 *	the client was too slow */
#ifndef AMPS_WEBSOCKET_H
#define AMPS_WEBSOCKET_H

#include "amps-worker/http/parse.h"
#include "amps-worker/live/packer.h"

#define WEBSOCKET_PROTOCOL "amps" /* the subprotocol that is selected where it is offered */
#define WEBSOCKET_ACCEPT   28u	  /* characters of Sec-WebSocket-Accept */

/* Is this a request for a WebSocket that can be granted?  0; 400, or 426: not a handshake, or not
 * version 13; *ret_reason is a static sentence. */
must_check int websocket_judge(const struct http_request *q, const char **ret_reason);

/* Sec-WebSocket-Accept for such a request. */
void websocket_accept(const struct http_request *q, char ret[WEBSOCKET_ACCEPT + 1]);

/* Does the client offer this subprotocol? */
bool websocket_offers(const struct http_request *q, const char *protocol);

/* NULL without memory. */
struct packer *websocket_new(void);

#endif
