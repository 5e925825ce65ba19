/* Any bytes as a guide, plain or packed, in pieces; what is kept of it becomes a file that can be
 * opened and read. */
#include <assert.h>
#include <sys/mman.h>

#include "amps-helper/guide/document.h"
#include "amps-helper/guide/write.h"
#include "common/shm/guide.h"

#define NOW_S 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int empty_file(int *fd, const char *name)
{
	if (*fd == 0)
		*fd = memfd_create(name, MFD_CLOEXEC);
	assert(*fd > 0 && ftruncate(*fd, 0) == 0 && lseek(*fd, 0, SEEK_SET) == 0);
	return *fd;
}

/* The file of the import is whole, and all its texts are inside. */
static void read_file(int fd)
{
	size_t bytes = (size_t)lseek(fd, 0, SEEK_END);
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	struct snapshot *s;
	struct guide_entry e;

	assert(map != MAP_FAILED);
	if (snapshot_open_memory(&guide_type, map, bytes, &s) < 0)
		abort();
	for (size_t i = 0; i < guide_channel_count(guide_of(s)); i++) {
		const struct guide_channel *ch = guide_channel_at(guide_of(s), i);

		for (uint32_t k = 0; k < ch->programme_count; k++)
			if (!guide_entry_at(guide_of(s), ch, k, &e))
				abort();
	}
	snapshot_unref(s);
	munmap(map, bytes);
}

static int read_document(struct guide_document *d, const uint8_t *data, size_t size)
{
	size_t step = size > 0 ? 1 + data[size - 1] * 16u : 1;
	char reason[512] = "";
	int r = 0;

	for (size_t at = 0; r == 0 && at < size; at += step)
		r = guide_document_add(d, (const char *)data + at, MIN(step, size - at), reason,
				       sizeof(reason));
	if (r == 0)
		r = guide_document_end(d, reason, sizeof(reason));
	assert(r == 0 || reason[0] != '\0');
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int spool_fd, file_fd;
	struct guide_spool spool = {.fd = empty_file(&spool_fd, "spool")};
	struct guide_document d = {0};
	struct guide_parse_env env = {
		.spool = &spool, .from_s = NOW_S - 86400, .until_s = NOW_S + 86400};
	json_t *targets = json_loads("[[\"a\"],[\"b\",\"B HD\"],[\"c\",\"Sea\"]]", 0, NULL),
	       *report = json_object();
	int fd = empty_file(&file_fd, "file");

	if (guide_match_new(targets, &env.match) < 0 || guide_document_init(&d, &env) < 0)
		abort();
	if (read_document(&d, data, size) == 0) {
		guide_match_resolve(env.match);
		if (guide_spool_finish(&spool, env.from_s) < 0 ||
		    guide_write(env.match, &spool, report, fd) < 0)
			abort();
		read_file(fd);
	}
	guide_document_done(&d);
	guide_spool_done(&spool);
	guide_match_free(env.match);
	json_decref(targets);
	json_decref(report);
	return 0;
}
