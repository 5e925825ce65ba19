// Prints what npm's mp4box makes of the files that are listed on stdin, a list of lists: an init segment
// and its fragments.  For each {brands, codec, timescale, boxes, fragments: [{begin, duration, first,
// samples, sync}]}, `first` being the duration of the first sample, or {error}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { createFile } = createRequire(process.argv[2] + "/")("mp4box");

function readOne(paths) {
	const file = createFile();
	let at = 0, info = null, error = null;
	file.onReady = (i) => { info = i; };
	file.onError = (_, text) => { error = text; };
	for (const path of paths) {
		const bytes = readFileSync(path);
		const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
		buffer.fileStart = at;
		at += bytes.length;
		file.appendBuffer(buffer);
	}
	file.flush();
	if (error || !info)
		return { error: error ?? "there is no moov" };
	const track = info.tracks[0];
	const defaults = file.moov.mvex.trexs[0];
	return { brands: info.brands, codec: track.codec, timescale: track.timescale,
		boxes: file.boxes.map((b) => b.type),
		fragments: file.moofs.map((moof) => readFragment(moof, defaults)) };
}

function readFragment(moof, defaults) {
	const traf = moof.trafs[0], header = traf.tfhd;
	const length = header.default_sample_duration || defaults.default_sample_duration;
	const common = header.default_sample_flags ?? defaults.default_sample_flags;
	let duration = 0, samples = 0, flags = null, first = null;
	for (const run of traf.truns) {
		for (let i = 0; i < run.sample_count; i++) {
			first ??= run.sample_duration[i] ?? length;
			duration += run.sample_duration[i] ?? length;
			flags ??= run.first_sample_flags ?? run.sample_flags[i] ?? common;
		}
		samples += run.sample_count;
	}
	/* sample_is_non_sync_sample */
	return { begin: traf.tfdt.baseMediaDecodeTime, duration, first: first ?? 0, samples,
		sync: !((flags ?? 0) & 0x10000) };
}

function attempt(paths) {
	try {
		return readOne(paths);
	} catch (e) {
		return { error: String(e.message ?? e) };
	}
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(attempt)));
