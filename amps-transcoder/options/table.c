#include "amps-transcoder/options/options.h"

#define O OPTION_OUTPUT
#define I OPTION_INPUT
#define B (OPTION_OUTPUT | OPTION_INPUT)

/* Why options of ffmpeg have no effect here. */
#define PROGRAM "it steers the ffmpeg program"
#define CLOCK	"times are continuous in any case"
#define ENDLESS "a channel has no end"
#define CARRIED "the stream carries nothing of the kind"
#define ALWAYS	"it is always so"
#define QUEUES	"queues have limits of their own"
#define STARTED "an output starts at a key frame of a running source"
#define DEVICES "hwaccel names the hardware"
#define CODER	"the encoders are not given it"
#define INPUTS	"the source is opened without it"

/* Why options of ffmpeg are refused. */
#define TWO_PASSES  "two passes need the whole film in advance: use b, maxrate and bufsize"
#define FROM_FILE   "options are not read from files: write them into the profile"
#define GRAPH_FILE  "graphs are not read from files: write the graph into the profile"
#define ONE_SOURCE  "the channel names the source"
#define DISC	    "it stands for the options of a disc: write them one by one"
#define ATTACHMENTS "a live stream has no attachments"
#define PANS	    "use the filter pan"
#define WRITES	    "a job writes no files"

/* Everything that `ffmpeg -h long` lists, and Amps' own keys; sorted by purpose.  AVOptions are not
 * here: they come from libav's tables.  If a name is both (ar, ac, profile), the row decides what
 * happens and the AVOption checks the value. */
const struct option_def option_table[] = {
	/* codecs and streams */
	{"c", OPTION_OURS, O, VALUE_ANY_CODEC, NULL},
	{"map", OPTION_OURS, O, VALUE_MAP, NULL},
	{"disposition", OPTION_OURS, O, VALUE_DISPOSITION, NULL},
	{"streamid", OPTION_OURS, O, VALUE_STREAM_ID, NULL},
	{"vn", OPTION_OURS, B, VALUE_FLAG, NULL},
	{"an", OPTION_OURS, B, VALUE_FLAG, NULL},
	{"sn", OPTION_OURS, B, VALUE_FLAG, NULL},
	{"dn", OPTION_OURS, B, VALUE_FLAG, NULL},
	{"f", OPTION_OURS, B, VALUE_FORMAT, NULL},
	/* pictures and sound */
	{"filter", OPTION_OURS, O, VALUE_ANY_GRAPH, NULL},
	{"filter_complex", OPTION_OURS, O, VALUE_COMPLEX, NULL},
	{"r", OPTION_OURS, O, VALUE_RATE, NULL},
	{"fpsmax", OPTION_OURS, O, VALUE_RATE, NULL},
	{"fps_mode", OPTION_OURS, O, VALUE_FPS_MODE, NULL},
	{"s", OPTION_OURS, O, VALUE_SIZE, NULL},
	{"aspect", OPTION_OURS, O, VALUE_RATIO, NULL},
	{"pix_fmt", OPTION_OURS, O, VALUE_PIX_FMT, NULL},
	{"sample_fmt", OPTION_OURS, O, VALUE_SAMPLE_FMT, NULL},
	{"channel_layout", OPTION_OURS, O, VALUE_LAYOUT, NULL},
	{"ch_layout", OPTION_OURS, O, VALUE_LAYOUT, NULL},
	{"ar", OPTION_OURS, O, VALUE_COUNT, NULL},
	{"ac", OPTION_OURS, O, VALUE_COUNT, NULL},
	{"q", OPTION_OURS, O, VALUE_NUMBER, NULL},
	{"force_key_frames", OPTION_OURS, O, VALUE_KEY_FRAMES, NULL},
	{"vol", OPTION_OURS, O, VALUE_COUNT, NULL},
	{"metadata", OPTION_OURS, O, VALUE_METADATA, NULL},
	/* what a raw input is; see option_input_name() */
	{"r", OPTION_RAW, I, VALUE_RATE, NULL},
	{"s", OPTION_RAW, I, VALUE_SIZE, NULL},
	{"pix_fmt", OPTION_RAW, I, VALUE_PIX_FMT, NULL},
	{"ar", OPTION_RAW, I, VALUE_COUNT, NULL},
	{"ac", OPTION_RAW, I, VALUE_COUNT, NULL},
	{"channel_layout", OPTION_RAW, I, VALUE_LAYOUT, NULL},
	{"ch_layout", OPTION_RAW, I, VALUE_LAYOUT, NULL},
	/* the input's clock */
	{"re", OPTION_OURS, I, VALUE_FLAG, NULL},
	{"readrate", OPTION_OURS, I, VALUE_NUMBER, NULL},
	{"stream_loop", OPTION_OURS, I, VALUE_INT, NULL},
	{"programid", OPTION_OURS, I, VALUE_INT, NULL},
	{"ss", OPTION_OURS, I, VALUE_DURATION, NULL},
	{"t", OPTION_OURS, I, VALUE_DURATION, NULL},
	{"to", OPTION_OURS, I, VALUE_DURATION, NULL},
	/* Amps' own keys of a profile */
	{"output_format", OPTION_OURS, O, VALUE_TEXT, NULL},
	{"ll_hls", OPTION_OURS, O, VALUE_TEXT, NULL},
	{"deinterlace", OPTION_OURS, O, VALUE_FLAG, NULL},
	{"loudness", OPTION_OURS, O, VALUE_LOUDNESS, NULL},
	{"audio_only", OPTION_OURS, O, VALUE_TEXT, NULL},
	{"hwaccel", OPTION_OURS, B, VALUE_TEXT, NULL},
	{"hwaccel_device", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	{"hwaccel_output_format", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	/* our packager */
	{"hls_time", OPTION_SEGMENTER, O, VALUE_DURATION, NULL},
	{"hls_init_time", OPTION_SEGMENTER, O, VALUE_DURATION, NULL},
	{"hls_list_size", OPTION_SEGMENTER, O, VALUE_INT, NULL},
	{"hls_flags", OPTION_SEGMENTER, O, VALUE_TEXT, NULL},
	{"hls_segment_type", OPTION_SEGMENTER, O, VALUE_TEXT, NULL},
	{"hls_playlist_type", OPTION_SEGMENTER, O, VALUE_TEXT, NULL},
	{"hls_delete_threshold", OPTION_SEGMENTER, O, VALUE_INT, NULL},
	{"seg_duration", OPTION_SEGMENTER, O, VALUE_DURATION, NULL},
	{"frag_duration", OPTION_SEGMENTER, O, VALUE_NUMBER, NULL},
	{"window_size", OPTION_SEGMENTER, O, VALUE_INT, NULL},
	{"extra_window_size", OPTION_SEGMENTER, O, VALUE_INT, NULL},
	{"movflags", OPTION_SEGMENTER, O, VALUE_TEXT, NULL},
	/* without them the stream would not be as requested */
	{"filter_complex_script", OPTION_REFUSED, O, VALUE_TEXT, GRAPH_FILE},
	{"filter_script", OPTION_REFUSED, O, VALUE_TEXT, GRAPH_FILE},
	{"pass", OPTION_REFUSED, O, VALUE_TEXT, TWO_PASSES},
	{"target", OPTION_REFUSED, O, VALUE_TEXT, DISC},
	{"attach", OPTION_REFUSED, O, VALUE_TEXT, ATTACHMENTS},
	{"dump_attachment", OPTION_REFUSED, I, VALUE_TEXT, WRITES},
	{"map_channel", OPTION_REFUSED, O, VALUE_TEXT, PANS},
	{"fpre", OPTION_REFUSED, O, VALUE_TEXT, FROM_FILE},
	{"i", OPTION_REFUSED, B, VALUE_TEXT, ONE_SOURCE},
	/* no meaning in a server, or always on */
	{"c", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"sample_fmt", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"ss", OPTION_IGNORED, O, VALUE_TEXT, STARTED},
	{"t", OPTION_IGNORED, O, VALUE_TEXT, ENDLESS},
	{"to", OPTION_IGNORED, O, VALUE_TEXT, ENDLESS},
	{"sseof", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"fps_mode", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"vol", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"loglevel", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"v", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"report", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"max_alloc", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"y", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"n", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"ignore_unknown", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"filter_threads", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"filter_complex_threads", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"stats", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"nostats", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"max_error_rate", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"cpuflags", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"cpucount", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"hide_banner", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"copy_unknown", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"recast_media", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"benchmark", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"benchmark_all", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"progress", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"stdin", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"nostdin", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"timelimit", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"dump", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"hex", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"frame_drop_threshold", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"async", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"adrift_threshold", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"copyts", OPTION_IGNORED, B, VALUE_FLAG, CLOCK},
	{"start_at_zero", OPTION_IGNORED, B, VALUE_FLAG, CLOCK},
	{"copytb", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"dts_delta_threshold", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"dts_error_threshold", OPTION_IGNORED, B, VALUE_TEXT, CLOCK},
	{"xerror", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"abort_on", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"auto_conversion_filters", OPTION_IGNORED, B, VALUE_FLAG, ALWAYS},
	{"stats_period", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"debug_ts", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"psnr", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"vstats", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"vstats_file", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"vstats_version", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"qphist", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"sdp_file", OPTION_IGNORED, B, VALUE_TEXT, PROGRAM},
	{"vaapi_device", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	{"qsv_device", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	{"init_hw_device", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	{"filter_hw_device", OPTION_IGNORED, B, VALUE_TEXT, DEVICES},
	{"pre", OPTION_REFUSED, O, VALUE_TEXT, FROM_FILE},
	{"map_metadata", OPTION_IGNORED, O, VALUE_TEXT, CARRIED},
	{"map_chapters", OPTION_IGNORED, O, VALUE_TEXT, CARRIED},
	{"fs", OPTION_IGNORED, O, VALUE_TEXT, ENDLESS},
	{"seek_timestamp", OPTION_IGNORED, I, VALUE_TEXT, CLOCK},
	{"timestamp", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"program", OPTION_IGNORED, O, VALUE_TEXT, CARRIED},
	{"apad", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"frames", OPTION_IGNORED, O, VALUE_TEXT, ENDLESS},
	{"reinit_filter", OPTION_IGNORED, I, VALUE_TEXT, ALWAYS},
	{"discard", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"accurate_seek", OPTION_IGNORED, I, VALUE_FLAG, STARTED},
	{"noaccurate_seek", OPTION_IGNORED, I, VALUE_FLAG, STARTED},
	{"isync", OPTION_IGNORED, I, VALUE_TEXT, CLOCK},
	{"itsoffset", OPTION_IGNORED, I, VALUE_TEXT, CLOCK},
	{"itsscale", OPTION_IGNORED, I, VALUE_TEXT, CLOCK},
	{"dframes", OPTION_IGNORED, O, VALUE_TEXT, ENDLESS},
	{"shortest", OPTION_IGNORED, O, VALUE_FLAG, CLOCK},
	{"shortest_buf_duration", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"bitexact", OPTION_IGNORED, B, VALUE_FLAG, PROGRAM},
	{"copyinkf", OPTION_IGNORED, O, VALUE_FLAG, STARTED},
	{"copypriorss", OPTION_IGNORED, O, VALUE_TEXT, STARTED},
	{"tag", OPTION_IGNORED, B, VALUE_TEXT, CARRIED},
	{"thread_queue_size", OPTION_IGNORED, B, VALUE_TEXT, QUEUES},
	{"find_stream_info", OPTION_IGNORED, I, VALUE_FLAG, INPUTS},
	{"bits_per_raw_sample", OPTION_IGNORED, O, VALUE_TEXT, CODER},
	{"autorotate", OPTION_IGNORED, I, VALUE_FLAG, INPUTS},
	{"apply_cropping", OPTION_DEMUXER, I, VALUE_TEXT, NULL}, /* of FFmpeg 7.1 and later */
	{"autoscale", OPTION_IGNORED, O, VALUE_FLAG, ALWAYS},
	{"muxdelay", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"muxpreload", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"time_base", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"enc_time_base", OPTION_IGNORED, O, VALUE_TEXT, CLOCK},
	{"bsf", OPTION_OURS, O, VALUE_BSF, NULL},
	{"sws_flags", OPTION_OURS, O, VALUE_SWS, NULL},
	{"max_muxing_queue_size", OPTION_IGNORED, O, VALUE_TEXT, QUEUES},
	{"muxing_queue_data_threshold", OPTION_IGNORED, O, VALUE_TEXT, QUEUES},
	{"timecode", OPTION_IGNORED, O, VALUE_TEXT, CARRIED},
	{"rc_override", OPTION_IGNORED, O, VALUE_TEXT, CODER},
	{"passlogfile", OPTION_REFUSED, O, VALUE_TEXT, TWO_PASSES},
	{"intra_matrix", OPTION_IGNORED, O, VALUE_TEXT, CODER},
	{"inter_matrix", OPTION_IGNORED, O, VALUE_TEXT, CODER},
	{"chroma_intra_matrix", OPTION_IGNORED, O, VALUE_TEXT, CODER},
	{"top", OPTION_IGNORED, B, VALUE_TEXT, CODER},
	{"force_fps", OPTION_IGNORED, O, VALUE_FLAG, ALWAYS},
	{"guess_layout_max", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
	{"fix_sub_duration", OPTION_IGNORED, I, VALUE_FLAG, INPUTS},
	{"canvas_size", OPTION_IGNORED, I, VALUE_TEXT, INPUTS},
};

const size_t option_table_count = array_size(option_table);
