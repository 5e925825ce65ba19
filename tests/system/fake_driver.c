/* fake_driver.c - loaded into a server's processes (LD_PRELOAD), it stands before libavutil's
 * opening of a device, and does what drivers do beside failing: FAKE_DRIVER=hang,
 * FAKE_DRIVER=crash. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int av_hwdevice_ctx_create(void **device, int type, const char *name, void *options, int flags);

int av_hwdevice_ctx_create(void **device, int type, const char *name, void *options, int flags)
{
	const char *mode = getenv("FAKE_DRIVER");

	(void)device, (void)type, (void)name, (void)options, (void)flags;
	while (mode && strcmp(mode, "hang") == 0)
		pause();
	if (mode && strcmp(mode, "crash") == 0)
		*(volatile int *)0 = 0;
	return -ENODEV;
}
