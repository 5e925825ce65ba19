/* options.h - the load client's command line */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "tests/bench/load/load.h"

/* 0, or -EINVAL after usage() has been printed. */
must_check int options_read(struct load_options *o, int argc, char **argv);

#endif
