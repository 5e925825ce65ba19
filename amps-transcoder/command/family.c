#include "amps-transcoder/command/family.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

static void add(struct family *f, pid_t pid)
{
	if (f->count == array_size(f->pids))
		f->more = true;
	else
		f->pids[f->count++] = pid;
}

/* The children of one thread; proc(5) lists them by the thread that forked them. */
static void add_children(struct family *f, pid_t pid, const char *thread)
{
	char path[64];
	int child;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, thread);
	list = fopen(path, "re");
	if (!list)
		return;
	while (fscanf(list, "%d", &child) == 1)
		add(f, child);
	fclose(list);
}

static void add_children_of(struct family *f, pid_t pid)
{
	char path[64];
	struct dirent *thread;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	if (!threads)
		return;
	while ((thread = readdir(threads)))
		if (*thread->d_name != '.')
			add_children(f, pid, thread->d_name);
	closedir(threads);
}

void family_read(struct family *f)
{
	f->count = 0;
	f->more = false;
	add_children_of(f, getpid());
	for (size_t i = 0; i < f->count; i++)
		add_children_of(f, f->pids[i]);
}

void family_kill(void)
{
	struct family f;

	family_read(&f);
	for (size_t i = 0; i < f.count; i++)
		kill(f.pids[i], SIGKILL);
}
