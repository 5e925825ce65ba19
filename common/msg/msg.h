/* msg.h - every message between the processes of Amps, in one list.
 *
 * Transport: an AF_UNIX SOCK_SEQPACKET socketpair, descriptor 3 of each child; one datagram is one
 * message: u16 type, u16 MSG_PROTOCOL, then the fields in the order listed, little-endian, a string
 * as u32 length and its bytes with a NUL behind them.  A decoder refuses a wrong type or protocol,
 * a string without its NUL where its length says, and trailing bytes; the transport refuses a wrong
 * number of descriptors and closes them.  What does not fit MESSAGE_BYTES_MAX travels as a sealed
 * memfd beside the message (the fields then say how many bytes it has).
 *
 * A child that sends a malformed message is killed and replaced; nothing else is affected.
 * The list itself is msg_list.h. */
#ifndef AMPS_MSG_H
#define AMPS_MSG_H

#include "common/base.h"
#include "common/limits.h"
#include "common/msg/msg_list.h"

enum msg_type {
#define M(NAME, name, fds, fields, meaning) MSG_##NAME,
	MSG_NONE_ = 0,
	MESSAGES(M)
#undef M
		MSG_TYPE_COUNT_
};

/* struct msg_want { uint32_t want; ... }: strings are borrowed (from the caller when encoding, from
 * the receive buffer when decoding). */
#define MSG_CTYPE_u8		uint8_t
#define MSG_CTYPE_u32		uint32_t
#define MSG_CTYPE_u64		uint64_t
#define MSG_CTYPE_i64		int64_t
#define MSG_CTYPE_str		const char *
#define MSG_MEMBER(type, field) MSG_CTYPE_##type field;
#define M(NAME, name, fds, fields, meaning)                                                        \
	struct msg_##name {                                                                        \
		fields(MSG_MEMBER) char none_[0];                                                  \
	};
MESSAGES(M)
#undef M

/* int msg_encode_want(const struct msg_want *, void *dst, size_t cap, size_t *ret_len)
 *	0 or -EMSGSIZE.
 * int msg_decode_want(const void *datagram, size_t len, struct msg_want *ret)
 *	0 or -EBADMSG; strings point into the datagram.
 * int msg_send_want(int fd, const struct msg_want *, const int *fds)
 *	encodes and sends with exactly the descriptors the list declares (they stay the caller's);
 *	0, -EAGAIN (the socket is full), -EPIPE, -EMSGSIZE, ... */
#define M(NAME, name, fds, fields, meaning)                                                        \
	must_check int msg_encode_##name(const struct msg_##name *m, void *dst, size_t cap,        \
					 size_t *ret_len);                                         \
	must_check int msg_decode_##name(const void *datagram, size_t len,                         \
					 struct msg_##name *ret);                                  \
	must_check int msg_send_##name(int fd, const struct msg_##name *m, const int *fds_);
MESSAGES(M)
#undef M

/* A received datagram.  The owner of the message owns `fds`, may take some (TAKE_FD), and closes
 * the rest with msg_done(). */
struct msg {
	enum msg_type type;
	size_t len;
	int fd_count;
	int fds[MESSAGE_FDS_MAX];
	uint8_t bytes[MESSAGE_BYTES_MAX];
};

/* Receives one datagram without blocking and checks its head, its descriptor count and that the
 * type is known; the caller then decodes by type.
 * 0, -EAGAIN (none waits), -EPIPE (the peer is gone), -EBADMSG (malformed: end the peer). */
must_check int msg_receive(int fd, struct msg *ret);
void msg_done(struct msg *m);

/* Sends an encoded datagram with descriptors.  0, -EAGAIN, -EPIPE, -Exxx. */
must_check int msg_send_bytes(int fd, const void *bytes, size_t len, const int *fds, int fd_count);

const char *msg_name(enum msg_type type);

/* A pair of connected message sockets, close-on-exec and non-blocking.  0 or -Exxx. */
must_check int msg_socketpair(int ret_fds[2]);

/* The descriptor a child finds its master on. */
#define MSG_CHILD_FD 3

#endif
