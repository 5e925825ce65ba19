#include "amps-master/util/json.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

const char *json_read_text(const json_t *object, const char *key, char scratch[32])
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return json_string_length(value) > 0 ? json_string_value(value) : NULL;
	if (json_is_integer(value))
		snprintf(scratch, 32, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(scratch, 32, "%.15g", json_real_value(value));
	else
		return NULL;
	return scratch;
}

static uint32_t number_cut(double number)
{
	if (!(number > 0))
		return 0;
	return number < (double)UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

uint32_t json_read_u32(const json_t *object, const char *key, uint32_t absent)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? number_cut(json_number_value(value)) : absent;
}

uint32_t json_read_seconds_ms(const json_t *object, const char *key, uint32_t absent_ms)
{
	const json_t *value = json_object_get(object, key);
	double ms;

	if (!json_is_number(value))
		return absent_ms;
	ms = json_number_value(value) * 1000.0;
	/* 0 means "never" or "none": a time below 1 ms must not become 0 */
	return ms > 0 && ms < 1 ? 1 : number_cut(ms + 0.5);
}

bool json_read_bool(const json_t *object, const char *key, bool absent)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : absent;
}

bool json_read_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value != NULL && !json_is_null(value);
}

bool json_read_lists(const json_t *array, const char *word)
{
	size_t i;
	json_t *item;

	json_array_foreach (array, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), word) == 0)
			return true;
	return false;
}

json_t *json_fd_load(int fd)
{
	struct stat st;
	json_t *tree;
	void *map;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return NULL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	tree = json_loadb(map, (size_t)st.st_size, 0, NULL);
	munmap(map, (size_t)st.st_size);
	return tree;
}

int json_fd_save(int fd, const json_t *tree)
{
	size_t n = json_dumpb(tree, NULL, 0, JSON_COMPACT);
	_cleanup_(freep) char *text = n ? malloc(n) : NULL;

	if (!text || json_dumpb(tree, text, n, JSON_COMPACT) != n)
		return -ENOMEM;
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return write_all(fd, text, n);
}
