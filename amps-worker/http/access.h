/* access.h - what a request says about its client: token, address, region, and the base of the
 * answer's links.
 *
 * Pure functions of one request; nothing here allocates, blocks or logs. */
#ifndef AMPS_ACCESS_H
#define AMPS_ACCESS_H

#include "amps-worker/http/request.h"

/* The token a request carries: X-Amps-Token, else Authorization: Bearer, of RTSP also Basic with
 * any name and the token as the password, else "token." and Base64 (RFC 4648 section 5) in
 * Sec-WebSocket-Protocol, for browsers that can set nothing else, else ?token=.  Into dst
 * (NUL-ended).  1 found, 0 none, -EINVAL malformed or too long. */
must_check int access_token_text(const struct http_request *http, char *dst, size_t cap);

/* Does the request carry a token, right or wrong? */
bool access_has_token(const struct http_request *http);

/* The entry of that token, or NULL: none, unknown, expired, malformed. */
const struct token_entry *access_token(const struct http_request *http, const struct facts *facts);

/* Is the peer one of server.trusted_proxies?  Never when there are none. */
bool access_peer_trusted(const struct facts *facts);

/* The client's address, IPv4 mapped: the peer, or, while that is a trusted proxy, the address that
 * it forwards for, from the last element of X-Forwarded-For backwards. */
struct in6_addr access_client(const struct http_request *http, const struct facts *facts);

/* The viewer's region as two upper-case letters, or "" when it is unknown: that of a signed link
 * or session, the query, then X-Amps-Region, X-Region, CF-IPCountry, X-Appengine-Country, as far as
 * the configuration trusts them (a value that is not a region code is skipped), then the country of
 * its address (region.geoip).  True: the request names none, so it is that of the address. */
bool access_region(const struct request *q, char out[3]);

/* The same without the country of the address: the API shows what is closed there, too, as an
 * administrator needs it. */
void access_named_region(const struct request *q, char out[3]);

/* Does the request, whose first segment is a channel, carry a signed link (common/text/link.h) that
 * holds now, for this channel and client?  Sets what it says in the request, and the token by whose
 * viewer it was made. */
must_check bool access_link(struct request *q);

/* Do we know that the name in the Host field is one of this server?  An address, a name that no
 * public DNS has, that of server.public_url, one of server.allowed_hosts; what a trusted proxy asks
 * for; no name at all.  Any other may be that of a page which lets its name point here for a while
 * (DNS rebinding): to a browser it is then the same site. */
bool access_host_known(const struct http_request *http, const struct facts *facts);

/* The base of links, without a slash at its end: server.public_url, else what a trusted proxy
 * forwards, else the Host field, else localhost and the server's port. */
void access_base_url(const struct http_request *http, const struct facts *facts, char *dst,
		     size_t cap);

/* The base of links to RTSP, from that of other links; "" where RTSP is off. */
void access_rtsp_url(const char *base_url, const struct facts *facts, char *dst, size_t cap);

/* The token to put into links for this client: its own, for an administrator the shared one, "" if
 * there is none to publish. */
void access_link_token(const struct request *q, char out[TOKEN_BYTES_MAX + 1]);

#endif
