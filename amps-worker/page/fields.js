/* fields.js - the fields of a channel's form: which there are, and of which kinds. */
import { DEFAULT_FORM, either, group, JSON_FORM, list, MAPPING_FORM, NO_FORM, OTHER_KEYS, TEXT_FORM,
	YES_FORM } from "./groups.js";
import { ADDRESS, ARGS, choice, COMMAND, FLAG, LONG, NUMBER, OPTIONS, TEXT, TIME, WORDS } from "./kinds.js";

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

const COMMAND_FIELDS = group([["command", "Command", COMMAND], ["shell", "Run by a shell", FLAG],
	["cwd", "Working folder", TEXT], ["env", "Environment, a line for each", OPTIONS]], "command");
const HANDLER = group([["type", "Type", choice("yt_dlp")], ["format", "Format", TEXT],
	["options", "Options, a line for each", OPTIONS]], "type");
const HARDWARE = group([["type", "Type", choice("auto", "vaapi", "nvidia", "qsv", "none")], ["device", "Device", TEXT],
	["fallback", "Without it, encode in software", FLAG]], "type");

/* How one source is opened, beside its address. */
const OPENING = [["input_options", "Options, a line for each", OPTIONS], ["input_args", "Arguments", ARGS],
	["interface", "Interface", TEXT], ["proxy", "Proxy", TEXT],
	["use_yt_dlp", "A page that yt-dlp reads", FLAG], ["yt_dlp_format", "Format for yt-dlp", TEXT],
	["source_handler", "Source handler", HANDLER], ["custom_ffmpeg", "Command instead", COMMAND_FIELDS], OTHER_KEYS];

/* [title, [[key, name, kind, hint]]] */
export const groups = (profiles) => [
	["Channel", [
		["name", "Name", TEXT],
		["source", "Source", ADDRESS, "An address such as http://host/live.ts or udp://239.1.2.3:5000, or a file"],
		["ffmpeg_profile", "Profile", choice(...profiles), "How it is encoded; copy leaves it as it is"],
		["group", "Group", TEXT],
		["channel_number", "Number", TEXT],
		["logo", "Logo", TEXT, "The address of a picture"],
		["description", "Description", LONG],
	]],
	["Variants", [
		["adaptive_bitrates", "Variants", list([["name", "Name", TEXT], ["label", "Label", TEXT],
			["ffmpeg_profile", "Profile", choice(...profiles)], ["source", "Source, if it is another one", ADDRESS]], "variant",
		{ more: OPENING })],
	]],
	["Guide and programmes", [
		["epg_id", "Id in the guide", TEXT],
		["tvg_id", "tvg-id", TEXT],
		["tvg_name", "tvg-name", TEXT],
		["program_feed", "Programme feed", TEXT],
		["next_programs", "Programmes", list([["title", "Title", TEXT], ["start", "Start", TIME],
			["end", "End", TIME], ["description", "Description", TEXT]], "programme"), `Times of ${zone()}`],
	]],
	["Who may watch, and when", [
		["regions_allowed", "Only in these regions", WORDS, "Two letters each: US, CA"],
		["regions_blocked", "Not in these regions", WORDS],
		["schedule", "Schedule", group([["start", "Start", TIME], ["end", "End", TIME]]),
			`Of a scheduled channel, which exists between these times of ${zone()}`],
	]],
	["Source in detail", [
		["sources", "Further sources", list([["source", "Source", ADDRESS]], "source", { alone: "source", more: OPENING }),
			"Tried in this order when the first one fails"],
		["slate", "Slate while nothing works", either(DEFAULT_FORM, YES_FORM, NO_FORM, TEXT_FORM, MAPPING_FORM, JSON_FORM),
			"What viewers see; by default the name of the channel"],
		["cushion", "Cushion in seconds", NUMBER, "So much of a source that delivers in bursts is held back"],
		["watch", "What is watched", choice("media", "content"), "content: also black, frozen and silent"],
		["input_args", "Arguments of the input", ARGS, "Words of ffmpeg before -i, such as -re -stream_loop -1"],
		["input_options", "Options of the input", OPTIONS, "A line for each, such as user_agent=VLC/3.0"],
		["interface", "Interface", TEXT, "Where a source of udp or rtp is received: its name or its address"],
		["proxy", "Proxy", TEXT, "http://host:port, for sources of http and https"],
		["use_yt_dlp", "A page that yt-dlp reads", FLAG],
		["yt_dlp_format", "Format for yt-dlp", TEXT],
		["source_handler", "Source handler", HANDLER, "Type yt_dlp: its source is a page"],
		["custom_ffmpeg", "Command instead of a profile", COMMAND_FIELDS, "Only the admin_token may change it"],
	]],
	["Output in detail", [
		["output_format", "Form in playlists", choice("ts", "hls", "ll-hls", "dash", "rtsp", "audio", "mse")],
		["ll_hls", "Low latency HLS", FLAG],
		["audio_only", "Sound only", FLAG],
		["hwaccel", "Hardware", HARDWARE],
	]],
	["Further fields", [[...OTHER_KEYS, "Keys of the file that have no field above"]]],
];
