/* check_graph.h - checks the text of a filter graph without running the filters, and lists the
 * files that they would read.
 *
 * Knows ffmpeg's filter syntax (ffmpeg-filters(1), "Filtergraph syntax"): names, options and their
 * values are checked against libavfilter's tables; links and what filters open (files, fonts) are
 * not, so nothing outside is touched.  Filters that open nothing outside also judge the texts of
 * their values (expressions). */
#ifndef AMPS_CHECK_GRAPH_H
#define AMPS_CHECK_GRAPH_H

#include "common/base.h"

/* True when every filter and option is known; else false with a sentence in `text`. */
bool check_graph(const char *graph, char *text, size_t cap);

/* For a graph that check_graph() accepts: true when its filters take their values, as far as they
 * can be made here.  Pictures of 1920x1080 and stereo sound are assumed, and only what cannot be
 * read is an error, not a size that does not fit these. */
bool check_graph_values(const char *graph, char *text, size_t cap);

/* A file that a filter reads: a path or a URL, borrowed for the call. */
typedef void graph_file_fn(void *owner, const char *filter, const char *path);

/* Calls `each` for every file that the graph's filters read, up to where the graph is wrong. */
void graph_files(const char *graph, graph_file_fn *each, void *owner);

/* True if filters of the graph work in a device's memory (scale_vaapi, hwupload ...). */
bool graph_has_device(const char *graph);

#endif
