/* main.c - amps-master: the server's control plane, and its helpers under the same name. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "amps-master/config/check_command.h"
#include "amps-master/config/list_command.h"
#include "amps-master/master.h"
#include "common/log/log.h"

static const char help[] =
	"usage: amps-master [OPTION...]\n"
	"       amps-master --check [--config FILE] [--json] [--strict]\n"
	"       amps-master --list|--schedule [--config FILE]\n"
	"\n"
	"Runs the server in the foreground; `amps serve` starts it.\n"
	"\n"
	"  --config FILE      default: ./config.yaml, else /etc/amps/amps.yaml\n"
	"  --host ADDRESS     to listen on\n"
	"  --port N           0 = any free one\n"
	"  --workers N        processes that serve clients, or auto\n"
	"  --state-dir DIR    the database\n"
	"  --runtime-dir DIR  control.sock, pid\n"
	"  --media-root DIR   segments of HLS and DASH\n"
	"  --log-level LEVEL  debug, info, warning or error\n"
	"  --version, --help\n"
	"\n"
	"SIGTERM and SIGINT stop it cleanly (twice: at once), SIGHUP reloads the configuration.\n";

#define STEP_BYTES	 (64u << 20) /* of address space; memory only where it is touched */
#define LARGE_PAGE_BYTES (2u << 20)

/* Makes the heap grow in large steps and, if the kernel supports it, in huge pages.  For a helper
 * that builds large trees, uses them once and exits: with thousands of channels it would spend a
 * third of its time in page faults.  Call it before the first allocation. */
static void bulk_memory_prepare(void)
{
	char *first, *end, *begin;

	mallopt(M_TOP_PAD, STEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	/* too large for any free block: the heap grows by one step */
	first = malloc(LARGE_PAGE_BYTES / 32);
	end = sbrk(0);
	/* false for another allocator, such as a sanitizer's, which does not use sbrk() */
	if (first != NULL && first < end && (size_t)(end - first) > STEP_BYTES) {
		begin = end - STEP_BYTES;
		begin -= (uintptr_t)begin % (uintptr_t)sysconf(_SC_PAGESIZE);
		(void)madvise(begin, STEP_BYTES, MADV_HUGEPAGE);
	}
	free(first);
}

int main(int argc, char **argv)
{
	struct serve_options options;

	log_init("master", LOG_INFO, false);
	if (argc > 1 && strcmp(argv[1], "--check") == 0) {
		bulk_memory_prepare();
		return check_command(argc, argv);
	}
	if (argc > 1 && (strcmp(argv[1], "--list") == 0 || strcmp(argv[1], "--schedule") == 0))
		return list_command(argc, argv);
	if (serve_options_parse(&options, argc, argv) != 0)
		return 2;
	if (options.help)
		return fputs(help, stdout) < 0;
	if (options.version)
		return printf("amps-master %s\n", AMPS_VERSION) < 0;
	if (options.load) {
		bulk_memory_prepare();
		return load_command(&options, STDOUT_FILENO);
	}
	return master_run(&options);
}
