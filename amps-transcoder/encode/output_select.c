/* output_select.c - which streams of the source an output serves: the best of each kind, or what
 * the profile maps. */
#include "amps-transcoder/encode/output.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "amps-transcoder/options/value.h"
#include "common/text/text.h"

#define CHOSEN_MAX 64 /* streams that maps may name */
#define NO_STREAM  UINT32_MAX

/* A stream of the source in the output, as it is; or a graph of filter_complex with the streams
 * that it takes. */
struct choice {
	unsigned streams[COMPLEX_INPUTS_MAX]; /* as many as the graph has inputs, else one */
	const struct complex_part *part;      /* NULL = as it is */
};

/* The muxer takes no other kinds (data, attachments). */
static bool usable(const struct output *o, const AVStream *stream)
{
	enum AVMediaType type = stream->codecpar->codec_type;

	if (stream->disposition & AV_DISPOSITION_ATTACHED_PIC || stream->discard == AVDISCARD_ALL)
		return false;
	if (type == AVMEDIA_TYPE_SUBTITLE)
		return o->profile.subtitles && !o->profile.without_subtitles &&
		       o->mux->ops->fits(stream->codecpar->codec_id);
	if (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO)
		return false;
	return output_kind(&o->profile, type)->use != USE_OFF;
}

/* True if the stream belongs to the first programme, or there are no programmes. */
static bool in_first_program(AVFormatContext *source, unsigned index)
{
	if (source->nb_programs == 0)
		return true;
	for (unsigned i = 0; i < source->programs[0]->nb_stream_indexes; i++)
		if (source->programs[0]->stream_index[i] == index)
			return true;
	return false;
}

static enum AVMediaType type_of(char media)
{
	return media == 'a' ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO;
}

/* The stream for an input of a graph; NO_STREAM if the source has none. */
static unsigned choose_input(AVFormatContext *source, const struct complex_input *in)
{
	struct stream_map map;
	bool any = stream_map_parse(in->spec, &map) < 0;

	for (unsigned i = 0; i < source->nb_streams; i++) {
		const AVStream *stream = source->streams[i];

		if (stream->codecpar->codec_type == type_of(in->media) &&
		    !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC) &&
		    stream->discard != AVDISCARD_ALL &&
		    (any ? in_first_program(source, i) : stream_map_matches(&map, source, i)))
			return i;
	}
	return NO_STREAM;
}

/* The streams that a graph of filter_complex takes.  False: the source has not all of them, or the
 * output leaves out what the graph makes. */
static bool choose_part(const struct output *o, AVFormatContext *source,
			const struct complex_part *part, struct choice *ret)
{
	if (output_kind(&o->profile, type_of(part->media))->use == USE_OFF)
		return false;
	*ret = (struct choice){.part = part};
	for (unsigned i = 0; i < part->in_count; i++) {
		ret->streams[i] = choose_input(source, &part->ins[i]);
		if (ret->streams[i] == NO_STREAM)
			return false;
	}
	return true;
}

/* Outputs of filter_complex without a label: no other stream of their kind is chosen. */
static unsigned choose_unnamed(const struct output *o, AVFormatContext *source,
			       struct choice *chosen)
{
	unsigned n = 0;

	static_assert(COMPLEX_PARTS_MAX + 3 <= CHOSEN_MAX, "and one of each kind");
	assert(o->profile.complex.count <= COMPLEX_PARTS_MAX);
	for (unsigned i = 0; i < o->profile.complex.count; i++)
		if (!o->profile.complex.parts[i].named)
			n += choose_part(o, source, &o->profile.complex.parts[i], &chosen[n]);
	return n;
}

/* What the choice makes in the output. */
static enum AVMediaType kind_of(AVFormatContext *source, const struct choice *c)
{
	return c->part ? type_of(c->part->media)
		       : source->streams[c->streams[0]]->codecpar->codec_type;
}

static bool has_kind(AVFormatContext *source, const struct choice *chosen, unsigned n,
		     enum AVMediaType type)
{
	for (unsigned i = 0; i < n; i++)
		if (kind_of(source, &chosen[i]) == type)
			return true;
	return false;
}

/* Nothing was probed, so the best stream is the first of its kind in the first programme. */
static unsigned choose_best(const struct output *o, AVFormatContext *source, struct choice *chosen)
{
	static const enum AVMediaType types[] = {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO,
						 AVMEDIA_TYPE_SUBTITLE};
	unsigned n = choose_unnamed(o, source, chosen), unnamed = n;

	for (size_t t = 0; t < array_size(types); t++)
		for (unsigned i = 0; i < source->nb_streams; i++) {
			if (has_kind(source, chosen, unnamed, types[t]) ||
			    source->streams[i]->codecpar->codec_type != types[t] ||
			    !usable(o, source->streams[i]) || !in_first_program(source, i))
				continue;
			assert(n < CHOSEN_MAX);
			chosen[n++] = (struct choice){.streams = {i}};
			break;
		}
	return n;
}

static void remove_chosen(struct choice *chosen, unsigned *n, unsigned stream)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *n; i++)
		if (chosen[i].part || chosen[i].streams[0] != stream)
			chosen[kept++] = chosen[i];
	*n = kept;
}

/* Why a mapped stream is not served; NULL if it is, or if the profile switched its kind off. */
static const char *why_unusable(const struct output *o, const AVStream *stream)
{
	enum AVMediaType type = stream->codecpar->codec_type;

	if (usable(o, stream))
		return NULL;
	if (type == AVMEDIA_TYPE_SUBTITLE && o->profile.without_subtitles)
		return NULL;
	if (type == AVMEDIA_TYPE_SUBTITLE && !o->profile.subtitles)
		return "\"scodec: copy\" would include it";
	if (type == AVMEDIA_TYPE_SUBTITLE)
		return "the form cannot carry it";
	if (type == AVMEDIA_TYPE_DATA)
		return "only pictures, sound and subtitles are served";
	return NULL;
}

/* Reports mapped streams that cannot be served, and removes them. */
static void remove_unusable(struct output *o, AVFormatContext *source, struct choice *chosen,
			    unsigned *n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *n; i++) {
		const AVStream *stream = source->streams[chosen[i].streams[0]];
		const char *why = chosen[i].part ? NULL : why_unusable(o, stream);
		char name[STREAM_TEXT_MAX];

		if (chosen[i].part || usable(o, stream))
			chosen[kept++] = chosen[i];
		stream_text(stream, name, sizeof(name));
		if (why)
			job_report_notice(o->job, "the profile maps %s: %s", name, why);
	}
	*n = kept;
}

/* Applies the profile's maps in order; false if a map that is not optional matches no stream. */
static bool choose_mapped(struct output *o, AVFormatContext *source, struct choice *chosen,
			  unsigned *ret_count)
{
	unsigned n = choose_unnamed(o, source, chosen);
	bool all = true;

	for (unsigned m = 0; m < o->profile.map_count; m++) {
		const struct stream_map *map = &o->profile.maps[m];
		const struct complex_part *part =
			map->label ? complex_find(&o->profile.complex, map->spec) : NULL;
		bool found = part && n < CHOSEN_MAX && choose_part(o, source, part, &chosen[n]);

		n += found;
		/* the form may leave out its kind */
		found = found || (part && o->form == OUTPUT_ADTS);
		for (unsigned i = 0; i < source->nb_streams; i++) {
			if (!stream_map_matches(map, source, i))
				continue;
			found = true;
			if (map->negative)
				remove_chosen(chosen, &n, i);
			else if (n < CHOSEN_MAX)
				chosen[n++] = (struct choice){.streams = {i}};
		}
		all = all && (found || map->negative || map->optional);
	}
	remove_unusable(o, source, chosen, &n);
	if (n > MUXER_STREAMS_MAX)
		job_report_notice(o->job,
				  "the profile maps %u streams, only the first %d are served", n,
				  MUXER_STREAMS_MAX);
	*ret_count = MIN(n, MUXER_STREAMS_MAX);
	return all;
}

static int read_profile(const struct output *o, enum AVMediaType type, unsigned number,
			struct profile *ret)
{
	struct profile_stream stream = {.media = type == AVMEDIA_TYPE_VIDEO ? 'v' : 'a',
					.number = (int)number};
	char problem[ERROR_TEXT_MAX];
	int r = profile_init(ret, o->spec, &stream, problem, sizeof(problem));

	if (r < 0)
		av_log(NULL, AV_LOG_ERROR, "%s\n", problem);
	return r;
}

/* What the profile or the source says; "" = nothing. */
static const char *language_of(const struct profile_kind *kind, const AVStream *stream)
{
	const AVDictionaryEntry *e = av_dict_get(kind->metadata, "language", NULL, 0);

	if (!e)
		e = av_dict_get(stream->metadata, "language", NULL, 0);
	return e ? e->value : "";
}

static int disposition_of(const struct profile_kind *kind, const AVStream *stream)
{
	int flags = stream->disposition;

	/* profile_init() has read it already */
	if (kind->disposition && value_disposition(kind->disposition, &flags) < 0)
		return stream->disposition;
	return flags;
}

/* Keeps one stream of the sound chosen: in the language that was asked for, else the default one,
 * else the first.  Returns its number; `n` when there is none. */
static unsigned choose_sound(const struct output *o, AVFormatContext *source,
			     const struct choice *chosen, unsigned n)
{
	unsigned found = *o->lang ? n : 0;
	bool done = false;

	for (unsigned i = 0; i < n && !done; i++) {
		const AVStream *stream = source->streams[chosen[i].streams[0]];
		struct profile p;

		if (read_profile(o, AVMEDIA_TYPE_AUDIO, i, &p) < 0)
			continue;
		done = *o->lang ? strcasecmp(language_of(&p.audio, stream), o->lang) == 0
				: disposition_of(&p.audio, stream) & AV_DISPOSITION_DEFAULT;
		if (done)
			found = i;
		profile_done(&p);
	}
	return found;
}

/* All sound of the first programme, or what filter_complex makes without a label. */
static unsigned choose_all_sound(const struct output *o, AVFormatContext *source,
				 struct choice *chosen)
{
	unsigned n = choose_unnamed(o, source, chosen);
	bool any = n == 0;

	for (unsigned i = 0; any && i < source->nb_streams && n < CHOSEN_MAX; i++)
		if (source->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
		    usable(o, source->streams[i]) && in_first_program(source, i))
			chosen[n++] = (struct choice){.streams = {i}};
	return n;
}

/* The sound alone is copied where the source has what the form carries and the profile does not say
 * how to encode it; else it is encoded, as AAC unless the profile names another codec that the form
 * carries (MP3 has a form of its own). */
static void decide_sound(const struct output *o, struct track *t, const AVStream *stream,
			 const struct complex_part *part)
{
	struct profile *p = &t->profile;

	if (!p->sound_set && !part && o->mux->ops->fits(stream->codecpar->codec_id)) {
		p->audio.use = USE_COPY;
		return;
	}
	p->audio.use = USE_ENCODE;
	if (!o->mux->ops->fits(p->audio.codec->id))
		profile_set_encoder(p, "aac");
}

/* The parameters of subtitles are known in advance, and the first packet may come late. */
static int subtitles_init(struct track *t, const AVStream *stream)
{
	const AVDictionaryEntry *language = av_dict_get(stream->metadata, "language", NULL, 0);

	if (language)
		text_copy(t->language, sizeof(t->language), language->value);
	t->copy = true;
	t->parameters = avcodec_parameters_alloc();
	if (!t->parameters || avcodec_parameters_copy(t->parameters, stream->codecpar) < 0)
		return -ENOMEM;
	track_set_state(t, TRACK_READY);
	return 0;
}

/* The streams that feed the track; in another source they may have other numbers. */
static void track_feed(struct track *t, const struct choice *c)
{
	t->input_count = c->part ? c->part->in_count : 1;
	for (unsigned i = 0; i < t->input_count; i++)
		t->inputs[i].stream = c->streams[i];
}

static int track_init(struct output *o, struct track *t, AVFormatContext *source,
		      const struct choice *choice, unsigned number)
{
	const AVStream *stream = source->streams[choice->streams[0]];
	const struct complex_part *part = choice->part;
	struct profile_kind *kind;
	int r;

	*t = (struct track){.type = kind_of(source, choice),
			    .disposition = stream->disposition,
			    .from_90k = TIME_NONE};
	track_feed(t, choice);
	for (unsigned i = 0; i < array_size(t->inputs); i++)
		t->inputs[i].put_90k = TIME_NONE;
	stream_text(stream, t->name, sizeof(t->name));
	if (t->type == AVMEDIA_TYPE_SUBTITLE)
		return subtitles_init(t, stream);
	r = read_profile(o, t->type, number, &t->profile);
	if (r < 0)
		return r;
	if (o->form == OUTPUT_ADTS)
		decide_sound(o, t, stream, part);
	kind = t->type == AVMEDIA_TYPE_VIDEO ? &t->profile.video : &t->profile.audio;
	kind->part = part;
	text_copy(t->language, sizeof(t->language), language_of(kind, stream));
	t->disposition = disposition_of(kind, stream);
	t->copy = kind->use == USE_COPY;
	t->wait_key = t->copy && t->type == AVMEDIA_TYPE_VIDEO;
	return filter_init(&t->filter, t->type, &t->profile, o->hardware);
}

/* `number`: of the first track of this kind that is added. */
static int add_track(struct output *o, AVFormatContext *source, const struct choice *choice,
		     unsigned number)
{
	enum AVMediaType type = kind_of(source, choice);

	if (o->track_count == MUXER_STREAMS_MAX)
		return 0;
	for (unsigned i = 0; i < o->track_count; i++)
		number += o->tracks[i].type == type;
	assert(o->track_count < MUXER_STREAMS_MAX);
	return track_init(o, &o->tracks[o->track_count++], source, choice, number);
}

/* The track that continues with this stream; NULL if no track of its kind is free. */
static struct track *free_track(struct output *o, enum AVMediaType type)
{
	for (unsigned i = 0; i < o->track_count; i++)
		if (o->tracks[i].input_count == 0 && o->tracks[i].type == type)
			return &o->tracks[i];
	return NULL;
}

int output_select(struct output *o, AVFormatContext *source)
{
	struct choice chosen[CHOSEN_MAX];
	unsigned n = 0, sound = 0;
	bool again = o->track_count > 0, all = true;
	int r = 0;

	if (o->profile.map_count)
		all = choose_mapped(o, source, chosen, &n);
	else if (o->form == OUTPUT_ADTS)
		n = choose_all_sound(o, source, chosen);
	else
		n = choose_best(o, source, chosen);
	if (o->form == OUTPUT_ADTS) {
		sound = choose_sound(o, source, chosen, n);
		if (sound < n)
			chosen[0] = chosen[sound];
		n = sound < n;
	}
	if (!again && (!all || n == 0))
		return -ENOENT;
	for (unsigned i = 0; i < o->track_count; i++)
		o->tracks[i].input_count = 0;
	for (unsigned i = 0; i < n && r == 0; i++) {
		struct track *t = free_track(o, kind_of(source, &chosen[i]));

		if (t)
			track_feed(t, &chosen[i]);
		else
			r = add_track(o, source, &chosen[i], sound);
	}
	return r;
}
