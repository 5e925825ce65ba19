/* player.js - plays a channel in a video element through Media Source Extensions, close to live.
 *
 * Events of a Player, which is an EventTarget: "state" (detail: "stopped", "connecting", "playing",
 * "waiting"), "problem" (detail: {text, status, final}; final: it does not try again), "languages"
 * (detail: the codes of those that the sound can have). */
import { codecName, fragmentTime, readInit, readLanguages, Splitter } from "./mp4.js";
import { LiveError, readHttp, readWebSocket } from "./live.js";
import { session, tokenFields } from "./api.js";

const TICK_MS = 50;
/* Media come in bursts: what counts is how little was left before the next one, over so long. */
const WINDOW_TICKS = 24;
const LEFT_MIN_S = .2, LEFT_MAX_S = .8;	/* what is to be left */
const LEFT_STEP_S = .06, LEFT_EASE_S = .00005;	/* more after a stall; less with each tick without one */
const BEGIN_S = .3;				/* behind what has come */
const SPEED_MOST = .12, SPEED_OFF_S = .4;	/* plays so much faster or slower if it is off by that */
const ENOUGH_S = .03;
const JUMP_S = 1.5;				/* further behind, it jumps */
const KEEP_S = 10, TRIM_S = 5;			/* what was played stays for a while */
/* The server holds its answer until the channel has begun.  A proxy may hold back what follows:
 * after so long without a byte, the other way. */
const HEAD_MS = 20000, SILENT_MS = 6000;
const RETRY_MS = [100, 500, 1000, 2000, 5000];
/* of the element: so many failures that follow each other within that time are enough */
const FAILURES_MOST = 5, CALM_MS = 30000;
/* answers that another request may change */
const PASSING = [0, 408, 429, 500, 502, 503, 504];

const source = () => globalThis.ManagedMediaSource || globalThis.MediaSource;

/* What this browser cannot play of these tracks, in words; "" = it can play all. */
function unplayable(tracks) {
	const able = (list) => source().isTypeSupported(typeOf(list));
	if (able(tracks))
		return "";
	const bad = tracks.filter((t) => !able([t]));
	const names = (bad.length ? bad : tracks).map((t) =>
		`${codecName(t.codec)} ${t.sound ? "sound" : "pictures"}`);
	return `This browser cannot play ${names.join(" and ")}.`;
}

function typeOf(tracks) {
	const only = tracks.every((t) => t.sound) ? "audio" : "video";
	return `${only}/mp4; codecs="${tracks.map((t) => t.codec).join(",")}"`;
}

export class Player extends EventTarget {
	#video;
	#media = null;		/* the MediaSource */
	#buffer = null;		/* its SourceBuffer */
	#type = "";
	#queue = [];		/* functions that change the buffer, one after the other */
	#tracks = [];
	#live = null;		/* when the newest fragment begins, s */
	#control = null;	/* ends the connection */
	#timer = 0;
	#opened = null;		/* a promise: the MediaSource takes data */
	#url = "";		/* of the MediaSource */
	#tries = 0;
	#failures = 0;		/* of the element */
	#failedAt = 0;
	#again = 0;		/* the timer after a failure */
	#socket = false;	/* over a WebSocket */
	#left = LEFT_MIN_S;
	#behinds = [];		/* of the last ticks */
	#placed = false;	/* the position is known */
	#asked = null;

	constructor(video) {
		super();
		this.#video = video;
		video.addEventListener("waiting", () => this.#stalled());
		video.addEventListener("playing", () => this.#say("playing"));
		video.addEventListener("error", () => this.#failed());
	}

	/* asked: {id, variant, lang, region}; via "ws": over a WebSocket from the start. */
	start(asked, { via = "" } = {}) {
		if (!source()) {
			this.#problem("This browser has no Media Source Extensions.", 0, true);
			return;
		}
		this.#end();
		this.#asked = asked;
		this.#socket = via === "ws";
		this.#tries = this.#failures = 0;
		this.#timer = setInterval(() => this.#tick(), TICK_MS);
		this.#begin();
	}

	stop() {
		this.#end();
		if (this.#video.src) {
			this.#video.removeAttribute("src");
			this.#video.load();
		}
		this.#say("stopped");
	}

	/* Ends all but what the element shows. */
	#end() {
		clearInterval(this.#timer);
		this.#leave();
	}

	/* Ends the connection and what has come over it. */
	#leave() {
		clearTimeout(this.#again);
		this.#control?.abort();
		this.#control = null;
		this.#queue = [];
		this.#buffer = this.#media = null;
		this.#type = "";
		URL.revokeObjectURL(this.#url);
	}

	/* Seconds between what is shown and what has come; null = nothing is. */
	get behind() {
		const range = this.#range();
		return range && this.#placed ? range.end - this.#video.currentTime : null;
	}

	#say(state) {
		this.dispatchEvent(new CustomEvent("state", { detail: state }));
	}

	#problem(text, status, final) {
		if (final)
			this.stop();
		this.dispatchEvent(new CustomEvent("problem", { detail: { text, status, final } }));
	}

	#begin() {
		this.#open();
		this.#connect();
		this.#play();
	}

	/* ---------- the buffer ---------- */

	#open() {
		const media = new (source())();
		this.#media = media;
		this.#placed = false;
		this.#live = null;
		this.#video.disableRemotePlayback = true;	/* a ManagedMediaSource asks for it */
		this.#url = this.#video.src = URL.createObjectURL(media);
		this.#opened = new Promise((done) =>
			media.addEventListener("sourceopen", done, { once: true }));
	}

	#then(change) {
		this.#queue.push(change);
		this.#next();
	}

	#next() {
		if (this.#media?.readyState !== "open")
			return;
		while (this.#queue.length && !this.#buffer?.updating) {
			const change = this.#queue.shift();
			try {
				change();
			} catch (e) {
				if (e.name !== "QuotaExceededError" || !this.#trim(1)) {
					this.#problem(`The picture cannot be played: ${e.message}`, 0, true);
					return;
				}
				this.#queue.unshift(change);
			}
		}
	}

	#use(type) {
		if (this.#buffer) {
			if (type !== this.#type)
				this.#buffer.changeType(type);
		} else {
			this.#buffer = this.#media.addSourceBuffer(type);
			this.#buffer.addEventListener("updateend", () => {
				this.#next();
				/* behind all that has come at once, not behind its first piece */
				if (!this.#placed && !this.#queue.length && !this.#buffer?.updating)
					this.#tick();
			});
		}
		this.#type = type;
	}

	#take(piece) {
		if (!piece.init) {
			const time = fragmentTime(piece.bytes, this.#tracks);
			this.#then(() => {
				this.#live = time;
				this.#buffer.appendBuffer(piece.bytes);
			});
			return;
		}
		const tracks = readInit(piece.bytes), problem = unplayable(tracks);
		if (problem)
			throw new LiveError(problem, 415);
		this.#tracks = tracks;
		this.dispatchEvent(new CustomEvent("languages", { detail: readLanguages(piece.bytes) }));
		this.#then(() => this.#use(typeOf(tracks)));
		this.#then(() => this.#buffer.appendBuffer(piece.bytes));
	}

	/* The range of the buffer that live is in; before anything came: null. */
	#range() {
		const ranges = this.#buffer?.buffered;
		if (this.#live === null || !ranges?.length)
			return null;
		for (let i = ranges.length - 1; i >= 0; i--)
			if (ranges.start(i) <= this.#live + 1 && ranges.end(i) >= this.#live - 1)
				return { start: ranges.start(i), end: ranges.end(i) };
		return null;
	}

	/* Removes what is more than `keep` seconds before the position.  False if nothing is. */
	#trim(keep) {
		const ranges = this.#buffer?.buffered, end = this.#video.currentTime - keep;
		if (!ranges?.length || this.#buffer.updating || ranges.start(0) >= end)
			return false;
		this.#buffer.remove(0, end);
		return true;
	}

	/* ---------- the position ---------- */

	async #play() {
		try {
			await this.#video.play();
		} catch (e) {
			/* browsers refuse sound before the first click */
			if (e.name !== "NotAllowedError" || this.#video.muted)
				return;
			this.#video.muted = true;
			this.#video.play().catch(() => {});
		}
	}

	#stalled() {
		if (this.#placed && this.#range()) {
			this.#left = Math.min(this.#left + LEFT_STEP_S, LEFT_MAX_S);
			this.#say("waiting");
		}
	}

	#jump(to) {
		this.#video.currentTime = to;
		this.#placed = true;
		this.#behinds = [];
	}

	#tick() {
		const video = this.#video, range = this.#range();
		if (!range)
			return;
		const now = video.currentTime, behind = range.end - now;
		if (!this.#placed || now < range.start || behind < -JUMP_S || behind > JUMP_S + this.#left) {
			if (range.end - range.start >= BEGIN_S / 2)
				this.#jump(Math.max(range.start, range.end - BEGIN_S - this.#left));
			return;
		}
		this.#behinds.push(behind);
		if (this.#behinds.length > WINDOW_TICKS)
			this.#behinds.shift();
		this.#left = Math.max(this.#left - LEFT_EASE_S, LEFT_MIN_S);
		const off = Math.min(...this.#behinds) - this.#left;
		video.playbackRate = Math.abs(off) < ENOUGH_S ? 1 :
			1 + SPEED_MOST * Math.max(Math.min(off / SPEED_OFF_S, 1), -1);
		if (now - this.#buffer.buffered.start(0) > KEEP_S + TRIM_S && !this.#buffer.updating)
			this.#trim(KEEP_S);
	}

	/* The element has given up: everything begins again, unless that has not helped before. */
	#failed() {
		if (!this.#media)
			return;
		const { message } = this.#video.error || {}, now = performance.now();
		const text = `The picture cannot be played (${message || "unknown error"})`;
		this.#failures = now - this.#failedAt > CALM_MS ? 1 : this.#failures + 1;
		this.#failedAt = now;
		this.#leave();
		if (this.#failures >= FAILURES_MOST) {
			this.#problem(`${text}.`, 0, true);
			return;
		}
		this.#problem(`${text}, trying again.`, 0, false);
		this.#again = setTimeout(() => this.#begin(), RETRY_MS[this.#failures - 1]);
	}

	/* ---------- the connection ---------- */

	/* Reads until the end or an error. */
	async #read(control) {
		const splitter = new Splitter();
		let silent = 0;
		const wait = (ms) => {
			clearTimeout(silent);
			silent = setTimeout(() => control.abort("silent"), ms);
		};
		/* what comes before the source is open waits in the connection */
		const begun = async () => {
			clearTimeout(silent);
			await this.#opened;
			wait(SILENT_MS);
		};
		const take = (bytes) => {
			wait(SILENT_MS);
			splitter.push(bytes);
			for (let piece; !control.signal.aborted && (piece = splitter.next());)
				this.#take(piece);
			this.#tries = 0;
		};
		try {
			wait(HEAD_MS);
			if (this.#socket)
				await readWebSocket(this.#asked, session.token, control.signal, begun, take);
			else
				await readHttp(this.#asked, tokenFields(), control.signal, begun, take);
		} finally {
			clearTimeout(silent);
		}
	}

	async #connect() {
		for (;;) {
			const control = new AbortController();
			let problem = null;
			this.#control = control;
			this.#say("connecting");
			/* a page that nobody sees opens its source when it is seen; a WebSocket cannot wait */
			if (document.hidden || this.#socket) {
				await this.#opened;
				if (this.#control !== control)
					return;
			}
			try {
				await this.#read(control);
			} catch (e) {
				problem = e;
			}
			if (this.#control !== control)
				return;
			/* a WebSocket tells the end of the source from other ends, HTTP does not */
			if (!problem && this.#socket) {
				this.#problem("The stream has ended.", 0, true);
				return;
			}
			if (problem && !PASSING.includes(problem.status ?? 415)) {
				this.#problem(problem.message, problem.status ?? 415, true);
				return;
			}
			if (control.signal.reason === "silent" || (problem?.status === 0 && this.#tries > 0))
				this.#socket = !this.#socket;
			if (problem && this.#tries > 0)
				this.#problem(`${problem.message}, trying again`, problem.status, false);
			await new Promise((done) => setTimeout(done, RETRY_MS[this.#tries]));
			if (this.#control !== control)
				return;
			this.#tries = Math.min(this.#tries + 1, RETRY_MS.length - 1);
			/* half a fragment may be in the parser of the buffer */
			this.#then(() => this.#buffer?.abort());
		}
	}
}
