/* udp_url.h - what a udp:// or rtp:// URL and the input options say about receiving.
 *
 * The settings are those of ffmpeg's udp and rtp protocols and of its RTP demuxer, under their
 * names; what the URL says goes before the options. */
#ifndef AMPS_UDP_URL_H
#define AMPS_UDP_URL_H

#include <libavutil/dict.h>
#include "common/base.h"

struct udp_url {
	char host[256];		       /* to receive at, or a sender; "" = any address */
	uint16_t port;		       /* of the host */
	uint16_t local_port;	       /* to receive at; 0 = none given */
	char local[256];	       /* localaddr: an address or an interface's name; "" = any */
	char sources[1024];	       /* the only senders of the group: a,b; "" = any */
	char block[1024];	       /* blocked senders */
	int buffer_bytes;	       /* -1 = none given */
	int reuse;		       /* -1 = none given */
	bool connect;		       /* only the host may send */
	int reorder_packets;	       /* of RTP, that wait for those before them ... */
	int reorder_us;		       /* ... for so long at most */
	AVDictionary *query, *options; /* the settings as they were given */
};

/* Reads a URL and the options (NULL: none) into *ret.  0, or -EINVAL: libav's log has the reason
 * (udp_url_done() all the same). */
must_check int udp_url_parse(const char *url, const AVDictionary *options, struct udp_url *ret);
void udp_url_done(struct udp_url *u);

/* Removes from `query` and `options` what applies to a multicast group, or else to a local address;
 * the rest is unused. */
void udp_url_followed(struct udp_url *u, bool multicast);

#endif
