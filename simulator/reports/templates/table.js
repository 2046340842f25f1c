// What is not safe, as a table: for screen readers, for paper, and for those who like tables.

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
    for (const { restore, programs, loads } of this.model.migrations(source, destination)) {
      const outcome = this.model.outcome(restore, programs);
      const labels = labelsWords(loads, this.model.data.byClass);
      const key = `${source} ${labels} ${restore} ${programs}`;
      if (!outcome) {
        continue;
      }
      if (!entries.has(key)) {
        entries.set(key, { source, labels, restore, programs, outcome, destinations: [] });
      }
      entries.get(key).destinations.push(destination);
    }
  }

  content() {
    const entries = this.entries();
    if (!entries.length) {
      return [element("p", {}, "Of the pairs that are shown, all is safe.")];
    }
    const titles = ["Source", "Destinations", "Containers", "Outcome", "Because"];
    const rows = entries.slice(0, this.most).map((entry) => this.row(entry));
    return [tableOf({}, titles, rows), ...this.rest(entries.length)];
  }

  row({ source, labels, restore, programs, outcome, destinations }) {
    const name = (group) => this.model.groups[group].name;
    const because = [restore, programs].map((number) => this.model.why(number));
    return [
      name(source),
      destinations.map(name).join(", "),
      labels,
      badge(OUTCOMES[outcome]),
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
