// The grid: drawn on a canvas as large as what is seen of it, so that its size costs nothing. What
// it does with mouse and keyboard is in keys.js.

const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const LINE_HEIGHT = 13;
const GAP = 8;
const MOST_HEIGHT = 300;
const NARROW = 700;
const SCROLLBAR = 17;

class Grid {
  constructor(model) {
    this.model = model;
    this.box = find("grid");
    this.canvas = find("canvas");
    this.context = this.canvas.getContext("2d");
    this.redraw = oncePerFrame(() => this.seen && this.draw());
    this.readColours();
    new ResizeObserver(() => this.resize()).observe(this.box);
    window.addEventListener("resize", () => this.resize());
  }

  readColours() {
    this.palette = readPalette(document.documentElement);
    this.cells = null;
  }

  // Show the pairs of these groups; those that do not match are paler.
  show({ rows, columns, matches }, size) {
    Object.assign(this, { rows, columns, matches, wanted: size, hovered: null, active: null });
    this.short = new ShortNames(this.model.groups.map(({ nodes }) => nodes[0].name), true);
    this.labels = this.model.groups.map((group) => {
      const name = this.short.of(group.nodes[0].name) + more(group);
      return { name, cpu: cpuWords(this.model, group) };
    });
    this.resize();
  }

  // Label widths, and the cells' size: as large as all of them fit, if not said.
  measure() {
    const { context } = this;
    const room = this.box.parentNode.clientWidth - 2;
    context.font = FONT;
    const widest = (groups, text) =>
      Math.max(0, ...groups.map((group) => context.measureText(text(this.labels[group.at])).width));
    const names = widest(this.rows, ({ name }) => name);
    const cpus = widest(this.rows, ({ cpu }) => cpu);
    const most = Math.max(96, room * (innerWidth < NARROW ? 0.52 : 0.42));
    this.nameWidth = Math.min(names, most - 2 * GAP);
    this.cpuWidth = names + cpus + 3 * GAP <= most ? cpus + GAP : 0;
    const height = Math.min(
      MOST_HEIGHT,
      innerHeight / (innerWidth < NARROW ? 4 : 3),
      widest(this.columns, ({ name }) => name),
    );
    this.head = {
      width: Math.ceil(this.nameWidth + this.cpuWidth + 2 * GAP),
      height: Math.ceil(height + 2 * GAP),
    };
    const fitting = Math.floor((room - this.head.width - SCROLLBAR) / this.columns.length);
    const least = innerWidth < NARROW ? 20 : 6;
    const size = this.wanted || Math.max(least, Math.min(34, fitting));
    const ratio = window.devicePixelRatio || 1;
    this.cells = size === this.size && ratio === this.ratio ? this.cells : null;
    Object.assign(this, { size, ratio });
    this.box.dataset.size = size;
  }

  resize() {
    if (!this.rows?.length || !this.box.clientWidth) {
      return;
    }
    this.measure();
    const { box, canvas, head, size } = this;
    const full = {
      width: head.width + this.columns.length * size,
      height: head.height + this.rows.length * size,
    };
    setSize(find("extent"), full);
    box.style.maxWidth = `${full.width + box.offsetWidth - box.clientWidth}px`;
    this.seen = {
      width: Math.min(box.clientWidth, full.width),
      height: Math.min(box.clientHeight || Infinity, full.height),
    };
    canvas.width = Math.round(this.seen.width * this.ratio);
    canvas.height = Math.round(this.seen.height * this.ratio);
    setSize(canvas, this.seen);
    this.draw();
  }

  // The whole of it, on a canvas for paper.
  drawWhole(target, palette) {
    const paper = Object.create(Grid.prototype);
    const { model, rows, columns, matches, head, labels, nameWidth, cpuWidth } = this;
    const size = Math.max(
      5,
      Math.min(24, Math.floor(2400 / Math.max(rows.length, columns.length))),
    );
    const seen = {
      width: head.width + columns.length * size,
      height: head.height + rows.length * size,
    };
    const ratio = Math.max(1, Math.min(2, 4000 / Math.max(seen.width, seen.height)));
    const context = target.getContext("2d");
    const box = { scrollLeft: 0, scrollTop: 0 };
    Object.assign(paper, { model, rows, columns, matches, head, labels, nameWidth, cpuWidth });
    Object.assign(paper, { size, seen, ratio, context, box, palette });
    target.width = seen.width * ratio;
    target.height = seen.height * ratio;
    target.style.width = `${seen.width}px`;
    paper.draw();
  }

  draw() {
    const { context, ratio, seen, palette } = this;
    this.cells ??= new Cells(palette, this.size, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, seen.width, seen.height);
    const [rows, columns] = [
      this.inSight("Top", "height", this.rows),
      this.inSight("Left", "width", this.columns),
    ];
    for (const row of rows) {
      for (const column of columns) {
        this.drawCell(row, column);
      }
    }
    this.drawOutlines();
    this.drawRowLabels(rows);
    this.drawColumnLabels(columns);
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, this.head.width, this.head.height);
  }

  // The places of the rows, or columns, that are in sight.
  inSight(edge, side, all) {
    const offset = this.box[`scroll${edge}`];
    const first = Math.floor(offset / this.size);
    const last = Math.min(
      all.length,
      Math.ceil((offset + this.seen[side] - this.head[side]) / this.size),
    );
    return Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
  }

  left(column) {
    return this.head.width + column * this.size - this.box.scrollLeft;
  }

  top(row) {
    return this.head.height + row * this.size - this.box.scrollTop;
  }

  drawCell(row, column) {
    const { context, model, size, palette } = this;
    const [source, destination] = [this.rows[row], this.columns[column]];
    const [x, y] = [this.left(column), this.top(row)];
    if (!model.isPair(source, destination)) {
      context.fillStyle = palette.line;
      context.fillRect(x + size * 0.4, y + size * 0.4, size * 0.2, size * 0.2);
      return;
    }
    context.globalAlpha = this.matches(source, destination) ? 1 : 0.15;
    context.drawImage(this.cells.get(lookOf(model.counts(source, destination))), x, y, size, size);
    context.globalAlpha = 1;
  }

  drawOutlines() {
    const { context, size, palette } = this;
    const outline = ({ row, column }, colour, width) => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(this.left(column) - 0.5, this.top(row) - 0.5, size, size);
    };
    if (this.hovered) {
      outline(this.hovered, palette.ink, 1.5);
    }
    if (this.active) {
      outline(this.active, palette.surface, 5);
      outline(this.active, palette.accent, 3);
    }
  }

  drawRowLabels(rows) {
    const { context, palette, head, seen } = this;
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, head.width, seen.height);
    this.eachLabel(rows, "row", (row, isPointed) => {
      const { name, cpu } = this.labels[this.rows[row].at];
      const y = this.top(row) + this.size / 2;
      if (this.cpuWidth) {
        this.drawLabel(cpu, this.cpuWidth, [GAP + this.nameWidth + GAP, y], 0, palette.quiet);
      }
      this.drawLabel(name, this.nameWidth, [GAP, y], 0, isPointed ? palette.accent : palette.ink);
    });
  }

  drawColumnLabels(columns) {
    const { context, palette, head, seen } = this;
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, seen.width, head.height);
    this.eachLabel(columns, "column", (column, isPointed) => {
      const place = [this.left(column) + this.size / 2, head.height - GAP];
      const { name } = this.labels[this.columns[column].at];
      this.drawLabel(
        name,
        head.height - 2 * GAP,
        place,
        -Math.PI / 2,
        isPointed ? palette.accent : palette.ink,
      );
    });
  }

  // Where cells are smaller than a line of text, some names only; those pointed at always.
  eachLabel(places, axis, drawOne) {
    const step = Math.ceil(LINE_HEIGHT / this.size);
    const pointed = [this.hovered?.[axis], this.active?.[axis]];
    const hasRoom = (at) => pointed.every((one) => one === undefined || Math.abs(one - at) >= step);
    for (const at of places) {
      if (pointed.includes(at)) {
        drawOne(at, true);
      } else if (at % step === step >> 1 && (step === 1 || hasRoom(at))) {
        drawOne(at, false);
      }
    }
  }

  drawLabel(text, width, [x, y], angle, colour) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    context.font = FONT;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(fitted(context, text, width), 0, 0.5);
    context.restore();
  }
}

function setSize(target, { width, height }) {
  target.style.width = `${width}px`;
  target.style.height = `${height}px`;
}

// Cut a text that is too long in its middle: names differ at their ends.
function fitted(context, text, width) {
  let shown = text;
  for (let left = text.length - 1; left > 1; left -= 1) {
    if (context.measureText(shown).width <= width + 0.5) {
      break;
    }
    shown = `${text.slice(0, Math.ceil(left / 2))}…${text.slice(text.length - Math.floor(left / 2))}`;
  }
  return shown;
}
