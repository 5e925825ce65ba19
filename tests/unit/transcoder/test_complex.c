#include "unit.h"
#include <stdio.h>
#include <string.h>

#include "amps-transcoder/options/complex.h"

/* The graphs as "0:v+0:a -> v v named: TEXT | ..."; a problem as "! TEXT". */
static const char *parts_of(const char *graph)
{
	static char text[4096];
	struct complex c = {0};
	char problem[256];
	size_t len = 0;

	text[0] = '\0';
	if (complex_add(&c, graph, problem, sizeof(problem)) < 0)
		snprintf(text, sizeof(text), "! %s", problem);
	for (unsigned i = 0; text[0] != '!' && i < c.count; i++) {
		const struct complex_part *p = &c.parts[i];

		for (unsigned n = 0; n < p->in_count; n++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c %s",
						n ? "+" : (i ? " | " : ""), p->ins[n].media,
						p->ins[n].spec);
		len += (size_t)snprintf(text + len, sizeof(text) - len, " -> %c %s%s: %s", p->media,
					p->out, p->named ? " named" : "", p->text);
	}
	complex_done(&c);
	return text;
}

Test(complex, a_graph_falls_into_parts)
{
	static const char *const rows[][2] = {
		{"[0:v]scale=64:48[v]", "v 0:v -> v v named: [amps_in0]scale=64:48[v]"},
		{"scale=64:48", "v  -> v amps_out: [amps_in0]scale=64:48[amps_out]"},
		{"[0:a:1]volume=0.5,anull",
		 "a 0:a:1 -> a amps_out: [amps_in0]volume=0.5,anull[amps_out]"},
		{"movie=a.png[l];[0:v][l]overlay=1:2[v]",
		 "v 0:v -> v v named: movie=a.png[l];[amps_in0][l]overlay=1:2[v]"},
		{"[0:v]hue=s=0[v];[0:a]anull[s]",
		 "v 0:v -> v v named: [amps_in0]hue=s=0[v] | a 0:a -> a s named: [amps_in0]anull[s]"},
		{"[0:v]split[a][b];[b]hflip[c];[a][c]hstack",
		 "v 0:v -> v amps_out: [amps_in0]split[a][b];[b]hflip[c];[a][c]hstack[amps_out]"},
		{" [0:v] drawtext=text='a;b,[c]' [v] ",
		 "v 0:v -> v v named:  [amps_in0] drawtext=text='a;b,[c]' [v] "},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_str_eq(parts_of(rows[i][0]), rows[i][1], "%s", parts_of(rows[i][0]));
}

/* All that one input of ffmpeg has. */
Test(complex, a_part_takes_several_streams_and_makes_several)
{
	static const char *const rows[][2] = {
		{"[0:a:0][0:a:1]amix[s]",
		 "a 0:a:0+a 0:a:1 -> a s named: [amps_in0][amps_in1]amix[s]"},
		{"[0:v][0:v]hstack",
		 "v 0:v+v 0:v -> v amps_out: [amps_in0][amps_in1]hstack[amps_out]"},
		{"[0:a]showwaves=s=64x48[w];[0:v][w]overlay[v]",
		 "a 0:a+v 0:v -> v v named: [amps_in0]showwaves=s=64x48[w];[amps_in1][w]overlay[v]"},
		{"[0:v]split[a][b]", "v 0:v -> v a named: [amps_in0]split[a][b];[b]nullsink"
				     " | v 0:v -> v b named: [amps_in0]split[a][b];[a]nullsink"},
		{"[0:a]volume=2,asplit[a][b]",
		 "a 0:a -> a a named: [amps_in0]volume=2,asplit[a][b];[b]anullsink"
		 " | a 0:a -> a b named: [amps_in0]volume=2,asplit[a][b];[a]anullsink"},
		{"[0:a]showwaves", "a 0:a -> v amps_out: [amps_in0]showwaves[amps_out]"},
		{"[0]hflip", "v 0 -> v amps_out: [amps_in0]hflip[amps_out]"},
	};

	for (size_t i = 0; i < array_size(rows); i++)
		cr_expect_str_eq(parts_of(rows[i][0]), rows[i][1], "%s", parts_of(rows[i][0]));
}

Test(complex, what_is_not_served_is_named)
{
	static const char *const rows[][2] = {
		{"[0:v][1:v]overlay[v]", "! [1:v] is no stream of the source"},
		{"color=red[v]", "! a part of the graph takes no stream of the source"},
		{"[0:v]nullsink", "! a part of the graph has no output"},
		{"[0:v][0:v][0:v][0:v][0:v]hstack=5",
		 "! a part of the graph has more than 4 inputs"},
		{"[0:v][0:s]overlay", "! [0:s] has no pictures"},
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
