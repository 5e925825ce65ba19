/* pictures.js - what a video element shows: watchPictures(video) counts its pictures and stalls, and reads
 * the clock in them (clock.py).
 *
 * The clock: CELLS black or white cells in the uppermost 16 rows; white, black, BITS bits of the time in ms
 * with the most significant first, their parity, white. */
window.watchPictures = (video, timed) => {
	const BITS = 20, CELLS = BITS + 4, MODULUS = 2 ** BITS;
	const canvas = Object.assign(document.createElement("canvas"), { width: CELLS, height: 1 });
	const paper = canvas.getContext("2d", { willReadFrequently: true });
	const seen = { since: performance.now(), firstPicture: null, playing: false, stalls: 0,
		heights: [], ages: [], timed };

	/* null: there is no clock. */
	function readClock() {
		const cell = video.videoWidth / CELLS;
		for (let i = 0; i < CELLS; i++)
			paper.drawImage(video, (i + .25) * cell, 5, cell / 2, 5, i, 0, 1, 1);
		const pixels = paper.getImageData(0, 0, CELLS, 1).data;
		const luma = Array.from({ length: CELLS }, (_, i) => pixels[i * 4 + 1]);
		const middle = (luma[0] + luma[1]) / 2, bits = luma.map((x) => Number(x > middle));
		const time = bits.slice(2, 2 + BITS).reduce((sum, bit) => sum * 2 + bit, 0);
		const ones = bits.slice(2, 2 + BITS).reduce((sum, bit) => sum + bit, 0);
		return luma[0] - luma[1] > 40 && bits[CELLS - 1] && ones % 2 === bits[CELLS - 2] ? time :
			null;
	}

	function showPicture(now) {
		seen.firstPicture ??= now - seen.since;
		const time = seen.timed ? readClock() : null;
		if (time !== null)
			seen.ages.push((Date.now() % MODULUS - time + MODULUS) % MODULUS);
		video.requestVideoFrameCallback(showPicture);
	}

	video.addEventListener("waiting", () => { seen.stalls += seen.playing; });
	video.addEventListener("playing", () => { seen.playing = true; });
	video.addEventListener("resize", () => { seen.heights.push(video.videoHeight); });
	video.requestVideoFrameCallback(showPicture);
	return seen;
};
