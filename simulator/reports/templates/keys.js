// The grid's mouse and keyboard. For screen readers the grid has its active cell in the document.

const PAGE = 10;

class Keys {
  constructor(grid, onChoose) {
    this.grid = grid;
    this.onChoose = onChoose;
    const { box } = grid;
    box.addEventListener("scroll", () => {
      this.hover(null);
      grid.redraw();
    });
    box.addEventListener("mousemove", (event) => this.hover(this.cellAt(event), event));
    box.addEventListener("mouseleave", () => this.hover(null));
    box.addEventListener("click", (event) => this.click(this.cellAt(event)));
    box.addEventListener("keydown", (event) => this.press(event));
    box.addEventListener("focus", () => this.activate(grid.active ?? { row: 0, column: 0 }));
  }

  // Make the cell of a pair the active one, if it is there.
  show(source, destination) {
    const { rows, columns, box } = this.grid;
    box.setAttribute("aria-rowcount", rows.length + 1);
    box.setAttribute("aria-colcount", columns.length + 1);
    const cell = { row: rows.indexOf(source), column: columns.indexOf(destination) };
    this.grid.active = null;
    this.activate(cell.row >= 0 && cell.column >= 0 ? cell : null);
  }

  cellAt(event) {
    const { canvas, head, box, size, rows, columns } = this.grid;
    const { left, top } = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left - head.width, event.clientY - top - head.height];
    const column = Math.floor((x + box.scrollLeft) / size);
    const row = Math.floor((y + box.scrollTop) / size);
    const isThere = x >= 0 && y >= 0 && row < rows.length && column < columns.length;
    return isThere ? { row, column } : null;
  }

  pair({ row, column }) {
    return [this.grid.rows[row], this.grid.columns[column]];
  }

  hover(cell, event) {
    const tip = find("tip");
    tip.hidden = !cell;
    if (cell) {
      tip.replaceChildren(...this.lines(cell).map((line) => element("div", line)));
      const { width, height } = tip.getBoundingClientRect();
      const y = event.clientY + 18;
      tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - width - 8))}px`;
      tip.style.top = `${y + height > innerHeight ? event.clientY - height - 10 : y}px`;
    }
    if (cell || this.grid.hovered) {
      this.grid.hovered = cell;
      this.grid.redraw();
    }
  }

  // A pair in words.
  lines(cell) {
    const { model } = this.grid;
    const [source, destination] = this.pair(cell);
    const isPair = model.isPair(source, destination);
    const words = isPair ? countsWords(model.counts(source, destination)) : "the node itself";
    return [`${source.name} → ${destination.name}`, words];
  }

  click(cell) {
    if (cell) {
      this.activate(cell);
      this.choose(false);
    }
  }

  press(event) {
    const moved = this.moved(event);
    if (moved) {
      event.preventDefault();
      this.activate(moved);
    } else if ((event.key === "Enter" || event.key === " ") && this.grid.active) {
      event.preventDefault();
      this.choose(true);
    }
  }

  moved(event) {
    const { rows, columns, active } = this.grid;
    const { row, column } = active ?? { row: 0, column: 0 };
    const last = { row: rows.length - 1, column: columns.length - 1 };
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
    const within = (value, most) => Math.max(0, Math.min(value, most));
    return target && { row: within(target[0], last.row), column: within(target[1], last.column) };
  }

  choose(isByKey) {
    const [source, destination] = this.pair(this.grid.active);
    if (this.grid.model.isPair(source, destination)) {
      this.onChoose(source, destination, isByKey);
    }
  }

  activate(cell) {
    this.grid.active = cell;
    if (cell) {
      this.scrollTo(cell);
    }
    this.describe();
    this.grid.redraw();
  }

  scrollTo({ row, column }) {
    const { box, head, size } = this.grid;
    const within = (offset, at, room) =>
      Math.min(at * size, Math.max(offset, (at + 1) * size - room));
    box.scrollTop = within(box.scrollTop, row, box.clientHeight - head.height);
    box.scrollLeft = within(box.scrollLeft, column, box.clientWidth - head.width);
  }

  // Put the active cell into the document, with its headers; a new id makes readers read it.
  describe() {
    const { active, box } = this.grid;
    if (!active) {
      box.removeAttribute("aria-activedescendant");
      find("cells").replaceChildren(gridRow(1, gridCell("gridcell", 1, {}, "No pair is active")));
      return;
    }
    const [source, destination] = this.pair(active);
    const id = `cell-${source.at}-${destination.at}`;
    const at = active.column + 2;
    find("cells").replaceChildren(
      gridRow(1, gridCell("columnheader", at, {}, destination.name)),
      gridRow(
        active.row + 2,
        gridCell("rowheader", 1, {}, source.name),
        gridCell("gridcell", at, { id, "aria-selected": true }, this.lines(active).join("; ")),
      ),
    );
    box.setAttribute("aria-activedescendant", id);
  }
}

function gridCell(role, column, attributes, text) {
  return element("div", { role, "aria-colindex": column, ...attributes }, text);
}

function gridRow(index, ...cells) {
  return element("div", { role: "row", "aria-rowindex": index }, ...cells);
}
