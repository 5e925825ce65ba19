#include "unit.h"
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/options/complex.h"

/* The parts as "v: 0:v -> v named: TEXT | ..."; a problem as "! TEXT". */
static const char *parts_of(const char *graph)
{
	static char text[2048];
	struct complex c = {0};
	char problem[256];
	size_t len = 0;

	text[0] = '\0';
	if (complex_add(&c, graph, problem, sizeof(problem)) < 0)
		snprintf(text, sizeof(text), "! %s", problem);
	for (unsigned i = 0; text[0] != '!' && i < c.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c: %s -> %s%s: %s",
					i ? " | " : "", c.parts[i].media, c.parts[i].in,
					c.parts[i].out, c.parts[i].named ? " named" : "",
					c.parts[i].text);
	complex_done(&c);
	return text;
}

Test(complex, a_graph_falls_into_parts)
{
	static const char *const rows[][2] = {
		{"[0:v]scale=64:48[v]", "v: 0:v -> v named: [0:v]scale=64:48[v]"},
		{"scale=64:48", "v: amps_in -> amps_out: [amps_in]scale=64:48[amps_out]"},
		{"[0:a:1]volume=0.5,anull",
		 "a: 0:a:1 -> amps_out: [0:a:1]volume=0.5,anull[amps_out]"},
		{"movie=a.png[l];[0:v][l]overlay=1:2[v]",
		 "v: 0:v -> v named: movie=a.png[l];[0:v][l]overlay=1:2[v]"},
		{"[0:v]hue=s=0[v];[0:a]anull[s]",
		 "v: 0:v -> v named: [0:v]hue=s=0[v] | a: 0:a -> s named: [0:a]anull[s]"},
		{"[0:v]split[a][b];[b]hflip[c];[a][c]hstack",
		 "v: 0:v -> amps_out: [0:v]split[a][b];[b]hflip[c];[a][c]hstack[amps_out]"},
		{" [0:v] drawtext=text='a;b,[c]' [v] ",
		 "v: 0:v -> v named:  [0:v] drawtext=text='a;b,[c]' [v] "},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_str_eq(parts_of(rows[i][0]), rows[i][1], "%s", parts_of(rows[i][0]));
}

Test(complex, what_is_not_served_is_named)
{
	static const char *const rows[][2] = {
		{"[0:v][1:v]overlay[v]", "! a part of the graph has 2 inputs and 1 outputs"},
		{"[0:v]split[a][b]", "! a part of the graph has 1 inputs and 2 outputs"},
		{"color=red[v]", "! a part of the graph has 0 inputs and 1 outputs"},
		{"[1:v]null[v]", "! [1:v] is no stream of the source"},
		{"[x]null[v]", "! [x] is no stream of the source"},
		{"[0:v]null[v", "! the filter graph cannot be read"},
		{"[0:v]nosuch[v]", "! the filter graph cannot be read"},
		{"[]null", "! the filter graph cannot be read"},
		{"", "! the filter graph cannot be read"},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_eq(strncmp(parts_of(rows[i][0]), rows[i][1], strlen(rows[i][1])), 0,
			     "%s: %s", rows[i][0], parts_of(rows[i][0]));
}

Test(complex, many_chains_are_no_overflow)
{
	char graph[8192] = "[0:v]null[l0]";

	for (int i = 0; i < 200; i++)
		snprintf(graph + strlen(graph), sizeof(graph) - strlen(graph), ";[l%d]null[l%d]", i,
			 i + 1);
	cr_expect_eq(strncmp(parts_of(graph), "! ", 2), 0);
	for (size_t i = 0; i < sizeof(graph) - 1; i++)
		graph[i] = i % 3 == 0 ? '[' : i % 3 == 1 ? 'a' : ']';
	graph[sizeof(graph) - 1] = '\0';
	cr_expect_eq(strncmp(parts_of(graph), "! ", 2), 0);
}
