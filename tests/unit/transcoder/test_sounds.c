/* test_sounds.c - the sounds of a programme and their names, from the descriptors of its PMT. */
#include "unit.h"

#include "amps-transcoder/segment/sounds.h"
#include "ts_build.h"

#define AAC	0x0f
#define AC3	0x81
#define PRIVATE 0x06

/* A stream of a PMT in the making. */
struct made {
	unsigned type;
	const char *descriptors;
	size_t n;
};

#define STREAM(type, descriptors)                                                                  \
	{                                                                                          \
		type, descriptors, sizeof(descriptors) - 1                                         \
	}

static struct ts_parse p;
static struct sounds sounds;

static bool all(const struct ts_stream *s)
{
	(void)s;
	return true;
}

static bool aac_only(const struct ts_stream *s)
{
	return strcmp(s->codec, "aac") == 0;
}

/* Parses a PMT of these sounds behind a picture. */
static void parse(const struct made *made, size_t count)
{
	static uint8_t memory[64 * TS_PACKET];
	struct ts_build b = {.bytes = memory, .cap = sizeof(memory)};
	uint8_t s[1100] = {0x02, 0,    0, 0,	1,    0xc1, 0,	  0, 0xe1,
			   0x01, 0xf0, 0, 0x1b, 0xe1, 0x01, 0xf0, 0};
	struct ts_rap rap;
	size_t n = 17;

	for (size_t i = 0; i < count; i++) {
		unsigned pid = PID_AUDIO + (unsigned)i;

		s[n++] = (uint8_t)made[i].type;
		s[n++] = (uint8_t)(0xe0 | pid >> 8);
		s[n++] = (uint8_t)pid;
		s[n++] = 0xf0;
		s[n++] = (uint8_t)made[i].n;
		memcpy(s + n, made[i].descriptors, made[i].n);
		n += made[i].n;
	}
	ts_parse_init(&p);
	build_pat(&b);
	build_section(&b, PID_PMT, s, n);
	for (size_t at = 0; at < b.len; at += TS_PACKET)
		ts_parse_packet(&p, b.bytes + at, at, &rap);
	cr_assert_eq(p.stream_count, 1 + count);
}

static void expect_names(const char *names)
{
	char text[256] = "";

	for (unsigned i = 0; i < sounds.count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, sounds.at[i].name);
	}
	cr_expect_str_eq(text, names);
}

Test(sounds, are_named_after_language_and_purpose)
{
	static const struct made made[] = {
		STREAM(AAC, "\x0a\x04"
			    "deu\x00"),
		STREAM(AC3, "\x0a\x04"
			    "ENG\x00"),
		STREAM(AAC, "\x0a\x04"
			    "deu\x03"),
		STREAM(AAC, ""),
		/* another descriptor in front of it, and a second language, which does not count */
		STREAM(AAC, "\x52\x01\x07\x0a\x08"
			    "deu\x00"
			    "fra\x00"),
		STREAM(AAC, "\x0a\x04"
			    "eng\x02"),
		STREAM(AAC, "\x0a\x04"
			    "fra\x01"),
		STREAM(AAC, ""),
		STREAM(AAC, "\x0a\x04"
			    "spa\x00"),
	};

	parse(made, array_size(made));
	sounds_list(&p, all, &sounds);
	expect_names("deu eng deu-ad und deu-2 eng-hi fra-ce und-2");
	cr_expect_str_eq(sounds_usual(&sounds)->name, "deu");
	cr_expect_eq(sounds_find(&sounds, "eng")->stream->pid, PID_AUDIO + 1);
	cr_expect_null(sounds_find(&sounds, "spa"), "there is no room for it");
	/* what MP4 cannot carry has no name */
	sounds_list(&p, aac_only, &sounds);
	expect_names("deu deu-ad und deu-2 eng-hi fra-ce und-2 spa");
}

Test(sounds, audio_description_is_not_the_usual_one)
{
	static const struct made made[] = {STREAM(AAC, "\x0a\x04"
						       "deu\x03"),
					   STREAM(AAC, "\x0a\x04"
						       "deu\x00")};

	parse(made, 2);
	sounds_list(&p, all, &sounds);
	expect_names("deu-ad deu");
	cr_expect_str_eq(sounds_usual(&sounds)->name, "deu");
	parse(made, 1);
	sounds_list(&p, all, &sounds);
	cr_expect_str_eq(sounds_usual(&sounds)->name, "deu-ad");
	parse(made, 0);
	sounds_list(&p, all, &sounds);
	cr_expect_null(sounds_usual(&sounds));
}

Test(sounds, the_supplementary_descriptor_says_the_purpose_too)
{
	/* DVB: E-AC-3, and audio description with its language in the descriptor alone */
	static const struct made made[] = {STREAM(PRIVATE, "\x7a\x01\x00\x7f\x02\x06\x04"),
					   STREAM(PRIVATE, "\x7a\x01\x00\x7f\x05\x06\x05"
							   "nld"),
					   STREAM(PRIVATE, "\x7a\x01\x00\x7f\x02\x06\x08"),
					   STREAM(PRIVATE, "\x7a\x01\x00\x7f\x02\x06\x00")};

	parse(made, array_size(made));
	sounds_list(&p, all, &sounds);
	expect_names("und-ad nld-ad und-hi und");
}

Test(sounds, wrong_descriptors_say_nothing)
{
	static const struct made made[] = {STREAM(AAC, "\x0a\x04"
						       "de\"\x00"),
					   STREAM(AAC, "\x0a\x03"
						       "deu"),
					   STREAM(AAC, "\x0a\x09"
						       "deu\x00"),
					   STREAM(AAC, "\x0a\x04"
						       "../\x00"),
					   STREAM(AAC, "\x0a\x04"
						       "deu\x80"),
					   STREAM(AAC, "\x7f\x00\x0a")};

	parse(made, array_size(made));
	sounds_list(&p, all, &sounds);
	expect_names("und und-2 und-3 und-4 deu und-5");
}
