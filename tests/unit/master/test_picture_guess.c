/* test_picture_guess.c - what a profile says of its output before it has run. */
#include "unit.h"
#include <string.h>

#include "amps-master/lineup/picture_guess.h"

static struct picture_guess guess(const char *text, bool audio_only)
{
	char copy[512];
	json_error_t error;
	json_t *profile;
	struct picture_guess g;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	profile = json_loads(copy, 0, &error);
	cr_assert_not_null(profile, "%s: %s", error.text, copy);
	g = picture_guess(profile, audio_only);
	json_decref(profile);
	return g;
}

Test(picture_guess, codecs)
{
	static const struct {
		const char *profile, *picture, *sound;
	} cases[] = {
		{"{'vcodec':'libx264','s':'1280x720','r':25}", "avc1.64001f", "mp4a.40.2"},
		{"{'vcodec':'libx264','s':'1280x720','r':50}", "avc1.640028", "mp4a.40.2"},
		{"{'vcodec':'libx264','vf':'scale=1920:1080','r':50}", "avc1.64002a", "mp4a.40.2"},
		{"{'vcodec':'libx264','s':'640x360','preset':'ultrafast'}", "avc1.42c01e",
		 "mp4a.40.2"},
		{"{'vcodec':'h264_vaapi','profile:v':'main','s':'3840x2160','r':25}", "avc1.4d4033",
		 "mp4a.40.2"},
		{"{'b:v':'800k'}", "avc1.640028", "mp4a.40.2"},
		{"{'c:v':'libx265','s':'1280x720','r':25,'c:a':'ac3'}", "hvc1.1.6.L93.90", "ac-3"},
		{"{'c:v':'libx265','pix_fmt':'yuv420p10le','s':'1920x1080','r':50}",
		 "hvc1.2.4.L123.90", "mp4a.40.2"},
		{"{'vcodec':'mpeg2video','acodec':'mp2'}", "mp4v.61", "mp4a.40.33"},
		{"{'vcodec':'libx264','acodec':'libmp3lame'}", "avc1.640028", "mp4a.40.34"},
		{"{'vcodec':'libvpx','acodec':'flac'}", "?", "?"},
		{"{'c':'copy'}", "", ""},
		{"{'vcodec':'copy','an':null}", "", "-"},
		{"{'vcodec':'copy','an':false,'acodec':'eac3'}", "", "ec-3"},
		{"{'vn':null,'acodec':'aac'}", "-", "mp4a.40.2"},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		struct picture_guess g = guess(cases[i].profile, false);

		cr_expect_str_eq(g.picture, cases[i].picture, "%s: %s", cases[i].profile,
				 g.picture);
		cr_expect_str_eq(g.sound, cases[i].sound, "%s: %s", cases[i].profile, g.sound);
	}
	cr_expect_str_eq(guess("{'vcodec':'libx264'}", true).picture, "-");
}

Test(picture_guess, key_frames_are_sure_only_by_default)
{
	static const struct {
		const char *profile;
		uint32_t key_ms;
	} cases[] = {
		{"{'vcodec':'libx264'}", 2000},
		{"{}", 2000},
		{"{'vcodec':'libx265'}", 2000},
		{"{'vcodec':'libx264','g':50,'r':25}", 2000},
		{"{'vcodec':'libx264','g':250,'r':25}", 10000},
		/* of how many frames a second? */
		{"{'vcodec':'libx264','g':50}", UINT32_MAX},
		{"{'vcodec':'libx264','force_key_frames':'source'}", UINT32_MAX},
		{"{'vcodec':'libx264','x264-params':'keyint=300'}", UINT32_MAX},
		{"{'vcodec':'libx264','forced-idr':0}", UINT32_MAX},
		{"{'vcodec':'libx265','tune':'grain'}", UINT32_MAX},
		{"{'vcodec':'h264_vaapi'}", UINT32_MAX},
		{"{'vcodec':'copy','acodec':'aac'}", UINT32_MAX},
		{"{'vn':null}", 0},
	};

	for (size_t i = 0; i < array_size(cases); i++)
		cr_expect_eq(guess(cases[i].profile, false).key_ms, cases[i].key_ms, "%s",
			     cases[i].profile);
	cr_expect_eq(guess("{'vcodec':'copy'}", true).key_ms, 0);
}
