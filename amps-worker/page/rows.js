/* rows.js - a list of any length: only the rows in view exist, and move with the window's scrolling.
 *
 * A row whose item is not shown any more is used for another item: to change the texts of a row takes
 * a third of the time that a new one takes.
 * All rows have the same height (`--row` of the box, in pixels).  Arrow keys, Home and End move the
 * focus between them; left and right within a row, where there is one column. */

const TARGETS = "a, button, input";
const SPARE = 3;	/* rows above and below the view */

export class Rows {
	#box;
	#makeRow;
	#items = [];
	#rows = new Map();	/* index -> row */
	#spares = [];		/* rows that were in view */
	#columns = 1;
	#height = 1;
	#width;
	#frame = 0;
	#pressed = false;	/* by a pointer */
	#late = false;		/* was to be drawn again meanwhile */

	/* box: a ul.  makeRow(): {element, show(item, index)}, a li that shows one item after the other.
	 * width: pixels that a column needs at least; 0 = one column. */
	constructor(box, makeRow, width = 0) {
		this.#box = box;
		this.#makeRow = makeRow;
		this.#width = width;
		box.setAttribute("role", "list");	/* some browsers forget it without bullets */
		box.classList.add("rows");
		const onScroll = () => (box.isConnected ? this.#later() :
			removeEventListener("scroll", onScroll));
		addEventListener("scroll", onScroll, { passive: true });
		new ResizeObserver(() => this.#measure()).observe(box);
		box.addEventListener("keydown", (e) => this.#key(e));
		box.addEventListener("pointerdown", () => this.#press());
	}

	get items() {
		return this.#items;
	}

	set items(items) {
		this.#items = items;
		this.redraw();
	}

	set width(width) {
		this.#width = width;
		this.#measure();
	}

	/* Between the press of a pointer and its click, a row shows what was pressed. */
	#press() {
		const ends = new AbortController();
		const end = () => {
			ends.abort();
			setTimeout(() => {	/* the click comes first */
				this.#pressed = false;
				if (this.#late)
					this.redraw();
			});
		};
		this.#pressed = true;
		for (const name of ["pointerup", "pointercancel"])
			addEventListener(name, end, { signal: ends.signal });
	}

	/* Draws what is in view again, with the focus where it was. */
	redraw() {
		this.#late = this.#pressed;
		if (this.#pressed)
			return;
		const focus = document.activeElement, at = Math.min(this.#focused(), this.#items.length - 1);
		this.#measure(true);
		if (at >= 0 && document.activeElement !== focus)
			this.#target(at)?.focus({ preventScroll: true });
	}

	/* Brings a row into view. */
	reveal(index) {
		const top = this.#box.getBoundingClientRect().top + scrollY;
		const at = top + Math.floor(index / this.#columns) * this.#height;
		const head = parseFloat(getComputedStyle(this.#box).scrollMarginTop) || 0;
		if (at - head < scrollY)
			scrollTo(0, at - head);
		else if (at + this.#height > scrollY + innerHeight)
			scrollTo(0, at + this.#height - innerHeight);
		this.#place();
	}

	/* Brings a row into view, and the focus to it. */
	focus(index) {
		this.reveal(index);
		this.#target(index)?.focus({ preventScroll: true });
	}

	#clear() {
		this.#box.replaceChildren();
		this.#spares.push(...this.#rows.values());
		this.#rows.clear();
	}

	#later() {
		if (!this.#frame)
			this.#frame = requestAnimationFrame(() => {
				this.#frame = 0;
				this.#place();
			});
	}

	/* again: the rows that are there are drawn again, too. */
	#measure(again = false) {
		const box = this.#box, wide = box.clientWidth;
		const columns = this.#width ? Math.max(1, Math.floor(wide / this.#width)) : 1;
		const height = parseFloat(getComputedStyle(box).getPropertyValue("--row")) || 64;
		if (columns !== this.#columns || height !== this.#height)
			this.#clear();
		this.#columns = columns;
		this.#height = height;
		box.style.height = `${Math.ceil(this.#items.length / columns) * height}px`;
		this.#place(again);
	}

	#place(again = false) {
		const box = this.#box, top = box.getBoundingClientRect().top;
		if (!box.clientWidth) {
			this.#clear();
			return;
		}
		const first = Math.floor(-top / this.#height) - SPARE;
		const last = Math.ceil((innerHeight - top) / this.#height) + SPARE;
		const from = Math.max(0, first * this.#columns);
		const to = Math.min(this.#items.length, last * this.#columns);
		const kept = this.#focused();
		for (const [index, row] of this.#rows)
			if (index >= this.#items.length || ((index < from || index >= to) && index !== kept)) {
				row.element.remove();
				this.#rows.delete(index);
				this.#spares.push(row);
			} else if (again) {
				this.#fill(index, row);
			}
		let next = null;	/* the order of the elements is that of the tab key */
		for (let i = to - 1; i >= from; i--) {
			let row = this.#rows.get(i);
			if (!row) {
				row = this.#spares.pop() ?? this.#makeRow();
				this.#fill(i, row);
				box.insertBefore(row.element, next);
			}
			next = row.element;
		}
	}

	/* Shows the item of this index in a row, at its place. */
	#fill(index, row) {
		const { element } = row, wide = 100 / this.#columns;
		row.show(this.#items[index], index);
		element.setAttribute("aria-setsize", this.#items.length);
		element.setAttribute("aria-posinset", index + 1);
		element.classList.add("row-item");
		element.style.top = `${Math.floor(index / this.#columns) * this.#height}px`;
		element.style.left = `${(index % this.#columns) * wide}%`;
		element.style.width = `${wide}%`;
		this.#rows.set(index, row);
	}

	#focused() {
		const active = document.activeElement;
		if (!active || active === document.body)
			return -1;
		for (const [index, { element }] of this.#rows)
			if (element.contains(active))
				return index;
		return -1;
	}

	#target(index) {
		return this.#rows.get(index)?.element.querySelector(TARGETS);
	}

	#key(event) {
		const at = this.#focused(), end = this.#items.length - 1;
		if (at >= 0 && this.#columns === 1 && /^Arrow(Left|Right)$/.test(event.key) &&
			!/^(INPUT|SELECT)$/.test(event.target.tagName)) {
			const all = [...this.#rows.get(at).element.querySelectorAll(TARGETS)];
			all[all.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : -1)]?.focus();
			event.preventDefault();
			return;
		}
		const to = { ArrowDown: at + this.#columns, ArrowUp: at - this.#columns,
			ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: end }[event.key];
		if (at < 0 || to === undefined || to < 0 || to > end || /^(INPUT|SELECT)$/.test(event.target.tagName))
			return;
		event.preventDefault();
		event.stopPropagation();
		this.focus(to);
	}
}
