/* Frames of a WebSocket client, at once and byte by byte: never a crash, and a client that is
 * refused gets a close frame.  (libwslay may find the fault of an incomplete close frame sooner in
 * single bytes.) */
#include <stdlib.h>
#include <string.h>
#include "amps-worker/live/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const uint8_t *data, size_t size, size_t step)
{
	struct packer *p = websocket_new();
	int e = 0;

	if (!p)
		abort();
	for (size_t n = 0; n < size && e == 0; n += step) {
		struct buf out = BUF_INIT;
		size_t piece = step < size - n ? step : size - n;

		e = p->ops->receive(p, data + n, piece, &out);
		if (!buf_ok(&out) || (e && (out.len < 2 || !memchr(out.data, 0x88, out.len))))
			abort();
		buf_done(&out);
	}
	p->ops->free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	feed(data, size, size ? size : 1);
	feed(data, size, 1);
	return 0;
}
