// The heat map: drawn on a canvas as large as what is seen of it, so that its size costs nothing.
// For keyboards and screen readers it is a grid, of which the active cell is in the document.

const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const LINE_HEIGHT = 13;
const LABEL_GAP = 8;
const MOST_WIDTH = 260;
const MOST_HEIGHT = 200;
const GLYPHS_FROM = 10;
const PAGE = 10;

const COLOURS = [
  "surface",
  "ink",
  "quiet",
  "line",
  "hover",
  "accent",
  ...OUTCOMES,
  ...OUTCOMES.map((outcome) => `glyph-${outcome}`),
];

function readPalette(from) {
  const style = getComputedStyle(from);
  return Object.fromEntries(
    COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
}

// Cells, drawn once for each look and size.
class Sprites {
  constructor(palette, size, ratio) {
    this.palette = palette;
    this.size = size;
    this.ratio = ratio;
    this.made = new Map();
  }

  get(look) {
    if (!this.made.has(look)) {
      this.made.set(look, this.make(look));
    }
    return this.made.get(look);
  }

  make(look) {
    const sprite = document.createElement("canvas");
    sprite.width = sprite.height = Math.max(1, Math.round(this.size * this.ratio));
    const context = sprite.getContext("2d");
    context.scale(this.ratio, this.ratio);
    const inner = this.size - (this.size > 6 ? 1 : 0);
    if (look >= PARTLY) {
      drawParts(context, this.palette, partsOf(look), inner);
    } else {
      drawFill(context, this.palette, KINDS[look], inner);
    }
    return sprite;
  }
}

function drawFill(context, palette, name, size) {
  context.fillStyle = palette[name];
  context.fillRect(0, 0, size, size);
  if (size >= GLYPHS_FROM) {
    context.strokeStyle = context.fillStyle = palette[`glyph-${name}`];
    GLYPHS[name](context, size);
  }
}

// Both colours with a slanting edge between them; their areas are the shares.
function drawParts(context, palette, { share, rest }, size) {
  const edge = size * (share <= 0.5 ? Math.sqrt(2 * share) : 2 - Math.sqrt(2 - 2 * share));
  context.fillStyle = palette[KINDS[rest]];
  context.fillRect(0, 0, size, size);
  context.save();
  context.beginPath();
  context.rect(0, 0, size, size);
  context.clip();
  context.fillStyle = palette.safe;
  fillTriangle(context, [0, 0], [edge, 0], [0, edge]);
  context.strokeStyle = palette.surface;
  strokeLines(context, 1, size / 14, [[edge, 0, 0, edge]]);
  context.restore();
}

function fillTriangle(context, ...points) {
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(x, y));
  context.fill();
}

const GLYPHS = {
  safe: (context, size) =>
    strokeLines(context, size, size / 13, [[0.3, 0.5, 0.44, 0.64, 0.7, 0.34]]),
  risky: (context, size) =>
    strokeLines(context, size, size / 9, [
      [0.5, 0.22, 0.5, 0.58],
      [0.5, 0.7, 0.5, 0.8],
    ]),
  refused: (context, size) =>
    strokeLines(context, size, size / 9, [
      [0.28, 0.28, 0.72, 0.72],
      [0.72, 0.28, 0.28, 0.72],
    ]),
  unknown: (context, size) => {
    context.font = `bold ${Math.round(size * 0.8)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("?", size / 2, size / 2 + size * 0.05);
  },
};

function strokeLines(context, size, width, lines) {
  context.lineWidth = Math.max(1, width);
  for (const line of lines) {
    context.beginPath();
    for (let at = 0; at < line.length; at += 2) {
      context.lineTo(line[at] * size, line[at + 1] * size);
    }
    context.stroke();
  }
}

// Shorten a text in its middle: names that begin alike often differ at their ends.
function shorten(context, text, width) {
  if (context.measureText(text).width <= width) {
    return text;
  }
  let kept = text.length - 1;
  const cut = () => `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
  while (kept > 3 && context.measureText(cut()).width > width) {
    kept -= 1;
  }
  return cut();
}

class HeatMap {
  constructor(model, onChoose) {
    this.model = model;
    this.onChoose = onChoose;
    this.grid = find("grid");
    this.canvas = find("canvas");
    this.context = this.canvas.getContext("2d");
    this.labels = new Map();
    this.hovered = null;
    this.active = null;
    this.redraw = oncePerFrame(() => this.draw());
    this.readColours();
    this.listen();
  }

  listen() {
    const { grid } = this;
    grid.addEventListener("scroll", () => {
      this.hover(null);
      this.redraw();
    });
    grid.addEventListener("mousemove", (event) => this.hover(this.cellAt(event), event));
    grid.addEventListener("mouseleave", () => this.hover(null));
    grid.addEventListener("click", (event) => this.click(this.cellAt(event)));
    grid.addEventListener("keydown", (event) => this.press(event));
    grid.addEventListener("focus", () => this.activate(this.active ?? { row: 0, column: 0 }));
    new ResizeObserver(() => this.resize()).observe(grid);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.readColours();
      this.redraw();
    });
  }

  readColours() {
    this.palette = readPalette(document.documentElement);
    this.sprites = null;
  }

  // Show these rows and columns. The active cell stays where its pair still is.
  show({ rows, columns, matches }, { size, colour }) {
    const pair = this.activePair();
    Object.assign(this, { rows, columns, matches, size });
    this.fill = VIEWS.indexOf(colour);
    this.sprites = null;
    this.hovered = null;
    this.active = null;
    this.grid.setAttribute("aria-rowcount", rows.length + 1);
    this.grid.setAttribute("aria-colcount", columns.length + 1);
    this.measure();
    this.resize();
    if (pair) {
      this.activatePair(...pair);
    }
    this.describe();
  }

  measure() {
    this.labels.clear();
    this.context.font = FONT;
    const room = Math.max(90, this.grid.clientWidth * 0.36);
    this.head = {
      width: this.widest(this.rows, Math.min(MOST_WIDTH, room)),
      height: this.widest(this.columns, MOST_HEIGHT),
    };
  }

  // How wide the labels of groups are, with what is around them.
  widest(groups, most) {
    const widths = groups.map(
      (group) => this.context.measureText(this.model.groups[group].name).width,
    );
    return Math.ceil(Math.min(most, Math.max(0, ...widths))) + 2 * LABEL_GAP;
  }

  resize() {
    if (!this.rows) {
      return;
    }
    const { grid, canvas, head, size } = this;
    const full = {
      width: head.width + this.columns.length * size,
      height: head.height + this.rows.length * size,
    };
    const extent = find("extent");
    extent.style.width = `${full.width}px`;
    extent.style.height = `${full.height}px`;
    this.ratio = window.devicePixelRatio || 1;
    this.seen = {
      width: Math.min(grid.clientWidth, full.width),
      height: Math.min(grid.clientHeight, full.height),
    };
    canvas.width = Math.round(this.seen.width * this.ratio);
    canvas.height = Math.round(this.seen.height * this.ratio);
    canvas.style.width = `${this.seen.width}px`;
    canvas.style.height = `${this.seen.height}px`;
    this.draw();
  }

  // Drawing

  draw() {
    const { context, ratio, seen, palette } = this;
    this.sprites ??= new Sprites(palette, this.size, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, seen.width, seen.height);
    const window = this.window();
    this.drawCells(window);
    this.drawLabels(window);
    this.drawActive();
  }

  // The rows and columns that are in sight.
  window() {
    const { grid, head, size, seen } = this;
    const first = (offset) => Math.floor(offset / size);
    const last = (offset, room, count) => Math.min(count, Math.ceil((offset + room) / size));
    return {
      rows: [
        first(grid.scrollTop),
        last(grid.scrollTop, seen.height - head.height, this.rows.length),
      ],
      columns: [
        first(grid.scrollLeft),
        last(grid.scrollLeft, seen.width - head.width, this.columns.length),
      ],
    };
  }

  left(column) {
    return this.head.width + column * this.size - this.grid.scrollLeft;
  }

  top(row) {
    return this.head.height + row * this.size - this.grid.scrollTop;
  }

  drawCells(window) {
    for (let row = window.rows[0]; row < window.rows[1]; row += 1) {
      for (let column = window.columns[0]; column < window.columns[1]; column += 1) {
        this.drawCell(row, column);
      }
    }
  }

  drawCell(row, column) {
    const { context, model, size, palette } = this;
    const [source, destination] = [this.rows[row], this.columns[column]];
    const summary = model.summary(source, destination);
    const [x, y] = [this.left(column), this.top(row)];
    if (summary < 0) {
      context.fillStyle = palette.line;
      context.fillRect(x + size * 0.4, y + size * 0.4, size * 0.2, size * 0.2);
      return;
    }
    const look = model.looks[summary][this.fill];
    context.globalAlpha = this.matches(source, destination) ? 1 : 0.15;
    context.drawImage(this.sprites.get(look), x, y, size, size);
    context.globalAlpha = 1;
  }

  drawLabels(window) {
    const { context, palette, seen, head } = this;
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, head.width, seen.height);
    context.fillRect(0, 0, seen.width, head.height);
    this.clipped(0, head.height, head.width, seen.height - head.height, () =>
      this.drawRowLabels(window.rows),
    );
    this.clipped(head.width, 0, seen.width - head.width, head.height, () =>
      this.drawColumnLabels(window.columns),
    );
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    context.strokeRect(-1, -1, head.width - 2.5, seen.height + 2);
    context.strokeRect(-1, -1, seen.width + 2, head.height - 2.5);
  }

  clipped(x, y, width, height, action) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(x, y, Math.max(0, width), Math.max(0, height));
    context.clip();
    action();
    context.restore();
  }

  drawRowLabels(range) {
    this.eachLabel(range, "row", (row, colour) => {
      const y = this.top(row) + this.size / 2;
      this.drawLabel(this.rows[row], this.head.width, [LABEL_GAP, y], 0, colour);
    });
  }

  drawColumnLabels(range) {
    this.eachLabel(range, "column", (column, colour) => {
      const x = this.left(column) + this.size / 2;
      const y = this.head.height - LABEL_GAP;
      this.drawLabel(this.columns[column], this.head.height, [x, y], -Math.PI / 2, colour);
    });
  }

  // Where cells are smaller than a line of text, some names only; those pointed at always.
  eachLabel([first, last], axis, drawOne) {
    const step = Math.ceil(LINE_HEIGHT / this.size);
    const pointed = [this.hovered?.[axis], this.active?.[axis]];
    const room = (number) =>
      pointed.every((one) => one === undefined || Math.abs(one - number) >= step);
    for (let number = first; number < last; number += 1) {
      if (pointed.includes(number)) {
        drawOne(number, this.palette.accent);
      } else if (number % step === 0 && (step === 1 || room(number))) {
        drawOne(number, this.palette.ink);
      }
    }
  }

  drawLabel(group, width, [x, y], angle, colour) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    context.font = FONT;
    context.textBaseline = "middle";
    context.fillStyle = colour;
    context.fillText(this.label(group, width - 2 * LABEL_GAP), 0, 0.5);
    context.restore();
  }

  label(group, width) {
    const key = `${group} ${width}`;
    if (!this.labels.has(key)) {
      this.labels.set(key, shorten(this.context, this.model.groups[group].name, width));
    }
    return this.labels.get(key);
  }

  drawActive() {
    const { head, seen, palette } = this;
    this.clipped(head.width, head.height, seen.width, seen.height, () => {
      if (this.hovered) {
        this.outline(this.hovered, palette.ink, 1.5);
      }
      if (this.active) {
        this.outline(this.active, palette.surface, 5);
        this.outline(this.active, palette.accent, 3);
      }
    });
  }

  outline({ row, column }, colour, width) {
    const { context, size } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(this.left(column), this.top(row), size - 1, size - 1);
  }

  // The whole of it, on a canvas for paper; names only where they can be read.
  drawWhole(target) {
    const paper = Object.create(HeatMap.prototype);
    const { model, rows, columns, matches, fill, head } = this;
    const palette = readPalette(target.parentNode);
    const context = target.getContext("2d");
    const size = Math.max(
      6,
      Math.min(24, Math.floor(2400 / Math.max(rows.length, columns.length))),
    );
    const seen = {
      width: head.width + columns.length * size,
      height: head.height + rows.length * size,
    };
    const grid = { scrollLeft: 0, scrollTop: 0 };
    const ratio = Math.max(1, Math.min(2, 4000 / Math.max(seen.width, seen.height)));
    Object.assign(paper, { model, rows, columns, matches, fill, head, palette, context });
    Object.assign(paper, { size, seen, grid, ratio, labels: new Map() });
    target.width = seen.width * ratio;
    target.height = seen.height * ratio;
    target.style.width = `${seen.width}px`;
    paper.draw();
  }

  // Pointing

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left - this.head.width;
    const y = event.clientY - box.top - this.head.height;
    if (x < 0 || y < 0) {
      return null;
    }
    const column = Math.floor((x + this.grid.scrollLeft) / this.size);
    const row = Math.floor((y + this.grid.scrollTop) / this.size);
    return row < this.rows.length && column < this.columns.length ? { row, column } : null;
  }

  hover(cell, event) {
    const tip = find("tip");
    tip.hidden = !cell;
    if (cell) {
      this.fillTip(tip, cell, event);
    }
    if (cell || this.hovered) {
      this.hovered = cell;
      this.redraw();
    }
  }

  fillTip(tip, { row, column }, event) {
    tip.replaceChildren(
      ...this.lines(this.rows[row], this.columns[column]).map((line) => element("div", {}, line)),
    );
    const box = tip.getBoundingClientRect();
    const x = event.clientX + 16;
    const y = event.clientY + 18;
    tip.style.left = `${Math.max(4, Math.min(x, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + box.height > innerHeight ? event.clientY - box.height - 10 : y}px`;
  }

  // A pair in words.
  lines(source, destination) {
    const { model } = this;
    const names = `${model.groups[source].name} → ${model.groups[destination].name}`;
    if (model.summary(source, destination) < 0) {
      return [names, "the node itself"];
    }
    return [names, countsWords(model.counts(source, destination, 0))];
  }

  click(cell) {
    if (cell) {
      this.activate(cell);
      this.choose(false);
    }
  }

  // Keys

  press(event) {
    const moved = this.move(event);
    if (moved) {
      event.preventDefault();
      this.activate(moved);
    } else if ((event.key === "Enter" || event.key === " ") && this.active) {
      event.preventDefault();
      this.choose(true);
    }
  }

  move(event) {
    const { row, column } = this.active ?? { row: 0, column: 0 };
    const last = { row: this.rows.length - 1, column: this.columns.length - 1 };
    const all = event.ctrlKey;
    const targets = {
      ArrowUp: [all ? 0 : row - 1, column],
      ArrowDown: [all ? last.row : row + 1, column],
      ArrowLeft: [row, all ? 0 : column - 1],
      ArrowRight: [row, all ? last.column : column + 1],
      Home: [all ? 0 : row, 0],
      End: [all ? last.row : row, last.column],
      PageUp: [row - PAGE, column],
      PageDown: [row + PAGE, column],
    };
    const target = event.altKey || event.metaKey ? undefined : targets[event.key];
    if (!target || last.row < 0) {
      return null;
    }
    const within = (value, most) => Math.max(0, Math.min(value, most));
    return { row: within(target[0], last.row), column: within(target[1], last.column) };
  }

  activate(cell) {
    if (cell.row >= this.rows.length || cell.column >= this.columns.length) {
      return;
    }
    this.active = cell;
    this.scrollTo(cell);
    this.describe();
    this.redraw();
  }

  activePair() {
    return this.active && [this.rows[this.active.row], this.columns[this.active.column]];
  }

  // Make a pair's cell the active one; tell whether it is there.
  activatePair(source, destination) {
    const cell = { row: this.rows.indexOf(source), column: this.columns.indexOf(destination) };
    const isThere = cell.row >= 0 && cell.column >= 0;
    if (isThere) {
      this.activate(cell);
    }
    return isThere;
  }

  scrollTo({ row, column }) {
    const { grid, head, size } = this;
    const within = (offset, at, room) =>
      Math.min(at * size, Math.max(offset, (at + 1) * size - room));
    grid.scrollTop = within(grid.scrollTop, row, grid.clientHeight - head.height);
    grid.scrollLeft = within(grid.scrollLeft, column, grid.clientWidth - head.width);
  }

  choose(isByKey) {
    const [source, destination] = this.activePair();
    if (this.model.summary(source, destination) >= 0) {
      this.onChoose(source, destination, isByKey);
    }
  }

  // Put the active cell into the document, with its headers; a new id makes readers read it.
  describe() {
    const cells = find("cells");
    if (!this.active) {
      this.grid.removeAttribute("aria-activedescendant");
      cells.replaceChildren(...this.emptyRows());
      return;
    }
    const { row, column } = this.active;
    const [source, destination] = this.activePair();
    const id = `cell-${source}-${destination}`;
    const at = { "aria-colindex": column + 2 };
    const names = [source, destination].map((group) => this.model.groups[group].name);
    const label = this.lines(source, destination).join("; ");
    cells.replaceChildren(
      gridRow(1, element("div", { role: "columnheader", ...at }, names[1])),
      gridRow(
        row + 2,
        element("div", { role: "rowheader", "aria-colindex": 1 }, names[0]),
        element("div", { role: "gridcell", id, "aria-selected": true, ...at }, label),
      ),
    );
    this.grid.setAttribute("aria-activedescendant", id);
  }

  emptyRows() {
    const text = "No pair is active";
    return [gridRow(1, element("div", { role: "gridcell", "aria-colindex": 1 }, text))];
  }
}

function gridRow(index, ...cells) {
  return element("div", { role: "row", "aria-rowindex": index }, ...cells);
}

function drawLegend(list, palette) {
  const entries = [
    [0, "safe"],
    [1, "risky: restored, programs may crash"],
    [2, "refused"],
    [3, "unknown"],
    [partlyLook(1, 2), "safe for some containers: the larger, the more"],
  ];
  const sprites = new Sprites(palette, 18, window.devicePixelRatio || 1);
  list.replaceChildren(
    ...entries.map(([look, text]) => {
      const sprite = sprites.make(look);
      sprite.style.width = sprite.style.height = "18px";
      sprite.setAttribute("aria-hidden", "true");
      return element("li", {}, sprite, text);
    }),
  );
}
