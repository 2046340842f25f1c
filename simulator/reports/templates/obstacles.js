// What stands in the way: each code with the migrations that it stops, and what a change of one
// node would free, as far as the codes tell.

const MOST_CHANGES = 8;
const MOST_PAIRS = 40;

class Obstacles {
  constructor(model, navigation) {
    this.model = model;
    this.navigation = navigation;
    this.uses = [];
  }

  show() {
    this.tally ??= tallied(this.model);
    const { codes, stopped } = this.tally;
    if (!stopped) {
      find("obstacles").replaceChildren(
        element("p", { class: "notice" }, "Nothing: every migration is safe."),
      );
      return;
    }
    const most = Math.max(...codes.map(({ stops }) => stops));
    const titles = ["Reason", "Stops", "", "Alone", "Pairs"];
    const rows = codes.map((entry) => this.row(entry, most));
    find("obstacles").replaceChildren(
      element(
        "p",
        { class: "lead" },
        `${count(stopped, "migration")} ${stopped === 1 ? "is" : "are"} not safe. Choose a reason to see the pairs behind it.`,
      ),
      element("div", { class: "wide" }, tableOf({ class: "codes" }, titles, rows)),
      element(
        "p",
        { class: "quiet" },
        "“Stops” counts migrations that the reason speaks against, “Alone” those that nothing else does.",
      ),
    );
  }

  row({ code, stops, alone, pairs }, most) {
    const href = this.navigation.href({ code, from: null, to: null });
    const bar = element("span", { class: "amount" });
    bar.style.width = `${(100 * stops) / most}%`;
    return [
      [element("a", { href }, this.model.data.codes[code].summary), " ", element("code", {}, code)],
      number(stops),
      bar,
      number(alone),
      number(pairs.length),
    ];
  }

  // What a change of one node would free, in the panel before anything is chosen.
  changes() {
    const { changes } = this.tally;
    const title = element("h2", { id: "panel-title" }, "What one change would free");
    if (!changes.length) {
      return [
        title,
        element(
          "p",
          {},
          "Nothing: no change of one node alone turns away all that stands against a migration.",
        ),
      ];
    }
    const row = ({ action, side, group, frees }) => [
      [
        element("strong", {}, `${action}: `),
        breakable(group.name),
        element("div", { class: "about" }, `as ${side}`),
      ],
      number(frees),
    ];
    const rows = changes.slice(0, MOST_CHANGES).map(row);
    return [
      title,
      tableOf({ class: "changes" }, ["Change", "Migrations"], rows),
      element(
        "p",
        { class: "quiet" },
        "As far as the reasons tell: migrations that nothing else stands against. “vzcptsim check SOURCE DESTINATION” proves what helps.",
      ),
    ];
  }

  overview(state) {
    const entry = this.tally.codes.find(({ code }) => code === state.get("code"));
    return entry ? this.details(entry) : this.changes();
  }

  details({ code, stops, alone, about, pairs }) {
    const {
      summary,
      explanation,
      next_step: next,
      hidden_by: hidden,
      verdict,
    } = this.model.data.codes[code];
    const features = [...about.values()]
      .filter(({ feature, place }) => feature || place)
      .sort((one, other) => other.times - one.times);
    const titles = ["Feature", "Where", "Hidden by", "Migrations"];
    const rows = features.map(({ feature, place, hiddenBy, times }) => [
      feature,
      place,
      hiddenBy,
      number(times),
    ]);
    const bySource = new Map();
    pairs.forEach(([source, destination]) => listAt(bySource, source).push(destination));
    return [
      element("h2", { id: "panel-title" }, summary),
      element("p", {}, element("code", {}, code), quiet(` speaks against ${verdict}`)),
      element("p", {}, `Stops ${count(stops, "migration")}, ${number(alone)} of them alone.`),
      element("p", { class: "next" }, next),
      ...(hidden ? [element("p", {}, `Hidden by: ${hidden}.`)] : []),
      folded("Why", element("p", {}, explanation)),
      ...(rows.length
        ? [element("div", { class: "wide" }, tableOf({ class: "facts" }, titles, rows))]
        : []),
      element("h3", {}, "Pairs"),
      element(
        "ul",
        { class: "pairs" },
        ...firstOf([...bySource], MOST_PAIRS, (entries) => this.pairs(code, ...entries)),
      ),
    ];
  }

  pairs(code, source, destinations) {
    const link = (destination) => {
      const href = this.navigation.href({
        code,
        from: source.nodes[0].name,
        to: destination.nodes[0].name,
      });
      return element("a", { href }, destination.name);
    };
    return element("li", {}, breakable(source.name), " → ", ...firstOf(destinations, 12, link));
  }
}

// Count migrations that are not safe by what stands against them. What is found on many of them
// is the same: it is looked at once.
function tallied(model) {
  const codes = new Map();
  const freed = new Map();
  const met = new Map();
  const meet = ({ restore, programs }) => {
    const key = restore * model.verdicts.length + programs;
    if (!met.has(key)) {
      met.set(key, newlyMet(model, codes, model.against({ restore, programs })));
    }
    return met.get(key);
  };
  for (const source of model.groups) {
    for (const destination of model.groups) {
      const room = model.room(source, destination);
      for (const load of room ? source.loads : []) {
        const found = model.found(load, destination);
        if (found.outcome !== SAFE) {
          const times = load.containers.length * room;
          const alike = meet(found);
          alike.times += times;
          alike.entries.forEach(({ pairs }) => addPair(pairs, source, destination));
          alike.changes.forEach((change) => free(model, freed, change, source, destination, times));
        }
      }
    }
  }
  met.forEach((alike) => addUp(codes, alike));
  const mostFirst = (key) => (one, other) => other[key] - one[key];
  return {
    stopped: sum([...met.values()].map(({ times }) => times)),
    codes: [...codes.values()].sort(mostFirst("stops")),
    changes: [...freed.values()].sort(mostFirst("frees")),
  };
}

// What was not met before: its codes' entries, and the changes that turn all of it away.
function newlyMet(model, codes, against) {
  const reasons = against.map((at) => model.reasons[at]);
  const entries = [...new Set(reasons.map(({ code }) => code))].map((code) => {
    if (!codes.has(code)) {
      codes.set(code, { code, stops: 0, alone: 0, about: new Map(), pairs: [] });
    }
    return codes.get(code);
  });
  const changes = [...model.data.changes.keys()].filter((at) => {
    const turned = model.data.changes[at][2];
    return reasons.every(
      ({ code, feature }) => turned.includes(code) || turned.includes(`${code} ${feature}`),
    );
  });
  return { reasons, entries, changes, times: 0 };
}

function addUp(codes, { reasons, entries, times }) {
  for (const entry of entries) {
    entry.stops += times;
    entry.alone += entries.length === 1 ? times : 0;
  }
  for (const { code, feature, place, hiddenBy } of reasons) {
    const { about } = codes.get(code);
    const key = [feature, place, hiddenBy].join("\n");
    about.set(key, { feature, place, hiddenBy, times: times + (about.get(key)?.times ?? 0) });
  }
}

function addPair(pairs, source, destination) {
  const last = pairs.at(-1);
  if (!last || last[0] !== source || last[1] !== destination) {
    pairs.push([source, destination]);
  }
}

function free(model, freed, at, source, destination, times) {
  const [action, side] = model.data.changes[at];
  const group = side === "source" ? source : destination;
  const key = at * model.groups.length + group.at;
  if (!freed.has(key)) {
    freed.set(key, { action, side, group, frees: 0 });
  }
  freed.get(key).frees += times;
}
