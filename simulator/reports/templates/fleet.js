// The fleet: every pair as a cell of the grid, and in the panel who takes most and who is cut off.

const MOST_NAMED = 5;

class FleetView {
  constructor(model, navigation) {
    this.model = model;
    this.navigation = navigation;
    this.grid = new Grid(model);
    this.keys = new Keys(this.grid, (source, destination, isByKey) => {
      navigation.go({ from: source.nodes[0].name, to: destination.nodes[0].name }, false, isByKey);
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
    const { words } = this.grid.short;
    find("cut").textContent = words && `Names are without ${words}.`;
    const pair = this.navigation.pair(state);
    this.keys.show(...(pair ?? []));
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
    const pairs = sum(
      rows.map(
        (one) => columns.filter((other) => model.isPair(one, other) && matches(one, other)).length,
      ),
    );
    const noun = model.data.byClass ? "pair of classes" : "pair";
    const words =
      noun === "pair" || pairs === 1 ? count(pairs, noun) : `${number(pairs)} pairs of classes`;
    return `${words}: ${count(rows.length, "source")}, ${count(columns.length, "destination")}`;
  }

  overview() {
    return fleetOverview(this.model, this.navigation);
  }

  print() {
    const canvas = element("canvas", {});
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
  const share = (part, all) => `${Math.round((100 * part) / (all || 1))} %`;
  const takers = totals
    .filter(({ to }) => to)
    .sort((one, other) => other.to / other.all - one.to / one.all);
  const cutOff = totals.filter(({ from, to, group }) => !from && !to && group.nodes.length === 1);
  const leave = totals.filter(({ from, to }) => !from && to);
  const link = (group) =>
    element(
      "a",
      {
        href: navigation.href({
          view: "where",
          of: group.nodes[0].name,
          ct: null,
          from: null,
          to: null,
        }),
      },
      breakable(group.name),
    );
  const named = (some) => firstOf(some, MOST_NAMED, ({ group }) => element("li", {}, link(group)));
  const best = takers
    .slice(0, MOST_NAMED)
    .map(({ group, to, all }) => [[link(group), aboutNode(model, group)], share(to, all)]);
  const parts = [
    best.length && [
      element("h3", {}, "Takes the most"),
      tableOf({ class: "takers" }, ["Node", "Safe there"], best),
    ],
    leave.length && [
      element("h3", {}, `Nothing can leave safely: ${number(leave.length)}`),
      element("ul", { class: "names" }, ...named(leave)),
    ],
    cutOff.length && [
      element("h3", {}, `No safe way in or out: ${number(cutOff.length)}`),
      element("ul", { class: "names" }, ...named(cutOff)),
    ],
    oneWay && [
      element(
        "p",
        {},
        element(
          "a",
          { href: navigation.href({ view: "fleet", "one-way": "yes", from: null, to: null }) },
          `${number(oneWay)} pairs are one-way`,
        ),
        ": something can go there safely, and nothing back.",
      ),
    ],
  ];
  return [element("h2", { id: "panel-title" }, "At a glance"), ...parts.filter(Boolean).flat()];
}
