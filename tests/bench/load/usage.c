/* usage.c - CPU time and memory of processes and their descendants, from /proc (proc(5)) */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/load/load.h"

#define PROCESSES_MAX 8192

struct process {
	pid_t pid, parent;
	bool counted;
};

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The CPU time of all threads, as the scheduler counts it. */
static double cpu_of(pid_t pid)
{
	char path[64];
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *e;
	double sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char file[sizeof(path) + sizeof(e->d_name) + 16];
		_cleanup_(fclosep) FILE *f = NULL;
		unsigned long long ns;

		snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(file, "r");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += (double)ns / 1e9;
	}
	return sum;
}

static void memory_of(pid_t pid, struct usage *u)
{
	char path[64], line[256];
	_cleanup_(fclosep) FILE *f = NULL;
	long kb;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			u->rss_kb += kb;
		else if (sscanf(line, "Pss: %ld", &kb) == 1)
			u->pss_kb += kb;
	}
}

static bool read_parent(const char *pid, pid_t *ret_parent)
{
	char path[300], line[512], *after;
	_cleanup_(fclosep) FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		return false;
	after = strrchr(line, ')');
	return after && sscanf(after + 2, "%*c %d", ret_parent) == 1;
}

static int list_processes(struct process *p)
{
	_cleanup_(closedirp) DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)) && n < PROCESSES_MAX) {
		if (!isdigit((unsigned char)e->d_name[0]) || !read_parent(e->d_name, &p[n].parent))
			continue;
		p[n].pid = (pid_t)strtol(e->d_name, NULL, 10);
		p[n++].counted = false;
	}
	return n;
}

/* Marks the children of marked processes.  False if there were no new ones. */
static bool mark_children(struct process *p, int n)
{
	bool found = false;

	for (int i = 0; i < n; i++) {
		for (int j = 0; !p[i].counted && j < n; j++)
			p[i].counted =
				p[j].counted && p[j].pid == p[i].parent ? (found = true) : false;
	}
	return found;
}

void usage_of_tree(const pid_t *roots, int count, struct usage *ret)
{
	_cleanup_(freep) struct process *p = calloc(PROCESSES_MAX, sizeof(*p));
	int n = p ? list_processes(p) : 0;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < count; k++)
			p[i].counted |= p[i].pid == roots[k];
	}
	while (mark_children(p, n))
		;
	for (int i = 0; i < n; i++) {
		if (!p[i].counted)
			continue;
		ret->processes++;
		ret->cpu_s += cpu_of(p[i].pid);
		memory_of(p[i].pid, ret);
	}
}

double usage_own_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
