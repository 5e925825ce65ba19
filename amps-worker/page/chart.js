/* chart.js - a small line chart of the newest samples. */

const SVG = "http://www.w3.org/2000/svg", WIDE = 240, HIGH = 48, KEPT = 300, FEWEST = 15;

/* Samples by name, for as long as the page is open. */
export class History {
	#all = new Map();

	add(name, value) {
		const samples = this.#all.get(name) || [];
		samples.push(value);
		if (samples.length > KEPT)
			samples.shift();
		this.#all.set(name, samples);
	}

	get(name) {
		return this.#all.get(name) || [];
	}

	/* Forgets all but these. */
	keep(names) {
		for (const name of this.#all.keys())
			if (!names.has(name))
				this.#all.delete(name);
	}
}

/* An svg element; draw(samples) shows them, from zero to the largest. */
export function chart(label) {
	const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "polygon");
	svg.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH}`);
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("class", "chart");
	svg.setAttribute("role", "img");
	svg.setAttribute("aria-label", label);
	svg.append(line);
	return {
		svg,
		draw(samples) {
			const top = Math.max(...samples, 1), step = WIDE / (Math.max(samples.length, FEWEST) - 1);
			const points = samples.map((value, i) =>
				`${(i * step).toFixed(1)},${(HIGH - value / top * (HIGH - 4)).toFixed(1)}`);
			points.unshift(`0,${HIGH}`);
			points.push(`${(samples.length - 1) * step},${HIGH}`);
			line.setAttribute("points", points.join(" "));
		},
	};
}
