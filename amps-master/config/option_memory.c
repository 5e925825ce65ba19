#include "amps-master/config/option_memory.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "amps-master/store/db.h"
#include "amps-master/config/settings.h"
#include "common/hash.h"
#include "common/limits.h"

#define HEX_BYTES 20

struct option_memory {
	const char *state_dir;
	json_t *files;
	char identity[HEX_BYTES];
	json_t *known; /* verdicts of earlier loads */
	json_t *used;  /* verdicts that this load asked for or added */
	bool learned;
};

static void hex(uint64_t hash, char dst[HEX_BYTES])
{
	snprintf(dst, HEX_BYTES, "%016llx", (unsigned long long)hash_end(hash));
}

static void question_key(const char *question, char dst[HEX_BYTES])
{
	hex(hash_text(HASH_START, question), dst);
}

/* "" if one of the files does not exist: a stored identity is never "". */
static void identity_of(const json_t *files, char dst[HEX_BYTES])
{
	/* these variables decide which libraries the program loads */
	uint64_t h =
		hash_text(hash_text(HASH_START, getenv("LD_LIBRARY_PATH")), getenv("LD_PRELOAD"));
	size_t i;
	json_t *path;

	dst[0] = '\0';
	json_array_foreach (files, i, path) {
		struct stat st;

		if (!json_is_string(path) || stat(json_string_value(path), &st) < 0)
			return;
		h = hash_text(h, json_string_value(path));
		h = hash_u64(hash_u64(h, (uint64_t)st.st_size), st.st_ino);
		h = hash_u64(hash_u64(h, (uint64_t)st.st_mtim.tv_sec),
			     (uint64_t)st.st_mtim.tv_nsec);
	}
	if (json_array_size(files) > 0)
		hex(h, dst);
}

struct option_memory *option_memory_new(const char *state_dir)
{
	struct option_memory *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->state_dir = state_dir;
	m->files = json_array();
	m->known = json_object();
	m->used = json_object();
	if (m->files == NULL || m->known == NULL || m->used == NULL)
		return option_memory_free(m);
	return m;
}

struct option_memory *option_memory_free(struct option_memory *m)
{
	if (m == NULL)
		return NULL;
	json_decref(m->files);
	json_decref(m->known);
	json_decref(m->used);
	free(m);
	return NULL;
}

void option_memory_read(struct option_memory *m, const char *text)
{
	json_auto_t *tree = text != NULL ? json_loads(text, 0, NULL) : NULL;
	json_t *files = json_object_get(tree, "files"), *known = json_object_get(tree, "verdicts");
	const char *identity = json_string_value(json_object_get(tree, "identity"));
	char now[HEX_BYTES];

	identity_of(files, now);
	if (identity != NULL && now[0] != '\0' && strcmp(identity, now) == 0 &&
	    json_is_object(known)) {
		json_decref(m->files);
		json_decref(m->known);
		m->files = json_incref(files);
		m->known = json_incref(known);
		memcpy(m->identity, now, sizeof(now));
	}
}

void option_memory_open(struct option_memory *m, const json_t *model)
{
	json_auto_t *given =
		m->state_dir != NULL ? json_pack("{ss}", "state_dir", m->state_dir) : NULL;
	char folder[PATH_MAX], *text = NULL;

	if (settings_state_dir(given != NULL ? given : json_object_get(model, "server"), folder) ==
		    0 &&
	    db_peek_meta(folder, "options", &text) == 0)
		option_memory_read(m, text);
	free(text);
}

const json_t *option_memory_find(struct option_memory *m, const char *question)
{
	char key[HEX_BYTES];
	json_t *verdict;

	question_key(question, key);
	verdict = json_object_get(m->known, key);
	if (!json_is_array(verdict) || json_object_set(m->used, key, verdict) < 0)
		return NULL;
	return verdict;
}

void option_memory_judged_by(struct option_memory *m, const json_t *files)
{
	char now[HEX_BYTES];

	identity_of(files, now);
	if (strcmp(now, m->identity) == 0)
		return;
	json_object_clear(m->known);
	json_object_clear(m->used);
	json_decref(m->files);
	m->files = json_incref((json_t *)(uintptr_t)files);
	memcpy(m->identity, now, sizeof(now));
}

void option_memory_learn(struct option_memory *m, const char *question, const json_t *verdict)
{
	char key[HEX_BYTES];

	question_key(question, key);
	if (json_object_set(m->used, key, (json_t *)(uintptr_t)verdict) == 0)
		m->learned = true;
}

void option_memory_keep(struct option_memory *m)
{
	bool learn = m->learned && json_object_size(m->known) < API_DISTINCT_MAX;

	/* beyond the limit the new ones are asked again */
	if (!learn)
		json_object_clear(m->used);
	m->learned = learn;
	/* without memory some are asked again */
	(void)json_object_update_missing(m->used, m->known);
}

char *option_memory_text(const struct option_memory *m)
{
	json_t *tree;
	char *text;

	assert(!m->learned || json_object_size(m->used) > 0);
	if (m->identity[0] == '\0' ||
	    (!m->learned && json_object_size(m->used) == json_object_size(m->known)))
		return NULL;
	tree = json_pack("{sO ss sO}", "files", m->files, "identity", m->identity, "verdicts",
			 m->used);
	text = tree != NULL ? json_dumps(tree, JSON_COMPACT) : NULL;
	json_decref(tree);
	return text;
}
