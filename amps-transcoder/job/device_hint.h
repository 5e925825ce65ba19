/* device_hint.h - what an operator does about a device that the system hides from the server: the
 * unit of systemd (PrivateDevices) and a container show none that is not named. */
#ifndef AMPS_JOB_DEVICE_HINT_H
#define AMPS_JOB_DEVICE_HINT_H

/* To be appended to a reason that names a device: the drop-in for the first one of a known kind in
 * `text` (borrowed).  A static string; "" if the text names none, or devices are not hidden. */
const char *device_hint(const char *text);

#endif
