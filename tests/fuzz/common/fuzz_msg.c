/* fuzz_msg.c - any datagram through every decoder. */
#include <stddef.h>
#include <stdint.h>

#include "common/msg/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define M(NAME, name, fds, fields, meaning)                                                        \
	{                                                                                          \
		struct msg_##name m;                                                               \
		if (msg_decode_##name(data, size, &m) == 0) {                                      \
			uint8_t again[MESSAGE_BYTES_MAX];                                          \
			size_t len = 0;                                                            \
			if (msg_encode_##name(&m, again, sizeof(again), &len) < 0 || len != size)  \
				__builtin_trap();                                                  \
		}                                                                                  \
	}
	MESSAGES(M)
#undef M
	return 0;
}
