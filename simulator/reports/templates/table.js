// What is not possible, as a table: for screen readers, for paper, and for those who like tables.

const ROWS_AT_ONCE = 300;

class List {
  constructor(model) {
    this.model = model;
    this.most = ROWS_AT_ONCE;
    this.isStale = true;
    this.details = find("list");
    this.details.addEventListener("toggle", () => this.refresh());
  }

  show(shown) {
    this.shown = shown;
    this.most = ROWS_AT_ONCE;
    this.isStale = true;
    this.refresh();
  }

  refresh() {
    if (this.details.open && this.isStale) {
      this.isStale = false;
      find("table").replaceChildren(...this.content());
    }
  }

  // Destinations to which all goes alike are one row.
  entries() {
    const { model } = this;
    const { rows, columns, matches } = this.shown;
    const entries = new Map();
    for (const source of rows) {
      for (const destination of columns) {
        const isPair = model.summary(source, destination) >= 0;
        if (isPair && matches(source, destination)) {
          this.addPair(entries, source, destination);
        }
      }
    }
    return [...entries.values()];
  }

  addPair(entries, source, destination) {
    for (const { kernel, ours, loads } of this.model.outcomes(source, destination)) {
      const verdicts = [kernel, ours].map((number) => this.model.data.opinions[number][0]);
      const labels = labelsWords(loads, this.model.data.byClass);
      const key = `${source} ${labels} ${kernel} ${ours}`;
      if (!verdicts.some(Boolean)) {
        continue;
      }
      if (!entries.has(key)) {
        entries.set(key, { source, labels, kernel, ours, verdicts, destinations: [] });
      }
      entries.get(key).destinations.push(destination);
    }
  }

  content() {
    const entries = this.entries();
    if (!entries.length) {
      return [element("p", {}, "Of the pairs that are shown, all is possible.")];
    }
    const titles = ["Source", "Destinations", "Containers", "Kernel", "Ours", "Because"];
    const rows = entries.slice(0, this.most).map((entry) => this.row(entry));
    return [tableOf({}, titles, rows), ...this.rest(entries.length)];
  }

  row({ source, labels, kernel, ours, verdicts, destinations }) {
    const name = (group) => this.model.groups[group].name;
    const because = [kernel, ours].map((number) => this.model.why(number));
    return [
      name(source),
      destinations.map(name).join(", "),
      labels,
      badge(verdicts[0]),
      badge(verdicts[1]),
      because.filter(Boolean).join("; "),
    ];
  }

  rest(total) {
    if (total <= this.most) {
      return [];
    }
    const text = `These are the first ${this.most} of ${count(total, "row")}: filter for fewer. `;
    const button = element("button", { type: "button" }, "Show all rows");
    button.addEventListener("click", () => {
      this.most = total;
      this.isStale = true;
      this.refresh();
    });
    return [element("p", {}, text, button)];
  }
}
