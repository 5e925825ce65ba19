#include "amps-master/lineup/lineup.h"

#include <string.h>
#include "amps-master/lineup/channel_rules.h"
#include "amps-master/tuners/segments.h"
#include "unit.h"

/* Profiles as people write them. */
static const char profiles_text[] =
	"{'copy':{'vcodec':'copy','acodec':'copy','format':'mpegts'},"
	" 'low':{'vcodec':'libx264','b:v':'800k','acodec':'aac','audio_bitrate':'96k',"
	"        'map':['0:v','0:a'],'format':'mpegts','hls_time':2,'output_format':'hls'},"
	" 'half':{'vcodec':'copy'},"
	" 'all':{'c':'copy','scodec':'copy','seg_duration':2},"
	" 'mse':{'c:v':'copy','c:a':'copy','output_format':'mse'},"
	" 'shift':{'c':'copy','muxdelay':0},"
	" 'seen':{'c':'copy','vn':false},"
	" 'lower':{'vcodec':'libx264','b:v':'300k','acodec':'aac','audio_bitrate':'96k',"
	"          'map':['0:v','0:a']},"
	" 'loud':{'vcodec':'copy','acodec':'copy','af':'volume=2',"
	"         'metadata:s:a:0':'language=deu'}}";

struct fixture {
	json_t *settings;
	struct channel_entry entries[8];
	const struct channel_entry *list[8];
	size_t count;
	struct lineup *lineup;
};

/* Single quotes read better in C. */
static json_t *json(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *value;

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	value = json_loads(copy, 0, &error);
	cr_assert_not_null(value, "%s: %s", error.text, copy);
	free(copy);
	return value;
}

static void add(struct fixture *f, uint32_t id, const char *definition)
{
	f->entries[f->count] = (struct channel_entry){.id = id, .definition = json(definition)};
	f->list[f->count] = &f->entries[f->count];
	f->count++;
}

static void build(struct fixture *f, const char *streaming)
{
	f->settings = json_pack("{so so ss}", "profiles", json(profiles_text), "streaming",
				json(streaming), "yt_dlp_path", "/opt/yt-dlp");
	cr_assert_eq(channel_profiles_complete(f->settings), 0);
	cr_assert_eq(lineup_build(f->settings, f->list, f->count, &f->lineup), 0);
}

static void done(struct fixture *f)
{
	lineup_unref(f->lineup);
	for (size_t i = 0; i < f->count; i++)
		json_decref(f->entries[i].definition);
	json_decref(f->settings);
	*f = (struct fixture){0};
}

static int find(const struct fixture *f, uint32_t channel, const char *variant,
		enum output_form form, const struct lineup_tuner **ret_tuner,
		const struct lineup_output **ret_output)
{
	struct output_id id = {.channel = channel, .form = form};

	strcpy(id.variant, variant);
	return lineup_resolve(f->lineup, &id, ret_tuner, ret_output);
}

static const struct lineup_output *resolve(const struct fixture *f, uint32_t channel,
					   const char *variant, const char *key)
{
	const struct lineup_tuner *t = NULL;
	const struct lineup_output *o = NULL;

	cr_assert_eq(find(f, channel, variant, OUTPUT_TS, &t, &o), 0);
	cr_assert_str_eq(t->key, key);
	cr_assert_str_eq(o->variant, variant);
	return o;
}

static void check_spec(const char *spec, const char *expected)
{
	json_t *is = json_loads(spec, 0, NULL), *wanted = json(expected);

	cr_assert(json_equal(is, wanted), "%s", spec);
	json_decref(is);
	json_decref(wanted);
}

Test(lineup, profile_only_variants_share_the_tuner)
{
	struct fixture f = {0};
	const struct lineup_output *o;

	add(&f, 5,
	    "{'name':'News','source':'http://h/a.ts','ffmpeg_profile':'copy','adaptive_bitrates':["
	    "{'name':'sd','ffmpeg_profile':'low'},"
	    "{'name':'alt','source':'http://h/b.ts'},"
	    "{'name':'HD+','ffmpeg_profile':'copy','input_options':{'re':null}}]}");
	build(&f, "{}");
	cr_assert_eq(f.lineup->channels.at[0]->tuner_count, 3);
	o = resolve(&f, 5, "", "5");
	cr_assert(o->plain);
	cr_assert_str_eq(o->spec, "");
	o = resolve(&f, 5, "sd", "5");
	cr_assert_not(o->plain);
	check_spec(o->spec, "{'options':[['vcodec','libx264'],['b:v','800k'],['acodec','aac'],"
			    "['audio_bitrate','96k'],['map','0:v'],['map','0:a']]}");
	resolve(&f, 5, "alt", "5/alt");
	o = resolve(&f, 5, "HD+", "5/HD+");
	cr_assert(o->plain);
	cr_assert_eq(lineup_find_key(f.lineup, "5")->output_count, 2 * OUTPUT_FORM_COUNT_);
	cr_assert_eq(lineup_find_key(f.lineup, "5/alt")->output_count, OUTPUT_FORM_COUNT_);
	cr_assert_null(lineup_find_key(f.lineup, "5/sd"));
	cr_assert_null(lineup_find_key(f.lineup, "6"));
	cr_assert_null(lineup_find_key(f.lineup, ""));
	cr_assert_null(lineup_find_key(f.lineup, "x"));
	cr_assert_null(lineup_find_key(f.lineup, "99999999999999999999"));
	cr_assert_null(lineup_find_key(f.lineup, "05"));
	done(&f);
}

/* `sources` of a variant is an unknown key; a source of its own stands for all of the
 * channel's. */
Test(lineup, the_sources_of_a_channel_are_not_a_variants)
{
	json_t *entry = json("{'source':'a','sources':['b']}");
	json_t *odd = json("{'name':'x','sources':['c']}"), *own = json("{'source':'d'}");
	json_t *both = channel_with_variant(entry, own);

	cr_expect_not(channel_variant_own_tuner(odd));
	cr_expect(channel_variant_own_tuner(own));
	cr_expect_str_eq(json_string_value(json_object_get(both, "source")), "d");
	cr_expect_null(json_object_get(both, "sources"));
	json_decref(both);
	both = channel_with_variant(entry, odd);
	cr_expect_eq(json_array_size(json_object_get(both, "sources")), 1);
	cr_expect_str_eq(json_string_value(json_array_get(json_object_get(both, "sources"), 0)),
			 "b");
	json_decref(both);
	json_decref(entry);
	json_decref(odd);
	json_decref(own);
}

Test(lineup, absent_channels_are_not_resolved)
{
	struct fixture f = {0};
	json_t *list;
	const struct lineup_tuner *t;
	const struct lineup_output *o;

	add(&f, 0, "{'name':'Zero','source':'a.ts','ffmpeg_profile':'copy'}");
	add(&f, 2147483647, "{'name':'Last','source':'b.ts','ffmpeg_profile':'copy'}");
	build(&f, "{}");
	resolve(&f, 0, "", "0");
	resolve(&f, 2147483647, "", "2147483647");
	cr_assert_eq(find(&f, 1, "", OUTPUT_TS, &t, &o), -ENOENT);
	cr_assert_eq(find(&f, 0, "sd", OUTPUT_TS, &t, &o), -ENOENT);
	cr_assert_eq(find(&f, UINT32_MAX, "", OUTPUT_TS, &t, &o), -ENOENT);
	done(&f);
	build(&f, "{}");
	cr_assert_eq(find(&f, 0, "", OUTPUT_TS, &t, &o), -ENOENT);
	list = lineup_channels(f.lineup);
	cr_assert(json_is_array(list) && json_array_size(list) == 0);
	json_decref(list);
	cr_assert_eq(f.lineup->channels.count, 0);
	done(&f);
	cr_assert_null(lineup_unref(NULL));
}

Test(lineup, job_spec)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 7,
	    "{'name':'Film','source':'http://me:pw@h/x?token=abc','ffmpeg_profile':'copy',"
	    "'input_options':{'re':null,'headers':['A: 1','B: 2'],'timeout':5},"
	    "'input_args':['-stream_loop',-1],'cushion':2.5}");
	build(&f, "{'stall_timeout':0.5,'start_timeout':20,'ring_seconds':4,'allow_private':true,"
		  "'idle_timeout':0}");
	t = lineup_find_key(f.lineup, "7");
	check_spec(t->sources[0].spec,
		   "{'channel':7,'name':'Film','source':'http://me:pw@h/x?token=abc',"
		   "'input_options':[['re',null],['headers','A: 1'],['headers','B: 2'],"
		   "['timeout','5']],'input_args':['-stream_loop','-1'],'stall_timeout_ms':500,"
		   "'start_timeout_ms':20000,'ring_seconds':4,'allow_private':true,"
		   "'cushion_ms':2500}");
	cr_assert_eq(t->cushion_ms, 2500);
	cr_assert_str_eq(t->sources[0].text, "http://***@h/x?token=***");
	cr_assert_eq(f.lineup->settings.idle_timeout_ms, 0);
	cr_assert_eq(f.lineup->settings.start_timeout_ms, 20000);
	cr_assert_not(t->both);
	cr_assert_null(t->unavailable);
	done(&f);
}

Test(lineup, a_command_and_a_pair_may_be_sources_of_one_channel)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 1,
	    "{'name':'A','ffmpeg_profile':'copy','source':{'pair':['rtp://h:1','rtp://h:2']},"
	    "'sources':[{'custom_ffmpeg':'zap {source}'}],"
	    "'adaptive_bitrates':[{'name':'v','custom_ffmpeg':'zap -v {source}'}]}");
	add(&f, 2,
	    "{'name':'B','ffmpeg_profile':'copy','source':'x','custom_ffmpeg':'zap {source}',"
	    "'sources':[{'source':{'pair':['rtp://h:1','rtp://h:2']}}]}");
	build(&f, "{}");
	t = lineup_find_key(f.lineup, "1");
	cr_assert_eq(t->source_count, 2);
	cr_expect(strstr(t->sources[1].spec, "\"rtp://h:1\""), "%s", t->sources[1].spec);
	cr_expect_null(strstr(t->sources[1].spec, "pair"));
	t = lineup_find_key(f.lineup, "1/v");
	cr_assert_not_null(t);
	cr_expect_null(t->unavailable);
	t = lineup_find_key(f.lineup, "2");
	cr_assert_eq(t->source_count, 2);
	cr_expect(strstr(t->sources[1].spec, "\"pair\":\"rtp://h:2\""));
	cr_expect_null(strstr(t->sources[1].spec, "zap"));
	done(&f);
}

Test(lineup, both_legs_of_a_pair_are_in_the_spec_and_in_what_is_shown)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 7,
	    "{'name':'A','ffmpeg_profile':'copy','source':{'pair':['rtp://me:pw@h:1','rtp://h:2']},"
	    "'sources':[{'source':{'pair':['rtp://h:1','rtp://h:3'],'window_ms':50}},"
	    "{'source':{'pair':['rtp://h:1','rtp://h:2']},'use_yt_dlp':true}]}");
	build(&f, "{}");
	t = lineup_find_key(f.lineup, "7");
	cr_assert_eq(t->source_count, 2, "a page is no pair");
	cr_assert_str_eq(t->sources[0].text, "rtp://***@h:1 + rtp://h:2");
	cr_assert(strstr(t->sources[0].spec, "\"source\":\"rtp://me:pw@h:1\""));
	cr_assert(strstr(t->sources[0].spec, "\"pair\":\"rtp://h:2\",\"window_ms\":200"));
	cr_assert(strstr(t->sources[1].spec, "\"window_ms\":50"));
	cr_assert_neq(t->sources[0].address, t->sources[1].address);
	done(&f);
}

static uint64_t tuner_hash(const char *definition, const char *streaming, uint64_t *ret_output)
{
	struct fixture f = {0};
	uint64_t hash;

	add(&f, 1, definition);
	build(&f, streaming);
	hash = lineup_find_key(f.lineup, "1")->sources[0].hash;
	*ret_output = lineup_find_key(f.lineup, "1")->outputs[0].hash;
	done(&f);
	return hash;
}

Test(lineup, hashes_follow_what_they_decide)
{
	const char *base = "{'name':'A','source':'a.ts','ffmpeg_profile':'copy'}";
	uint64_t output, other, hash = tuner_hash(base, "{}", &output);

	/* metadata restarts nothing */
	cr_assert_eq(tuner_hash("{'name':'B','logo':'x','group':'G','source':'a.ts',"
				"'ffmpeg_profile':'copy'}",
				"{}", &other),
		     hash);
	cr_assert_eq(other, output);
	/* a profile's edit restarts derive alone */
	cr_assert_eq(
		tuner_hash("{'name':'A','source':'a.ts','ffmpeg_profile':'low'}", "{}", &other),
		hash);
	cr_assert_neq(other, output);
	/* the source and what opens it restart ingest */
	cr_assert_neq(
		tuner_hash("{'name':'A','source':'b.ts','ffmpeg_profile':'copy'}", "{}", &other),
		hash);
	cr_assert_eq(other, output);
	cr_assert_neq(tuner_hash("{'name':'A','source':'a.ts','ffmpeg_profile':'copy',"
				 "'input_options':{'re':null}}",
				 "{}", &other),
		      hash);
	cr_assert_neq(tuner_hash(base, "{'ring_seconds':11}", &other), hash);
}

static void check_profile(const char *profile, bool plain)
{
	struct fixture f = {0};
	char definition[128];

	snprintf(definition, sizeof(definition),
		 "{'name':'A','source':'a.ts','ffmpeg_profile':'%s'}", profile);
	add(&f, 1, definition);
	build(&f, "{}");
	cr_assert_eq(resolve(&f, 1, "", "1")->plain, plain, "%s", profile);
	done(&f);
}

Test(lineup, plain_profiles)
{
	check_profile("copy", true);
	check_profile("all", true);
	check_profile("mse", true);
	check_profile("half", false);
	check_profile("shift", false);
	check_profile("low", false);
}

static const struct lineup_output *sound(const struct fixture *f, uint32_t channel,
					 const char *variant)
{
	const struct lineup_tuner *t = NULL;
	const struct lineup_output *o = NULL;

	cr_assert_eq(find(f, channel, variant, OUTPUT_ADTS, &t, &o), 0);
	cr_assert_eq(o->form, OUTPUT_ADTS);
	cr_assert_not(o->plain);
	return o;
}

Test(lineup, the_sound_alone_has_what_the_profile_says_of_sound)
{
	struct fixture f = {0};

	add(&f, 1, "{'name':'A','source':'a.ts','ffmpeg_profile':'copy'}");
	add(&f, 2, "{'name':'B','source':'a.ts','ffmpeg_profile':'low'}");
	add(&f, 3, "{'name':'C','source':'a.ts','ffmpeg_profile':'loud'}");
	build(&f, "{}");
	check_spec(sound(&f, 1, "")->spec,
		   "{'options':[['acodec','copy'],['vn',null],['sn',null]]}");
	check_spec(
		sound(&f, 2, "")->spec,
		"{'options':[['acodec','aac'],['audio_bitrate','96k'],['map','0:v'],['map','0:a'],"
		"['vn',null],['sn',null]]}");
	/* a filter needs an encoder, whatever the profile's codec is */
	check_spec(sound(&f, 3, "")->spec,
		   "{'options':[['af','volume=2'],['metadata:s:a:0','language=deu'],"
		   "['vn',null],['sn',null]]}");
	done(&f);
}

Test(lineup, variants_that_differ_in_the_picture_share_the_sound)
{
	struct fixture f = {0};

	add(&f, 1,
	    "{'name':'A','source':'a.ts','ffmpeg_profile':'low','adaptive_bitrates':["
	    "{'name':'lower','ffmpeg_profile':'lower'},{'name':'loud','ffmpeg_profile':'loud'},"
	    "{'name':'other','source':'b.ts','ffmpeg_profile':'low'}]}");
	build(&f, "{}");
	cr_assert_str_eq(lineup_made_as(sound(&f, 1, "")), "");
	cr_assert_str_eq(lineup_made_as(sound(&f, 1, "lower")), "");
	cr_assert_str_eq(lineup_made_as(sound(&f, 1, "loud")), "loud");
	cr_assert_str_eq(lineup_made_as(sound(&f, 1, "other")), "other",
			 "another source, another tuner");
	cr_assert_str_eq(lineup_made_as(resolve(&f, 1, "lower", "1")), "lower");
	done(&f);
}

/* The segments of that variant. */
static struct channel_segments segments(const struct fixture *f, uint32_t channel,
					const char *variant)
{
	const struct lineup_tuner *t = NULL;
	const struct lineup_output *o = NULL;

	cr_assert_eq(find(f, channel, variant, OUTPUT_HLS_TS, &t, &o), 0);
	return *o->segments;
}

Test(lineup, keys_of_segmenters_set_what_segments_last_and_what_is_listed)
{
	static const struct {
		const char *settings, *profile;
		uint32_t segment_ms, keep_ms, dash_ms, window_ms;
	} cases[] = {
		{"{}", "{}", 4000, 60000, 60000, 60000},
		{"{'hls':{'segment_seconds':2}}", "{}", 2000, 60000, 60000, 60000},
		/* the profile's keys win, those of HLS first */
		{"{'hls':{'segment_seconds':2}}", "{'hls_time':6}", 6000, 60000, 60000, 60000},
		{"{'hls':{'segment_seconds':2}}", "{'seg_duration':3}", 3000, 60000, 60000, 60000},
		{"{}", "{'hls_time':6,'seg_duration':3}", 6000, 60000, 60000, 60000},
		{"{}", "{'hls_time':0.1}", 500, 60000, 60000, 60000},
		/* the number of segments that are listed */
		{"{}", "{'hls_time':2,'hls_list_size':5}", 2000, 10000, 10000, 10000},
		{"{}", "{'seg_duration':2,'window_size':6}", 2000, 12000, 12000, 12000},
		{"{}", "{'hls_list_size':5,'window_size':9}", 4000, 20000, 20000, 20000},
		{"{}", "{'hls_list_size':1}", 4000, 12000, 12000, 12000},
		{"{}", "{'hls_time':1,'hls_list_size':99999}", 1000, 3600000, 3600000, 3600000},
		/* 0 lists all that there is, which would have no end */
		{"{}", "{'hls_list_size':0}", 4000, 60000, 60000, 60000},
		{"{'hls':{'playlist_seconds':90}}", "{}", 4000, 90000, 60000, 90000},
		{"{'hls':{'playlist_seconds':5}}", "{}", 4000, 12000, 60000, 60000},
		{"{'hls':{'playlist_seconds':30}}", "{'hls_list_size':5}", 4000, 20000, 20000,
		 20000},
		{"{'dash':{'window_seconds':120}}", "{}", 4000, 60000, 120000, 120000},
		/* what was sent is kept for rewinding, and listed by then */
		{"{'hls':{'dvr_seconds':3600}}", "{}", 4000, 60000, 60000, 3600000},
		{"{'hls':{'dvr_seconds':10}}", "{}", 4000, 60000, 60000, 60000},
		{"{'hls':{'dvr_seconds':30}}", "{'hls_list_size':5}", 4000, 20000, 20000, 30000},
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		json_t *settings = json(cases[i].settings), *profile = json(cases[i].profile);
		struct channel_segments s = channel_segments(settings, profile, 3);

		cr_expect_eq(s.track, 3);
		cr_expect_eq(s.segment_ms, cases[i].segment_ms, "case %zu: %u", i, s.segment_ms);
		cr_expect_eq(s.keep_ms, cases[i].keep_ms, "case %zu: %u", i, s.keep_ms);
		cr_expect_eq(s.dash_ms, cases[i].dash_ms, "case %zu: %u", i, s.dash_ms);
		cr_expect_eq(s.window_ms, cases[i].window_ms, "case %zu: %u", i, s.window_ms);
		json_decref(settings);
		json_decref(profile);
	}
}

Test(lineup, segments_are_independent_where_all_encoders_make_key_frames_often_enough)
{
	struct fixture f = {0};

	add(&f, 1, "{'name':'A','source':'a.ts','ffmpeg_profile':'lower'}");
	/* two seconds are the longest that its segments may be */
	add(&f, 2, "{'name':'B','source':'a.ts','ffmpeg_profile':'low'}");
	/* variants are cut at the same times, so the copy's key frames count */
	add(&f, 3,
	    "{'name':'C','source':'a.ts','ffmpeg_profile':'copy','adaptive_bitrates':["
	    "{'name':'lower','ffmpeg_profile':'lower'}]}");
	add(&f, 4, "{'name':'D','source':'a.ts','ffmpeg_profile':'copy','audio_only':true}");
	add(&f, 5,
	    "{'name':'E','source':'a.ts','ffmpeg_profile':'lower','adaptive_bitrates':["
	    "{'name':'same','ffmpeg_profile':'lower'}]}");
	build(&f, "{}");
	cr_expect(segments(&f, 1, "").independent);
	cr_expect_eq(segments(&f, 1, "").key_ms, 2000);
	cr_expect_not(segments(&f, 2, "").independent);
	cr_expect_not(segments(&f, 3, "").independent);
	cr_expect_not(segments(&f, 3, "lower").independent);
	cr_expect_eq(segments(&f, 3, "lower").key_ms, 0);
	cr_expect(segments(&f, 4, "").independent);
	cr_expect(segments(&f, 5, "").independent);
	cr_expect(segments(&f, 5, "same").independent);
	done(&f);
}

Test(lineup, segments_of_variants_are_never_shared)
{
	const struct lineup_output *a, *b;
	const struct lineup_tuner *t;
	_cleanup_(freep) char *spec = NULL;
	struct fixture f = {0};

	add(&f, 1,
	    "{'name':'A','source':'a.ts','ffmpeg_profile':'lower','adaptive_bitrates':["
	    "{'name':'same','ffmpeg_profile':'lower'}]}");
	build(&f, "{}");
	cr_assert_eq(find(&f, 1, "", OUTPUT_HLS_TS, &t, &a), 0);
	cr_assert_eq(find(&f, 1, "same", OUTPUT_HLS_TS, &t, &b), 0);
	cr_assert_str_eq(lineup_made_as(a), "");
	cr_assert_str_eq(lineup_made_as(b), "same");
	cr_assert_neq(a->hash, b->hash);
	spec = segments_output_spec(b->segments, 5, 2);
	check_spec(spec, "{'track':5,'place':2,'segment_ms':4000,'window_ms':60000,"
			 "'keep_ms':60000,'part_ms':250,'independent':true,'key_ms':2000}");
	done(&f);
}

static void check_form(const char *channel, const char *profile, enum form form)
{
	json_t *c = json(channel), *p = json(profile);

	cr_assert_eq(channel_form(c, p), form, "%s %s", channel, profile);
	json_decref(c);
	json_decref(p);
}

Test(lineup, forms)
{
	check_form("{}", "{}", FORM_TS);
	check_form("{}", "{'format':'mpegts'}", FORM_TS);
	check_form("{}", "{'format':'mp4'}", FORM_MSE);
	check_form("{}", "{'format':'dash'}", FORM_DASH);
	check_form("{}", "{'format':'adts'}", FORM_AUDIO);
	check_form("{}", "{'format':'mpegts','output_format':'hls'}", FORM_HLS);
	check_form("{'output_format':'dash'}", "{'output_format':'hls'}", FORM_DASH);
	check_form("{'output_format':'hls','ll_hls':true}", "{}", FORM_LL_HLS);
	check_form("{'ll_hls':true}", "{'output_format':'hls'}", FORM_LL_HLS);
	check_form("{'ll_hls':false}", "{'output_format':'hls','ll_hls':true}", FORM_HLS);
	check_form("{'output_format':'ts'}", "{'ll_hls':true}", FORM_TS);
	check_form("{'output_format':'websocket'}", "{'format':'mp4'}", FORM_TS);
	check_form("{'output_format':'rtsp'}", "{}", FORM_RTSP);
	check_form("{'audio_only':true}", "{}", FORM_AUDIO);
	check_form("{'audio_only':true}", "{'format':'mpegts'}", FORM_TS);
}

Test(lineup, audio_only_drops_the_picture)
{
	struct fixture f = {0};
	const struct lineup_output *o;

	add(&f, 1, "{'name':'Radio','source':'a.ts','ffmpeg_profile':'copy','audio_only':true}");
	add(&f, 2,
	    "{'name':'Radio','source':'a.ts','ffmpeg_profile':'seen','audio_only':true,"
	    "'adaptive_bitrates':[{'name':'low','ffmpeg_profile':'low'}]}");
	build(&f, "{}");
	o = resolve(&f, 1, "", "1");
	cr_assert_not(o->plain);
	check_spec(o->spec, "{'options':[['vcodec','copy'],['acodec','copy'],['vn',null]]}");
	check_spec(resolve(&f, 2, "", "2")->spec, "{'options':[['c','copy'],['vn',null]]}");
	o = resolve(&f, 2, "low", "2");
	cr_assert_not_null(strstr(o->spec, "[\"vn\",null]"), "%s", o->spec);
	done(&f);
}

Test(lineup, a_page_is_looked_up)
{
	struct fixture f = {0};
	const struct lineup_tuner *t[5];
	char key[8];

	add(&f, 0, "{'name':'A','source':'http://h/p','ffmpeg_profile':'copy'}");
	add(&f, 1, "{'name':'A','source':'http://h/p','ffmpeg_profile':'copy','use_yt_dlp':true}");
	add(&f, 2, "{'name':'B','source':'http://h/p','ffmpeg_profile':'copy','use_yt_dlp':true}");
	add(&f, 3,
	    "{'name':'A','source':'http://h/p','ffmpeg_profile':'copy','use_yt_dlp':true,"
	    "'yt_dlp_format':'worst'}");
	add(&f, 4, "{'name':'A','source':'http://h/q','ffmpeg_profile':'copy','use_yt_dlp':true}");
	build(&f, "{}");
	for (size_t i = 0; i < array_size(t); i++) {
		snprintf(key, sizeof(key), "%zu", i);
		t[i] = lineup_find_key(f.lineup, key);
	}
	cr_expect_null(t[0]->sources[0].lookup);
	cr_expect(strstr(t[0]->sources[0].spec, "\"source\":\"http://h/p\"") != NULL);
	cr_expect_str_eq(f.lineup->lookup_program, "/opt/yt-dlp");
	cr_expect(strstr(t[1]->sources[0].lookup, "'http://h/p'") != NULL, "%s",
		  t[1]->sources[0].lookup);
	cr_expect(strstr(t[1]->sources[0].spec, "\"page\":\"http://h/p\"") != NULL, "%s",
		  t[1]->sources[0].spec);
	cr_expect_null(strstr(t[1]->sources[0].spec, "\"source\""), "%s", t[1]->sources[0].spec);
	cr_expect_str_eq(t[3]->sources[0].text, "http://h/p");
	/* the page and the options of its look-up decide the job; the name, and the channel's
	 * number in the spec, are compared elsewhere */
	cr_expect_null(strstr(t[1]->sources[0].lookup, "worst"));
	cr_expect(strstr(t[3]->sources[0].lookup, "'--format=worst'") != NULL, "%s",
		  t[3]->sources[0].lookup);
	done(&f);
}

Test(lineup, lists_the_sources_of_a_channel_in_order)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 1,
	    "{'name':'n','source':'http://u:p@h/a','input_options':{'re':true},'source_handler':"
	    "{'type':'yt_dlp'},'ffmpeg_profile':'copy','sources':['http://h/b',"
	    "{'source':'http://h/c','input_options':{'user_agent':'x'},'use_yt_dlp':false},"
	    "{'custom_ffmpeg':'x {source}'},{'source':'sftp://h/d','use_yt_dlp':false}]}");
	build(&f, "{}");
	t = lineup_find_key(f.lineup, "1");
	cr_assert_eq(t->source_count, 4, "one of a kind that is not known is left out");
	cr_expect_str_eq(t->sources[0].text, "http://***@h/a");
	cr_expect_not_null(t->sources[1].lookup, "what it does not say is the channel's");
	cr_expect_null(t->sources[2].lookup);
	cr_expect_not_null(strstr(t->sources[2].spec, "[[\"user_agent\",\"x\"]]"));
	cr_expect_not_null(strstr(t->sources[3].spec, "\"argv\":[\"x\",\"http://u:p@h/a\"]"), "%s",
			   t->sources[3].spec);
	cr_expect_eq(lineup_find_source(t, t->sources[2].hash), 2);
	cr_expect_eq(lineup_find_source(t, 1), -1);
	done(&f);
}

/* A line-up of one channel, which this defines. */
static const struct lineup_tuner *build_one(struct fixture *f, const char *definition)
{
	*f = (struct fixture){0};
	add(f, 1, definition);
	build(f, "{}");
	return lineup_find_key(f->lineup, "1");
}

Test(lineup, interface_and_proxy_are_options_of_the_sources_that_follow_them)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 1,
	    "{'name':'n','source':'udp://239.1.1.1:5000','interface':'eth1','proxy':'http://p:1',"
	    "'ffmpeg_profile':'copy','sources':['https://h/b',{'source':'rtsp://h/c'},"
	    "{'source':'http://h/d','proxy':'http://q:2','input_options':{'user_agent':'x'}},"
	    "{'source':'HTTP://h/e','input_options':{'http_proxy':'http://r:3'}}]}");
	build(&f, "{}");
	t = lineup_find_key(f.lineup, "1");
	cr_assert_eq(t->source_count, 5);
	cr_expect(strstr(t->sources[0].spec, "[[\"localaddr\",\"eth1\"]]"), "%s",
		  t->sources[0].spec);
	cr_expect(strstr(t->sources[1].spec, "[[\"http_proxy\",\"http://p:1\"]]"));
	cr_expect_null(strstr(t->sources[2].spec, "proxy"), "%s", t->sources[2].spec);
	cr_expect(strstr(t->sources[3].spec,
			 "[[\"http_proxy\",\"http://q:2\"],[\"user_agent\",\"x\"]]"));
	cr_expect(strstr(t->sources[4].spec, "[[\"http_proxy\",\"http://p:1\"],"
					     "[\"http_proxy\",\"http://r:3\"]]"),
		  "the last one counts");
	done(&f);
}

/* NULL: there is none. */
static void check_slate(const char *definition, const char *text)
{
	struct fixture f;
	const char *slate = build_one(&f, definition)->slate;

	if (text == NULL)
		cr_assert_null(slate, "%s: %s", definition, slate);
	else
		cr_assert_str_eq(slate, text);
	done(&f);
}

Test(lineup, a_slate_is_on_unless_it_is_switched_off_or_impossible)
{
	check_slate("{'source':'a.ts','ffmpeg_profile':'copy'}", "");
	check_slate("{'source':'a.ts','ffmpeg_profile':'copy','slate':true}", "");
	check_slate("{'source':'a.ts','ffmpeg_profile':'copy','slate':'Soon'}", "Soon");
	check_slate("{'source':'a.ts','ffmpeg_profile':'copy','slate':false}", NULL);
	check_slate("{'source':'http://h/a','use_yt_dlp':true,'ffmpeg_profile':'copy'}", NULL);
	check_slate("{'source':'sine','input_options':{'f':'lavfi'},'ffmpeg_profile':'x'}", NULL);
}

/* `word` NULL: it can play. */
static void check_playable(const char *definition, const char *word)
{
	struct fixture f;
	const char *reason = build_one(&f, definition)->unavailable;

	if (word == NULL)
		cr_assert_null(reason, "%s: %s", definition, reason);
	else
		cr_assert(reason != NULL && strstr(reason, word) != NULL, "%s: %s", definition,
			  reason);
	done(&f);
}

Test(lineup, says_what_it_cannot_play)
{
	check_playable("{'source':'a.ts','custom_ffmpeg':'ffmpeg -i {source} -'}", NULL);
	check_playable("{'source':'a.ts','custom_ffmpeg':'x','ffmpeg_profile':'gone'}", NULL);
	check_playable("{'source':'sftp://h/a','custom_ffmpeg':'x','use_yt_dlp':true}", NULL);
	check_playable("{'name':'-n','source':'a.ts','custom_ffmpeg':'x {name}'}", "{name}");
	check_playable("{'source':'x:a','ffmpeg_profile':'copy','use_yt_dlp':true}", NULL);
	check_playable("{'source':'-a','ffmpeg_profile':'copy','use_yt_dlp':true}", "begin");
	check_playable("{'source':'a.ts','ffmpeg_profile':'copy','use_yt_dlp':false}", NULL);
	check_playable("{'ffmpeg_profile':'copy','use_yt_dlp':true}", "no source");
	check_playable("{'sources':['a.ts'],'ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'sftp://h/a','sources':['b.ts'],'ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'sftp://h/a','sources':['x://b'],'ffmpeg_profile':'copy'}",
		       "sftp://");
	check_playable("{'source':'a.ts','sources':['b.ts'],'ffmpeg_profile':'copy'}", NULL);
	check_playable("{'slate':true,'ffmpeg_profile':'copy'}", "slate");
	check_playable("{'source':'a.ts'}", "profile");
	check_playable("{'source':'a.ts','ffmpeg_profile':'gone'}", "profile");
	check_playable("{'ffmpeg_profile':'copy'}", "no source");
	check_playable("{'source':'rtsps://u:p@cam/1','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'rist://h:9','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'sftp://h/a.ts','ffmpeg_profile':'copy'}", "sftp://");
	check_playable("{'source':'http:///a.ts','ffmpeg_profile':'copy'}", "no host");
	check_playable("{'source':'rtsp://u:p@cam/1','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'srt://h:9','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'HTTP://h/a','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'https://h/a','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'udp://@239.0.0.1:1234','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'file:///a.ts','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'file:a.ts','ffmpeg_profile':'copy'}", NULL);
	check_playable("{'source':'/srv/a: b.ts','ffmpeg_profile':'copy'}", NULL);
}

Test(lineup, a_command_alone_makes_the_stream)
{
	struct fixture f = {0};
	const struct lineup_tuner *t;

	add(&f, 1,
	    "{'name':'A','source':'a.ts','custom_ffmpeg':'x {source} {id}','ffmpeg_profile':'low',"
	    "'input_options':{'f':'lavfi'},'adaptive_bitrates':["
	    "{'name':'sd','ffmpeg_profile':'low'},{'name':'as','label':'B'},"
	    "{'name':'own','custom_ffmpeg':['y'],'ffmpeg_profile':'low'},"
	    "{'name':'far','source':'b.ts'},{'name':'both','source':'b.ts','ffmpeg_profile':'low'}]}");
	build(&f, "{}");
	t = lineup_find_key(f.lineup, "1");
	cr_assert_not(t->both);
	cr_assert_not_null(
		strstr(t->sources[0].spec, "\"command\":{\"argv\":[\"x\",\"a.ts\",\"1\"]"), "%s",
		t->sources[0].spec);
	cr_assert_not_null(strstr(t->sources[0].spec, "\"input_options\":[]"), "%s",
			   t->sources[0].spec);
	cr_assert_not_null(strstr(f.lineup->channels.at[0]->summary, "\"hls\""));
	cr_assert(resolve(&f, 1, "", "1")->plain);
	cr_assert(resolve(&f, 1, "as", "1")->plain);
	cr_assert_not(resolve(&f, 1, "sd", "1")->plain);
	cr_assert(resolve(&f, 1, "own", "1/own")->plain);
	cr_assert(resolve(&f, 1, "far", "1/far")->plain);
	cr_assert_not(resolve(&f, 1, "both", "1/both")->plain);
	t = lineup_find_key(f.lineup, "1/far");
	cr_assert_not_null(strstr(t->sources[0].spec, "[\"x\",\"b.ts\",\"1\"]"), "%s",
			   t->sources[0].spec);
	t = lineup_find_key(f.lineup, "1/own");
	cr_assert_not_null(strstr(t->sources[0].spec, "\"argv\":[\"y\"]"), "%s",
			   t->sources[0].spec);
	done(&f);
}

Test(lineup, a_command_restarts_when_it_changes)
{
	const char *base = "{'name':'A','source':'a.ts','custom_ffmpeg':'x {name}'}";
	uint64_t output, hash = tuner_hash(base, "{}", &output);

	/* metadata restarts nothing, not even a command that was given it */
	cr_assert_eq(tuner_hash("{'name':'B','source':'a.ts','custom_ffmpeg':'x {name}'}", "{}",
				&output),
		     hash);
	cr_assert_neq(tuner_hash("{'name':'A','source':'a.ts','custom_ffmpeg':'y {name}'}", "{}",
				 &output),
		      hash);
	cr_assert_neq(tuner_hash("{'name':'A','source':'a.ts','custom_ffmpeg':"
				 "{'command':'x {name}','shell':true}}",
				 "{}", &output),
		      hash);
	cr_assert_neq(tuner_hash("{'name':'A','source':'b.ts','custom_ffmpeg':'x {name}'}", "{}",
				 &output),
		      hash);
}

Test(lineup, lavfi_is_one_job)
{
	struct fixture f = {0};

	add(&f, 1,
	    "{'name':'A','source':'testsrc2=s=hd720','ffmpeg_profile':'low',"
	    "'input_options':{'f':'lavfi'}}");
	add(&f, 2,
	    "{'name':'A','source':'testsrc2','ffmpeg_profile':'low',"
	    "'input_args':['-re','-f','lavfi']}");
	add(&f, 3,
	    "{'name':'A','source':'a.ts','ffmpeg_profile':'low',"
	    "'input_options':{'f':'mpegts'}}");
	build(&f, "{}");
	cr_assert(lineup_find_key(f.lineup, "1")->both);
	cr_assert_null(lineup_find_key(f.lineup, "1")->unavailable);
	cr_assert(lineup_find_key(f.lineup, "2")->both);
	cr_assert_not(lineup_find_key(f.lineup, "3")->both);
	done(&f);
}

Test(lineup, channels_for_tables)
{
	struct fixture f = {0};
	json_t *expected = json("[{'id':3,'number':'101','name':'News','group':'Info',"
				"'profile':'low','output':'hls','variants':['sd','hd']},"
				"{'id':4,'number':null,'name':'Own','group':null,"
				"'profile':'custom_ffmpeg','output':'ts','variants':[]}]");
	json_t *list;

	add(&f, 3,
	    "{'name':'News','group':'Info','channel_number':101,'source':'a.ts',"
	    "'ffmpeg_profile':'low','adaptive_bitrates':[{'name':'sd','ffmpeg_profile':'copy'},"
	    "{'name':'hd','ffmpeg_profile':'low'}]}");
	add(&f, 4, "{'name':'Own','source':'a.ts','custom_ffmpeg':'x','ffmpeg_profile':'copy'}");
	build(&f, "{}");
	list = lineup_channels(f.lineup);
	cr_assert(json_equal(list, expected), "%s", json_dumps(list, 0));
	cr_assert_eq(f.lineup->channels.count, 2);
	json_decref(list);
	json_decref(expected);
	done(&f);
}

Test(lineup, a_file_may_redefine_copy)
{
	json_t *settings = json("{'profiles':{'copy':{'vcodec':'libx264'}}}"), *empty = json("{}");

	cr_assert_eq(channel_profiles_complete(settings), 0);
	cr_assert_eq(json_object_size(json_object_get(settings, "profiles")), 1);
	cr_assert_eq(channel_profiles_complete(empty), 0);
	cr_assert_not_null(json_object_get(json_object_get(empty, "profiles"), "copy"));
	json_decref(settings);
	json_decref(empty);
}

static void expect_hwaccel(const char *channel, const char *profile, const char *expected)
{
	json_t *entry = json(channel), *p = json(profile);
	json_t *found = channel_hwaccel(entry, p), *wanted = json(expected);

	cr_expect(found ? json_equal(found, wanted) : json_object_size(wanted) == 0, "%s %s",
		  channel, profile);
	json_decref(entry);
	json_decref(p);
	json_decref(found);
	json_decref(wanted);
}

Test(lineup, the_channels_hardware_wins_over_the_profiles)
{
	expect_hwaccel("{}", "{}", "{}");
	expect_hwaccel("{'hwaccel':{'type':'vaapi','device':'/d','fallback':true}}",
		       "{'hwaccel':{'type':'nvidia'}}",
		       "{'type':'vaapi','device':'/d','fallback':true}");
	expect_hwaccel("{}", "{'hwaccel':{'type':'nvidia','device':0}}",
		       "{'type':'nvidia','device':'0','fallback':false}");
	expect_hwaccel("{'hwaccel':{'type':'none'}}", "{'hwaccel':{'type':'nvidia'}}",
		       "{'type':'none','fallback':false}");
	expect_hwaccel("{}", "{'vcodec':'h264_nvenc'}", "{}");
}
