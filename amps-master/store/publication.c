#include "amps-master/store/publication.h"

void publication_free(struct publication *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		close_fd(&p->snapshots[i].fd);
	lineup_unref(p->lineup);
	json_decref(p->settings);
	json_decref(p->report);
	free(p);
}

struct publication *publication_new(void)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < SNAPSHOT_KIND_COUNT_; i++)
		p->snapshots[i].fd = -1;
	p->next_change_wall_us = TIME_NONE;
	p->report = json_pack("{s[]s[]s[]s[]}", "added", "changed", "removed", "warnings");
	if (p->report == NULL) {
		publication_free(p);
		return NULL;
	}
	return p;
}
