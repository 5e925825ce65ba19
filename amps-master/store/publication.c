#include "amps-master/store/publication.h"

void publication_free(struct publication *p)
{
	if (p == NULL)
		return;
	close_fd(&p->catalog_fd);
	close_fd(&p->tokens_fd);
	lineup_unref(p->lineup);
	json_decref(p->server);
	json_decref(p->report);
	free(p);
}

struct publication *publication_new(void)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->catalog_fd = -1;
	p->tokens_fd = -1;
	p->next_change_wall_us = TIME_NONE;
	p->report = json_pack("{s[]s[]s[]s[]}", "added", "changed", "removed", "warnings");
	if (p->report == NULL) {
		publication_free(p);
		return NULL;
	}
	return p;
}
