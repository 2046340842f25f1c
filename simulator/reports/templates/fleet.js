// The fleet: every pair as a cell of the grid, and in the panel who takes most and who is cut off.

const MOST_NAMED = 5;

class FleetView {
  constructor(model, navigation) {
    Object.assign(this, { model, navigation, grid: new Grid(model) });
    this.keys = new Keys(this.grid, (source, destination, isByKey) => {
      navigation.go(pairState(source, destination), false, isByKey);
    });
    this.filters = new Filters(find("filters"), model, (changes) => navigation.go(changes, true));
    this.uses = this.filters.names;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.grid.readColours();
      this.grid.redraw();
    });
  }

  show(state) {
    this.filters.read(state);
    const shown = this.filters.apply();
    const isEmpty = !shown.rows.length;
    find("grid").hidden = isEmpty;
    find("nothing").hidden = !isEmpty;
    const changed = this.uses.filter((name) => state.has(name)).length;
    find("filters-title").textContent = changed ? `Filters (${changed})` : "Filters";
    find("found").textContent = this.found(shown);
    this.grid.show(shown, Number(this.filters.get("size")));
    find("cut").textContent = this.grid.short.words;
    this.keys.show(...(this.navigation.pair(state) ?? []));
  }

  // A pair was chosen, here or elsewhere.
  mark(source, destination) {
    const { active } = this.grid;
    const [one, other] = active ? this.keys.pair(active) : [];
    if (one !== source || other !== destination) {
      this.keys.show(source, destination);
    }
  }

  found({ rows, columns, matches }) {
    const { model } = this;
    const left = (one) =>
      columns.filter((other) => model.isPair(one, other) && matches(one, other));
    const pairs = count(sum(rows.map((one) => left(one).length)), "pair");
    const kind = model.data.byClass ? " of classes" : "";
    return `${pairs}${kind}: ${count(rows.length, "source")}, ${count(columns.length, "destination")}`;
  }

  overview() {
    return fleetOverview(this.model, this.navigation);
  }

  print() {
    const canvas = element("canvas");
    find("printed").replaceChildren(canvas);
    if (this.grid.seen && this.grid.rows.length) {
      this.grid.drawWhole(canvas, readPalette(find("printed")));
    }
  }
}

// How many migrations go safely from and to each group, of how many.
function fleetTotals(model) {
  const totals = model.groups.map((group) => ({ group, from: 0, to: 0, all: 0 }));
  let oneWay = 0;
  for (const source of model.groups) {
    for (const destination of model.groups) {
      const room = model.room(source, destination);
      if (room) {
        const safe = room * model.count(source, destination, SAFE);
        totals[source.at].from += safe;
        totals[destination.at].to += safe;
        totals[destination.at].all += room * source.size;
        oneWay += safe > 0 && model.isOneWay(source, destination);
      }
    }
  }
  return { totals, oneWay };
}

// What there is to be seen before anything is chosen.
function fleetOverview(model, navigation) {
  const { totals, oneWay } = fleetTotals(model);
  const share = ({ to, all }) => to / (all || 1);
  const takers = totals.filter(({ to }) => to).sort((one, other) => share(other) - share(one));
  const link = ({ group }) =>
    element("a", { href: navigation.href(chosen(group.nodes[0])) }, breakable(group.name));
  const best = takers.slice(0, MOST_NAMED).map((one) => {
    return [[link(one), aboutNode(model, one.group)], `${Math.round(100 * share(one))} %`];
  });
  const named = (title, some) =>
    some.length > 0 && [
      element("h3", `${title}: ${number(some.length)}`),
      element(
        "ul.names",
        firstOf(some, MOST_NAMED, (one) => element("li", link(one))),
      ),
    ];
  const href = navigation.href({ ...NOTHING_CHOSEN, view: "fleet", "one-way": "yes" });
  const pairs = element("a", { href }, `${number(oneWay)} pairs are one-way`);
  return [
    element("h2", { id: "panel-title" }, "At a glance"),
    best.length > 0 && [
      element("h3", "Takes the most"),
      tableOf("takers", ["Node", "Safe there"], best),
    ],
    named(
      "Nothing can leave safely",
      totals.filter(({ from, to }) => !from && to),
    ),
    named(
      "No safe way in or out",
      totals.filter(({ from, to, group }) => !from && !to && group.nodes.length === 1),
    ),
    oneWay > 0 && element("p", pairs, ": something can go there safely, and nothing back."),
  ];
}
