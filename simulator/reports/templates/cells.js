// Cells of the grid: drawn once for each look, size and colour scheme.

const SIGNS_FROM = 12;
const SHARES = 4;
const COLOURS = [
  "surface",
  "ink",
  "quiet",
  "line",
  "accent",
  ...OUTCOMES,
  ...OUTCOMES.map((outcome) => `on-${outcome}`),
];

function readPalette(from) {
  const style = getComputedStyle(from);
  return Object.fromEntries(
    COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
}

// A cell's look: an outcome or, where some are safe, how many of them and what the others are.
function lookOf(counts) {
  const rest = worst(counts);
  if (kindOf(counts) !== PARTLY) {
    return rest;
  }
  return PARTLY + Math.floor((counts[SAFE] / sum([...counts])) * SHARES) + SHARES * (rest - 1);
}

class Cells {
  constructor(palette, size, ratio) {
    Object.assign(this, { palette, size, ratio });
    this.made = new Map();
  }

  get(look) {
    if (!this.made.has(look)) {
      this.made.set(look, this.make(look));
    }
    return this.made.get(look);
  }

  make(look) {
    const cell = document.createElement("canvas");
    cell.width = cell.height = Math.max(1, Math.round(this.size * this.ratio));
    const context = cell.getContext("2d");
    const inner = this.size - (this.size > 6 ? 1 : 0);
    context.scale(this.ratio, this.ratio);
    context.beginPath();
    context.roundRect(0, 0, inner, inner, this.size > 9 ? this.size / 8 : 0);
    context.clip();
    if (look < PARTLY) {
      this.fill(context, look, inner);
    } else {
      this.split(context, look - PARTLY, inner);
    }
    return cell;
  }

  fill(context, outcome, size) {
    context.fillStyle = this.palette[OUTCOMES[outcome]];
    context.fillRect(0, 0, size, size);
    if (size >= SIGNS_FROM) {
      context.strokeStyle = context.fillStyle = this.palette[`on-${OUTCOMES[outcome]}`];
      drawSign(context, outcome, size);
    }
  }

  // Both colours, with an edge between them; their areas are the shares.
  split(context, step, size) {
    const share = ((step % SHARES) + 1) / (SHARES + 1);
    const edge = size * (share <= 0.5 ? Math.sqrt(2 * share) : 2 - Math.sqrt(2 - 2 * share));
    context.fillStyle = this.palette[OUTCOMES[1 + Math.floor(step / SHARES)]];
    context.fillRect(0, 0, size, size);
    context.fillStyle = this.palette.safe;
    context.beginPath();
    [
      [0, 0],
      [edge, 0],
      [0, edge],
    ].forEach(([x, y]) => context.lineTo(x, y));
    context.fill();
    context.strokeStyle = this.palette.surface;
    strokeLines(context, 1, size / 14, [[edge, 0, 0, edge]]);
  }
}

function drawSign(context, outcome, size) {
  const lines = {
    [SAFE]: [[0.3, 0.52, 0.44, 0.66, 0.71, 0.35]],
    [RISKY]: [
      [0.5, 0.24, 0.5, 0.58],
      [0.5, 0.69, 0.5, 0.78],
    ],
    [REFUSED]: [
      [0.32, 0.32, 0.68, 0.68],
      [0.68, 0.32, 0.32, 0.68],
    ],
  };
  if (outcome === UNKNOWN) {
    context.font = `bold ${Math.round(size * 0.7)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText("?", size / 2, size / 2 + size * 0.05);
  } else {
    strokeLines(context, size, size / 11, lines[outcome]);
  }
}

function strokeLines(context, scale, width, lines) {
  context.lineWidth = Math.max(1, width);
  context.lineCap = context.lineJoin = "round";
  for (const line of lines) {
    context.beginPath();
    for (let at = 0; at < line.length; at += 2) {
      context.lineTo(line[at] * scale, line[at + 1] * scale);
    }
    context.stroke();
  }
}
