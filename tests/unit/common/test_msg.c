/* test_msg.c - every message round-trips; everything malformed is refused. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include "unit.h"

#include "common/msg/msg.h"

Test(msg, fields_are_decoded_as_they_were_encoded)
{
	struct msg_want in = {.want = 7, .channel = 2147483647, .form = 3, .variant = "HD+"}, out;
	uint8_t bytes[256];
	size_t len;

	cr_assert_eq(msg_encode_want(&in, bytes, sizeof(bytes), &len), 0);
	cr_assert_eq(msg_decode_want(bytes, len, &out), 0);
	cr_assert_eq(out.want, 7);
	cr_assert_eq(out.channel, 2147483647);
	cr_assert_eq(out.form, 3);
	cr_assert_str_eq(out.variant, "HD+");
}

/* An empty struct of every type: encodes, decodes, and no prefix, no longer form and no other type
 * is taken for it. */
#define M(NAME, name, fds, fields, meaning)                                                        \
	Test(msg, name##_refuses_all_but_itself)                                                   \
	{                                                                                          \
		struct msg_##name in, out;                                                         \
		uint8_t bytes[512];                                                                \
		size_t len;                                                                        \
                                                                                                   \
		memset(&in, 0, sizeof(in));                                                        \
		cr_assert_eq(msg_encode_##name(&in, bytes, sizeof(bytes) - 1, &len), 0);           \
		cr_assert_eq(msg_decode_##name(bytes, len, &out), 0);                              \
		for (size_t n = 0; n < len; n++)                                                   \
			cr_assert_eq(msg_decode_##name(bytes, n, &out), -EBADMSG);                 \
		bytes[len] = 0;                                                                    \
		cr_assert_eq(msg_decode_##name(bytes, len + 1, &out), -EBADMSG);                   \
		bytes[0] ^= 0x40;                                                                  \
		cr_assert_eq(msg_decode_##name(bytes, len, &out), -EBADMSG);                       \
		bytes[0] ^= 0x40;                                                                  \
		bytes[2] ^= 1;                                                                     \
		cr_assert_eq(msg_decode_##name(bytes, len, &out), -EBADMSG);                       \
		cr_assert_eq(msg_encode_##name(&in, bytes, len - 1, &len), -EMSGSIZE);             \
	}
MESSAGES(M)
#undef M

Test(msg, a_string_with_a_nul_inside_is_refused)
{
	struct msg_want in = {.variant = "abcd"}, out;
	uint8_t bytes[64];
	size_t len;

	cr_assert_eq(msg_encode_want(&in, bytes, sizeof(bytes), &len), 0);
	*(uint8_t *)memchr(bytes, 'b', len) = 0;
	cr_assert_eq(msg_decode_want(bytes, len, &out), -EBADMSG);
}

Test(msg, descriptors_travel_and_their_number_is_checked)
{
	struct msg_snapshot m = {.generation = 1, .bytes = 2};
	static struct msg got;
	uint8_t bytes[64];
	int pair[2], two[2] = {0, 1};
	size_t len;

	cr_assert_eq(msg_socketpair(pair), 0);
	cr_assert_eq(msg_receive(pair[1], &got), -EAGAIN);
	cr_assert_eq(msg_send_snapshot(pair[0], &m, &pair[0]), 0);
	cr_assert_eq(msg_receive(pair[1], &got), 0);
	cr_assert_eq(got.type, MSG_SNAPSHOT);
	cr_assert_eq(got.fd_count, 1);
	cr_assert(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
	msg_done(&got);
	cr_assert_eq(msg_encode_snapshot(&m, bytes, sizeof(bytes), &len), 0);
	cr_assert_eq(msg_send_bytes(pair[0], bytes, len, two, 2), 0);
	cr_assert_eq(msg_receive(pair[1], &got), -EBADMSG);
	cr_assert_eq(msg_send_bytes(pair[0], bytes, len, NULL, 0), 0);
	cr_assert_eq(msg_receive(pair[1], &got), -EBADMSG);
	cr_assert_eq(send(pair[0], "x", 1, 0), 1);
	cr_assert_eq(msg_receive(pair[1], &got), -EBADMSG);
	close(pair[0]);
	cr_assert_eq(msg_receive(pair[1], &got), -EPIPE);
	close(pair[1]);
}

/* No descriptor may stay behind when a message is refused. */
Test(msg, refused_descriptors_are_closed)
{
	static struct msg got;
	int pair[2], three[3] = {0, 1, 2}, probe, again;

	cr_assert_eq(msg_socketpair(pair), 0);
	probe = dup(0);
	close(probe);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(msg_send_bytes(pair[0], "garbage", 7, three, 3), 0);
		cr_assert_eq(msg_receive(pair[1], &got), -EBADMSG);
	}
	again = dup(0);
	cr_assert_eq(again, probe);
	close(again);
	close(pair[0]);
	close(pair[1]);
}
