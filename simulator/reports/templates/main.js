// Puts the parts together, and keeps what is shown in the address's fragment.

class Report {
  constructor(data) {
    this.model = new Model(data);
    this.chosen = null;
    this.list = new List(this.model);
    this.map = new HeatMap(this.model, (...pair) => this.choose(...pair));
    this.filters = new Filters(find("filters"), this.model, () => this.update());
    this.details = new Details(this.model, {
      onGo: (source, destination) => this.go(source, destination),
      onLeave: () => find("grid").focus(),
    });
    this.listen();
    this.restore();
  }

  listen() {
    window.addEventListener("hashchange", () => this.restore());
    window.addEventListener("beforeprint", () => this.print());
    window.addEventListener("afterprint", () => this.afterPrint());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.legend());
  }

  legend(palette = this.map.palette) {
    drawLegend(find("legend"), palette);
  }

  // Show what the filters leave.
  update() {
    const shown = this.filters.apply();
    const [size, colour] = [Number(this.filters.get("size")), this.filters.get("colour")];
    const isEmpty = shown.rows.length === 0;
    find("grid").hidden = isEmpty;
    find("nothing").hidden = !isEmpty;
    this.map.show(shown, { size, colour });
    this.list.show(shown);
    this.legend();
    find("found").textContent = this.found(shown);
    this.remember();
  }

  found({ rows, columns, matches }) {
    let pairs = 0;
    for (const source of rows) {
      for (const destination of columns) {
        pairs += this.model.summary(source, destination) >= 0 && matches(source, destination);
      }
    }
    const noun = this.model.data.byClass ? "class pair" : "pair";
    return `${count(pairs, noun)} shown: ${count(rows.length, "source")}, ${count(columns.length, "destination")}`;
  }

  choose(source, destination, isByKey) {
    this.chosen = [source, destination];
    this.details.show(source, destination);
    if (isByKey) {
      this.details.focus();
    }
    this.remember();
  }

  // Choose a pair from elsewhere than the map.
  go(source, destination) {
    this.map.activatePair(source, destination);
    this.choose(source, destination, true);
  }

  remember() {
    const parameters = this.filters.parameters();
    if (this.chosen) {
      parameters.set("pair", this.chosen.join("-"));
    }
    const fragment = parameters.toString();
    if (fragment !== location.hash.slice(1)) {
      history.replaceState(null, "", `#${fragment}`);
    }
  }

  restore() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    const pair = /^(\d+)-(\d+)$/.exec(parameters.get("pair"))?.slice(1).map(Number);
    parameters.delete("pair");
    this.filters.restore(parameters);
    if (pair && this.isPair(...pair)) {
      this.chosen = pair;
    }
    this.update();
    if (this.chosen) {
      this.map.activatePair(...this.chosen);
      this.details.show(...this.chosen);
    }
  }

  isPair(source, destination) {
    const { groups } = this.model;
    return Boolean(
      groups[source] && groups[destination] && this.model.summary(source, destination) >= 0,
    );
  }

  print() {
    const canvas = element("canvas", {});
    find("printed").replaceChildren(canvas);
    if (this.map.rows.length) {
      this.map.drawWhole(canvas);
    }
    this.legend(readPalette(find("printed")));
    this.wasOpen = find("list").open;
    find("list").open = true;
    this.list.refresh();
  }

  afterPrint() {
    find("printed").replaceChildren();
    find("list").open = this.wasOpen;
    this.legend();
  }
}

performance.mark("script");
new Report(JSON.parse(find("data").textContent));
requestAnimationFrame(() => setTimeout(() => performance.mark("interactive")));
