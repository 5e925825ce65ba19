#include "common/process.h"

#include <stdio.h>

uint64_t process_own_bytes(pid_t pid)
{
	unsigned long resident = 0, shared = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (!f)
		return 0;
	if (fscanf(f, "%*u %lu %lu", &resident, &shared) != 2)
		resident = shared = 0;
	fclose(f);
	return resident > shared ? (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
				 : 0;
}
